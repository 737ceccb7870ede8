"""`pantau sim powercut|load`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from pantau_sim.powercut import Result


@click.group("sim")
def command() -> None:
    """The simulator's sweeps and loads: the real node core on simulated hardware, and fleets of frames."""


@command.command()
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Try each N-th cut only.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the torn bits and of the node's random numbers."
)
@click.option("--hours", type=click.FloatRange(0.1, 168), default=168, show_default=True, help="Length of the script.")
@click.option(
    "--full", "arrangement", flag_value="full", help="The smallest ring and an outage that it cannot hold: overwritten."
)
@click.option(
    "--fallback", "arrangement", flag_value="files", help="No partitions: files on littlefs, as on a stock image."
)
@reports.option
def powercut(every: int, seed: int, hours: float, arrangement: str | None, report: Path | None) -> None:
    """A scripted week of a node, its power cut before, within and after every write and erase of the flash.

    After each cut the node must boot, keep identity and configuration (the old or the new where it was being changed), refuse
    a replayed order, and deliver every committed record once. Exits 1 if it does not.
    """
    from pantau_sim.powercut import sweep

    try:
        result = sweep(every, seed, hours, arrangement or "ring")
    except ModuleNotFoundError as error:
        raise FailedError(f"{error}: pip install 'pantau[sim]'") from None
    reports.write(report, result.report())
    _tell(result)


def _tell(result: Result) -> None:
    click.echo(
        f"{result.cuts} cuts in {result.operations} operations: {result.booted} booted, "
        f"{result.identity_kept} kept the identity, {result.config_kept} the configuration "
        f"({result.proved} proved, {result.taken_back} taken back), {result.orders_refused} refused the replay\n"
        f"records committed {result.committed}, delivered {result.delivered}, overwritten {result.overwritten}, "
        f"lost {result.lost}, duplicates {result.duplicates}"
    )
    for failure in result.failures:
        click.echo(failure)
    if not result.good:
        raise FailedError("the node does not survive every power cut: the lines above name the operations")


@command.command()
@click.option("--nodes", type=click.IntRange(1, 100_000), default=10_000, show_default=True)
@click.option("--rate", type=click.FloatRange(0.001), default=100.0, show_default=True, help="Frames a second, of all.")
@click.option("--url", metavar="URL", help="mqtt[s]://[USER:PASSWORD@]HOST[:PORT]")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The CA of an mqtts broker.")
@click.option("--connections", type=click.IntRange(1), help="Share so many [one per node, if files allow].")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=30.0, show_default=True, help="How long to offer the load."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the keys, the values and the order.")
@click.option("--city", default="tng", show_default=True, help="The <city> of the topics.")
@click.option("--broker-only", is_flag=True, help="There is no bridge: do not wait for its acknowledgements.")
@click.option(
    "--registry",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write registry.toml and keys.json of this fleet, which its bridge needs, into DIR; without --url do only that.",
)
@reports.option
def load(
    nodes: int, rate: float, url: str | None, ca: Path | None, connections: int | None, seconds: float, seed: int, city: str,
    broker_only: bool, registry: Path | None, report: Path | None,
) -> None:  # fmt: skip
    """A fleet that speaks the real wire format with real keys, from this process.

    Open loop: every frame has its instant before the run begins, and latencies count from it. Exits 1 if a frame was shed, not
    confirmed by the broker, or not acknowledged by the bridge.
    """
    from pantau_sim.load import files, frames, run, target

    try:
        fleet = frames.Fleet(city, nodes, seed)
        where = None if url is None else target.parse(url, ca)
        if registry is not None:
            files.write_registry(registry, fleet)
            click.echo(f"registry.toml and keys.json for {nodes} nodes are in {registry}")
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    if where is None:
        if registry is None:
            raise UsageError("give --url for a load, --registry DIR for the bridge's files, or both")
        return
    options = run.Options(where, city, nodes, rate, seconds, seed, connections, broker_only)
    try:
        result = asyncio.run(run.run(options, fleet, click.echo))
    except run.LoadError as error:
        raise FailedError(str(error)) from None
    reports.write(report, result)
    _tell_load(result)


def _tell_load(result: dict[str, Any]) -> None:
    click.echo(
        f"\noffered {result['offered']} frames at {result['rate']:g}/s, shed {result['shed']}, "
        f"confirmed by the broker {result['pubacked']}, acknowledged by the bridge {result['acked']}; "
        f"{result['reconnects']} reconnects, this generator at most {result['generator_behind_ms']:g} ms late"
    )
    for place, words in (
        ("broker", "to the broker's PUBACK"),
        ("bridge", "to the bridge's authenticated acknowledgement"),
    ):
        figures = result["latency_ms"][place]
        if figures["max"]:
            told = "  ".join(f"{name} {value:g}" for name, value in figures.items())
            click.echo(f"\nfrom a frame's instant {words}, ms: {told}\n" + "\n".join(result["histograms"][place]))
    missing = result["sent"] - result["pubacked"]
    if result["shed"] or missing or result["unacked"]:
        why = f" ({result['trouble']})" if result["trouble"] else ""
        raise FailedError(
            f"{result['shed']} frames were shed, {missing} not confirmed by the broker, {result['unacked']} not acknowledged by "
            f"the bridge{why}; is it running, with the registry and keys of this fleet (--registry DIR)?"
        )

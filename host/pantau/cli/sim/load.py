"""`pantau sim load`: frames of a whole city from one process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, UsageError


@click.command("load")
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
def command(
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
    _tell(result)


def _tell(result: dict[str, Any]) -> None:
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

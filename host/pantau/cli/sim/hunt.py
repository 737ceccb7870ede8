"""`pantau sim hunt`: random scenarios, what must hold of every run, and failing cases shrunk to files."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError

if TYPE_CHECKING:
    from pantau_sim.hunt.case import Found

_FOUND = Path("tests/scenarios/found")  # of a checkout


@click.command("hunt")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="How long.")
@click.option(
    "--seed",
    type=click.IntRange(0, 1 << 40),
    help="Of the first case; each next one has the next [another one each time].",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Cases at a time.")
@click.option("--cases", type=click.IntRange(1), help="No more than so many.")
@click.option("--case", "one", type=click.IntRange(0, 1 << 40), metavar="SEED", help="Play this case alone.")
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Play a case's file.")
@click.option(
    "--found",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where failing cases are saved [{_FOUND} in a checkout, else found].",
)
@reports.option
def command(
    minutes: float, seed: int | None, jobs: int, cases: int | None, one: int | None, replay: Path | None, found: Path | None,
    report: Path | None,
) -> None:  # fmt: skip
    """Play random small cities with faults that meet, strangers and storms, and hold each to the design's invariants.

    A case that fails is made smaller for as long as the same fails, and saved as a scenario file. Exits 1 on failures.
    """
    from pantau_sim.hunt.case import play, play_scenario
    from pantau_sim.hunt.draw import draw
    from pantau_sim.hunt.session import Hunt, Options
    from pantau_sim.scenario.file import load
    from pantau_sim.vm import MissingVmError, check_vm, find_vm

    try:
        check_vm(find_vm())
        if one is not None:
            _judge(f"the case of seed {one}", play(draw(one), twice=True))
            return
        if replay is not None:
            _judge(str(replay), play_scenario(*load(str(replay)), twice=True))
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends it hears what it saw
        first = secrets.randbelow(1 << 31) if seed is None else seed
        click.echo(f"hunting from seed {first} on, {jobs} at a time")
        folder = found or (_FOUND if _FOUND.is_dir() else Path("found"))
        tally = Hunt(Options(minutes, first, jobs, cases or 0, folder), click.echo).run().report()
    except MissingVmError as error:
        raise MissingError(str(error)) from None
    reports.write(report, tally)
    _tell(tally)


def _judge(what: str, found: Found) -> None:
    hours = found.counts["node-milliseconds"] / 3_600_000
    click.echo(f"{what}: {found.counts['nodes']} nodes, {hours:.1f} node-hours, {found.counts['records']} records")
    for broken in found.broken:
        click.echo(f"  {broken.invariant}: {broken.what}")
    if found.broken:
        raise FailedError(f"{len(found.broken)} invariants do not hold")


def _tell(tally: dict[str, Any]) -> None:
    click.echo(
        f"\n{tally['cases']} cases, {tally['node_hours']} node-hours, {tally.get('records', 0)} records in "
        f"{tally['minutes']:g} minutes; {tally.get('boots', 0)} boots, {tally.get('messages', 0)} messages, "
        f"{tally.get('refused', 0)} refused"
    )
    for name in ("faults", "clients", "ailments", "invariants_checked"):
        click.echo(f"{name.replace('_', ' ')}: {', '.join(f'{kind} {n}' for kind, n in tally[name].items()) or 'none'}")
    failures = tally["failures"]
    for failure in failures:
        click.echo(f"  seed {failure['seed']}: {failure['invariant']} {failure['file']}")
    if failures:
        raise FailedError(f"{len(failures)} failures; `pantau sim hunt --case SEED` plays one again")

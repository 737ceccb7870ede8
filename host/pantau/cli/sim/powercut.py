"""`pantau sim powercut`: a node whose power is cut at every write of its flash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim import powercut_update
    from pantau_sim.powercut import Result


@click.command("powercut")
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
@click.option("--update", is_flag=True, help="One update over the air instead of the week: old or new after each cut.")
@reports.option
def command(every: int, seed: int, hours: float, arrangement: str | None, report: Path | None, *, update: bool) -> None:
    """A scripted week of a node, its power cut before, within and after every write and erase of the flash.

    After each cut the node must boot, keep identity and configuration (the old or the new where it was being changed), refuse
    a replayed order, and deliver every committed record once. With --update it must run the old or the new version, whole,
    and take the update in the end. Exits 1 if it does not.
    """
    from pantau_sim import powercut, powercut_update

    if update and arrangement:
        raise UsageError("--update has files on littlefs, as --fallback has: leave out the other")
    try:
        if update:
            updated = powercut_update.sweep(every, seed)
            reports.write(report, updated.report())
            _tell_update(updated)
            return
        result = powercut.sweep(every, seed, hours, arrangement or "ring")
    except ModuleNotFoundError as error:
        raise FailedError(f"{error}: pip install 'pantau[sim]'") from None
    reports.write(report, result.report())
    _tell(result)


def _tell_update(result: powercut_update.Result) -> None:
    click.echo(
        f"{result.cuts} cuts in {result.operations} operations: {result.booted} booted, {result.old} the old version, "
        f"{result.new} the new, {result.neither} neither; {result.accepted} took the update in the end\n"
        f"records committed {result.committed}, delivered {result.delivered}, lost {result.lost}, "
        f"duplicates {result.duplicates}"
    )
    _judge(result.failures, good=result.good)


def _tell(result: Result) -> None:
    click.echo(
        f"{result.cuts} cuts in {result.operations} operations: {result.booted} booted, "
        f"{result.identity_kept} kept the identity, {result.config_kept} the configuration "
        f"({result.proved} proved, {result.taken_back} taken back), {result.orders_refused} refused the replay\n"
        f"records committed {result.committed}, delivered {result.delivered}, overwritten {result.overwritten}, "
        f"lost {result.lost}, duplicates {result.duplicates}"
    )
    _judge(result.failures, good=result.good)


def _judge(failures: list[str], *, good: bool) -> None:
    for failure in failures:
        click.echo(failure)
    if not good:
        raise FailedError("the node does not survive every power cut: the lines above name the operations")

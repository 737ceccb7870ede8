"""`pantau sim score`: what the platform makes of floods, false floods and traffic, against the truth."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 200  # seeds: more is a slip


class _Seeds(click.ParamType[range]):
    """A range of seeds, or one."""

    name = "A-B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """Return the seeds of `value`."""
        if isinstance(value, range):
            return value
        first, dash, last = str(value).partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            self.fail(f"{value!r} is no range of seeds; write it as 101-110, or one seed as 101", param, ctx)
        seeds = range(int(first), int(last or first) + 1)
        if not 0 < len(seeds) <= _MOST:
            self.fail(f"{value} are {len(seeds)} seeds; name 1 to {_MOST}, the lesser first", param, ctx)
        return seeds


@click.command("score")
@click.option(
    "--seeds",
    type=_Seeds(),
    default="101-110",
    show_default=True,
    help="Each makes a city; 1-8 are set aside for tuning.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes; the report does not depend on it [one a core].")
@click.option("--no-ablation", "ablate", flag_value=False, default=True, help="Leave out what each filter is worth.")
@reports.option
def command(seeds: range, jobs: int | None, ablate: bool, report: Path | None) -> None:
    """Play a city for each seed with the real firmware and the real bridge, and score what the platform said.

    Floods, ten points of false flood for each of a true one, links down a fifth of the time, traffic. docs/score.md defines each
    figure. The same seeds give the same report. Exits 1 when a goal is not reached.
    """
    from pantau_sim.run.city import CityTroubleError
    from pantau_sim.run.workers import WorkerError
    from pantau_sim.score.run import score
    from pantau_sim.vm import MissingVmError, check_vm, find_vm

    many = jobs or os.cpu_count() or 1
    began = time.monotonic()
    try:
        check_vm(find_vm())
        with click.progressbar(length=1000, label=f"{len(seeds)} cities", file=sys.stderr) as bar:
            result = score(seeds, many, lambda share: bar.update(max(0, round(1000 * share) - bar.pos)), ablate=ablate)
    except MissingVmError as error:
        raise MissingError(str(error)) from None
    except (CityTroubleError, WorkerError) as error:
        raise FailedError(str(error)) from None
    except OSError as error:
        raise UsageError(
            f"the work cannot be put down: {error}; is there room in the folder for temporary files?"
        ) from None
    reports.write(report, result)
    _tell(result, time.monotonic() - began)


def _tell(result: dict[str, Any], seconds: float) -> None:
    low, high = result["recall_interval_95"] or (0, 0)
    click.echo(
        f"{result['events']} floods in {result['node_months']:g} node-months, played in {seconds:.0f} s; judged on seeds "
        f"{_some(result['judging_seeds'])}, tuned on {_some(result['tuning_seeds'])}\n"
        f"recall {_shown(result['recall'])} (95 %: {low:.3f} to {high:.3f}), with link and power at the onset "
        f"{_shown(result['recall_linked'])}; {result['false_alerts']} false alerts, {result['false_never_confirmed']} of them "
        f"alarms of nodes that nothing confirmed; links down {_shown(result['links_down'])} of the time"
    )
    if result["played_tuning_seeds"]:
        click.echo(f"seeds {_some(result['played_tuning_seeds'])} were tuned on: their figures prove nothing")
    for name, goal in result["goals"].items():
        click.echo(f"  {'met    ' if goal['met'] else 'NOT MET'} {name}: {_shown(goal['got'])}, {goal['goal']}")
    for row in result["ablation"]:
        idle = "  makes no difference" if row["makes_no_difference"] else ""
        click.echo(
            f"  without {row['off']:30} recall {_shown(row['recall'])}  false {_shown(row['false_alerts_per_node_month'])}"
            f"  p95 {_shown(row['detection_delay_p95_s'])} s{idle}"
        )
    unmet = [name for name, goal in result["goals"].items() if not goal["met"]]
    if unmet:
        raise FailedError(f"not reached: {', '.join(unmet)}; docs/score.md tells what stands in the way")


def _shown(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.4g}"


def _some(seeds: list[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"

"""`pantau sim run`: one scenario, from the first rain to the last acknowledgement."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError, UsageError
from pantau.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@click.command("run")
@click.argument("scenario")
@click.option("--seed", type=click.IntRange(0), help="Of everything that chance decides [the scenario's own].")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes; the report does not depend on it [one a core].")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave stores and the nodes' logs in DIR, for `pantau sim plot DIR`.",
)
@click.option("--verify", is_flag=True, help="First play it twice, and name the first message that differs.")
@reports.option
def command(
    scenario: str, seed: int | None, jobs: int | None, keep: Path | None, verify: bool, report: Path | None
) -> None:
    """Play SCENARIO, a shipped name or a file, and judge what came of it.

    The same scenario and seed give the same report, to the byte, on any machine. Exits 1 when a record was lost or counted twice
    or an expectation is not met, 2 for mistakes in the file.
    """
    from pantau_sim.run.city import CityTroubleError
    from pantau_sim.run.run import DivergenceError, run, workplace
    from pantau_sim.run.run import verify as play_twice
    from pantau_sim.run.sealed import NondeterminismError
    from pantau_sim.run.workers import WorkerError
    from pantau_sim.scenario.check import look
    from pantau_sim.vm import MissingVmError, check_vm, find_vm

    looked = look(scenario, seed)
    if looked.problems or looked.plan is None:
        raise ConfigError(looked.problems)
    name, plan = looked.plan.name, looked.plan
    many = jobs or os.cpu_count() or 1
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty: name a new folder")
    began = time.monotonic()
    try:
        check_vm(find_vm())
        if verify:
            with _bar("playing it twice", 2) as moved:
                play_twice(plan, many, moved)
        with contextlib.ExitStack() as stack:
            folder = keep or Path(stack.enter_context(workplace()))
            with _bar(name) as moved:
                outcome = run(plan, folder, many, moved)
            result = _judge(outcome, folder if keep else None)
    except MissingVmError as error:
        raise MissingError(str(error)) from None
    except (CityTroubleError, DivergenceError, NondeterminismError, WorkerError) as error:
        raise FailedError(str(error)) from None
    reports.write(report, result)
    _tell(result, time.monotonic() - began)


def _judge(outcome: Any, folder: Path | None) -> dict[str, Any]:
    from pantau_sim.expect import judge_all
    from pantau_sim.run.report import report

    result = report(outcome, judge_all(outcome))
    if folder is not None:
        reports.write(folder / "report.json", result)
    return result


@contextlib.contextmanager
def _bar(label: str, times: int = 1) -> Iterator[Callable[[float], None]]:
    """Show how much of virtual time has passed; nothing where nobody looks."""
    with click.progressbar(length=1000 * times, label=label, file=sys.stderr) as bar:
        before = 0.0

        def moved(share: float) -> None:
            nonlocal before
            bar.update(round(1000 * ((share - before) % 1 or 1 - before)))
            before = share % 1

        yield moved


def _tell(result: dict[str, Any], seconds: float) -> None:
    records = result["records"]
    click.echo(
        f"{result['title']}: {result['nodes']} nodes, {result['start']} to {result['end']}, seed {result['seed']}, "
        f"played in {seconds:.0f} s\n"
        f"records due {records['due']}: stored {records['stored']}, in outboxes {records['held']}, in progress at a power cut "
        f"{records['in_progress']}, declared overwritten {records['overwritten']}, lost {result['lost']}, "
        f"twice {result['duplicates']}; quarantined {result['quarantined']}"
    )
    for name, met in result["expectations"].items():
        click.echo(f"  {'met    ' if met else 'NOT MET'} {name}: {result['told'][name]}")
    for node, problems in result["problems"].items():
        click.echo(f"  {node}: {problems[0]}" + (f" and {len(problems) - 1} more" if len(problems) > 1 else ""))
    unmet = [name for name, met in result["expectations"].items() if not met]
    if result["lost"] or result["duplicates"] or result["problems"] or unmet:
        raise FailedError(
            f"lost {result['lost']}, twice {result['duplicates']}, nodes with problems {len(result['problems'])}, "
            f"not met: {', '.join(unmet) or 'none'}; "
            "the same seed plays it again, --keep DIR leaves everything to look at"
        )

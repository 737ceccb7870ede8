"""A run that was kept in a folder (`pantau sim run --keep DIR`), opened again: its plan and truth come of scenario and seed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pantau_sim.plot.gather import PlotError
from pantau_sim.run.outcome import Outcome
from pantau_sim.scenario.file import load, shipped
from pantau_sim.scenario.make import make
from pantau_sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

REPORT, CITY = "report.json", "city"
_STORES = ("city.sqlite3", "alerts.sqlite3")


def opened(folder: Path, scenario: str | None = None) -> Outcome:
    """Return what is left of a run, without the accounts of its nodes. `scenario` is the file where it is none that Pantau ships.

    Raises PlotError, and ConfigError for a scenario with mistakes.
    """
    said = _report(folder)
    name, seed = said["scenario"], said["seed"]
    if scenario is None and name not in shipped():
        raise PlotError(f"{folder} is a run of {name}, which Pantau does not ship: give its file with --scenario")
    name, form = load(scenario or name)
    plan = make(name, form, seed)
    there = (said["scenario"], *(datetime.fromisoformat(said[key]) for key in ("start", "end")), said["nodes"])
    here = (plan.name, *(datetime.fromtimestamp(us / 1e6, UTC) for us in (plan.start_us, plan.end_us)), len(plan.nodes))
    if there != here:
        raise PlotError(
            f"{folder} is a run of {there[0]}, {there[1]} to {there[2]}, {there[3]} nodes; the scenario is now {here[0]}, "
            f"{here[1]} to {here[2]}, {here[3]} nodes: give the file that was played with --scenario"
        )
    return Outcome(
        plan=plan, world=World(plan.seed, plan.world), folder=folder / CITY, nodes={},
        quarantined=Counter(said["quarantined_by_reason"]), conflicts=said["conflicts"], faults=plan.faults,
        injected=Counter(said["sensor_faults"]), digest=said["digest"],
    )  # fmt: skip


def _report(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlotError(
            f"{folder / REPORT} cannot be read ({error}); make a run to draw with: pantau sim run SCENARIO --keep DIR"
        ) from None
    missing = [name for name in _STORES if not (folder / CITY / name).is_file()]
    if missing or not isinstance(said, dict) or "digest" not in said:
        lacks = ", ".join(missing) or f"a report of `pantau sim run` in {REPORT}"
        raise PlotError(f"{folder} lacks {lacks}: it is no whole run; play it again with --keep")
    return said

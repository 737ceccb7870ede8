"""One case: played, judged, counted. Whatever happens in it is a finding, and never an error of the hunt."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau.problems import ConfigError
from pantau_sim.hunt.evidence import Evidence
from pantau_sim.hunt.invariants import ALL, Broken, broken
from pantau_sim.hunt.text import text
from pantau_sim.run.report import report
from pantau_sim.run.run import run, workplace
from pantau_sim.run.trace import difference
from pantau_sim.scenario.file import read
from pantau_sim.scenario.make import make
from pantau_sim.vm import MissingVmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Scenario

RUNS, SAME, CHECKED = "runs-through", "same-again", "case-is-valid"
_OTHER_SEED = "4021"  # of hashes


@dataclass
class Found:
    """What came of a case. `counts` are sums: cases, hours of nodes, records, faults and the like, by name."""

    broken: list[Broken]
    counts: Counter[str] = field(default_factory=Counter)


def play(tables: Mapping[str, Any], *, twice: bool = False) -> Found:
    """Play a case and judge it; `twice`: with other processes and another hash seed too, and compare. Raises MissingVmError."""
    name = f"hunt-{tables['scenario']['seed']}"
    try:
        scenario = read(text(tables), f"{name}.toml")
    except ConfigError as error:
        return Found([Broken(CHECKED, str(error))], Counter(cases=1))
    return play_scenario(name, scenario, twice=twice)


def play_scenario(name: str, scenario: Scenario, *, twice: bool = False) -> Found:
    """Play a scenario with its own seed, as `play` does."""
    counts: Counter[str] = Counter({"cases": 1, f"checked {RUNS}": 1})
    try:
        plan = make(name, scenario, scenario.scenario.seed)
        counts += _planned(plan)
        found, first = _once(plan, counts)
        if twice:
            counts[f"checked {SAME}"] = 1
            found += _again(plan, first)
    except MissingVmError:
        raise
    except Exception as error:  # noqa: BLE001  that is what is hunted
        found = [Broken(RUNS, f"{type(error).__name__}: {error}")]
    return Found(found, counts)


def _once(plan: ScenarioPlan, counts: Counter[str]) -> tuple[list[Broken], Outcome]:
    with workplace() as folder:
        outcome = run(plan, Path(folder))
        outcome.decisions()  # reads what the folder holds
        counts += _played(outcome)
        counts.update(f"checked {name}" for name in ALL)
        return broken(Evidence(outcome, Path(folder))), outcome


def _again(plan: ScenarioPlan, first: Outcome) -> list[Broken]:
    with workplace() as folder:
        second = run(plan, Path(folder), 2, hash_seed=_OTHER_SEED)
        parts = difference(first.trace, second.trace)
        if parts is None and _told(first) != _told(second):
            parts = "the same was said, and the reports differ"
    return [] if parts is None else [Broken(SAME, parts)]


def _told(outcome: Outcome) -> str:
    return json.dumps(report(outcome, {}))


def _planned(plan: ScenarioPlan) -> Counter[str]:
    counts: Counter[str] = Counter()
    counts.update(f"fault {span.kind}" for span in plan.faults)
    counts.update(f"client {span.kind}" for span in plan.clients)
    counts.update(f"ailment {span.kind}" for span in plan.ailments)
    counts["nodes"] = len(plan.nodes)
    counts["node-milliseconds"] = len(plan.nodes) * (plan.end_us - plan.start_us) // 1000
    return counts


def _played(outcome: Outcome) -> Counter[str]:
    counts: Counter[str] = Counter()
    for node in outcome.nodes.values():
        counts.update({"records": node.due, "held": node.held, "boots": len(node.lives), "frames": node.frames})
    counts["messages"] = len(outcome.trace)
    counts["refused"] = sum(outcome.quarantined.values())
    counts["wire and sensor faults that hit"] = sum(outcome.injected.values())
    counts["alert decisions"] = len(outcome.decisions())
    return counts

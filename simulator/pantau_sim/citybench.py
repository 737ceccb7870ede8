"""How fast the simulator is: CPU of a node-day by domain, and a city's day; beside a reference of the same run, for machines differ."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.run.run import run, workplace
from pantau_sim.scenario.make import make
from pantau_sim.scenario.tables import Scenario
from pantau_sim.vm import find_vm

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.scenario.plan import ScenarioPlan

DOMAINS = ("flood", "air", "traffic")
_SITES = {"flood": "street", "air": "background", "traffic": "road"}
_LOOPS = 20_000_000
_START = datetime(2027, 2, 1, tzinfo=UTC)


def measure(nodes: int, hours: float, jobs: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures: `node_days` by domain (CPU s of VM, sensors, broker and bridge), `city` (wall s, CPU s), `reference_cpu_s`.

    `nodes` of each domain stand in the city. CPU is scaled from `hours` to a day.
    """
    reference_s = _reference()
    say(f"reference: the MicroPython VM counts to {_LOOPS:,} in {reference_s:.2f} s of CPU")
    days: dict[str, Any] = {}
    for domain in DOMAINS:
        one, three = (_played_s(domain, count, hours) for count in (1, 3))
        cpu_s = (three - one) / 2 * 24 / hours  # without what a process costs once
        days[domain] = {"cpu_s": round(cpu_s, 2), "to_reference": round(cpu_s / reference_s, 2)}
        say(f"{domain:<8} node-day {cpu_s:.2f} s of CPU = {cpu_s / reference_s:.1f} of the reference")
    before_s, began = _children_s() + time.process_time(), time.monotonic()
    with workplace() as folder:
        outcome = run(plan(dict.fromkeys(DOMAINS, nodes), hours), Path(folder), jobs)
    wall_s = time.monotonic() - began
    cpu_s = _children_s() + time.process_time() - before_s
    city = {
        "nodes": nodes * len(DOMAINS), "hours": hours, "jobs": jobs, "cores": os.cpu_count(), "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1),
        "to_real_time": round(hours * 3600 / wall_s), "records": sum(node.stored for node in outcome.nodes.values()), "lost": outcome.lost,
    }  # fmt: skip
    say(
        f"a city of {city['nodes']} nodes, {hours:g} h: {wall_s:.1f} s with {jobs} processes, {cpu_s:.0f} s of CPU, "
        f"{city['to_real_time']} times faster than real time; {city['records']} records, lost {city['lost']}"
    )
    return {"reference_cpu_s": round(reference_s, 2), "node_days": days, "city": city}


def plan(fleets: dict[str, int], hours: float) -> ScenarioPlan:
    """Return a city of these fleets on a day with the climate's own rain and nothing wrong."""
    tables = {
        "scenario": {
            "title": "Bench", "title_id": "Uji", "about": "A day.", "start": _START, "hours": hours, "calm_h": 0.0, "seeded_rain": True,
        },
        "fleet": [{"domain": domain, "count": count, "site": {"kind": _SITES[domain]}} for domain, count in fleets.items()],
        "expect": [{"name": "all", "check": "nothing_lost"}],
    }  # fmt: skip
    return make("bench", Scenario.model_validate(tables), 1)


def _played_s(domain: str, count: int, hours: float) -> float:
    """Return the CPU of a fleet's run."""
    before = _children_s() + time.process_time()
    with workplace() as folder:
        run(plan({domain: count}, hours), Path(folder))
    return _children_s() + time.process_time() - before


def _reference() -> float:
    before = _children_s()
    subprocess.run([find_vm(), "-c", f"for i in range({_LOOPS}): pass"], check=True)
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""One seed played and measured: everything of it that the report adds up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.files import defaults
from pantau.quality.flags import GOOD
from pantau_sim.expect.completeness import batch
from pantau_sim.expect.outages import outages
from pantau_sim.run.run import run, workplace
from pantau_sim.score import city, store
from pantau_sim.score.alerts import Found, Opening, false, found, openings
from pantau_sim.score.counts import LENGTHS, WAYS, Hour, hours
from pantau_sim.score.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pantau_sim.run.district import Kept
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.score.alerts import Said

DAY_S = 86_400
_FLOODS = 0.9  # of the work on a seed
NEAR_M, FAR_M = 1.0, 3.0  # of the water, for the goal on depth


class Alerts(NamedTuple):
    """What became of the floods, and the alerts that were none."""

    events: tuple[Found, ...]
    false: tuple[Opening, ...]
    true: int


@dataclass(slots=True)
class Measured:
    """One seed. `depth_mm` counts good levels by their error in tenths of a mm, `clean_mm` those of them under which nothing odd sat."""

    seed: int
    node_days: float
    alerts: Alerts
    depth_mm: Counter[int]
    clean_mm: Counter[int]
    hours: list[Hour] = field(default_factory=list)
    due: int = 0
    stored: int = 0
    lost: int = 0
    duplicates: int = 0
    link_down: float = 0.0  # node-days
    all_node_days: float = 0.0
    log: tuple[ScenarioPlan, list[Kept]] | None = None  # of the flood stations, for the ablation


def play(seed: int, size: city.Size, jobs: int, progress: Callable[[float], None] = lambda _share: None) -> Measured:
    """Play the seed's cities and measure them."""
    plan = city.flood(seed, size)
    with workplace() as folder:
        outcome = run(plan, Path(folder), jobs, lambda share: progress(_FLOODS * share))
        measured = _floods(outcome)
        _account(measured, outcome)
    measured.log = (plan, outcome.kept)
    if size.traffic_h:
        plan = city.traffic(seed, size)
        with workplace() as folder:
            outcome = run(plan, Path(folder), jobs, lambda share: progress(_FLOODS + (1 - _FLOODS) * share))
            for site in plan.world.sites:
                measured.hours += hours(outcome, site, LENGTHS if site.id == city.PAIR else WAYS)
            _account(measured, outcome)
    return measured


def held_against(decisions: Iterable[Said], plan: ScenarioPlan, truth: Truth) -> Alerts:
    """Return what decisions are worth against the truth."""
    told = openings(decisions)
    rules = defaults().rules
    wrong = [one for one in told if one.station in truth.events and false(one, truth, rules)]
    events = [
        found(event, told, outages(plan, event.station))
        for name in sorted(truth.events)
        for event in truth.events[name]
    ]
    return Alerts(tuple(events), tuple(wrong), len(told) - len(wrong))


def _floods(outcome: Outcome) -> Measured:
    plan = outcome.plan
    truth = Truth(plan, outcome.world)
    alerts = held_against(store.decisions(outcome.folder), plan, truth)
    depth, clean = Counter[int](), Counter[int]()
    for site in plan.world.sites:
        _depths(outcome, site.id, depth, clean)
    return Measured(plan.seed, days(plan, len(city.watched(plan))), alerts, depth, clean)


def _depths(outcome: Outcome, station: str, depth: Counter[int], clean: Counter[int]) -> None:
    """Count the errors of good levels while the water is at 1 to 3 m from the sensor."""
    truth = outcome.world.station(station)
    spells = [(s.start_us / 1e6, s.end_us / 1e6) for s in outcome.plan.ailments if s.station == station]
    at = 0
    for row in outcome.series(station, "water_level"):
        t_s = row.observed_ms / 1000
        while at < len(spells) and spells[at][1] < t_s:
            at += 1
        if row.quality != GOOD or row.value is None or not NEAR_M <= truth("water_distance", t_s) <= FAR_M:
            continue
        error = round(10_000 * abs(row.value - truth("water_level", t_s)))
        depth[error] += 1
        clean[error] += at == len(spells) or t_s < spells[at][0]


def _account(measured: Measured, outcome: Outcome) -> None:
    """Add what was due and what is stored: a record in progress at a power cut, and a last batch that is not full, are not due yet."""
    for node in outcome.nodes.values():
        measured.due += node.due - node.in_progress - min(node.held, batch(outcome.plan, node.node))
        measured.stored += node.stored
        measured.link_down += node.link_down_us / 1e6 / DAY_S
    measured.lost += outcome.lost
    measured.duplicates += outcome.duplicates
    measured.all_node_days += days(outcome.plan, len(outcome.plan.nodes))


def days(plan: ScenarioPlan, nodes: int) -> float:
    """Return how many node-days so many nodes have in a plan."""
    return nodes * (plan.end_us - plan.start_us) / 1e6 / DAY_S

"""alert: a rule raises an alert at each station, as bad as asked, and in time after the truth reached the rule's level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import after, clock, stations
from pantau_sim.expect.rules import known, rank, too_soon

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome, Raised
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def raised(outcome: Outcome, station: str, rule: str | None, severity: str | None) -> list[Raised]:
    """Return the decisions that an alert of a rule stands at a station, as bad as that or worse."""
    least = rank(severity)
    return [
        one
        for one in outcome.decisions()
        if one.alert.station == station and rule in {None, one.alert.rule} and one.entry.severity >= least
    ]


def _judge(outcome: Outcome, expect: Expect) -> Met:
    assert expect.rule is not None
    met, told = True, []
    for station in stations(outcome.plan, expect):
        found = raised(outcome, station, expect.rule, expect.severity)
        if not found:
            met = False
            told.append(f"{station} none")
            continue
        decided = min(one.entry.decided_ms for one in found) / 1000
        truth = known(outcome.plan, outcome.world, station, expect.rule, expect.severity).at_s
        late = None if truth is None else decided - truth
        if expect.within_s is not None and late is not None and late > expect.within_s:
            met = False
        told.append(f"{station} {clock(decided)}{after(late, 'the truth')}")
    asked = f" (asked for {expect.within_s:g} s)" if expect.within_s is not None else ""
    return Met(met, f"{expect.rule} {expect.severity or ''}: {', '.join(told)}{asked}")


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    for station in stations(plan, expect):
        truth = known(plan, world, station, expect.rule or "", expect.severity)
        if truth.never is not None:
            return truth.never
        if truth.at_s is not None:
            why = too_soon(plan, station, truth.at_s, expect.within_s, truth.readings, truth.hold_s)
            if why is not None:
                return why
    return None


CHECK = Check(
    "an alert of a rule at each station", _judge, _possible, (("rule",), ("stations",)), ("severity", "within_s")
)

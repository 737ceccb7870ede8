"""alert_ends: alerts of a rule were raised, and all of them are over at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.alert import raised
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import clock, stations
from pantau_sim.expect.rules import known

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World


def _judge(outcome: Outcome, expect: Expect) -> Met:
    met, told = True, []
    for station in stations(outcome.plan, expect):
        alerts = {one.alert.id: one.alert for one in raised(outcome, station, expect.rule, expect.severity)}
        still = [alert for alert in alerts.values() if alert.closed_ms is None]
        met = met and bool(alerts) and not still
        if not alerts:
            told.append(f"{station} had none")
        elif still:
            told.append(f"{station} still has {len(still)} of {len(alerts)}")
        else:
            last = max(alert.closed_ms or 0 for alert in alerts.values())
            told.append(f"{station} over at {clock(last / 1000)}")
    return Met(met, f"{expect.rule}: {', '.join(told)}")


def _possible(plan: ScenarioPlan, world: World, expect: Expect) -> str | None:
    for station in stations(plan, expect):
        if (why := known(plan, world, station, expect.rule or "", expect.severity).never) is not None:
            return why
    return None


CHECK = Check("alerts of a rule were raised and are over", _judge, _possible, (("rule",), ("stations",)), ("severity",))

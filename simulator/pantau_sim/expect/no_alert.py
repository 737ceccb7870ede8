"""no_alert: no alert of a rule, or of any rule, as bad as that, at these stations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.alert import raised
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import clock, stations

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.tables import Expect

_TOLD = 5


def _judge(outcome: Outcome, expect: Expect) -> Met:
    found: dict[int, str] = {}
    for station in stations(outcome.plan, expect):
        for one in raised(outcome, station, expect.rule, expect.severity):
            found.setdefault(one.alert.id, f"{one.alert.rule} at {station} {clock(one.entry.decided_ms / 1000)}")
    told = f": {', '.join([*found.values()][:_TOLD])}" if found else ""
    return Met(not found, f"{len(found)} alerts{told}")


CHECK = Check("no alert, of a rule or of any", _judge, takes=("rule", "severity", "stations"))

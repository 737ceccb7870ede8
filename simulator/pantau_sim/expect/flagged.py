"""flagged: of the readings of a property while something was wrong with its sensor, the share that was flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.quality.flags import FAIL, MISSING, SUSPECT
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, share, stations, within
from pantau_sim.expect.sickness import sick, spells

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World

_FLAGGED = frozenset({SUSPECT, FAIL, MISSING})


def _judge(outcome: Outcome, expect: Expect) -> Met:
    name = expect.property or ""
    all_of_them = flagged = 0
    for station in stations(outcome.plan, expect):
        times = spells(outcome.plan, station, name)
        rows = [row for row in outcome.series(station, name) if sick(times, row.observed_ms / 1000)]
        all_of_them += len(rows)
        flagged += sum(row.quality in _FLAGGED for row in rows)
    met = all_of_them > 0 and within(flagged / all_of_them, expect)
    what = f"{flagged} of {all_of_them} readings of {name} ({share(flagged, all_of_them)}) flagged, asked for {limits(expect)}"
    return Met(met, what)


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if not any(spells(plan, station, expect.property or "") for station in stations(plan, expect)):
        return f"no ailment and no sensor fault touches {expect.property} there"
    return None


CHECK = Check(
    "share of readings flagged while something was wrong",
    _judge,
    _possible,
    (("property",), ("at_least", "at_most")),
    ("stations",),
    share=True,
)

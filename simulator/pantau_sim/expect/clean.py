"""clean: of the readings of a property while nothing was wrong with its sensor, the share that is good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.quality.flags import GOOD
from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, share, stations, within
from pantau_sim.expect.sickness import sick, spells

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.tables import Expect


def _judge(outcome: Outcome, expect: Expect) -> Met:
    name = expect.property or ""
    all_of_them = good = 0
    for station in stations(outcome.plan, expect):
        times = spells(outcome.plan, station, name)
        rows = [row for row in outcome.series(station, name) if not sick(times, row.observed_ms / 1000)]
        all_of_them += len(rows)
        good += sum(row.quality == GOOD for row in rows)
    met = all_of_them > 0 and within(good / all_of_them, expect)
    what = f"{good} of {all_of_them} readings of {name} ({share(good, all_of_them)}) good, asked for {limits(expect)}"
    return Met(met, what)


CHECK = Check(
    "share of good readings while nothing was wrong",
    _judge,
    needs=(("property",), ("at_least", "at_most")),
    takes=("stations",),
    share=True,
)

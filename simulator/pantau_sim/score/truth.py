"""What really happened, in the words of the score: floods with their onsets, and how fast the water rose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.expect.truth import registered

if TYPE_CHECKING:
    from pantau.alerts.rules import Rise
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.world import World

MARGIN_M = 0.05  # an event is over when the water is so far below the threshold: the hysteresis of the siaga states
TOLERANCE_S = 600.0  # around an alert, within which the truth may bear it out
ROOM = 0.9  # a robust slope over noisy readings is not the mean slope of the truth
STEP_S = 30


class Event(NamedTuple):
    """One flood at one station: from the second in which the water reaches the station's alert threshold; Unix s."""

    station: str
    onset_s: float
    end_s: float


def level_of(plan: ScenarioPlan, station: str) -> float | None:
    """Return the station's alert threshold, the least of its siaga levels, m; None where it has none."""
    flood = registered(plan, station).flood
    if flood is None:
        return None
    levels = [level for level in (flood.siaga_3, flood.siaga_2, flood.siaga_1) if level is not None]
    return min(levels, default=None)


def events(plan: ScenarioPlan, world: World, station: str) -> list[Event]:
    """Return the floods that begin within the run."""
    level = level_of(plan, station)
    if level is None:
        return []
    start_s, end_s = plan.start_us / 1e6, plan.end_us / 1e6
    found = world.crossings(station, "water_level", level, start_s, end_s, MARGIN_M)
    return [Event(station, onset, end) for onset, end in found if onset > start_s]


class Truth:
    """What the world did at the flood stations of a plan, for whoever asks whether an alert was right."""

    def __init__(self, plan: ScenarioPlan, world: World) -> None:
        self._world = world
        self._start_s = plan.start_us / 1e6
        self.events = {site.id: events(plan, world, site.id) for site in plan.world.sites}
        self._over = {
            site.id: world.crossings(site.id, "water_level", level, self._start_s, plan.end_us / 1e6, MARGIN_M)
            for site in plan.world.sites
            if (level := level_of(plan, site.id)) is not None
        }

    def over(self, station: str, from_s: float, to_s: float) -> bool:
        """Return whether the water is over the station's threshold at some time between the two."""
        return any(onset <= to_s and end >= from_s for onset, end in self._over[station])

    def rises(self, station: str, rule: Rise, from_s: float, to_s: float) -> bool:
        """Return whether the water rises at some time between the two as fast as the rule's first level says, over its window."""
        level = self._world.station(station)
        least_m = ROOM * rule.levels[0].value * rule.window_s / 60
        times = range(int(max(from_s, self._start_s + rule.window_s)), int(to_s) + 1, STEP_S)
        return any(level("water_level", t) - level("water_level", t - rule.window_s) >= least_m for t in times)

"""The physical truth that emulated sensors measure: a pure function of seed, plan, station and Unix time.

Rain, rivers, canals and streets, tide, sun and weather, air, traffic, people, supply: each model is a file with its sources.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from pantau_sim.world.city import City
from pantau_sim.world.plan import Haze, Shower, Site, WorldPlan
from pantau_sim.world.record import TruthRecorder
from pantau_sim.world.station import COUNTED, Station, planned_habits, seeded_place
from pantau_sim.world.stretches import stretches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Haze", "Shower", "Site", "Station", "TruthRecorder", "World", "WorldPlan"]

_SCAN_S = 10.0  # the finest grid of any smooth property


class World:
    """All stations under one seed, in a plan's city or in one made up. The same seed gives the same world, whatever was asked before."""

    def __init__(self, seed: int = 0, plan: WorldPlan | None = None) -> None:
        self.seed = seed
        self.plan = plan
        self._city = City(seed, plan)
        self._sites = {site.id: site for site in plan.sites} if plan else {}
        self._stations: dict[str, Station] = {}

    def station(self, station_id: str) -> Station:
        """The truth at a station; without a plan any id is one. KeyError for one that the plan does not have."""
        if station_id not in self._stations:
            self._stations[station_id] = self._make(station_id)
        return self._stations[station_id]

    def truth(self, station_id: str, name: str, t_unix_s: float) -> float:
        """Value of one property at one station and instant. KeyError for an unknown property."""
        return self.station(station_id)(name, t_unix_s)

    def interval(self, station_id: str, name: str, t0_s: float, t1_s: float) -> float | None:
        """Value of a counted or averaged property over (t0_s, t1_s]."""
        return self.station(station_id).interval(name, t0_s, t1_s)

    def series(self, station_id: str, name: str, t0_s: float, t1_s: float, step_s: float) -> NDArray[np.float64]:
        """Values at t0_s, t0_s + step_s, .. up to t1_s; of what is counted, each over the step before it, NaN where there is none."""
        import numpy as np  # noqa: PLC0415: the demo has a world and no numpy

        station = self.station(station_id)
        times = [t0_s + k * step_s for k in range(math.floor((t1_s - t0_s) / step_s + 1e-9) + 1)]
        if name in COUNTED:
            counted = (station.interval(name, t_s - step_s, t_s) for t_s in times)
            return np.array([math.nan if value is None else value for value in counted], dtype=np.float64)
        return np.array([station(name, t_s) for t_s in times], dtype=np.float64)

    def crossings(
        self, station_id: str, name: str, level: float, t0_s: float, t1_s: float, hysteresis: float = 0.0
    ) -> list[tuple[float, float]]:
        """Stretches of [t0_s, t1_s] from the second in which the truth reaches `level` to that in which it is below level - hysteresis."""
        station = self.station(station_id)
        return stretches(lambda t_s: station(name, t_s), level, level - hysteresis, (t0_s, t1_s), _SCAN_S)

    def storm(self, centre_s: float, peak_mm_h: float, width_s: float) -> None:
        """Add a shower over the whole city; the world is another one from then on."""
        self._city.sky.named.append(Shower(centre_s, peak_mm_h, width_s))
        self._clear()

    def haze(self, centre_s: float, peak_ug_m3: float, width_s: float) -> None:
        """Add an episode of smoke, of which there is none by itself; the world is another one from then on."""
        self._city.hazes.append(Haze(centre_s, peak_ug_m3, width_s))
        self._clear()

    def _clear(self) -> None:
        self._city.clear()
        for station in self._stations.values():
            station.clear()

    def _make(self, station_id: str) -> Station:
        if self.plan is None:
            site, habits = seeded_place(self.seed, station_id)
            return Station(self._city, site, habits, None)
        site_or_none = self._sites.get(station_id)
        if site_or_none is None:
            near = difflib.get_close_matches(station_id, self._sites, 1)
            raise KeyError(f"the plan has no station {station_id!r}{f': did you mean {near[0]!r}?' if near else ''}")
        place = (site_or_none.latitude, site_or_none.longitude)
        return Station(self._city, site_or_none, planned_habits(self.seed, station_id), place)

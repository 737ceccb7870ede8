"""The water that a flood station looks at: of a river, a canal, or the street it hangs over. Models in river.py, canal.py and street.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.world.canal import Canal
from pantau_sim.world.grid import Table, pointwise
from pantau_sim.world.river import RiverLevel
from pantau_sim.world.street import Street

if TYPE_CHECKING:
    from pantau_sim.world.city import City
    from pantau_sim.world.plan import Site
    from pantau_sim.world.rain import Rain

_BLIND_M = 0.03  # no head sees nearer


class WaterModel:
    """Level in m above the station's zero, and the distance that a sensor above it sees."""

    def __init__(self, city: City, site: Site, rain: Rain, lag_s: float) -> None:
        self.mount_m = site.sensor_height_m
        self.base_m = site.base_m
        self.float_m = self.base_m + 0.5  # the float switch hangs well above what the tide of a canal reaches (0.12 m)
        self._ground_m = 0.0
        self._street: Street | None = None
        if site.kind in {"river", "mouth"}:
            if site.river is None:
                raise ValueError(
                    f"station {site.id} is a {site.kind} of no river: its site needs `river`, one of the plan's"
                )
            flow = city.flow(site.river, site.km)
            self.level: Table = pointwise(RiverLevel(site, flow, city.tide, city.mouth_km(site.river) - site.km).at)
        elif site.kind == "canal":
            self.level = Table(Canal(site, rain, lag_s, city.tide).levels)
        else:
            self._ground_m = site.base_m
            self._street = street = Street(site, rain, city.start_s)
            self.level = Table(
                lambda start_s, step_s, count: [site.base_m + street.at(start_s + k * step_s) for k in range(count)],
                10.0,
                360,
            )

    def level_m(self, t_s: float) -> float:
        """Water level in m."""
        return self.level.at(t_s)

    def depth_m(self, t_s: float) -> float:
        """Water over a probe on the ground of a street or on the station's zero, in m."""
        return self.level.at(t_s) - self._ground_m

    def over_ground_m(self, t_s: float) -> float:
        """Water over the dry level, in m."""
        return self.level.at(t_s) - self.base_m

    def on_road_m(self, t_s: float) -> float:
        """Water on the road here, in m: none where the water is a river's or a canal's."""
        return self._street.at(t_s) if self._street else 0.0

    def distance_m(self, t_s: float) -> float:
        """Distance from sensor to water in m; never below 30 mm under the sensor."""
        distance = self.mount_m - self.level.at(t_s)
        return max(_BLIND_M, distance)

    def contact(self, t_s: float) -> float:
        """1 while the water is up to the float switch, at float_m above the station's zero."""
        return float(self.level.at(t_s) >= self.float_m)

    def clear(self) -> None:
        """A shower was added."""
        if self._street:
            self._street.clear()
        self.level.clear()

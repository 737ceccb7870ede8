"""The truth at one place: every model that stands there, each property a look-up in a table that is made when it is first asked for."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world import traffic
from pantau_sim.world.air import TOWN_MEAN, AirModel
from pantau_sim.world.flow import Demand
from pantau_sim.world.grid import Table, pointwise
from pantau_sim.world.people import PeopleModel
from pantau_sim.world.plan import Site
from pantau_sim.world.power import Battery
from pantau_sim.world.rain import Rain
from pantau_sim.world.sun import Sun
from pantau_sim.world.traffic import TrafficModel
from pantau_sim.world.water import WaterModel
from pantau_sim.world.weather import Box, WeatherModel, wetness

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.sensors.base import Pass
    from pantau_sim.world.city import City

TIP_MM = 0.2
COUNTED = ("rain_tips", "rain_amount", *traffic.COUNTS)


@dataclass(frozen=True, slots=True)
class Habits:
    """What the seed says of a place and a plan does not."""

    rain_share: float = 1.0  # of the rain that the gauge there catches
    lag_s: float = 1800.0  # of the canal
    air_phase: float = 0.0
    drift: float = 0.0  # of traffic, towards the sensor in the morning


def seeded_place(seed: int, station_id: str) -> tuple[Site, Habits]:
    """Return a place for a station of which no plan says anything: a canal by a road, without a signal near."""
    rng = Prng(seed, zlib.crc32(station_id.encode()))
    rain_share = 0.7 + 0.6 * rng.unit()
    mount_m = 2.6 + 0.8 * rng.unit()
    base_m = 0.15 + 0.2 * rng.unit()
    tide_m = 1.5 * (0.02 + 0.06 * rng.unit())
    rng.unit()
    rise_m = 50 * (0.004 + 0.008 * rng.unit())
    lag_s = 900 + 1800 * rng.unit()
    pm2_5 = TOWN_MEAN * (22 + 18 * rng.unit())
    habits = Habits(rain_share, lag_s, rng.unit())
    flow = 500 + 600 * Prng(seed, zlib.crc32(station_id.encode()), 0x7A).unit()
    site = Site(
        station_id, "canal", 0.0, 0.0, sensor_height_m=mount_m, base_m=base_m, rise_m=rise_m, tide_m=tide_m,
        flow_veh_h=flow, signal_s=0.0, pm2_5_ug_m3=pm2_5,
    )  # fmt: skip
    return site, habits


def planned_habits(seed: int, station_id: str) -> Habits:
    """Return what the seed adds to a planned place."""
    rng = Prng(seed, zlib.crc32(station_id.encode()), 0x4AB)
    return Habits(1.0, 900 + 1800 * rng.unit(), rng.unit(), 0.1 * rng.unit())


class Station:
    """Truth at one place, in the form that emulators take: callable by property, and `passes` for traffic."""

    SMOOTH_S = 10  # over so long a property is as good as straight: an emulator need not ask for each of its packets

    def __init__(self, city: City, site: Site, habits: Habits, place: tuple[float, float] | None) -> None:
        seed, key = city.seed, zlib.crc32(site.id.encode())
        self.id = site.id
        self.site = site
        self.rain_share = habits.rain_share
        self.rain = Rain(city.sky, place, habits.rain_share)
        wet = wetness(self.rain)
        sun = Sun(seed, self.rain)
        self.weather = WeatherModel(seed, wet)
        self.water = WaterModel(city, site, self.rain, habits.lag_s)
        demand = Demand(site, seed, key, self.rain.rate.at, self.water.on_road_m)
        self.air = AirModel(site, seed, habits.air_phase, wet, city.hazes, demand)
        self.traffic = TrafficModel(site, seed, key, demand, habits.drift)
        self.people = PeopleModel(seed, key)
        battery = Battery(site, sun, city.start_s)
        temperature, humidity = pointwise(self.weather.temperature_c), pointwise(self.weather.humidity_pct)
        sunshine = pointwise(sun.irradiance_w_m2)
        box = Box(site, (temperature, humidity), sunshine)
        self._grids: dict[str, Table] = {
            "air_temperature": temperature,
            "relative_humidity": humidity,
            "air_pressure": pointwise(self.weather.pressure_hpa),
            "solar_irradiance": sunshine,
            "box_temperature": box.temperature,
            "box_humidity": box.humidity,
            **{name: pointwise(model) for name, model in self.air.properties().items()},
        }
        self._models: dict[str, Callable[[float], float]] = {
            "water_level": self.water.level_m,
            "water_depth": self.water.depth_m,
            "flood_depth": self.water.over_ground_m,
            "water_distance": self.water.distance_m,
            "water_contact": self.water.contact,
            "rain_rate": self.rain.rate.at,
            "rain_accumulated": self.rain.accumulated.at,
            "battery_mv": battery.at,
            "people": self.people.count,
            **{name: grid.at for name, grid in self._grids.items()},
        }
        self._clears = [self.rain.clear, wet.clear, self.water.clear, self.traffic.clear, battery.clear]

    def __call__(self, name: str, t_s: float) -> float:
        """Value of a property at t_s (Unix s), in its unit of properties.toml; rain as `rain_rate` mm/h and `rain_accumulated` mm."""
        model = self._models.get(name)
        if model is None:
            raise KeyError(
                f"the world has no truth {name!r} at an instant: known are {', '.join(sorted(self._models))}"
            )
        return model(t_s)

    def passes(self, t0_s: float, t1_s: float) -> list[Pass]:
        """Vehicles that pass the sensor in (t0_s, t1_s]."""
        return self.traffic.passes(t0_s, t1_s)

    def interval(self, name: str, t0_s: float, t1_s: float) -> float | None:
        """Truth of a counted or averaged property over (t0_s, t1_s]; None where there is no value (no vehicle)."""
        if name == "rain_tips":
            return int(self("rain_accumulated", t1_s) / TIP_MM) - int(self("rain_accumulated", t0_s) / TIP_MM)
        if name == "rain_amount":
            return self("rain_accumulated", t1_s) - self("rain_accumulated", t0_s)
        return self.traffic.interval(name, t0_s, t1_s)

    def clear(self) -> None:
        """Forget what was worked out: a shower or smoke was added."""
        for clear in self._clears:
            clear()
        for grid in self._grids.values():
            grid.clear()
        self.air.clear()

"""The physical truth that emulated sensors measure: a pure function of seed, station and Unix time.

First version: rain pulses, water level with tide, weather, particles and gases, traffic, people. Each model is a file with its sources.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_sim.world.air import AirModel, Haze
from pantau_sim.world.people import PeopleModel
from pantau_sim.world.rain import RainModel, Storm
from pantau_sim.world.record import TruthRecorder
from pantau_sim.world.traffic import TrafficModel
from pantau_sim.world.water import WaterModel
from pantau_sim.world.weather import WeatherModel

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Pass

__all__ = ["Haze", "Station", "Storm", "TruthRecorder", "World"]

TIP_MM = 0.2


class Station:
    """Truth at one place, in the form that emulators take: callable by property, and `passes` for traffic."""

    def __init__(self, seed: int, rain: RainModel, hazes: list[Haze], station_id: str) -> None:
        key = zlib.crc32(station_id.encode())
        rng = Prng(seed, key)
        self.id = station_id
        self.rain = rain
        self.rain_share = 0.7 + 0.6 * rng.unit()
        self.weather = WeatherModel(rain, Prng(seed, 1))
        self.water = WaterModel(rain, rng)
        self.air = AirModel(rain, rng, hazes)
        self.traffic = TrafficModel(seed, key)
        self.people = PeopleModel(seed, key)
        self._models = {
            "water_level": self.water.level_m,
            "water_depth": self.water.level_m,
            "water_distance": self.water.distance_m,
            "water_contact": self.water.contact,
            "rain_rate": lambda t_s: self.rain_share * rain.rate_mm_h(t_s),
            "rain_accumulated": lambda t_s: self.rain_share * rain.accumulated_mm(t_s),
            "air_temperature": self.weather.temperature_c,
            "relative_humidity": self.weather.humidity_pct,
            "air_pressure": self.weather.pressure_hpa,
            "pm1": self.air.pm1,
            "pm2_5": self.air.pm2_5,
            "pm10": self.air.pm10,
            "particles_0_3": self.air.particles_0_3,
            "no2": self.air.no2,
            "o3": self.air.o3,
            "so2": self.air.so2,
            "co": self.air.co,
            "co2": self.air.co2,
            "voc": self.air.voc,
            "nox": self.air.nox,
            "people": self.people.count,
        }

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
        return self.traffic.interval(name, t0_s, t1_s)


class World:
    """All stations under one seed. The same seed gives the same world, whatever was asked before."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rain = RainModel(seed)
        self._hazes: list[Haze] = []
        self._stations: dict[str, Station] = {}

    def station(self, station_id: str) -> Station:
        """The truth at a station; made from its id when it is first asked for."""
        if station_id not in self._stations:
            self._stations[station_id] = Station(self.seed, self.rain, self._hazes, station_id)
        return self._stations[station_id]

    def truth(self, station_id: str, name: str, t_unix_s: float) -> float:
        """Value of one property at one station and instant. KeyError for an unknown property."""
        return self.station(station_id)(name, t_unix_s)

    def interval(self, station_id: str, name: str, t0_s: float, t1_s: float) -> float | None:
        """Value of a counted or averaged property over (t0_s, t1_s]."""
        return self.station(station_id).interval(name, t0_s, t1_s)

    def storm(self, centre_s: float, peak_mm_h: float, width_s: float) -> None:
        """Add a storm to the seeded ones; before the first question about its time."""
        self.rain.add(Storm(centre_s, peak_mm_h, width_s))

    def haze(self, centre_s: float, peak_ug_m3: float, width_s: float) -> None:
        """Add an episode of smoke, of which there is none by itself; before the first question about its time."""
        self._hazes.append(Haze(centre_s, peak_ug_m3, width_s))

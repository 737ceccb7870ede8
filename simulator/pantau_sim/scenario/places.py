"""The stations of a scenario, fleets spread out: each with its id, place, sensors and nodes. Pure; a seed decides where a fleet stands."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from pantau_sim.ailments import KINDS
from pantau_sim.scenario import hardware
from pantau_sim.scenario.tables import PlaceTable
from pantau_sim.sensors.base import Prng
from pantau_sim.sensors.tipping_bucket import TIP_MM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.scenario.tables import Fleet, Scenario

HEIGHT_M = 3.0  # of an ultrasonic head above a street, where a fleet does not say
FAR_M = 4.4  # an A02YYUW sees 4.5 m
_KM_PER_DEGREE = 111.2
_BUSES = ("uart", "i2c", "pulse")


def places(scenario: Scenario, seed: int) -> list[PlaceTable]:
    """Return all stations, those of fleets last."""
    found = list(scenario.station)
    for index, fleet in enumerate(scenario.fleet):
        names = fleet_ids(scenario)[index]
        found += [_member(fleet, name, seed) for name in names]
    return found


def fleet_ids(scenario: Scenario) -> list[list[str]]:
    """Return the ids of each fleet's stations: flood-01 and on, past those that are taken."""
    taken = {station.id for station in scenario.station}
    found = []
    for fleet in scenario.fleet:
        names: list[str] = []
        number = 0
        while len(names) < fleet.count:
            number += 1
            name = f"{fleet.domain}-{number:02d}"
            if name not in taken:
                taken.add(name)
                names.append(name)
        found.append(names)
    return found


def _member(fleet: Fleet, name: str, seed: int) -> PlaceTable:
    rng = Prng(seed, zlib.crc32(f"place/{name}".encode()))
    while True:  # a point of the unit disc: three of four tries find one
        east, north = 2 * rng.unit() - 1, 2 * rng.unit() - 1
        if east * east + north * north <= 1:
            break
    km_per_degree_east = round(_KM_PER_DEGREE * math.cos(math.radians(fleet.latitude)), 3)
    return PlaceTable(
        id=name,
        name=f"{fleet.domain.capitalize()} {name.rpartition('-')[2]}",
        domain=fleet.domain,
        latitude=round(fleet.latitude + north * fleet.spread_km / _KM_PER_DEGREE, 5),
        longitude=round(fleet.longitude + east * fleet.spread_km / km_per_degree_east, 5),
        sensor_height_m=HEIGHT_M if fleet.domain == "flood" else None,
        site=fleet.site,
        node=fleet.node,
    )


def sensors(place: PlaceTable) -> list[dict[str, Any]]:
    """Return what the configuration of the station's nodes says of their sensors."""
    if place.node.sensors is None:
        return hardware.usual(place.domain, far=(place.sensor_height_m or HEIGHT_M) > FAR_M)
    return [_sensor(table.model, table.model_dump(exclude_none=True)) for table in place.node.sensors]


def _sensor(name: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return one sensor's configuration; what is not said is the first of its bus, and the usual address."""
    model = hardware.models().get(name)
    if model is None:
        return keys
    said = "pulse" if model.bus == "contact" else model.bus
    made = {"model": name, said: keys.get(said, hardware.places(model.bus)[0])}
    if model.bus == "contact":
        made["contact"] = made["pulse"]  # the node calls an input whose state it asks so
    if model.address is not None:
        made["address"] = keys.get("address", model.address)
    return made


def node_ids(place: PlaceTable) -> list[str]:
    """Return the ids of the station's nodes: the station's own, numbered where there are several."""
    count = place.node.count
    return [place.id] if count == 1 else [f"{place.id}-{number}" for number in range(1, count + 1)]


def alarm_mm(place: PlaceTable) -> int:
    """Return from which distance on the node itself raises alarm: as its table says, else at the station's first level; 0: none."""
    if place.node.alarm_distance_mm or place.domain != "flood" or place.sensor_height_m is None:
        return place.node.alarm_distance_mm
    first = min(levels(place).values(), default=None)
    return 0 if first is None else max(0, round((place.sensor_height_m - first) * 1000))


def levels(place: PlaceTable) -> dict[int, float]:
    """Return the water level in m from which each siaga state holds: 3 waspada, 2 siaga, 1 awas."""
    flood = place.flood
    if flood is None:
        return {}
    named = {3: flood.siaga_3, 2: flood.siaga_2, 1: flood.siaga_1}
    return {state: level for state, level in named.items() if level is not None}


def wired(place: PlaceTable) -> Iterator[tuple[dict[str, Any], hardware.Model]]:
    """Yield the sensors of known models with what is known of them."""
    known = hardware.models()
    for sensor in sensors(place):
        if sensor["model"] in known:
            yield sensor, known[sensor["model"]]


def tip_mm(place: PlaceTable) -> float | None:
    """Return what a tip of the station's gauge is, None without one."""
    gauges = any(sensor["model"] == "tipping_bucket" for sensor in sensors(place))
    return (place.tip_mm or TIP_MM) if gauges else place.tip_mm


_SUITS = {"rain": ("flood",), "climate": ("flood", "air")}  # else an ailment's domain is its stations'


def suits(ailment: str, place: PlaceTable) -> bool:
    """Return whether a station has what the ailment befalls."""
    domain = KINDS[ailment].DOMAIN
    return place.domain in _SUITS.get(domain, (domain,))

"""What cannot stand at a station: wrong surroundings, sensors that the board cannot have, heights that no sensor can see. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pantau.registry import checks
from pantau_sim.scenario import hardware
from pantau_sim.scenario.make import config
from pantau_sim.scenario.places import fleet_ids, levels, node_ids, sensors, wired
from pantau_sim.scenario.words import unknown
from pantau_sim.sensors.tipping_bucket import TIP_MM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pantau_sim.scenario.tables import PlaceTable, Scenario

Found = tuple[tuple[int | str, ...], str]

KINDS = {  # of sites, by the domain of what observes them
    "flood": ("river", "canal", "street", "mouth"),
    "traffic": ("road",),
    "air": ("roadside", "background"),
}
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_MOST_ID = 23  # characters of a node's id on the wire


def contradictions(scenario: Scenario, tables: Mapping[str, Any], kept: Mapping[str, Sequence[int]]) -> Iterator[Found]:
    """Yield every contradiction of stations, fleets and nodes."""
    for path, words in checks.contradictions({"station": tables.get("station")}):
        yield tuple(int(m[2]) if m[2] else m[1] for m in _PART.finditer(path)), words
    rivers = [river.name for river in scenario.river]
    doubles = Counter(rivers)
    for at, river in zip(kept["river"], scenario.river, strict=True):
        if doubles[river.name] > 1:
            yield ("river", at, "name"), f"{river.name} occurs {doubles[river.name]} times; names are unique"
    for at, place in zip(kept["station"], scenario.station, strict=True):
        for key, words in (*_site(place, rivers), *_sensors(place), *_heights(place), *_node(place, scenario)):
            yield ("station", at, *key), words
    for at, fleet in zip(kept["fleet"], scenario.fleet, strict=True):
        for key, words in (*_site(fleet, rivers), *_sensors(fleet)):
            yield ("fleet", at, *key), words
    yield from _ids(scenario, kept["station"])


def _site(place: Any, rivers: Sequence[str]) -> Iterator[Found]:
    site = place.site
    if site.kind not in KINDS[place.domain]:
        fit = ", ".join(KINDS[place.domain])
        yield ("site", "kind"), f"a {place.domain} station does not stand at a {site.kind}; it may be: {fit}"
    if site.river is not None and site.river not in rivers:
        yield ("site", "river"), unknown("river", site.river, rivers) if rivers else "there is no [[river]]; add it"
    if site.kind in {"river", "mouth"} and site.river is None:
        yield ("site",), "river is missing; name the [[river]] that it stands at"


def _sensors(place: Any) -> Iterator[Found]:
    """Yield sensors that do not exist or that the board cannot have, two in one place of a bus among them."""
    if place.node.sensors is None:
        return
    taken: dict[tuple[str, int, int | None], str] = {}
    for at, (table, sensor) in enumerate(zip(place.node.sensors, sensors(place), strict=True)):
        where = ("node", "sensors", at)
        model = hardware.models().get(table.model)
        if model is None:
            yield (*where, "model"), unknown("sensor model", table.model, hardware.models())
            continue
        bus = "pulse" if model.bus == "contact" else model.bus
        for key in ("uart", "i2c", "pulse", "address"):
            if getattr(table, key) is not None and key != bus and (key != "address" or bus != "i2c"):
                yield (*where, key), f"{table.model} is connected by {bus}; remove this"
        number = sensor[bus]
        if number not in hardware.places(bus):
            has = ", ".join(map(str, hardware.places(bus)))
            yield (*where, bus), f"the board ({hardware.BOARD}) has no {bus} {number}; it has: {has}"
        wire = (bus, number, sensor.get("address"))
        if wire in taken:
            of = "" if wire[2] is None else f" address {wire[2]}"
            yield where, f"{bus} {number}{of} is taken by {taken[wire]}; give one of them another"
        taken[wire] = table.model


def _heights(place: PlaceTable) -> Iterator[Found]:
    """Yield what an ultrasonic head at that height can never see: the water at rest, or a level that somebody waits for."""
    if place.domain != "flood":
        return
    head = next(((s, m) for s, m in wired(place) if m.most_mm is not None and m.least_mm is not None), None)
    if head is not None:
        model = head[1]
        if place.sensor_height_m is None:
            yield ("sensor_height_m",), f"is missing; a level is made of it and of what the {model.name} measures"
            return
        rest_mm = (place.sensor_height_m - place.site.base_m) * 1000
        if rest_mm >= (model.most_mm or 0):
            yield (
                ("sensor_height_m",),
                f"hangs {rest_mm / 1000:g} m above the water at rest; {model.name} sees {(model.most_mm or 0) / 1000:g} m",
            )
        for state, level in sorted(levels(place).items()):
            if (place.sensor_height_m - level) * 1000 <= (model.least_mm or 0):
                words = f"is nearer to the sensor than {model.name} can see ({(model.least_mm or 0) / 1000:g} m)"
                yield ("flood", f"siaga_{state}"), f"{words}; hang it higher or lower this"
    gauge = any(model.name == "tipping_bucket" for _, model in wired(place))
    if gauge and place.tip_mm not in {None, TIP_MM}:
        yield ("tip_mm",), f"the simulated gauge tips every {TIP_MM} mm; write that or leave it out"


def _node(place: PlaceTable, scenario: Scenario) -> Iterator[Found]:
    """Yield what the firmware itself would say of the configuration."""
    if place.node.sensors is not None and len(list(wired(place))) != len(place.node.sensors):
        return  # an unknown model has its own message
    for words in hardware.refuses(config(place, place.id, scenario.profile)):
        yield ("node",), f"the node would refuse {words}"


def _ids(scenario: Scenario, kept: Sequence[int]) -> Iterator[Found]:
    """Yield stations whose nodes would have ids that are too long or another's."""
    fleets = [name for names in fleet_ids(scenario) for name in names]
    every = Counter(node for place in scenario.station for node in node_ids(place))
    stations = Counter(place.id for place in scenario.station)
    every.update(fleets)
    for at, place in zip(kept, scenario.station, strict=True):
        for node in node_ids(place):
            if len(node) > _MOST_ID:
                words = f"its node would be called {node}: {len(node)} characters where {_MOST_ID} are allowed"
                yield ("station", at, "id"), f"{words}; shorten it"
            elif every[node] > 1 and stations[place.id] == 1:  # the same station twice has its own message
                yield ("station", at, "id"), f"its node {node} is another station's too; rename one"

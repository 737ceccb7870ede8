"""Observations as entities of the Smart Data Models, in NGSI-LD's normalized form. I/O-free.

What the models have no word for travels beside the value under names that are whole URIs, which no context has to explain:
the quality flag, its reason, the record that the value came in, and the interval that a count covers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau import mapping
from pantau.registry import NEVER_MS
from pantau.sinks.sqlite import FUTURE_TOLERANCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pantau.mapping import Attribute, Domain, EntityType
    from pantau.model import Observation
    from pantau.registry import Station

Json = dict[str, Any]
Record = tuple[int, ...]  # boot, seq, index; () when the target does not say

QUALITY, REASON = "urn:pantau:quality", "urn:pantau:reason"
RECORD, INTERVAL = "urn:pantau:record", "urn:pantau:interval"
# Models that must have a place, or say nothing without one: without it the value is told as a DeviceMeasurement.
_PLACED = frozenset({"AirQualityObserved", "FloodMonitoring", "WeatherObserved"})
_REFERS_TO_DEVICE = frozenset({"AirQualityObserved", "DeviceMeasurement", "WeatherObserved"})
_DATE = {"FloodMonitoring": "observationDateTime"}  # the others: dateObserved
_MOST_PLACES, _MOST_INSTANTS = 1 << 16, 1 << 12  # remembered: a record's instant is that of all its properties
_BAD = (3, 4)  # QARTOD suspect and fail


class Reading(NamedTuple):
    """One observation where the models have it: `attribute` of `entity` is `value`, in the model's unit."""

    entity: str
    attribute: Attribute
    value: float | str
    at_ms: int
    quality: int
    reason: str
    record: Record
    interval_s: int  # that the value covers; 0 for an instant, and where it is not known
    node: str
    observed: str  # the property, by our name
    station: Station | None
    future: bool = (
        False  # dated after its own receipt: never the state of now, or it would hold against all that follows
    )

    @property
    def name(self) -> str:
        """Return the name of the attribute."""
        return self.attribute.attribute


def urn(kind: EntityType, city: str, *parts: str) -> str:
    """Return the id of an entity."""
    return ":".join(("urn:ngsi-ld", kind, city, *parts))


def type_of(entity: str) -> str:
    """Return the type that stands in the id of an entity."""
    return entity.split(":", 3)[2]


def reading(city: str, seen: Observation, interval_s: int, station: Station | None) -> Reading:
    """Return a dated observation with a value as the models have it. ValueError, with words, for one that nothing can hold."""
    value, at_ms = seen.value, seen.observed_at_ms
    if value is None or at_ms is None or not math.isfinite(value) or not 0 <= at_ms < NEVER_MS:
        raise ValueError(f"{value} at {at_ms} ms is no reading that JSON can hold")
    entity, attribute, of_period = _where(city, seen.node, seen.property, station.domain if station else None)
    try:
        told = attribute.value(value)
    except mapping.UnmappedProperty:
        attribute, told = mapping.generic(seen.property), value
        entity = place(city, seen.node, seen.property, attribute)
    return Reading(
        entity, attribute, told, at_ms, seen.quality, seen.reason, (seen.boot, seen.seq, seen.index),
        interval_s if of_period else 0, seen.node, seen.property, station, at_ms > seen.received_ms + FUTURE_TOLERANCE_MS,
    )  # fmt: skip


@lru_cache(_MOST_PLACES)
def _where(city: str, node: str, name: str, domain: Domain | None) -> tuple[str, Attribute, bool]:
    """Return entity and attribute of a property, and whether it is of a period. Raises as `mapping.ngsi`."""
    attribute = mapping.ngsi(name, domain)
    if domain is None and attribute.type in _PLACED:
        attribute = mapping.generic(name)
    # All that is said of traffic is said of the time since the record before, its means too.
    of_period = attribute.type == "TrafficFlowObserved" or mapping.observed(name).period
    return place(city, node, name, attribute), attribute, of_period


def place(city: str, node: str, name: str, attribute: Attribute) -> str:
    """Return the entity that holds a property of a node."""
    part = name if attribute.type == "DeviceMeasurement" else attribute.part
    return urn(attribute.type, city, node, *([part] if part else []))


def places(city: str, node: str, name: str) -> list[tuple[str, Attribute]]:
    """Return every entity that may hold a property of a node, with its attribute there."""
    rows = mapping.attributes(name)
    return (
        [(place(city, node, name, row), row) for row in dict.fromkeys((*rows, mapping.generic(name)))] if rows else []
    )


def entity(readings: Sequence[Reading], held_ms: int, city: str) -> Json:
    """Return the entity that `readings` say, at most one of each attribute. `held_ms`: the newest that the target has.

    What goes with the newest alone, its date and its place, is left out when the target has a newer one.
    """
    latest = max(readings, key=lambda r: (r.at_ms, r.interval_s, r.record))
    out: Json = {"id": latest.entity, "type": latest.attribute.type}
    for one in readings:
        out |= values(one)
    if latest.at_ms >= held_ms:
        out |= _date(latest) | _fixed(latest, city)
    return out


def history(readings: Iterable[Reading], here: Station | None) -> Json:
    """Return instances of one entity's attributes through time; with its place where that was not `here`."""
    ordered = sorted(readings, key=lambda r: r.at_ms)
    out: Json = {"id": ordered[0].entity, "type": ordered[0].attribute.type}
    instances: defaultdict[str, list[Json]] = defaultdict(list)
    stood = here
    for one in ordered:
        for name, value in values(one).items():
            instances[name].append(value)
        if one.station is not None and not _same_place(one.station, stood):
            instances["location"].append(location(one.station, one.at_ms))
            stood = one.station
    return out | instances


def key_values(entity: Json) -> Json:
    """Return a normalized entity in the simplified form: what the official schemas judge."""
    return {
        name: value if name in {"id", "type"} else value.get("value", value.get("object"))
        for name, value in entity.items()
        if name != "@context"
    }


@lru_cache(_MOST_INSTANTS)
def instant(at_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03}Z"


def milliseconds(text: str) -> int:
    """Return an RFC 3339 instant as Unix milliseconds. ValueError for anything else."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def prop(value: object, at_ms: int | None = None, code: str | None = None) -> Json:
    """Return a Property."""
    out: Json = {"type": "Property", "value": value}
    if code is not None:
        out["unitCode"] = code
    if at_ms is not None:
        out["observedAt"] = instant(at_ms)
    return out


def values(one: Reading) -> Json:
    """Return the attribute of a reading, and what the model says in words of its value."""
    boot, seq, index = one.record
    value: Json = {
        "type": "Property",
        "value": one.value,
        "observedAt": instant(one.at_ms),
        QUALITY: {"type": "Property", "value": one.quality},
        RECORD: {"type": "Property", "value": f"{boot}/{seq}/{index}"},
    }
    if one.attribute.code is not None:
        value["unitCode"] = one.attribute.code
    if one.reason != "ok":
        value[REASON] = prop(one.reason)
    if one.interval_s:
        value[INTERVAL] = prop(one.interval_s, code="SEC")
    out = {one.name: value}
    if (level := one.attribute.level) is not None and not isinstance(one.value, str):
        out[level.attribute] = prop(level.word(one.value), one.at_ms)
    if one.attribute.type == "DeviceMeasurement":
        out["outlier"] = prop(one.quality in _BAD, one.at_ms)
    return out


def _date(latest: Reading) -> Json:
    end = instant(latest.at_ms)
    if latest.attribute.type != "TrafficFlowObserved" or not latest.interval_s:
        return {_DATE.get(latest.attribute.type, "dateObserved"): prop(end, latest.at_ms)}
    begin = instant(latest.at_ms - 1000 * latest.interval_s)
    told = {"dateObserved": f"{begin}/{end}", "dateObservedFrom": begin, "dateObservedTo": end}
    return {name: prop(value, latest.at_ms) for name, value in told.items()}


def _fixed(latest: Reading, city: str) -> Json:
    """Return what an entity has from the registry and from the mapping, as of its newest reading."""
    kind, station = latest.attribute.type, latest.station
    out: Json = {name: prop(value) for name, value in latest.attribute.fixed}
    if kind in _REFERS_TO_DEVICE:
        out["refDevice"] = {"type": "Relationship", "object": urn("Device", city, latest.node)}
    if kind == "DeviceMeasurement":
        seen = mapping.observed(latest.observed)
        out["controlledProperty"] = prop(seen.name)
        out["measurementType"] = prop(seen.title)
        out["unit"] = prop(seen.unit.uncefact or seen.unit.ucum)
    if station is not None:
        out["name"] = prop(
            station.name if latest.attribute.part is None else f"{station.name}, {latest.attribute.part}"
        )
        out["location"] = location(station, latest.at_ms)
        if kind == "FloodMonitoring":
            out |= _gauge(station)
    return out


def _gauge(station: Station) -> Json:
    """Return the figures of a water gauge that are known, in metres above the station's zero."""
    levels = {
        "referenceLevel": station.level_m(0.0),
        "alertLevel": _siaga(station, "siaga_3"),
        "dangerLevel": _siaga(station, "siaga_1"),
    }
    out = {name: prop(round(level, 3), code="MTR") for name, level in levels.items() if level is not None}
    return {"stationID": prop(station.id)} | out


def _siaga(station: Station, state: str) -> float | None:
    """Return the level from which a state holds, by the station's own table or by its thresholds of that time."""
    own: float | None = getattr(station.flood, state, None)
    if own is not None:
        return own
    limits = (t.value for t in station.thresholds if t.property == "water_level" and t.name == state)
    return next(limits, None)


def _same_place(one: Station, other: Station | None) -> bool:
    return other is not None and (one.latitude, one.longitude) == (other.latitude, other.longitude)


def location(station: Station, at_ms: int) -> Json:
    """Return where something was seen: GeoJSON, so the longitude first."""
    point = {"type": "Point", "coordinates": [station.longitude, station.latitude]}
    return {"type": "GeoProperty", "value": point, "observedAt": instant(at_ms)}

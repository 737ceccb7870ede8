"""A node as a Device of the Smart Data Models, from its health frames. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau import mapping
from pantau.sinks import _ngsi_entities as sdm
from pantau.sinks.sqlite import FUTURE_TOLERANCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.decode import Decoded
    from pantau.registry import Registry
    from pantau.sinks._ngsi_entities import Json

DATE = "dateLastValueReported"
VOLTAGE = "urn:pantau:voltage"
_UNKNOWN_BATTERY = -1  # the model's word for it: a voltage is no level without the cell's curve
# controlledProperty of the model, by the attribute that holds what is observed; else by its type.
_CONTROLS = {
    "currentLevel": "waterLevel", "measuredDistance": "waterLevel", "precipitation": "precipitation",
    "intensity": "trafficFlow", "averageVehicleSpeed": "speed", "occupancy": "occupancy", "temperature": "temperature",
    "relativeHumidity": "humidity", "pressure": "atmosphericPressure", "atmosphericPressure": "atmosphericPressure",
}  # fmt: skip
_CONTROLS_BY_TYPE = {"AirQualityObserved": "airPollution", "FloodMonitoring": "waterLevel"}
_CONTROLS_BY_DOMAIN = {"flood": "waterLevel", "traffic": "trafficFlow", "air": "airPollution"}


class Report(NamedTuple):
    """What a node said of itself, once."""

    entity: str
    at_ms: int
    json: Json


def report(decoded: Decoded, city: str, registry: Registry) -> Report | None:
    """Return what a frame says of its node, None when it is no health frame."""
    health = decoded.health
    if health is None:
        return None
    own_ms = health.get("utc_ms") or 0  # by its own clock where that can be: frames come late
    at_ms = own_ms if 0 < own_ms <= decoded.received_ms + FUTURE_TOLERANCE_MS else decoded.received_ms
    name = sdm.urn("Device", city, decoded.node)
    battery = sdm.prop(_UNKNOWN_BATTERY, at_ms)
    if (millivolts := health.get("battery_mv")) is not None:
        battery[VOLTAGE] = sdm.prop(millivolts / 1000, at_ms, "VLT")
    safe = health.get("safe_profile")
    reported = sdm.prop(sdm.instant(at_ms), at_ms) | {sdm.RECORD: sdm.prop(f"{decoded.boot}/{decoded.seq}/0")}
    device: Json = {
        "id": name, "type": "Device",
        DATE: reported,
        "deviceState": sdm.prop(f"safe profile {safe}" if safe else "ok", at_ms),
        "batteryLevel": battery,
        "category": sdm.prop(["sensor"]),
        "serialNumber": sdm.prop(decoded.node),
    }  # fmt: skip
    if "rssi" in health:
        device["rssi"] = sdm.prop(health["rssi"], at_ms, "DBM")
    if "firmware" in health:
        device["firmwareVersion"] = sdm.prop(health["firmware"], at_ms)
    return Report(name, at_ms, device | _stands(decoded.node, at_ms, registry))


def newest(reports: Iterable[Report]) -> dict[str, Report]:
    """Return the newest report of each device."""
    found: dict[str, Report] = {}
    for one in reports:
        if one.entity not in found or one.at_ms >= found[one.entity].at_ms:
            found[one.entity] = one
    return found


def _stands(node: str, at_ms: int, registry: Registry) -> Json:
    """Return what the registry knows of the node's place then; controlledProperty is never left out, the model asks for it."""
    placed = registry.place_of(node, at_ms)
    station = None if placed is None else registry.station(placed.station, at_ms)
    if placed is None or station is None:
        return {"controlledProperty": sdm.prop(sorted(_CONTROLS_BY_DOMAIN.values()))}
    sensors = [s for s in registry.sensors_at(station.id, at_ms) if s.node in {None, node}]
    seen = {word for s in sensors for name in s.properties if (word := _controls(name, station.domain))}
    out = {
        "controlledProperty": sdm.prop(sorted(seen) or [_CONTROLS_BY_DOMAIN[station.domain]]),
        "name": sdm.prop(station.name),
        "location": sdm.location(station, at_ms),
    }
    return out | ({"dateInstalled": sdm.prop(sdm.instant(placed.start_ms))} if placed.start_ms else {})


def _controls(name: str, domain: str) -> str | None:
    try:
        attribute = mapping.ngsi(name, domain)
    except mapping.UnmappedProperty:
        return None
    return _CONTROLS.get(attribute.attribute) or _CONTROLS_BY_TYPE.get(attribute.type)

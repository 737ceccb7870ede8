"""One station with all that is known of it, and its datastreams as Satu Data asks for them. Pure; times in Unix ms UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau import mapping
from pantau.registry import EVER_MS
from pantau.registry.model import FIGURES
from pantau.web.geojson import iso
from pantau.web.method import INDICATIVE, method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.registry import Registry
    from pantau.registry.model import Sensor, Station

    Record = dict[str, Any]

_WHY = {
    "en": "Worked out from low-cost sensors: it informs, and is no official figure.",
    "id": "Dihitung dari sensor berbiaya rendah: sebagai informasi, bukan angka resmi.",
}


def detail(features: list[Record], station: Station | None, registry: Registry | None, now_ms: int) -> Record:
    """Return everything about one place. `features` are those of its nodes (geojson.feature); `station` None where none stands in the registry."""
    first = features[0]["properties"] if features else {}
    name = station.id if station is not None else first["node"]
    sensors = () if station is None or registry is None else registry.sensors_at(name, now_ms)
    readings = [
        reading | {"node": feature["id"]} | _made_of(reading["property"], feature["id"], sensors)
        for feature in features
        for reading in feature["properties"]["latest"]
    ]
    return {
        "id": name,
        "station": None if station is None else station.id,
        "name": first.get("name", name) if station is None else station.name,
        "domain": first.get("domain") if station is None else station.domain,
        "longitude": None if station is None else station.longitude,
        "latitude": None if station is None else station.latitude,
        "kemendagri": None if station is None else station.kemendagri,
        "owner": None if station is None else station.owner,
        "datum": None if station is None else station.datum,
        "datum_height_m": None if station is None else station.datum_height_m,
        "report_interval_s": first.get("report_interval_s", 60) if station is None else station.report_interval_s,
        "state": first.get("state", "offline"),
        "last_seen": max((f["properties"]["last_seen"] or "" for f in features), default="") or None,
        "readings": readings,
        "nodes": [_node(feature) for feature in features],
        "thresholds": [_threshold(limit) for limit in (() if station is None else station.thresholds)],
        "sensors": [_sensor(sensor) for sensor in sensors],
        "calibrations": [] if station is None or registry is None else _calibrations(registry, name),
    }


def datastreams(stations: Iterable[Record], city: str, licence: str) -> list[Record]:
    """Return the metadata of every series of these stations (from `detail`): what, where, by what, in which unit, under which licence."""
    found = []
    for station in stations:
        version = max((one["version"] for one in station["calibrations"]), default=None)
        for reading in station["readings"]:
            named = _named(reading["property"])
            found.append(
                {
                    "id": f"{station['id']}.{reading['node']}.{reading['property']}",
                    "station": station["station"],
                    "node": reading["node"],
                    "property": reading["property"],
                    "title": named["title"],
                    "definition": named["definition"],
                    "unit": named["unit"] or reading["unit"],
                    "method": reading["method"],
                    "sensor": reading["sensor"],
                    "calibration_version": version,
                    "datum": station["datum"] if reading["property"] == "water_level" else None,
                    "longitude": station["longitude"],
                    "latitude": station["latitude"],
                    "kemendagri": station["kemendagri"],
                    "update_interval_s": station["report_interval_s"],
                    "last_observation": reading["observed_at"],
                    "publisher": city,
                    "owner": station["owner"],
                    "licence": licence or None,
                    "indicative": reading["indicative"],
                }
            )
    return found


def _made_of(name: str, node: str, sensors: Iterable[Sensor]) -> Record:
    """Return how a property comes about, the sensor that the registry names for it, and why it is only indicative."""
    read = (one for one in sensors if name in one.properties and one.node in (None, node))
    sensor = next(({"id": one.id, "model": one.model, "serial": one.serial} for one in read), None)
    return {"sensor": sensor, "method": method(name), "indicative": _WHY if name in INDICATIVE else None}


def _named(name: str) -> Record:
    try:
        seen = mapping.observed(name)
    except ValueError:  # nothing that platforms are told of
        return {"title": {"en": name, "id": name}, "definition": None, "unit": None}
    return {"title": {"en": seen.title, "id": seen.judul}, "definition": seen.definition, "unit": seen.unit.ucum}


def _node(feature: Record) -> Record:
    told = feature["properties"]
    names = (
        "state",
        "alarm",
        "last_seen",
        "age_s",
        "report_interval_s",
        "clock",
        "clock_offset_ms",
        "firmware",
        "health",
    )
    return {"node": feature["id"]} | {name: told[name] for name in names}


def _threshold(limit: Any) -> Record:
    told = {"property": limit.property, "name": limit.name, "value": limit.value, "hysteresis": limit.hysteresis}
    return told | {"datum": limit.datum}


def _sensor(sensor: Sensor) -> Record:
    since = None if sensor.start_ms == EVER_MS else iso(sensor.start_ms)
    told = {"id": sensor.id, "model": sensor.model, "serial": sensor.serial, "node": sensor.node}
    return told | {"properties": list(sensor.properties), "since": since}


def _calibrations(registry: Registry, name: str) -> list[Record]:
    """Return the figures that hold, from each instant at which they changed."""
    found = []
    for epoch in registry.epochs(name):
        if epoch.station.calibrations:
            figures = {figure: getattr(epoch.station, figure) for figure in FIGURES}
            since = None if epoch.start_ms == EVER_MS else iso(epoch.start_ms)
            told = {name: value for name, value in figures.items() if value is not None}
            found.append({"version": max(epoch.station.calibrations), "since": since} | told)
    return found

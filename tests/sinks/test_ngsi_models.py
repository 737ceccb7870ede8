"""Our entities before judges that are not ours, and the judges before entities that are wrong."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import pytest

from built import T0_S
from pantau import mapping
from pantau.model import Observation
from pantau.quality.site import FloodSite
from pantau.registry import Placement, Registry, Sensor, Station
from pantau.sinks import _ngsi_device
from pantau.sinks import _ngsi_entities as sdm
from pantau_wire import names as wire
from sinks import kit as kits
from sinks import ngsi_judges

CITY, NODE, NOW_MS = "tng", "n-1", 1000 * T0_S
PLACE = {"latitude": -6.1701, "longitude": 106.6403}
GATE = FloodSite(siaga_3=2.0, siaga_2=2.5, siaga_1=3.0)
STATIONS = {
    "flood": Station("angke", "Kali Angke", "flood", **PLACE, sensor_height_m=6.5, flood=GATE),
    "traffic": Station("sudirman", "Jalan Sudirman", "traffic", **PLACE),
    "air": Station("cimone", "Cimone", "air", **PLACE),
    None: None,
}
RANGES = {
    name: (unit, [raw * 10**scale for raw in (low, (low + high) // 2, high)])
    for _, (name, unit, scale, low, high) in wire.PROPERTIES.items()
}
SENT = [name for name in RANGES if mapping.attributes(name)]


def seen(name, value, *, at_ms=NOW_MS, quality=1, reason="ok", index=0):
    return Observation(NODE, 1, 7, index, name, value, RANGES[name][0], quality, reason, at_ms, None, 3, NOW_MS, None)


def entities(domain, values, interval_s=60):
    """Return the entities of readings of one instant, {id: entity}, as a first delivery makes them."""
    told = [sdm.reading(CITY, seen(name, float(value)), interval_s, STATIONS[domain]) for name, value in values]
    key = lambda one: one.entity  # noqa: E731
    return {name: sdm.entity(list(some), 0, CITY) for name, some in itertools.groupby(sorted(told, key=key), key)}


def all_of(domain, which, interval_s=60):
    return entities(domain, [(name, RANGES[name][1][which]) for name in SENT], interval_s)


@pytest.mark.parametrize("domain", STATIONS)
@pytest.mark.parametrize("which", [0, 1, 2], ids=["least", "middle", "greatest"])
def test_the_official_schemas_and_contexts_take_every_property(domain, which):
    ngsi_judges.need()
    made = all_of(domain, which, interval_s=60 if which else 0)
    assert {name: found for name, entity in made.items() if (found := ngsi_judges.complaints(entity))} == {}
    assert len(made) > 30


def test_every_type_was_before_the_judges():
    made = {sdm.type_of(name) for domain in STATIONS for name in all_of(domain, 1)}
    assert made | {"Device"} == set(ngsi_judges.TYPES)


HEALTH = {"utc_ms": NOW_MS, "rssi": -71, "firmware": "1.4.0", "battery_mv": 3712}


@pytest.mark.parametrize(
    "health", [{}, HEALTH, HEALTH | {"utc_ms": 2**62}, {"safe_profile": 1}], ids=["bare", "full", "clock", "safe"]
)
@pytest.mark.parametrize("domain", STATIONS)
def test_a_device_is_one(health, domain):
    ngsi_judges.need()
    report = device(health, domain)
    assert ngsi_judges.complaints(report.json) == []


def device(health, domain, properties=()):
    station = STATIONS[domain]
    places = [] if station is None else [Placement(NODE, station.id, start_ms=NOW_MS - 1)]
    sensors = [] if station is None else [Sensor(station.id, "s", "x", tuple(properties))]
    registry = Registry([s for s in STATIONS.values() if s], places, sensors=sensors)
    frame = replace(next(kits.towns()).state(), node=NODE, health=health, received_ms=NOW_MS)
    return _ngsi_device.report(frame, CITY, registry)


def test_a_device_says_what_it_senses_and_that_its_battery_is_not_known():
    told = sdm.key_values(device(HEALTH, "flood", ["water_level", "rain_amount", "air_temperature"]).json)
    assert told["controlledProperty"] == ["precipitation", "temperature", "waterLevel"]
    assert (told["batteryLevel"], told["rssi"], told["firmwareVersion"]) == (-1, -71, "1.4.0")
    assert device(HEALTH, "flood").json["batteryLevel"][_ngsi_device.VOLTAGE]["value"] == 3.712
    assert sdm.key_values(device({}, "traffic").json)["controlledProperty"] == ["trafficFlow"]


# --- what the models mean


def one(domain, name, value, interval_s=60):
    (entity,) = entities(domain, [(name, value)], interval_s).values()
    return entity


def test_a_gauge_has_its_thresholds_and_the_units_are_codes():
    flood = entities("flood", [("water_level", 2.5), ("water_distance", 4.0), ("siaga_state", 2)])
    simple = sdm.key_values(flood := flood["urn:ngsi-ld:FloodMonitoring:tng:n-1"])
    assert (simple["currentLevel"], simple["measuredDistance"], simple["floodLevelStatus"]) == (2.5, 4.0, "Siaga 2")
    assert (simple["referenceLevel"], simple["alertLevel"], simple["dangerLevel"]) == (6.5, 2.0, 3.0)
    assert simple["currentLevel"] == simple["referenceLevel"] - simple["measuredDistance"]
    assert flood["currentLevel"]["unitCode"] == "MTR"
    assert simple["location"]["coordinates"] == [106.6403, -6.1701]


def test_traffic_is_told_for_its_period_and_by_class():
    made = entities("traffic", [("vehicle_count", 12), ("occupancy", 12.5), ("vehicle_count_heavy", 2)])
    whole = sdm.key_values(made["urn:ngsi-ld:TrafficFlowObserved:tng:n-1"])
    assert (whole["intensity"], whole["occupancy"]) == (12, 0.125)
    assert "averageVehicleSpeed" not in whole
    assert whole["dateObserved"] == f"{whole['dateObservedFrom']}/{whole['dateObservedTo']}"
    assert sdm.milliseconds(whole["dateObservedTo"]) - sdm.milliseconds(whole["dateObservedFrom"]) == 60_000
    lorries = sdm.key_values(made["urn:ngsi-ld:TrafficFlowObserved:tng:n-1:lorry"])
    assert (lorries["vehicleType"], lorries["intensity"]) == ("lorry", 2)


def test_a_period_that_is_not_known_is_not_guessed():
    simple = sdm.key_values(one("traffic", "vehicle_count", 12, interval_s=0))
    assert simple["dateObserved"] == sdm.instant(NOW_MS) and "dateObservedFrom" not in simple


def test_what_a_model_cannot_hold_becomes_a_measurement():
    damp = one("air", "relative_humidity", 104.0)
    assert (damp["id"], damp["numValue"]["unitCode"]) == (
        "urn:ngsi-ld:DeviceMeasurement:tng:n-1:relative_humidity",
        "P1",
    )
    lost = one(None, "pm2_5", 12.0)
    assert (lost["type"], lost["controlledProperty"]["value"]) == ("DeviceMeasurement", "pm2_5")


def test_the_flag_its_reason_and_the_record_travel_beside_the_value():
    bad = sdm.reading(CITY, seen("rain_tips", 7.0, quality=4, reason="bounce"), 60, STATIONS["flood"])
    value = sdm.entity([bad], 0, CITY)["numValue"]
    assert {name: value[name]["value"] for name in (sdm.QUALITY, sdm.REASON, sdm.RECORD, sdm.INTERVAL)} == {
        sdm.QUALITY: 4, sdm.REASON: "bounce", sdm.RECORD: "1/7/0", sdm.INTERVAL: 60,
    }  # fmt: skip
    assert sdm.entity([bad], 0, CITY)["outlier"]["value"] is True


def test_the_index_has_its_word():
    simple = sdm.key_values(one("air", "ispu", 83))
    assert (simple["airQualityIndex"], simple["airQualityLevel"]) == (83, "Sedang")


@pytest.mark.parametrize("value, at_ms", [(float("nan"), NOW_MS), (float("inf"), NOW_MS), (1.0, -1), (1.0, 10**17)])
def test_what_json_cannot_hold_is_refused_with_words(value, at_ms):
    with pytest.raises(ValueError, match="no reading that JSON can hold"):
        sdm.reading(CITY, seen("pm2_5", value, at_ms=at_ms), 0, STATIONS["air"])


def test_history_says_where_an_older_reading_was_made():
    old = sdm.reading(CITY, seen("water_level", 1.0), 0, STATIONS["flood"])
    away = Station("bendung", "Bendung", "flood", -6.18, 106.61, sensor_height_m=5.0)
    assert "location" not in sdm.history([old], STATIONS["flood"])
    assert sdm.history([old], away)["location"][0]["value"]["coordinates"] == [106.6403, -6.1701]


# --- the judges have teeth


def _set(name, value):
    return lambda entity: entity[name].update(value=value)


def _rename(old, new):
    return lambda entity: entity.update({new: entity.pop(old)})


MUTATIONS = [
    ("flood", "water_level", "a misspelt attribute", _rename("currentLevel", "currentLvl")),
    ("flood", "water_level", "a level as text", _set("currentLevel", "2.5")),
    ("flood", "water_level", "no place", lambda e: e.pop("location")),
    ("flood", "water_level", "no time", lambda e: e.pop("observationDateTime")),
    ("flood", "water_level", "a time that is none", _set("observationDateTime", "yesterday")),
    ("flood", "water_level", "exchanged coordinates", lambda e: e["location"]["value"]["coordinates"].reverse()),
    ("flood", "rain_amount", "negative rain", _set("precipitation", -0.2)),
    ("flood", "rain_amount", "no place for rain", lambda e: e.pop("location")),
    ("flood", "rain_amount", "no date", lambda e: e.pop("dateObserved")),
    ("flood", "rain_amount", "a date that is none", _set("dateObserved", "2026-13-01T00:00:00Z")),
    ("flood", "relative_humidity", "percent for a fraction", _set("relativeHumidity", 82.5)),
    ("traffic", "occupancy", "percent for a fraction", _set("occupancy", 12.5)),
    ("traffic", "vehicle_count", "a negative count", _set("intensity", -1)),
    ("traffic", "vehicle_count", "a count as text", _set("intensity", "12")),
    ("traffic", "vehicle_count", "a period that ends elsewhere", _set("dateObservedTo", "2026-11-18T12:00:00Z")),
    ("traffic", "vehicle_count_heavy", "a vehicle of no type", _set("vehicleType", "truck")),
    ("air", "pm2_5", "our own name", _rename("pm25", "pm2_5")),
    ("air", "pm2_5", "negative dust", _set("pm25", -1.0)),
    ("air", "ispu", "an index that is no integer", _set("airQualityIndex", 83.5)),
    ("air", "voc_raw", "a value as text", _set("numValue", "31000")),
    ("air", "voc_raw", "a word of another model", _rename("numValue", "precipitation")),
    ("air", "voc_raw", "an outlier that is neither", _set("outlier", "no")),
]


@pytest.mark.parametrize("domain, name, what, spoil", MUTATIONS, ids=[row[2] for row in MUTATIONS])
def test_the_judges_refuse(domain, name, what, spoil):
    ngsi_judges.need()
    entity = one(domain, name, 2.0)
    assert ngsi_judges.complaints(entity) == []
    spoilt = copy.deepcopy(entity)
    spoil(spoilt)
    assert ngsi_judges.complaints(spoilt), what

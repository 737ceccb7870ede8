"""The mapping tables: whole, and telling what to add where they are not."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from pantau import mapping
from pantau.mapping import _tables
from pantau.mapping._tables import AttributeTable, PropertyTable
from pantau_wire import names as wire

PROPERTIES = {name: ucum for name, ucum, *_ in wire.PROPERTIES.values()}


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_is_mapped_or_says_why_not(name):
    seen = mapping.observed(name)
    assert (seen.name, seen.unit.ucum) == (name, PROPERTIES[name])
    assert seen.title and seen.judul
    assert urlsplit(seen.definition).scheme == "urn" and seen.definition.endswith(f":{name}")
    assert bool(mapping.attributes(name)) != bool(mapping.why_not_ngsi(name))


@pytest.mark.parametrize("ucum", sorted(set(PROPERTIES.values())))
def test_every_unit_is_mapped(ucum):
    unit = mapping.unit(ucum)
    assert unit.ucum == ucum and unit.symbol and unit.name


def test_no_row_maps_what_does_not_exist():
    assert set(_tables.properties()) == set(PROPERTIES)
    assert set(_tables.units()) == set(PROPERTIES.values())


def test_a_property_of_a_newer_schema_is_told_with_what_to_add(monkeypatch):
    monkeypatch.setitem(wire.PROPERTIES, 250, ("soil_moisture", "%", -1, 0, 1000))
    mapping._ucums.cache_clear()
    try:
        with pytest.raises(
            mapping.UnmappedProperty, match=r"'soil_moisture' has no row in .*properties\.toml; add one"
        ):
            mapping.observed("soil_moisture")
    finally:
        monkeypatch.undo()
        mapping._ucums.cache_clear()


def test_a_unit_without_a_row_is_told_with_where_it_belongs():
    with pytest.raises(mapping.UnmappedUnit, match=r"'furlong' has no row in .*units\.toml"):
        mapping.unit("furlong")
    assert issubclass(mapping.UnmappedUnit, ValueError) and issubclass(mapping.UnmappedProperty, ValueError)


def test_counts_and_amounts_are_of_a_period_and_nothing_else_is():
    periods = {name for name in PROPERTIES if mapping.observed(name).period}
    counts = re.compile(r"vehicle_count|vehicle_speed_bin|^(rain_tips|rain_amount|pulse_count)$")
    assert periods == {name for name in PROPERTIES if counts.search(name)}


@pytest.mark.parametrize(
    "name, domain, value, type_, attribute, code, told",
    [
        ("relative_humidity", "flood", 82.5, "WeatherObserved", "relativeHumidity", "C62", 0.825),
        ("relative_humidity", "air", 82.5, "AirQualityObserved", "relativeHumidity", "C62", 0.825),
        ("occupancy", "traffic", 12.3, "TrafficFlowObserved", "occupancy", "C62", 0.123),
        ("no2", "air", 100.0, "AirQualityObserved", "no2", "GQ", 188.2),
        ("co", "air", 1000.0, "AirQualityObserved", "co", "GP", 1.146),
        ("water_level", "flood", 3.217, "FloodMonitoring", "currentLevel", "MTR", 3.217),
        ("siaga_state", "flood", 1.0, "FloodMonitoring", "floodLevelStatus", None, "Danger"),
        ("siaga_state", "flood", 4.0, "FloodMonitoring", "floodLevelStatus", None, "Normal"),
        ("ispu", "air", 83.0, "AirQualityObserved", "airQualityIndex", "C62", 83),
        ("voc_raw", "air", 31000.0, "DeviceMeasurement", "numValue", "C62", 31000.0),
    ],
)
def test_what_differs_between_us_and_the_models(name, domain, value, type_, attribute, code, told):
    found = mapping.ngsi(name, domain)
    assert (found.type, found.attribute, found.code) == (type_, attribute, code)
    assert found.value(value) == told and type(found.value(value)) is type(told)


def test_mole_fractions_become_masses_by_the_molar_volume():
    for name, grams, per in (("no2", 46.0055, 1), ("o3", 47.9982, 1), ("so2", 64.066, 1), ("co", 28.010, 1000)):
        assert mapping.ngsi(name, "air").scale == pytest.approx(grams / 24.45 / per, rel=1e-3)


def test_a_state_without_a_word_is_refused():
    with pytest.raises(mapping.UnmappedProperty, match="no word for 5"):
        mapping.ngsi("siaga_state", "flood").value(5.0)


def test_what_a_model_cannot_hold_has_a_place_all_the_same():
    with pytest.raises(mapping.UnmappedProperty, match="relativeHumidity is 1 at most"):
        mapping.ngsi("relative_humidity", "air").value(100.5)
    assert mapping.generic("relative_humidity").value(100.5) == 100.5
    assert mapping.generic("relative_humidity").code == "P1"


@pytest.mark.parametrize(
    "index, word", [(0, "Baik"), (50, "Baik"), (51, "Sedang"), (300, "Sangat tidak sehat"), (301, "Berbahaya")]
)
def test_an_index_has_a_word(index, word):
    level = mapping.ngsi("ispu", "air").level
    assert level is not None and (level.attribute, level.word(index)) == ("airQualityLevel", word)


def test_what_is_never_sent_says_so():
    with pytest.raises(mapping.UnmappedProperty, match=r"time_offset is not sent as NGSI-LD: a part of a record"):
        mapping.ngsi("time_offset", "flood")


@pytest.mark.parametrize(
    "table, row",
    [
        (PropertyTable, {"ngsi": "none"}),
        (PropertyTable, {"ngsi": "device_measurement", "why": "x"}),
        (PropertyTable, {"ngsi": "something"}),
        (AttributeTable, {"type": "FloodMonitoring", "attribute": "currentLevel"}),
        (AttributeTable, {"type": "FloodMonitoring", "attribute": "currentLevel", "code": "MTR", "words": ["x"]}),
        (AttributeTable, {"type": "FloodMonitor", "attribute": "currentLevel", "code": "MTR"}),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(table, row):
    whole = {"name": "x", "title": "X", "judul": "X"} if table is PropertyTable else {}
    with pytest.raises(ValidationError):
        table.model_validate(whole | row)

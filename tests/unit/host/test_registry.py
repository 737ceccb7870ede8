"""registry.toml: figures by time, every contradiction at once, and a city of ten thousand nodes."""

from __future__ import annotations

import gc
import re
import time
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest

from pantau import registry
from pantau.decode import Decoder
from pantau.model import StoredFrame
from pantau.problems import ConfigError
from pantau.registry import Placement, Registry, Station
from pantau.registry.tables import ROWS
from unit.host import bridge_kit as kit

T1, T2, T3 = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"
T1_MS, T2_MS, T3_MS = 1_769_904_000_000, 1_772_323_200_000, 1_775_001_600_000


def write(folder, text):
    path = folder / "registry.toml"
    path.write_text(text)
    return path


def loaded(folder, text):
    return registry.load(write(folder, text))


def wrong(folder, text):
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [(p.key, p.message) for p in caught.value.problems]


def row(array, **values):
    """One table of an array; texts are quoted unless they are times."""
    lines = [f"[[{array}]]"]
    for key, value in values.items():
        plain = not isinstance(value, str) or value in {T1, T2, T3}
        lines.append(f"{key.rstrip('_')} = {value if plain else repr(value)}".replace("True", "true"))
    return "\n".join(lines) + "\n"


def station(name, **values):
    return row(
        "station", **{"id": name, "name": name, "domain": "flood", "latitude": -6.2, "longitude": 106.6} | values
    )


def calibration(version, **values):
    return row("calibration", station="angke", version=version, **values)


# --- figures by time


def test_a_level_from_before_a_survey_uses_the_height_of_then(tmp_path):
    found = loaded(
        tmp_path,
        kit.REGISTRY
        + calibration(1, to=T1, sensor_height_m=3.9)
        + calibration(2, from_=T1, to=T2, sensor_height_m=4.1, level_offset_m=0.05, level_slope=1.01)
        + calibration(3, from_=T2, tip_mm=0.21, pm_profile="kemarau"),
    )
    at = [found.station_of(kit.NODE, ms) for ms in (T1_MS - 1, T1_MS, T2_MS, T3_MS)]
    assert [s.sensor_height_m for s in at] == [3.9, 4.1, 4.0, 4.0]
    assert [s.calibrations for s in at] == [(1,), (2,), (3,), (3,)]
    assert [s.tip_mm for s in at] == [0.2, 0.2, 0.21, 0.21]
    assert [s.pm_profile for s in at] == [None, None, "kemarau", "kemarau"]
    assert [s.level_m(1.0) for s in at] == pytest.approx([2.9, 3.14, 3.0, 3.0])
    assert found.stations["angke"] is at[3]
    assert [epoch.start_ms for epoch in found.epochs("angke")] == [0, T1_MS, T2_MS]


def test_two_calibrations_of_different_figures_hold_together(tmp_path):
    found = loaded(tmp_path, kit.REGISTRY + calibration(1, sensor_height_m=3.9) + calibration(2, from_=T1, tip_mm=0.3))
    here = found.station("angke", T2_MS)
    assert (here.sensor_height_m, here.tip_mm, here.calibrations) == (3.9, 0.3, (1, 2))


def test_a_station_without_a_height_has_no_level():
    assert Station("a", "a", "flood", -6.2, 106.6).level_m(1.0) is None


def test_thresholds_are_those_of_the_time_and_of_the_stations_datum(tmp_path):
    def limit(**values):
        return row("threshold", station="angke", property="water_level", hysteresis=0.05, **values)

    text = kit.REGISTRY.replace("tip_mm", 'datum = "peilschaal Angke"\ntip_mm')
    text += limit(name="siaga_3", value=1.5, datum="peilschaal Angke", to=T1) + limit(
        name="siaga_3", value=1.4, from_=T1
    )
    text += limit(name="siaga_4", value=0.9)
    found = loaded(tmp_path, text)
    assert [(t.name, t.value) for t in found.station("angke", T1_MS - 1).thresholds] == [
        ("siaga_4", 0.9),
        ("siaga_3", 1.5),
    ]
    assert [t.value for t in found.station("angke", T1_MS).thresholds] == [0.9, 1.4]
    text = text.replace("datum = 'peilschaal Angke'", "datum = 'LWS'")
    ((key, message),) = wrong(tmp_path, text)
    assert key == "threshold[0].datum" and "peilschaal Angke" in message


def test_nodes_and_sensors_change_at_a_station(tmp_path):
    text = (
        station("a")
        + row("node", id="old", station="a", to=T1)
        + row("node", id="new", station="a", from_=T1)
        + row("sensor", station="a", model="a02yyuw", serial="1", properties=["water_distance"], to=T2)
        + row("sensor", station="a", model="a02yyuw", serial="2", from_=T2)
        + row("sensor", station="a", model="sht4x", node="new")
    )
    found = loaded(tmp_path, text)
    assert [found.nodes_at("a", ms) for ms in (T1_MS - 1, T1_MS)] == [("old",), ("new",)]
    assert [sorted(s.serial or "-" for s in found.sensors_at("a", ms)) for ms in (T1_MS, T3_MS)] == [
        ["-", "1"],
        ["-", "2"],
    ]
    assert found.station_of("old", T1_MS) is None and found.knows("old")
    assert found.nodes_at("nowhere", 0) == () == found.sensors_at("nowhere", 0)


def test_a_station_is_confirmed_by_those_beside_it(tmp_path):
    text = (
        station("up", downstream="mid")
        + station("mid", downstream="low")
        + station("low")
        + station("rain", neighbours=["mid"])
    )
    found = loaded(tmp_path, text)
    assert set(found.beside("mid")) == {"up", "low", "rain"}
    assert found.beside("rain") == ("mid",)
    assert found.beside("nowhere") == ()


# --- mistakes


def test_every_kind_of_row_has_its_mistakes_named_at_once(tmp_path):
    text = (
        station("a", nodes_at_onec=1, kemendagri="3671")
        + row("node", id="n", station="a", form=T1)
        + row("sensor", station="a", model="A02", propertys=["x"], properties=["water_distence"])
        + row("calibration", station="a", version=0, tip_mm=0.0)
        + row("threshold", station="a", property="water_level", name="siaga1", valeu=2.0)
        + "[sttion]\n"
    )
    found = dict(wrong(tmp_path, text))
    assert found["station[0].nodes_at_onec"] == "unknown key; did you mean nodes_at_once?"
    assert found["node[0].form"] == "unknown key; did you mean from?"
    assert found["sensor[0].propertys"] == "unknown key; did you mean properties?"
    assert found["sensor[0].properties[0]"] == "is no observed property; did you mean water_distance?"
    assert found["threshold[0].valeu"] == "unknown key; did you mean value?"
    assert found["sttion"] == "unknown key; did you mean station?"
    assert {"station[0].kemendagri", "sensor[0].model", "calibration[0].version", "calibration[0].tip_mm"} < set(found)


def test_the_tables_of_quality_control_are_checked_and_kept(tmp_path):
    table = (
        "[station.flood]\nsiaga_1 = 2.0\n[station.flood.limits.water_level]\nrate = 0.01\n[station.air]\nhumid_s = 60\n"
    )
    found = loaded(tmp_path, station("a") + table)
    assert found.stations["a"].flood.limits["water_level"].rate == 0.01
    assert found.stations["a"].air.humid_s == 60 and found.stations["a"].rain is None
    wrongly = (
        table.replace("siaga_1 = 2.0", "siaga_1 = 2.0\nsiaga_2 = 3.0").replace("rate", "rat").replace("d_s", "d_h")
    )
    said = dict(wrong(tmp_path, station("a") + wrongly))
    assert said["station[0].flood.limits.water_level.rat"] == "unknown key; did you mean rate?"
    assert set(said) == {"station[0].flood.limits.water_level.rat", "station[0].air.humid_h"}
    flood = "[station.flood]\nsiaga_2 = 3.0\nsiaga_1 = 2.0\n"
    assert set(dict(wrong(tmp_path, station("a", datum="LWS") + flood))) == {"station[0].flood"}
    assert set(dict(wrong(tmp_path, station("a") + '[station.flood]\ndatum = "x"\n'))) == {"station[0].flood.datum"}


def test_siaga_levels_rise_to_the_first_and_stand_in_one_place(tmp_path):
    def level(number, value, **times):
        values = {"station": "a", "property": "water_level", "name": f"siaga_{number}", "value": value}
        return row("threshold", **values, **times)

    assert loaded(tmp_path, station("a") + level(1, 2.0) + level(2, 1.5, to=T1) + level(2, 1.6, from_=T1))
    assert loaded(tmp_path, station("a") + level(1, 2.0, to=T1) + level(2, 3.0, from_=T1))
    ((key, message),) = wrong(tmp_path, station("a") + level(1, 2.0) + level(2, 3.0, from_=T1))
    assert key == "threshold[1].value" and "siaga_2 does not fit siaga_1 = 2.0" in message
    ((key, _),) = wrong(tmp_path, station("a") + "flood = {siaga_1 = 2.0}\n" + level(1, 2.0))
    assert key == "threshold[0].name"


def test_unknown_references_name_the_likeliest(tmp_path):
    text = (
        station("angke", neighbours=["angke-hulu", "angke"], downstream="angkee")
        + row("node", id="n", station="angkr")
        + row("sensor", station="x", model="m")
        + row("calibration", station="ange", version=1, tip_mm=0.2)
        + row("threshold", station="angke", property="water_level", name="s", value=1.0)
    )
    found = dict(wrong(tmp_path, text))
    assert found["node[0].station"] == "no station has the id angkr; did you mean angke?"
    assert found["calibration[0].station"].endswith("did you mean angke?")
    assert found["sensor[0].station"].endswith("add it or correct this")
    assert "is the station itself" in found["station[0].neighbours[1]"]
    assert set(found) == {
        "node[0].station", "calibration[0].station", "sensor[0].station", "station[0].neighbours[0]",
        "station[0].neighbours[1]", "station[0].downstream",
    }  # fmt: skip


@pytest.mark.parametrize(
    "rows, key, says",
    [
        (calibration(1, tip_mm=0.2) + calibration(2, from_=T1, tip_mm=0.3), "calibration[1].from", "version 1 still holds"),
        (calibration(1, tip_mm=0.2, to=T1) + calibration(1, from_=T1, tip_mm=0.3), "calibration[0].version", "number on"),
        (calibration(1, tip_mm=0.2, from_=T2, to=T1), "calibration[0].to", "not after from"),
        (calibration(1), "calibration[0]", "says nothing"),
        (row("sensor", station="angke", model="m") * 2, "sensor[1].from", "give each an `id`"),
        (
            row("sensor", station="angke", model="m", serial="7", id="a") + row("sensor", station="angke", model="m", serial="7", id="b"),
            "sensor[1].from",
            "serial is still at angke",
        ),
        (row("sensor", station="angke", model="m", node="air-03"), "sensor[0].node", "does not stand at angke"),
        (
            row("threshold", station="angke", property="water_level", name="s1", value=1.0) * 2,
            "threshold[1].from",
            "s1 has a value already",
        ),
    ],
)  # fmt: skip
def test_times_that_do_not_fit(tmp_path, rows, key, says):
    found = wrong(tmp_path, kit.REGISTRY + rows)
    assert any(k == key and says in message for k, message in found), found


def test_a_long_stay_is_not_forgotten_behind_a_short_one(tmp_path):
    text = station("a") + row("node", id="n", station="a", to=T3)
    text += row("node", id="n", station="a", from_=T1, to=T2) + row("node", id="n", station="a", from_=T2)
    assert [key for key, _ in wrong(tmp_path, text)] == ["node[1].from", "node[2].from"]


def test_two_nodes_at_once_only_where_the_station_allows(tmp_path):
    pair = row("node", id="a1", station="a", to=T2) + row("node", id="a2", station="a", from_=T1)
    assert loaded(tmp_path, station("a") + pair).nodes_at("a", T1_MS) == ("a1", "a2")
    assert loaded(tmp_path, station("a", nodes_at_once=2) + pair)
    ((key, message),) = wrong(tmp_path, station("a", nodes_at_once=1) + pair)
    assert key == "node[1].from" and "a still has a1" in message
    one_by_one = pair.replace(f"to = {T2}", f"to = {T1}")
    assert loaded(tmp_path, station("a", nodes_at_once=1) + one_by_one).nodes_at("a", T1_MS) == ("a2",)


@pytest.mark.parametrize(
    "place, says",
    [
        ({"latitude": 106.6, "longitude": -6.2}, "look exchanged"),
        ({"latitude": 0, "longitude": 0}, "Gulf of Guinea"),
        ({"longitude": 16.66}, "km from the middle"),
        ({"latitude": 6.2}, "km from the middle"),
    ],
)
def test_impossible_positions(tmp_path, place, says):
    text = station("a") + station("b") + station("c") + station("d", **place)
    assert any(key == "station[3].latitude" and says in message for key, message in wrong(tmp_path, text))


def test_a_city_on_the_date_line_is_one_city(tmp_path):
    text = "".join(station(f"s{i}", longitude=x) for i, x in enumerate((179.9, 179.95, -179.9)))
    assert len(loaded(tmp_path, text).stations) == 3


def test_water_in_a_circle(tmp_path):
    text = station("a", downstream="b") + station("b", downstream="c") + station("c", downstream="b")
    ((key, message),) = wrong(tmp_path, text)
    assert key == "station[1].downstream" and message.endswith("b > c > b")


def test_any_form_of_file_is_told(tmp_path):
    for text in (
        "a = " + "[" * 100_000,
        "a = " + "9" * 5000,
        "station = 3\n",
        "node = [1]\n",
        "[sensor]\nx = 1\n",
        '[[station]]\nid = ["a"]\ndownstream = 3\n',
    ):
        assert wrong(tmp_path, text)


# --- a large city


def city(count):
    parts = []
    for i in range(count):
        parts += [
            station(f"st-{i}", sensor_height_m=4.0, tip_mm=0.2, latitude=-6.2 + i * 1e-5, kemendagri="36.71.01.1001"),
            row("node", id=f"n-{i}", station=f"st-{i}", from_=T1),
        ]
    return "\n".join(parts)


def test_ten_thousand_nodes_load_quickly_and_take_little(tmp_path):
    path = write(tmp_path, city(10_000))
    start = time.process_time()
    registry.load(path)
    assert time.process_time() - start < 4.0  # 1.4 s where this was written; the bound leaves room for slower machines
    gc.collect()
    tracemalloc.start()
    try:
        found = registry.load(path)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(found.nodes) == 10_000
    assert kept < 20e6


def test_looking_up_does_not_grow_with_the_city():
    def spent(count):
        stations = [Station(f"s{i}", "s", "flood", -6.2, 106.6) for i in range(count)]
        found = Registry(stations, [Placement(f"n{i}", f"s{i}") for i in range(count)])
        best = 1e9
        for _ in range(5):
            start = time.process_time()
            for _ in range(2000):
                found.station_of("n7", 1)
                found.nodes_at("s7", 1)
            best = min(best, time.process_time() - start)
        return best

    assert spent(20_000) < 20 * spent(20)  # a walk over all nodes would be a thousand times


def test_a_level_is_decoded_with_the_calibration_of_its_time(tmp_path):
    frame = kit.records(1, distance=1500)  # at kit.NOW_MS, between T1 and T2
    for start, end, level in ((T1, T2, 2.635), (T2, T3, 2.5)):
        text = kit.REGISTRY + calibration(
            1, from_=start, to=end, sensor_height_m=4.1, level_offset_m=0.05, level_slope=1.01
        )
        decoded = Decoder(loaded(tmp_path, text)).decode(StoredFrame(1, kit.NODE, 1, 1, kit.NOW_MS, frame))
        assert next(seen.value for seen in decoded.observations if seen.property == "water_level") == level


def test_the_example_of_the_documentation_says_what_it_claims(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "registry.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    found = loaded(tmp_path, example)
    before, after = (int(datetime.fromisoformat(t).timestamp() * 1000) for t in ("2026-02-01T00Z", "2026-08-01T00Z"))
    assert [found.nodes_at("angke-hilir", ms) for ms in (before, after)] == [("flood-01",), ("flood-07",)]
    assert found.station("angke-hilir", before).level_m(1.0) == pytest.approx(3.15)
    assert found.station("angke-hilir", after).level_m(1.0) == pytest.approx(4.20 + 0.02 - 1.004)
    assert [t.name for t in found.stations["angke-hilir"].thresholds] == ["siaga_3", "siaga_2"]
    assert set(found.beside("angke-hilir")) == {"angke-hulu", "ciledug"}
    # Every key that there is, is in the example.
    written = set(re.findall(r"^(\w+) = ", example, re.MULTILINE)) | set(
        re.findall(r"^\[station\.(\w+)\]", example, re.MULTILINE)
    )
    keys = {f.alias or name for model in ROWS.values() for name, f in model.model_fields.items()}
    assert keys - written == {"rain", "air"}

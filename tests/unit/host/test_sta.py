"""SensorThings, read by its own rules from a real store: entities, navigation, every option, and what a hostile query gets."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from built import T0_MS, records
from pantau.decode import Decoder
from pantau.registry.file import read
from pantau.sinks._city_stations import station_rows
from pantau.sinks.sqlite import CityStore
from pantau.web import app as web
from pantau.web.method import _DERIVED, INDICATIVE, method
from pantau.web.sta import model
from pantau.web.sta import reader as sta_reader
from pantau.web.sta.functions import CALLS
from pantau.web.sta.options import OptionError
from pantau.web.sta.service import Service
from pantau_wire import frame
from pantau_wire import names as T

NOW_MS = T0_MS + 3_600_000
REGISTRY = """
[[station]]
id = "pintu-10"
name = "Pintu Air 10"
domain = "flood"
latitude = -6.18
longitude = 106.62
kemendagri = "36.71.01.1001"
sensor_height_m = 6.5
datum = "LWS"
[[calibration]]
station = "pintu-10"
version = 3
level_offset_m = 0.0
[[station]]
id = "jl-daan-mogot"
name = "Jalan Daan Mogot"
domain = "traffic"
latitude = -6.16
longitude = 106.70
[[node]]
id = "flood-01"
station = "pintu-10"
[[node]]
id = "traffic-01"
station = "jl-daan-mogot"
[[sensor]]
id = "level-1"
station = "pintu-10"
model = "a02yyuw"
serial = "A0-17"
properties = ["water_distance", "water_level"]
"""


class Status:
    def problems(self):
        return []

    def figures(self):
        return {}


@pytest.fixture(scope="module")
def sta(tmp_path_factory):
    """GET below /sta/v1.1: `sta("/Things")`, options as keywords without the dollar."""
    registry = read(tomllib.loads(REGISTRY), Path("registry.toml"))
    store = CityStore(tmp_path_factory.mktemp("sta") / "city.sqlite3")
    store.put_stations(station_rows(registry, NOW_MS))
    decode = Decoder(registry).decode
    levels = records(
        {T.WATER_DISTANCE: ([1500, 1400, None, 1300], [0, 0, frame.quality(T.R_TIMEOUT), 0])}, base_s=T0_MS // 1000
    )
    cars = records({T.VEHICLE_COUNT: [7, 9]}, node="traffic-01", base_s=T0_MS // 1000)
    undated = records({T.WATER_DISTANCE: [1999]}, seq=9, base_s=5, clock=0)
    assert all(v.kind == "stored" for v in store.deliver([decode(f) for f in (levels, cars, undated)]))
    app = web.create_app(
        store,
        Status(),
        public_read=True,
        city="tng",
        registry=lambda: registry,
        licence="CC-BY-4.0",
        now_ms=lambda: NOW_MS,
    )
    client = TestClient(app)

    def get(path, status=200, **options):
        query = "&".join(f"${name}={quote(str(value))}" for name, value in options.items())
        answer = client.get(f"/sta/v1.1{path}?{query}" if query else f"/sta/v1.1{path}")
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    yield get
    store.close()


def ids(page):
    return [one["@iot.id"] for one in page["value"]]


def test_the_root_names_every_set_and_what_is_conformed_to(sta):
    root = sta("/")
    assert {one["name"] for one in root["value"]} == {
        "Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties", "Observations", "FeaturesOfInterest",
    }  # fmt: skip
    assert all("/req/" in one for one in root["serverSettings"]["conformance"])
    for one in root["value"]:
        page = sta(one["url"].partition("/sta/v1.1")[2], top=1)
        assert len(page["value"]) == 1, one["name"]
        sta(page["value"][0]["@iot.selfLink"].partition("/sta/v1.1")[2])


def test_a_datastream_says_what_a_reader_of_open_data_must_know(sta):
    stream = sta("/Datastreams('flood-01:water_level')", expand="Thing,Sensor,ObservedProperty,Observations($top=2)")
    assert stream["unitOfMeasurement"] == {"name": "metre", "symbol": "m", "definition": "http://qudt.org/vocab/unit/M"}
    told = stream["properties"]
    assert (told["licence"], told["sensor"], told["serial"], told["station"]) == (
        "CC-BY-4.0",
        "a02yyuw",
        "A0-17",
        "pintu-10",
    )
    assert (told["datum"], told["calibration"], told["sensor_height_m"]) == ("LWS", 3, 6.5)
    assert (told["ucum"], told["kemendagri"], told["indicative"]) == ("m", "36.71.01.1001", False)
    assert "Sensor height" in told["method"]
    assert stream["observedArea"] == {"type": "Point", "coordinates": [106.62, -6.18]}
    assert stream["phenomenonTime"] == "2026-11-18T11:06:40.000Z/2026-11-18T11:09:40.000Z"
    assert (stream["Thing"]["name"], stream["Sensor"]["name"]) == ("flood-01", "a02yyuw")
    assert stream["Thing"]["properties"]["kemendagri"] == "36.71.01.1001"
    assert stream["ObservedProperty"]["name"] == "water_level"
    assert [one["result"] for one in stream["Observations"]] == [5.0, 5.1]
    assert stream["Observations@iot.nextLink"].endswith("Observations?$top=2&$skip=2")


def test_a_missing_value_is_null_and_an_undated_one_is_not_shown(sta):
    page = sta("/Datastreams('flood-01:water_distance')/Observations", count="true")
    assert page["@iot.count"] == 4
    assert [one["result"] for one in page["value"]] == [1.5, 1.4, None, 1.3]
    assert page["value"][2]["parameters"]["quality"] == 9
    place = sta(page["value"][0]["@iot.selfLink"].partition("/sta/v1.1")[2] + "/FeatureOfInterest")
    assert place["feature"] == {"type": "Point", "coordinates": [106.62, -6.18]}


@pytest.mark.parametrize(
    "path, text, found",
    [
        ("/Observations", "result gt 5.05 and Datastream/ObservedProperty/name eq 'water_level'", [5.1, 5.2]),
        ("/Observations", "phenomenonTime ge 2026-11-18T18:08:40+07:00 and result lt 2", [1.3]),
        ("/Observations", "phenomenonTime gt now() sub duration'PT58M' and result lt 2", [1.3]),
        ("/Observations", "parameters/quality eq 9 and Datastream/name eq 'flood-01/water_distance'", [None]),
        ("/Observations", "result eq null and Datastream/Thing/name eq 'flood-01'", [None, None]),
        ("/Observations", "Datastream/Thing/properties/domain eq 'traffic' and not (result gt 7)", [7.0]),
        ("/Observations", "minute(phenomenonTime) eq 7 and result mul 2 lt 3", [1.4]),
        ("/Things", "Datastreams/ObservedProperty/name eq 'vehicle_count'", ["traffic-01"]),
        ("/Things", "substringof('LOOD', toupper(name)) and startswith(name, 'fl')", ["flood-01"]),
        ("/Things", "name in ('traffic-01', 'x') or id eq 'y'", ["traffic-01"]),
        ("/Locations", "geo.intersects(location, geography'POLYGON((106.6 -6.2,106.65 -6.2,106.65 -6.1,106.6 -6.1,106.6 -6.2))')", ["pintu-10"]),
        ("/Locations", "geo.distance(location, geography'POINT(106.70 -6.16)') lt 0.01", ["jl-daan-mogot"]),
        ("/Datastreams", "unitOfMeasurement/symbol eq 'm' and Sensor/name eq 'a02yyuw'", ["flood-01:water_distance", "flood-01:water_level"]),
        ("/HistoricalLocations", "Thing/name eq 'flood-01'", ["flood-01:0"]),
        ("/Sensors", "Datastreams/Thing/Locations/name eq 'Pintu Air 10' and endswith(name, 'uw')", ["a02yyuw"]),
    ],
)  # fmt: skip
def test_filters(sta, path, text, found):
    page = sta(path, filter=text)
    got = [one["result"] for one in page["value"]] if path == "/Observations" else ids(page)
    assert got == found


def test_order_paging_and_count_walk_every_row_once(sta):
    seen, path = (
        [],
        "/Observations?$top=3&$orderby=result%20desc,Datastream/name&$count=true&$filter=result%20ne%20null",
    )
    while path:
        page = sta(path)
        assert page["@iot.count"] == 8
        seen += [one["result"] for one in page["value"]]
        path = page.get("@iot.nextLink", "").partition("/sta/v1.1")[2]
    assert seen == sorted(seen, reverse=True) and len(seen) == 8


def test_select_expand_and_paths(sta):
    page = sta(
        "/Things",
        select="name",
        expand="Datastreams($select=name;$orderby=name desc;$expand=Observations($top=1;$orderby=phenomenonTime desc;$select=result))",
    )
    first = page["value"][0]
    assert set(first) == {"name", "Datastreams"}
    assert first["Datastreams"][0]["Observations"] == [{"result": 5.2}]
    assert (
        sta("/Things", expand="Datastreams/ObservedProperty")["value"][1]["Datastreams"][0]["ObservedProperty"]["name"]
        == "vehicle_count"
    )
    assert sta("/Things('flood-01')/name") == {"name": "flood-01"}
    assert sta("/Things('flood-01')/name/$value") == "flood-01"
    assert ids(sta("/Things('flood-01')/Locations")) == ["pintu-10"]
    refs = sta("/Things('flood-01')/Datastreams/$ref")["value"]
    assert [one["@iot.selfLink"].rpartition("/")[2] for one in refs] == [
        "Datastreams('flood-01:water_distance')",
        "Datastreams('flood-01:water_level')",
    ]


@pytest.mark.parametrize(
    "path, options, status, words",
    [
        ("/Thing", {}, 404, "there are Things"),
        ("/Things('no')", {}, 404, "no such entity"),
        ("/Things('x'' OR 1=1 --')", {}, 404, "no such entity"),
        ("/Things('flood-01')/secrets", {}, 404, "have no"),
        ("/Things/Datastreams", {}, 404, "name one"),
        ("/MultiDatastreams", {}, 404, "there are Things"),
        ("/Things('flood-01')/properties/nothing", {}, 404, "have no"),
        ("/Things('flood-01')/properties/domain/x/$value", {}, 404, "have no"),
        ("/Things('flood-01')/$value", {}, 404, "have no"),
        ("/Things" + "/Datastreams('x')/Thing" * 20, {}, 404, "at most"),
        ("/Things('" + "x" * 3000 + "')", {}, 404, "no such entity"),
        ("/Things", {"filter": " or ".join(["name eq 'x'"] * 1500)}, 400, "at most"),
        ("/Things", {"filter": "not " * 300 + "(name eq 'x')"}, 400, "$filter"),
        ("/Things", {"filter": "-" * 900 + "1 eq 1"}, 400, "$filter"),
        ("/Things", {"filter": "name in (" + ",".join("'x'" for _ in range(250)) + ")"}, 400, "$filter"),
        ("/Things", {"filter": "Datastreams/Observations/Datastream/Thing/name eq 'no'"}, 200, "[]"),
        ("/Things", {"filter": "name eq 'x''; DROP TABLE nodes; --'"}, 200, "[]"),
        ("/Things", {"filter": "name eq '<script>alert(1)</script>'"}, 200, "[]"),
        ("/Observations", {"filter": "phenomenonTime gt 99999-01-01T00:00:00Z"}, 400, "$filter"),
        ("/Observations", {"filter": "phenomenonTime gt 0001-01-01T00:00:00+14:00"}, 400, "$filter"),
        ("/Observations", {"filter": "result add 9223372036854775807 gt 1", "top": 0}, 200, ""),
        ("/Observations", {"filter": "geo.distance(id, geography'POINT(1 2)') lt 1"}, 400, "another kind"),
        ("/Locations", {"filter": "floor(name) eq 1"}, 400, "another kind"),
        ("/Things", {"top": str(10**18)}, 400, "whole number"),
        ("/Things", {"filter": "nid eq 1"}, 400, "have no 'nid'"),
        ("/Things", {"filter": "name eq"}, 400, "$filter"),
        ("/Things", {"filter": "sleep(5) eq 1"}, 400, "no function sleep"),
        ("/Things", {"filter": "(" * 300 + "name eq 'x'" + ")" * 300}, 400, "too long"),
        ("/Things", {"filter": " or ".join(["name eq 'x'"] * 90)}, 400, "$filter"),
        ("/Things", {"filter": "name eq 2026-13-45T00:00:00Z"}, 400, "$filter"),
        ("/Things", {"filter": "name eq '" + "x" * 5000 + "'"}, 400, "at most"),
        ("/Locations", {"filter": "st_within(location, geography'POLYGON((1 2))')"}, 400, "POLYGON"),
        ("/Observations", {"filter": "result gt 99999999999999999999999999999999"}, 200, ""),
        ("/Things", {"top": "-1"}, 400, "whole number"),
        ("/Things", {"skip": "99999999999"}, 400, "whole number"),
        ("/Things", {"orderby": "properties/x;drop table", "top": 1}, 400, ""),
        ("/Things", {"select": "sid"}, 400, "have no 'sid'"),
        ("/Things", {"expand": "Datastreams($top=1"}, 400, "do not close"),
        ("/Things", {"expand": "Datastreams/Thing/Datastreams/Thing/Datastreams/Thing"}, 400, "levels"),
        ("/Things", {"expand": "Nothing"}, 400, "have no 'Nothing'"),
        ("/Things", {"format": "x"}, 400, "not supported"),
        ("/Things('flood-01')", {"filter": "name eq 'x'"}, 400, "$select and $expand only"),
    ],
)
def test_what_is_not_understood_is_said_and_nothing_breaks(sta, path, options, status, words):
    answer = sta(path, status, **options)
    assert words in str(answer)


@pytest.mark.long
@pytest.mark.parametrize("path", ["Observations", "Locations", "Datastreams"])
def test_any_function_of_anything_answers_or_is_refused_in_words(tmp_path, path):
    """All functions and comparisons, each with fields and values of every kind: none may raise what is no refusal."""
    store = CityStore(tmp_path / "city.sqlite3")
    registry = read(tomllib.loads(REGISTRY), Path("registry.toml"))
    store.put_stations(station_rows(registry, NOW_MS))
    store.deliver([Decoder(registry).decode(records({T.WATER_DISTANCE: [1500]}, base_s=T0_MS // 1000))])
    reader = sta_reader.Reader(store.path, "", lambda: NOW_MS)
    reader.use(registry)
    values = [
        "'x'", "1", "-1.5", "1e400", "null", "true", "now()", "2026-01-01T00:00:00Z", "2026-01-01", "12:00:00", "duration'P1D'",
        "geography'POINT(1 2)'", "'POINT(nan inf)'", "'a\0b'",
    ]  # fmt: skip
    fields = ["id", *model.SETS[path].fields, "properties/x/y", "parameters/quality"]
    asked = [f"{field} {word} {value}" for field in fields for word in ("eq", "gt", "in", "add") for value in values]
    for name in CALLS:
        asked += [f"{name}({field}) eq 1" for field in fields]
        asked += [f"{name}({field}, {value})" for field in fields for value in values]
        asked += [f"{name}({value}, {field}) ge 1" for field in fields for value in values]
    answered = 0
    for text in asked:
        with contextlib.suppress(OptionError, ValueError):
            Service(reader, "http://x", NOW_MS).answer(f"/{path}", "$filter=" + quote(text))
            answered += 1
    assert len(asked) / 20 < answered < len(asked)
    reader.close()
    store.close()


def test_a_part_of_a_property_and_one_without_a_value(sta):
    assert sta("/Things('flood-01')/properties/domain") == {"domain": "flood"}
    assert sta("/Things('flood-01')/properties/domain/$value") == "flood"
    assert '"qudt' not in sta("/Datastreams('flood-01:water_level')/unitOfMeasurement/$value")
    missing = sta("/Observations", filter="result eq null", top=1)["value"][0]["@iot.selfLink"]
    assert sta(missing.partition("/sta/v1.1")[2] + "/result", 204) == ""


def test_every_navigation_of_every_set_leads_somewhere(sta):
    for name, known in model.SETS.items():
        entity = sta(f"/{name}", top=1, orderby="id")["value"][0]
        for link in known.links:
            followed = sta(entity[f"{link}@iot.navigationLink"].partition("/sta/v1.1")[2])
            expanded = sta(f"/{name}", top=1, orderby="id", expand=link)["value"][0][link]
            assert followed.get("value", followed) == expanded, (name, link)


def test_where_a_node_stood_before_is_told(sta):
    page = sta("/Things('flood-01')/HistoricalLocations", expand="Locations,Thing")
    assert [(one["Thing"]["name"], one["Locations"][0]["name"]) for one in page["value"]] == [
        ("flood-01", "Pintu Air 10")
    ]


def test_an_index_says_that_it_is_indicative():
    assert {"ispu", "pm2_5_nowcast", "siaga_state"} <= INDICATIVE
    assert "not official" in method("ispu") and "sensor measured" in method("pm2_5")
    known = {row[0] for row in T.PROPERTIES.values()}
    assert set(_DERIVED) <= known and known >= INDICATIVE


def test_an_answer_with_all_that_is_expanded_has_a_bound_in_time(sta, monkeypatch):
    monkeypatch.setattr("pantau.web.sta.service.ANSWER_S", -1.0)
    assert "follow the links" in str(sta("/Things", 503, expand="Datastreams"))


def test_an_answer_that_takes_too_long_is_given_up(sta, monkeypatch):
    monkeypatch.setattr(sta_reader, "BUDGET_S", -1.0)
    monkeypatch.setattr(sta_reader, "_STEPS", 1)
    assert "takes more than" in str(sta("/Observations", 503, orderby="result"))


def test_an_answer_has_a_greatest_size(sta, monkeypatch):
    monkeypatch.setattr("pantau.web.sta.service.MAX_ENTITIES", 5)
    assert "more than 5 entities" in str(sta("/Things", 400, expand="Datastreams($expand=Observations)"))


def test_nothing_can_be_written(sta, tmp_path):
    app = web.create_app(
        CityStore(tmp_path / "other.sqlite3"), Status(), public_read=True, city="t", registry=lambda: None
    )
    client = TestClient(app, raise_server_exceptions=False)
    for verb in ("post", "put", "patch", "delete"):
        assert getattr(client, verb)("/sta/v1.1/Things").status_code == 405

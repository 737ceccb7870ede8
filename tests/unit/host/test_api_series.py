"""Series and stations on HTTP: no peak is hidden, files say what they hold, and what cannot be meant is named."""

from __future__ import annotations

import csv
import io
import json
import sqlite3

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from built import T0_MS
from city_rig import REGISTRY, XSS, City
from pantau.web import series
from pantau_wire import frame
from pantau_wire import names as T

NOW_MS = T0_MS
SENSOR = """
[[sensor]]
id = "level-1"
station = "pintu-air-10"
model = "a02yyuw"
serial = "A0-17"
properties = ["water_distance"]
"""


@pytest.fixture
def city(tmp_path):
    made = City(tmp_path, REGISTRY + SENSOR, now_ms=lambda: NOW_MS)
    yield made
    made.close()


@pytest.fixture
def get(city):
    web = TestClient(city.app)

    def asked(path, status=200, **query):
        answer = web.get(path, params=query)
        assert answer.status_code == status, answer.text
        return answer

    return asked


def minutes(city, columns, chunk=60):
    """Feed minutes up to now, in frames of an hour."""
    first = next(iter(columns.values()))
    for start in range(0, len(first), chunk):
        part = {number: raws[start : start + chunk] for number, raws in columns.items()}
        city.feed("flood-01", part, ago_s=60 * (len(first) - min(start + chunk, len(first))))


def level(get, **query):
    return get("/api/series", station="pintu-air-10", property="water_distance", **query).json()


def test_few_readings_come_as_they_are(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000, 4001, 4002]})
    found = level(get)
    assert found["bucket_ms"] is None and found["unit"] == "m"
    assert found["last"] == found["min"] == found["max"] == [4.0, 4.001, 4.002]
    assert found["t"][-1] == city.now_s * 1000 and found["n"] == [1, 1, 1]


@pytest.mark.parametrize("at", [0, 1, 313, 598, 599])
def test_a_peak_of_one_reading_is_seen_at_any_zoom(city, get, at):
    raws = [4000] * 600
    raws[at] = 1234
    minutes(city, {T.WATER_DISTANCE: raws})
    found = level(get, points=50)
    assert len(found["t"]) <= 50 and found["bucket_ms"] > 0
    assert min(found["min"]) == 1.234 and max(found["max"]) == 4.0
    assert sum(found["n"]) == 600


def test_what_failed_is_flagged_and_stretches_no_axis(city, get):
    bad = frame.quality(T.R_OUT_OF_RANGE)
    city.feed("flood-01", {T.WATER_DISTANCE: ([4000, 65000, 4002], [0, bad, 0])})
    found = level(get)
    assert found["q"] == [1, 4, 1] and found["reason"][1] == "out_of_range"
    assert found["max"] == [4.0, None, 4.002] and found["last"][1] == 65.0
    gone = frame.quality(T.R_NO_ECHO)
    city.feed("flood-01", {T.WATER_DISTANCE: ([None], [gone])}, ago_s=600)
    found = level(get)
    assert found["q"][0] == 9 and found["last"][0] is None


def test_a_gap_has_no_points(city, get):
    city.feed("flood-01", {T.WATER_DISTANCE: [4000] * 5}, ago_s=36_000)
    city.feed("flood-01", {T.WATER_DISTANCE: [4000] * 200})
    found = level(get, points=50)
    widest = max(b - a for a, b in zip(found["t"], found["t"][1:], strict=False))
    assert widest > 2 * 3600 * 1000


def test_a_series_goes_on_over_a_change_of_the_node(tmp_path):
    at = "2026-11-24T00:00:00Z"
    moved = REGISTRY.replace(
        'id = "flood-01"\nstation = "pintu-air-10"',
        f'id = "flood-01"\nstation = "pintu-air-10"\nto = {at}\n[[node]]\nid = "flood-09"\nstation = "pintu-air-10"\nfrom = {at}',
    )
    now_ms = 1_795_500_000_000  # half a day after the change
    city = City(tmp_path, moved, now_ms=lambda: now_ms)
    city.feed("flood-01", {T.WATER_DISTANCE: [4000] * 5}, ago_s=60_000)
    city.feed("flood-09", {T.WATER_DISTANCE: [3000] * 5})
    query = {"station": "pintu-air-10", "property": "water_distance"}
    assert TestClient(city.app).get("/api/series", params=query).json()["last"] == [4.0] * 5 + [3.0] * 5
    only = TestClient(city.app).get("/api/series", params=query | {"node": "flood-09"}).json()
    assert only["last"] == [3.0] * 5
    city.close()


def test_csv_is_what_a_spreadsheet_opens(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000, 4001]})
    answer = get("/api/series", node="flood-01", property="water_distance", format="csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="flood-01-water_distance.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [float(row["value"]) for row in rows] == [4.0, 4.001]
    assert rows[0]["observed_at"].endswith("Z") and rows[0]["quality"] == "1"


def test_parquet_says_what_its_columns_are(city, get):
    minutes(city, {T.WATER_DISTANCE: list(range(4000, 4700))})
    answer = get("/api/series", station="pintu-air-10", property="water_distance", format="parquet")
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.num_rows == 700 and table.column("value")[0].as_py() == 4.0
    assert table.schema.field("value").metadata[b"unit"] == b"m"
    assert json.loads(table.schema.metadata[b"pantau"])["licence"] == "CC-BY-4.0"


def test_a_file_of_many_pages_has_every_reading_once(city):
    minutes(city, {T.WATER_DISTANCE: list(range(4000, 4700))})
    reader = series.SeriesReader(city.store.path)
    asked = series.Asked(("flood-01",), None, "water_distance", 0, NOW_MS + 10_000_000)
    rows = [row for page in reader.rows(asked, page=64) for row in page]
    assert len(rows) == len({row[0] for row in rows}) == 700


@pytest.mark.parametrize(
    "query, wrong",
    [
        ({}, "property"),
        ({"property": "x"}, "station"),
        ({"property": "x" * 65, "station": "a"}, "property"),
        ({"property": "x\x00", "station": "a"}, "property"),
        ({"property": "water_distance", "station": "pintu-air-10", "points": 10**9}, "points"),
        ({"property": "water_distance", "station": "pintu-air-10", "points": "many"}, "points"),
        ({"property": "water_distance", "station": "pintu-air-10", "from": "2026-01-01T00:00:00"}, "from"),
        ({"property": "water_distance", "station": "pintu-air-10", "from": "0"}, "from"),
        ({"property": "water_distance", "station": "pintu-air-10", "to": "999999999-01-01T00:00:00Z"}, "to"),
        ({"property": "water_distance", "station": "pintu-air-10", "to": "9" * 39}, "to"),
        ({"property": "water_distance", "station": "pintu-air-10", "since": "1"}, "since"),
        ({"property": "water_distance", "station": "pintu-air-10", "format": "xlsx"}, "format"),
        ({"property": ["water_distance", "water_level"], "station": "pintu-air-10"}, "property"),
    ],
)
def test_a_bad_parameter_is_named(get, query, wrong):
    body = get("/api/series", 400, **query).json()
    assert wrong in [one["name"] for one in body["errors"]]


@pytest.mark.parametrize("text", ["'; DROP TABLE observations; --", XSS, "' OR 1=1 --", "%_"])
def test_sql_and_html_are_names_that_nobody_has(city, get, text):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    for query in ({"station": text, "property": "water_distance"}, {"station": "pintu-air-10", "property": text}):
        body = get("/api/series", 404, **query)
        assert body.headers["content-type"] == "application/problem+json" and text not in body.json()["detail"]
    assert level(get)["n"] == [1]


def test_a_question_that_takes_too_long_is_refused_in_words(city, get, monkeypatch):
    minutes(city, {T.WATER_DISTANCE: [4000] * 600})
    monkeypatch.setattr(series, "BUDGET_S", -1.0)
    monkeypatch.setattr(series, "_STEPS", 1)
    body = get("/api/series", 503, station="pintu-air-10", property="water_distance").json()
    assert "shorter time" in body["detail"]


def test_a_station_tells_all_that_is_known_of_it(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    city.say_health("flood-01", battery_mv=3700)
    found = get("/api/stations/pintu-air-10").json()
    reading = next(one for one in found["readings"] if one["property"] == "water_distance")
    assert reading["sensor"] == {"id": "level-1", "model": "a02yyuw", "serial": "A0-17"} and reading["unit"] == "m"
    assert [one["name"] for one in found["thresholds"]] == ["siaga_3", "siaga_2", "siaga_1"]
    assert found["kemendagri"] == "36.71.01.1001" and found["nodes"][0]["health"]["battery_mv"] == 3700
    assert get("/api/stations/nowhere", 404).json()["detail"]


def test_stations_in_the_small_have_state_alert_and_code(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    first = {one["id"]: one["properties"] for one in get("/api/stations.geojson").json()["features"]}
    assert first["pintu-air-10"]["state"] == "ok" and first["pintu-air-10"]["kemendagri"] == "36.71.01.1001"
    assert (first["pintu-air-10"]["severity"], first["pintu-air-10"]["alert"]) == (0, None)
    assert [one["property"] for one in first["pintu-air-10"]["headline"]] == ["water_level", "water_distance"]
    # What is committed is told at once, though the body is kept for a second.
    city.feed("flood-01", {T.WATER_DISTANCE: [1000]}, alarm=True)
    then = get("/api/stations.geojson").json()["features"]
    told = next(one["properties"] for one in then if one["id"] == "pintu-air-10")
    assert told["state"] == "alarm" and told["severity"] >= 3 and told["alert"] >= 1
    assert get("/api/stations.geojson", 400, x="1").json()["errors"][0]["name"] == "x"


def test_a_station_under_somebodys_hands_is_under_maintenance(city, get):
    city.feed("flood-01", {T.WATER_DISTANCE: ([4000], [frame.quality(T.R_MAINTENANCE)])})
    told = get("/api/stations.geojson").json()
    states = {one["id"]: one["properties"]["state"] for one in told["features"]}
    assert states["pintu-air-10"] == "maintenance" and told["network"]["maintenance"] == 1
    rows = get("/api/network").json()["nodes"]
    assert next(one["state"] for one in rows if one["node"] == "flood-01") == "maintenance"


def test_the_metadata_names_unit_sensor_place_and_licence_of_every_series(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    found = {one["property"]: one for one in get("/api/metadata").json()["datastreams"]}
    told = found["water_distance"]
    assert (told["unit"], told["licence"], told["kemendagri"]) == ("m", "CC-BY-4.0", "36.71.01.1001")
    assert told["sensor"]["model"] == "a02yyuw" and told["title"]["id"] == "Jarak ke muka air"
    assert found["water_level"]["datum"] == "station zero" and found["water_level"]["sensor"] is None
    assert "registry minus" in found["water_level"]["method"] and found["water_level"]["indicative"] is None


def test_a_plus_sign_that_was_not_escaped_is_still_an_offset(city):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    ask = "/api/series?station=pintu-air-10&property=water_distance&from=2020-01-01T07:00:00+07:00&to=2020-02-01T07:00:00+07:00"
    answer = TestClient(city.app).get(ask)
    assert answer.status_code == 200 and answer.json()["from"] == "2020-01-01T00:00:00.000Z"


def test_an_unknown_path_and_method_are_problems(get, city):
    assert get("/api/nothing", 404).headers["content-type"] == "application/problem+json"
    answer = TestClient(city.app).put("/api/series")
    assert answer.status_code == 405 and answer.headers["content-type"] == "application/problem+json"


def test_a_lost_store_is_503(city, get):
    minutes(city, {T.WATER_DISTANCE: [4000]})
    with sqlite3.connect(city.store.path) as db:
        db.execute("DROP VIEW readings")
        db.execute("DROP TABLE observations")
    db.close()
    assert get("/api/series", 503, station="pintu-air-10", property="water_distance").json()["detail"]

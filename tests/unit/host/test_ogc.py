"""OGC API Features from a real store: documents, every parameter, reference systems, and what an odd question gets."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from built import T0_MS, records
from pantau.decode import Decoder
from pantau.registry.file import read
from pantau.sinks._city_stations import station_rows
from pantau.sinks.sqlite import CityStore
from pantau.web.app import create_app
from pantau.web.ogc.crs import KNOWN
from pantau_wire import names as T

NOW_MS = T0_MS + 120_000
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
LATEST = "/ogc/collections/observations-latest/items"
HTML = "<script>alert(1)</script>"
REGISTRY = f"""
[[station]]
id = "pintu-10"
name = "Pintu Air 10 {HTML}"
domain = "flood"
latitude = -6.18
longitude = 106.62
kemendagri = "36.71.01.1001"
sensor_height_m = 6.5
report_interval_s = 60
[[station]]
id = "pulau"
name = "Beyond the antimeridian"
domain = "traffic"
latitude = -16.0
longitude = -179.5
[[node]]
id = "flood-01"
station = "pintu-10"
[[node]]
id = "traffic-01"
station = "pulau"
"""


class Status:
    def problems(self):
        return []

    def figures(self):
        return {}


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    """Make an app on one store that holds two stations and a node that stands nowhere."""
    registry = read(tomllib.loads(REGISTRY), Path("registry.toml"))
    store = CityStore(tmp_path_factory.mktemp("ogc") / "city.sqlite3")
    store.put_stations(station_rows(registry, NOW_MS))
    decode = Decoder(registry).decode
    frames = [
        records({T.WATER_DISTANCE: [1500, 1400]}, base_s=T0_MS // 1000),
        records({T.VEHICLE_COUNT: [7, 9]}, node="traffic-01", base_s=T0_MS // 1000 - 3600),
        records({T.WATER_DISTANCE: [1000]}, node="loose-01", base_s=T0_MS // 1000),
    ]
    assert all(v.kind == "stored" for v in store.deliver([decode(f) for f in frames]))

    def make(**settings):
        given = {"public_read": True, "registry": lambda: registry, "licence": "CC-BY-4.0"} | settings
        return TestClient(create_app(store, Status(), city="tng", now_ms=lambda: NOW_MS, **given))

    yield make
    store.close()


@pytest.fixture(scope="module")
def client(apps):
    return apps()


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [feature["id"] for feature in answer.json()["features"]]


def test_every_link_of_every_document_leads_to_what_it_says(client):
    seen, ahead = set(), ["http://testserver/ogc/"]
    while ahead:
        href = ahead.pop()
        if href in seen or not href.startswith("http://testserver/ogc"):
            continue
        seen.add(href)
        parts = urlsplit(href)
        answer = client.get(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        assert answer.status_code == 200, href
        if "json" not in answer.headers["content-type"]:
            continue
        body = answer.json()
        for link in [*body.get("links", []), *(x for c in body.get("collections", []) for x in c["links"])]:
            assert client.get(link["href"]).headers["content-type"].partition(";")[0] == link["type"].partition(";")[0]
            ahead.append(link["href"])
        if body.get("type") == "FeatureCollection":
            ahead += [f"http://testserver{parts.path}/{feature['id']}" for feature in body["features"]]
    assert any("observations-latest/items/flood-01:water_level" in href and "f=html" in href for href in seen)


def resolved(schema, components):
    """Put the schemas of OpenAPI into JSON Schema: references in place, nullable as a type."""
    if isinstance(schema, list):
        return [resolved(one, components) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(components[schema["$ref"].rpartition("/")[2]], components)
    made = {key: resolved(one, components) for key, one in schema.items() if key != "nullable"}
    if schema.get("nullable"):
        made["type"] = [made["type"], "null"]
    return made


def test_the_definition_is_valid_and_the_answers_are_as_it_says(client):
    body = client.get("/ogc/api").json()
    validate(body)
    assert body["servers"] == [{"url": "http://testserver/ogc"}]
    for path, operations in body["paths"].items():
        answer = client.get(
            "/ogc" + path.replace("{featureId}", "pintu-10" if "stations" in path else "flood-01:water_level")
        )
        media = answer.headers["content-type"]
        content = operations["get"]["responses"]["200"]["content"]
        schema = content[media if media in content else "application/json"]["schema"]
        jsonschema.validate(answer.json(), resolved(schema, body["components"]["schemas"]))


def test_a_latest_observation_says_all_that_a_reader_must_know(client):
    told = client.get(f"{LATEST}/flood-01:water_level").json()
    assert told["geometry"] == {"type": "Point", "coordinates": [106.62, -6.18]}
    shown = told["properties"]
    assert (shown["value"], shown["unit"], shown["quality"], shown["stale"]) == (5.1, "m", 1, False)
    assert (shown["kemendagri"], shown["licence"], shown["observed_at"]) == (
        "36.71.01.1001",
        "CC-BY-4.0",
        "2026-11-18T11:07:40.000Z",
    )
    assert client.get(urlsplit(shown["datastream"]).path).json()["name"] == "flood-01/water_level"
    assert client.get(f"{LATEST}/loose-01:water_distance").json()["geometry"] is None
    stations = client.get("/ogc/collections/stations/items").json()["features"]
    assert {one["id"]: one["properties"]["state"] for one in stations} == {"pintu-10": "ok", "pulau": "late", "loose-01": "ok"}  # fmt: skip


FLOOD = ["flood-01:water_distance", "flood-01:water_level"]
LOOSE, CARS = "loose-01:water_distance", "traffic-01:vehicle_count"


@pytest.mark.parametrize(
    "query, found",
    [
        ("", [*FLOOD, LOOSE, CARS]),
        ("limit=2", FLOOD),
        ("limit=2&offset=3", [CARS]),
        ("limit=1" + "0" * 18, [*FLOOD, LOOSE, CARS]),
        ("bbox=106,-7,107,-6", [*FLOOD, LOOSE]),  # what has no place matches any box, as the standard has it
        ("bbox=106,-7,-100,107,-6,9000", [*FLOOD, LOOSE]),
        ("bbox=179,-17,-179,-15", [LOOSE, CARS]),
        ("bbox=-179,-17,179,-15", [LOOSE]),
        (f"bbox=-7,106,-6,107&bbox-crs={EPSG}4326", [*FLOOD, LOOSE]),
        (f"bbox=11868000,-690000,11870000,-688000&bbox-crs={EPSG}3857", [*FLOOD, LOOSE]),
        ("bbox=106,-7,106.5,-6", [LOOSE]),
        ("datetime=2026-11-18T11:07:40Z", FLOOD),
        ("datetime=2026-11-18T11:07:00Z/..", FLOOD),
        ("datetime=/2026-11-18T18:06:40%2B07:00", [LOOSE, CARS]),
        ("datetime=../2026-11-18T11:00:00Z", [CARS]),
        ("datetime=2026-11-18", [*FLOOD, LOOSE, CARS]),
        ("datetime=2026-11-17", []),
        ("datetime=../..", [*FLOOD, LOOSE, CARS]),
        ("property=water_level&quality=1", FLOOD[1:]),
        ("domain=traffic&stale=true", [CARS]),
        ("domain=flood&stale=true", []),
        ("kemendagri=36.71.01.1001&indicative=false", FLOOD),
        ("station=pintu-10'%20OR%201=1%20--", []),
    ],
)
def test_what_is_asked_for_is_found(client, query, found):
    assert ids(client.get(f"{LATEST}?{query}")) == found


def test_stations_have_no_time_of_their_own_so_any_matches(client):
    assert len(ids(client.get("/ogc/collections/stations/items?datetime=1999-01-01"))) == 3


@pytest.mark.parametrize(
    "query, name, words",
    [
        ("bbox=1,2,3", "bbox", "four numbers"),
        ("bbox=" + "1," * 5000, "bbox", "four numbers"),
        ("bbox=nan,1,2,3", "bbox", "four numbers"),
        ("bbox=-inf,1,inf,3", "bbox", "four numbers"),
        ("bbox=-7,106,-6,107", "bbox", "the order is longitude, latitude"),
        ("bbox=106,-6,107,-7", "bbox", "south lies north"),
        ("bbox=1e999,-6,107,-7", "bbox", "four numbers"),
        (f"bbox=1,2,3,4&bbox-crs={EPSG}9999", "bbox-crs", "CRS84"),
        (f"crs={HTML}", "crs", "one of"),
        ("limit=0", "limit", "whole number from 1"),
        ("limit=-1", "limit", "whole number"),
        ("limit=1e3", "limit", "whole number"),
        ("limit=1&limit=2", "limit", "twice"),
        ("offset=" + "9" * 5000, "offset", "to 10000000"),
        ("datetime=yesterday", "datetime", "not a time"),
        ("datetime=2026-11-18T11:00:00", "datetime", "not a time"),
        ("datetime=99999-01-01T00:00:00Z", "datetime", "not a time"),
        ("datetime=9999-12-31", "datetime", "not a time"),
        ("datetime=2026-11-19/2026-11-18", "datetime", "ends before"),
        ("datetime=a/b/c", "datetime", "two ends"),
        ("datetime=" + "/" * 5000, "datetime", "too long"),
        ("quality=good", "quality", "whole number"),
        ("stale=1", "stale", "true or false"),
        ("station=" + "x" * 5000, "station", "longer"),
        ("unknown=1", "unknown", "known are"),
        ("f=xml", "f", "json or html"),
    ],
)
def test_what_is_not_understood_is_said(client, query, name, words):
    answer = client.get(f"{LATEST}?{query}")
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert words in {one["name"]: one["reason"] for one in answer.json()["errors"]}[name]
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "path, status, words",
    [
        ("/ogc/collections/no", 404, "there are stations"),
        ("/ogc/collections/" + "x" * 3000, 404, "there are stations"),
        (f"{LATEST}/..%2F..%2Fetc", 404, "has no"),
        (f"{LATEST}/flood-01:water_level?bbox=1,2,3,4", 400, "known are"),
        ("/ogc/collections?limit=1", 400, "known is f"),
    ],
)
def test_what_is_not_there_is_said(client, path, status, words):
    answer = client.get(path)
    assert answer.status_code == status and words in answer.text and len(answer.content) < 1000


def test_pages_walk_every_feature_once_and_keep_the_question(client):
    seen, href = [], f"{LATEST}?limit=1&bbox=106,-7,107,-6&crs={EPSG}4326"
    while href:
        answer = client.get(href)
        body = answer.json()
        assert (body["numberMatched"], body["numberReturned"]) == (3, 1)
        assert answer.headers["content-crs"] == f"<{EPSG}4326>"
        seen += ids(answer)
        href = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    assert seen == [*FLOOD, LOOSE]


def test_coordinates_in_other_reference_systems(client):
    item = "/ogc/collections/stations/items/pintu-10"
    assert client.get(f"{item}?crs={EPSG}4326").json()["geometry"]["coordinates"] == [-6.18, 106.62]
    mercator = KNOWN[EPSG + "3857"]
    assert client.get(f"{item}?crs={EPSG}3857").json()["geometry"]["coordinates"] == list(mercator.out(106.62, -6.18))
    # the example of IOGP Guidance Note 7-2, method 1024
    place = (-math.degrees(1.751147016), math.degrees(0.42554246))
    assert mercator.out(*place) == pytest.approx((-11_169_055.58, 2_800_000.00), abs=0.05)
    for lon, lat in ((106.62, -6.18), (-179.5, 0.0), (10.0, 85.0)):
        assert mercator.back(*mercator.out(lon, lat)) == pytest.approx((lon, lat), abs=1e-7)


def test_html_for_people_has_the_same_in_it_and_runs_nothing(client):
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.get("/ogc/collections/stations/items", headers=browser)
    assert answer.headers["content-type"].startswith("text/html")
    assert HTML not in answer.text and "&lt;script&gt;" in answer.text and "36.71.01.1001" in answer.text
    assert not re.search(r"\bstyle=|<script|<style|\son\w+=", answer.text)
    assert client.get("/ogc/", headers={"accept": "*/*"}).json()["title"]


def test_links_are_those_of_the_proxy_in_front(apps):
    client = apps(public_url="https://data.example/pantau/")
    links = client.get("/ogc/").json()["links"]
    assert all(link["href"].startswith("https://data.example/pantau/ogc/") for link in links)
    sets = client.get("/sta/v1.1/").json()["value"]
    assert all(one["url"].startswith("https://data.example/pantau/sta/v1.1/") for one in sets)


def test_other_sites_may_read_open_data_and_nothing_else(apps):
    public, closed = apps(), apps(public_read=False)
    site = {"origin": "https://site.example"}
    for path in ("/ogc/collections", "/sta/v1.1/Things", "/api/latest", f"{LATEST}?limit=0"):
        answer = public.get(path, headers=site)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        asked = public.options(path, headers=site | {"access-control-request-method": "GET"})
        assert asked.status_code == 204 and "authorization" not in asked.headers["access-control-allow-headers"]
        assert public.options(path, headers=site).status_code == 405
        answer = closed.get(path, headers=site)
        assert answer.status_code in (401, 403) and "access-control-allow-origin" not in answer.headers
    for path in ("/", "/metrics", "/healthz"):
        assert "access-control-allow-origin" not in public.get(path, headers=site).headers
    assert "access-control-allow-origin" not in public.post("/api/latest", headers=site).headers

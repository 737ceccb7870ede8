"""The operator's basemap: what is shown of it, and that nothing in its folder can hurt the bridge or the page."""

from __future__ import annotations

import gzip
import io
import json
import os

import mapbox_vector_tile
import pytest
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from starlette.testclient import TestClient

from basemap_kit import (
    ATTRIBUTION,
    EAST,
    NORTH,
    SOUTH,
    WEST,
    archive,
    collection,
    feature,
    geojson_folder,
    png,
    ring,
    tile_of,
    vector_tile,
    write,
    write_archive,
)
from pantau.sinks.sqlite import CityStore
from pantau.web import basemap, basemap_geojson
from pantau.web.app import create_app
from pantau.web.basemap_kinds import kind_of


class Bridge:
    def problems(self):
        return []

    def figures(self):
        return {}


@pytest.fixture
def opened(tmp_path):
    """opened(folder) -> client of a bridge with that basemap."""
    store = CityStore(tmp_path / "city.sqlite3")

    def make(folder, **more):
        options = {"public_read": True, "city": "tng", "basemap": folder} | more
        return TestClient(create_app(store, Bridge(), **options))

    yield make
    store.close()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "basemap"
    made.mkdir()
    return made


def told(client):
    return client.get("/api/basemap").json()


def middle(zoom):
    return tile_of((WEST + EAST) / 2, (SOUTH + NORTH) / 2, zoom)


def test_without_a_basemap_there_is_nothing_and_nothing_is_wrong(opened):
    client = opened(None)
    assert told(client) == {"layers": [], "tiles": None, "bounds": None, "attribution": [], "problems": []}
    assert client.get("/basemap/3/1/1").status_code == 404
    assert client.get("/basemap/layers/0").status_code == 404


def test_layers_come_with_their_kind_bounds_and_attribution(opened, folder):
    client = opened(geojson_folder(folder))
    said = told(client)
    assert [(one["name"], one["kind"]) for one in said["layers"]] == [
        ("jalan", "road"),
        ("kecamatan", "boundary"),
        ("sungai", "river"),
    ]
    assert said["attribution"] == ["Test rings, public domain"] and said["problems"] == []
    assert said["bounds"][0] == pytest.approx(WEST) and said["bounds"][3] <= NORTH + 1e-9
    answer = client.get(said["layers"][1]["url"])
    assert answer.headers["content-type"] == "application/geo+json"
    shown = answer.json()["features"]
    assert [one["properties"] for one in shown] == [
        {"kind": "boundary", "name": name} for name in ("Segi Tujuh", "Segi Lain", "Ring <b>C</b>")
    ]
    again = client.get(said["layers"][1]["url"], headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_changes_is_read_again_and_has_another_address(opened, folder):
    client = opened(folder)
    write(folder / "sungai.geojson", collection(feature("LineString", [[106, -6], [107, -6]], name="A")))
    before = told(client)["layers"][0]["url"]
    write(folder / "sungai.geojson", collection(feature("LineString", [[106, -6], [107, -6]], name="Longer")))
    after = told(client)["layers"][0]["url"]
    assert before != after
    assert client.get(after).json()["features"][0]["properties"]["name"] == "Longer"


@pytest.mark.parametrize(
    "name, kind",
    [
        ("kali_cisadane", "river"), ("Batas Kecamatan", "boundary"), ("danau-situ", "water"), ("garis-pantai", "coast"),
        ("jalan-tol", "road"), ("rel", "rail"), ("nama_tempat", "names"), ("taman", "green"), ("xyz", "other"),
        ("boundary_labels", "names"), ("water_polygons", "water"), ("kalimantan", "other"),
    ],
)  # fmt: skip
def test_kinds_are_known_by_names(name, kind):
    assert kind_of(name) == kind


def test_the_style_overrules_names_and_its_mistakes_are_said(opened, folder):
    geojson_folder(folder)
    style = folder / "style.toml"
    style.write_text('attribution = "City of tests"\n[layers.jalan]\nkind = "river"\nfrom_zoom = 13\n', "utf-8")
    client = opened(folder)
    said = told(client)
    assert (said["layers"][0]["kind"], said["layers"][0]["from_zoom"]) == ("river", 13)
    assert said["attribution"][0] == "City of tests"
    style.write_text('[layers.jalan]\nkind = "lava"\n[layers.nothing]\n', "utf-8")
    said = told(client)
    assert len(said["layers"]) == 3
    assert any("style.toml: layers.jalan.kind" in problem for problem in said["problems"])


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"type": "Topology"}', "no GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": 3}', "no list of features"),
        ('{"type": "FeatureCollection", "features": [1, null, "x"]}', "shows nothing"),
        (json.dumps(collection(feature("Point", [700_000, 9_300_000]))), "EPSG:4326"),
        (json.dumps(collection(feature("Polygon", [[[1, 2], [3, 4]]]))), "no usable geometry"),
        (json.dumps(collection(feature("Point", [float("nan"), 1]))), "no usable geometry"),
        (json.dumps(collection(feature("Point", [True, 1]))), "no usable geometry"),
        (json.dumps(collection(feature("Point", {"a": 1}))), "no usable geometry"),
    ],
)
def test_a_broken_layer_is_named_and_the_others_are_shown(opened, folder, caplog, text, words):
    write(folder / "sungai.geojson", collection(feature("LineString", [[106, -6], [107, -6]])))
    (folder / "broken.geojson").write_text(text, "utf-8")
    said = told(opened(folder))
    assert [one["name"] for one in said["layers"]] == ["sungai"]
    assert len(said["problems"]) == 1
    assert "broken.geojson" in said["problems"][0] and words in said["problems"][0]
    assert said["problems"][0] in caplog.text


def test_features_that_are_wrong_are_left_out_and_counted(opened, folder):
    good = feature("LineString", [[106, -6], [107, -6]])
    bad = feature("LineString", [[106, -6], [999, -6]])
    group = {"type": "Feature", "properties": None, "geometry": {"type": "GeometryCollection", "geometries": [good["geometry"], bad["geometry"]]}}  # fmt: skip
    nothing = {"type": "Feature", "properties": {}, "geometry": None}
    write(folder / "kali.geojson", collection(good, bad, group, nothing))
    client = opened(folder)
    said = told(client)
    assert "2 features were left out" in said["problems"][0]
    assert len(client.get(said["layers"][0]["url"]).json()["features"]) == 2


def test_sizes_are_bounded(folder, monkeypatch):
    write(folder / "kali.geojson", collection(feature("LineString", [[106, -6]] * 500)))
    monkeypatch.setattr(basemap_geojson, "MAX_POINTS", 499)
    with pytest.raises(basemap_geojson.LayerError, match="more than 499 points"):
        basemap_geojson.read(folder / "kali.geojson")
    monkeypatch.setattr(basemap_geojson, "MAX_FILE", 1000)
    with pytest.raises(basemap_geojson.LayerError, match="larger than"):
        basemap_geojson.read(folder / "kali.geojson")


def test_no_link_and_no_path_leads_out_of_the_folder(opened, folder, tmp_path):
    secret = tmp_path / "secret.geojson"
    write(secret, collection(feature("Point", [1, 1], name="secret")))
    (folder / "kali.geojson").symlink_to(secret)
    os.mkfifo(folder / "jalan.geojson")
    client = opened(folder)
    said = told(client)
    assert said["layers"] == [] and len(said["problems"]) == 2 and "copy the file itself" in said["problems"][0]
    for path in (
        "layers/../../secret.geojson", "layers/%2e%2e%2fsecret.geojson", "layers/0", "layers/-1", "layers/٣", "layers/" + "9" * 5000,
        "1/2/..", "-1/0/0", "0/1/0", "25/0/0", "3/8/0", "9" * 5000 + "/0/0", "1/1/1.5", "1/1/٣",
    ):  # fmt: skip
        assert client.get(f"/basemap/{path}").status_code == 404, path


def test_a_folder_that_is_not_there_is_said(opened, folder):
    said = told(opened(folder / "nowhere"))
    assert "cannot be read" in said["problems"][0] and said["layers"] == []


def test_reading_is_closed_as_elsewhere(opened, folder):
    archive(folder / "a.pmtiles")
    client = opened(geojson_folder(folder), public_read=False)
    for path in ("/api/basemap", "/basemap/layers/0", "/basemap/9/407/264"):
        assert client.get(path).status_code == 403, path


def test_vector_tiles_come_as_what_is_drawn(opened, folder):
    archive(folder / "a.pmtiles", zooms=(9, 10))
    client = opened(folder)
    said = told(client)
    assert (said["tiles"]["kind"], said["tiles"]["min_zoom"], said["tiles"]["max_zoom"]) == ("vector", 9, 10)
    assert said["bounds"] == pytest.approx([WEST, SOUTH, EAST, NORTH])
    assert said["attribution"] == ["Shapes by nobody & no one"] and "<" in ATTRIBUTION
    x, y = middle(10)
    answer = client.get(f"/basemap/10/{x}/{y}")
    tile = answer.json()
    assert tile["extent"] == 4096
    drawn = {(one["kind"], one["type"], one["rank"]) for one in tile["features"]}
    assert drawn == {
        ("water", 3, 0), ("green", 3, 0), ("road", 2, 3), ("road", 2, 0), ("rail", 2, 0), ("boundary", 2, 0), ("names", 1, 1)
    }  # fmt: skip
    road = next(one for one in tile["features"] if one["rank"] == 3)
    assert road["parts"] == [[0, 3000, 4096, 2600]]
    name = next(one for one in tile["features"] if one["type"] == 1)
    assert (name["name"], name["parts"]) == (f"Kotak {x}-{y}", [[2048, 2048]])
    again = client.get(f"/basemap/10/{x}/{y}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/basemap/10/0/0").status_code == 204


def test_raster_tiles_come_as_they_are(opened, folder):
    archive(folder / "a.pmtiles", "raster", zooms=(9, 9))
    client = opened(folder)
    assert told(client)["tiles"]["kind"] == "raster"
    x, y = middle(9)
    answer = client.get(f"/basemap/9/{x}/{y}")
    assert (answer.headers["content-type"], answer.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")


def test_tiles_are_kept_within_a_bound(folder, monkeypatch):
    archive(folder / "a.pmtiles", "raster", zooms=(9, 12))
    monkeypatch.setattr(basemap, "_KEPT_BYTES", 3000)
    found = basemap.Basemap(folder)
    x, y = middle(12)
    for dx in range(-3, 4):
        found.tile(12, x + dx, y)
    assert 0 < len(found._tiles) < 7
    assert found._kept <= 3000


def spoiled(whole, **_):
    half = whole[: len(whole) // 2]
    return {
        "empty": b"",
        "cut in its header": whole[:100],
        "another magic": b"SQLite f" + whole[8:],
        "version 2": whole[:7] + b"\x02" + whole[8:],
        "cut in its tiles": half,
        "directory of noise": whole[:127] + b"\x00" * 64 + whole[191:],
        "a directory of 2^62 bytes": whole[:16] + (1 << 62).to_bytes(8, "little") + whole[24:],
        "an unknown type": whole[:99] + b"\x09" + whole[100:],
        "brotli": whole[:97] + b"\x03" + whole[98:],
        "bounds beyond the earth": whole[:102] + b"\x7f" * 16 + whole[118:],
    }


@pytest.mark.parametrize("what", list(spoiled(b"")))
def test_a_spoiled_archive_is_named_or_its_tiles_are(opened, folder, what):
    whole = archive(folder / "a.pmtiles", zooms=(9, 10)).read_bytes()
    write(folder / "kali.geojson", collection(feature("LineString", [[106, -6], [107, -6]])))
    (folder / "a.pmtiles").write_bytes(spoiled(whole)[what])
    client = opened(folder)
    said = told(client)
    assert [one["name"] for one in said["layers"]] == ["kali"]
    if what == "cut in its tiles":  # the head is whole: only who looks for a tile finds out
        codes = {client.get(f"/basemap/10/{x}/{y}").status_code for x in range(814, 817) for y in range(528, 531)}
        assert codes <= {200, 204, 502} and 502 in codes
        return
    assert said["tiles"] is None
    assert len(said["problems"]) == 1 and said["problems"][0].startswith("a.pmtiles: ")


BOMB = gzip.compress(bytes(20 << 20), 9, mtime=0)


@pytest.mark.parametrize(
    "body, words",
    [
        (BOMB, "unpacks to more than"),
        (b"\x1f\x8b" + b"\x00" * 40, "damaged"),
        (vector_tile(0, 0, 0)[:-20], "cut short"),
        (b"\xff" * 300, "no Mapbox vector tile"),
        (gzip.compress(b"<html>not a tile</html>"), "no Mapbox vector tile"),
    ],
    ids=["bomb", "damaged", "cut", "noise", "html"],
)
def test_a_bad_tile_is_refused_in_words_and_the_next_one_is_answered(opened, folder, body, words):
    x, y = middle(9)
    tiles = sorted([(zxy_to_tileid(9, x, y), body), (zxy_to_tileid(10, 2 * x, 2 * y), vector_tile(10, 2 * x, 2 * y))])
    write_archive(folder / "a.pmtiles", tiles)
    client = opened(folder)
    answer = client.get(f"/basemap/9/{x}/{y}")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    assert words in answer.json()["detail"]
    assert client.get(f"/basemap/10/{2 * x}/{2 * y}").status_code == 200


def test_an_image_that_is_html_is_not_sent(opened, folder):
    x, y = middle(9)
    write_archive(folder / "a.pmtiles", [(zxy_to_tileid(9, x, y), b"<script>alert(1)</script>")], "raster")
    answer = opened(folder).get(f"/basemap/9/{x}/{y}")
    assert answer.status_code == 502 and "script" not in answer.text


def test_a_directory_that_is_a_bomb_is_refused(opened, folder):
    sink = io.BytesIO()
    whole = archive(folder / "a.pmtiles", zooms=(9, 9)).read_bytes()
    sink.write(whole[:8] + len(whole).to_bytes(8, "little") + len(BOMB).to_bytes(8, "little") + whole[24:] + BOMB)
    (folder / "a.pmtiles").write_bytes(sink.getvalue())
    assert "unpacks to more" in told(opened(folder))["problems"][0]


def test_one_archive_is_shown_and_the_second_is_said(opened, folder):
    archive(folder / "a.pmtiles", zooms=(9, 9))
    archive(folder / "b.pmtiles", "raster", zooms=(9, 9))
    said = told(opened(folder))
    assert said["tiles"]["kind"] == "vector" and "b.pmtiles is not shown" in said["problems"][0]


def test_missing_packages_are_said(opened, folder, monkeypatch):
    archive(folder / "a.pmtiles", zooms=(9, 9))
    client = opened(folder)
    monkeypatch.setattr(basemap.importlib.util, "find_spec", lambda _: None)
    assert "extra `basemap`" in told(client)["problems"][0]


def test_names_with_markup_and_protomaps_layers(opened, folder):
    """The Protomaps schema has other layers and `kind`; what a name holds stays text."""
    x, y = middle(9)
    layers = [
        {"name": "earth", "features": [{"geometry": "POLYGON((0 0, 4096 0, 4096 4096, 0 4096, 0 0))", "properties": {}}]},
        {"name": "roads", "features": [{"geometry": "LINESTRING(0 0, 9 9)", "properties": {"kind": "major_road"}}]},
        {"name": "places", "features": [{"geometry": "POINT(5 5)", "properties": {"kind": "locality", "name": "<b>x</b>"}}]},
        {"name": "buildings", "features": [{"geometry": "POLYGON((0 0, 9 0, 9 9, 0 0))", "properties": {}}]},
    ]  # fmt: skip
    body = mapbox_vector_tile.encode(layers, default_options={"y_coord_down": True})
    write_archive(folder / "a.pmtiles", [(zxy_to_tileid(9, x, y), body)], tile_compression=Compression.NONE)
    tile = opened(folder).get(f"/basemap/9/{x}/{y}").json()
    assert [(one["kind"], one["rank"], one.get("name")) for one in tile["features"]] == [
        ("land", 0, None),
        ("road", 2, None),
        ("names", 2, "<b>x</b>"),
    ]


def test_webp_and_jpeg_are_known_by_their_first_bytes(opened, folder):
    x, y = middle(9)
    bodies = {
        "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        "image/jpeg": b"\xff\xd8\xff\xe0rest",
        "image/png": png((1, 2, 3), 8),
    }
    tiles = [(zxy_to_tileid(9, x + step, y), body) for step, body in enumerate(bodies.values())]
    write_archive(folder / "a.pmtiles", sorted(tiles), "raster", tile_type=TileType.WEBP)
    client = opened(folder)
    assert [client.get(f"/basemap/9/{x + step}/{y}").headers["content-type"] for step in range(3)] == list(bodies)


def test_rings_of_the_kit_are_closed():
    assert ring(106, -6, 0.1)[0] == ring(106, -6, 0.1)[-1]


def test_bridge_check_names_what_cannot_be_used(folder):
    assert basemap.mistakes(None) == []
    (folder / "kali.geojson").write_text("{", "utf-8")
    said = [str(problem) for problem in basemap.mistakes(folder)]
    assert len(said) == 1 and said[0].startswith("web.basemap: kali.geojson is no JSON")

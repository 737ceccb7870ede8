"""Clients of others read OGC API Features over HTTP: OWSLib, GDAL's driver, and (long) the provider of QGIS itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
import uvicorn
from owslib.ogcapi.features import Features

import needs
from built import T0_MS, records
from pantau.decode import Decoder
from pantau.registry.file import read
from pantau.sinks._city_stations import station_rows
from pantau.sinks.sqlite import CityStore
from pantau.web.app import create_app
from pantau_wire import names as T

STATIONS = 45
# In a process of its own: GDAL keeps the interpreter's lock while it waits for the server.
GDAL = """
import json, sys
import pyogrio
source = sys.argv[1]
about = pyogrio.read_info(source, layer="observations-latest")
def column(layer, name, **asked):
    found, _, _, columns = pyogrio.raw.read(source, layer=layer, **asked)
    return columns[list(found["fields"]).index(name)].tolist()
print(json.dumps({
    "layers": sorted(pyogrio.list_layers(source)[:, 0]),
    "features": about["features"],
    "geometry": about["geometry_type"],
    "kinds": dict(zip(about["fields"], about["ogr_types"])),
    "pages": column("stations", "id", PAGE_SIZE="10"),
    "box": column("stations", "id", bbox=(106.595, -7, 106.625, -6)),
    "where": column("observations-latest", "value", where="property = 'water_level' AND station = 's-07'"),
    "late": column("observations-latest", "id", where="observed_at >= '2026/11/18 11:50:00'", PAGE_SIZE="3"),
    "crs": pyogrio.raw.read(source, layer="stations", CRS="http://www.opengis.net/def/crs/EPSG/0/3857")[0]["crs"],
}))
"""
QGIS = """
import json, os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import Qgis, QgsApplication, QgsFeatureRequest, QgsProviderRegistry, QgsRectangle, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
url, told = sys.argv[1], {"version": Qgis.QGIS_VERSION}
for name in ("stations", "observations-latest"):
    uri = f"url='{url}' typename='{name}' pageSize='10' pagingEnabled='enabled' restrictToRequestBBOX='1'"
    layer = QgsVectorLayer(uri, name, "OAPIF")
    assert layer.isValid(), layer.error().message()
    box = QgsFeatureRequest(QgsRectangle(106.595, -6.3, 106.625, -6.1))
    told[name] = {
        "all": sorted(feature["id"] for feature in layer.getFeatures()),
        "box": sorted(feature["id"] for feature in layer.getFeatures(box)),
        "types": {field.name(): field.typeName() for field in layer.fields()},
    }
print(json.dumps(told), flush=True)
os._exit(0)  # its own way out may crash while layers are still there
"""


class Status:
    def problems(self):
        return []

    def figures(self):
        return {}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Serve stations in a row from west to east, each with one node and two properties."""
    rows = [
        f'[[station]]\nid = "s-{k:02}"\nname = "Station {k}"\ndomain = "flood"\nlatitude = -6.2\nlongitude = {106.6 + k / 100}\n'
        f'sensor_height_m = 6.5\n[[node]]\nid = "n-{k:02}"\nstation = "s-{k:02}"\n'
        for k in range(STATIONS)
    ]
    registry = read(tomllib.loads("".join(rows)), Path("registry.toml"))
    store = CityStore(tmp_path_factory.mktemp("ogc") / "city.sqlite3")
    store.put_stations(station_rows(registry, T0_MS))
    decode = Decoder(registry).decode
    for k in range(STATIONS):
        frame = records({T.WATER_DISTANCE: [1000 + k]}, node=f"n-{k:02}", base_s=T0_MS // 1000 + 60 * k)
        assert store.deliver([decode(frame)])[0].kind == "stored"
    app = create_app(store, Status(), public_read=True, city="tng", registry=lambda: registry, now_ms=lambda: T0_MS)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.02)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/ogc"
    server.should_exit = True
    thread.join()
    store.close()


def test_owslib_reads_collections_and_items(url):
    api = Features(url + "/")
    assert api.feature_collections() == ["stations", "observations-latest"]
    assert api.api()["openapi"].startswith("3.0")
    assert any(one.endswith("/conf/geojson") for one in api.conformance()["conformsTo"])
    found = api.collection_items("observations-latest", bbox=[106.595, -7, 106.625, -6], property="water_level")
    assert [one["properties"]["value"] for one in found["features"]] == [5.5, 5.499, 5.498]
    assert api.collection_item("stations", "s-44")["properties"]["name"] == "Station 44"


def test_gdal_reads_all_pages_and_lets_the_server_select(url):
    done = subprocess.run(
        [sys.executable, "-c", GDAL, f"OAPIF:{url}"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["layers"] == ["observations-latest", "stations"]
    assert (told["features"], told["geometry"]) == (2 * STATIONS, "Point")
    assert [told["kinds"][name] for name in ("value", "quality", "observed_at")] == [
        "OFTReal",
        "OFTInteger",
        "OFTDateTime",
    ]
    assert told["pages"] == [f"s-{k:02}" for k in range(STATIONS)]
    assert told["box"] == ["s-00", "s-01", "s-02"]
    assert told["where"] == [5.493]
    assert told["late"] == ["n-44:water_distance", "n-44:water_level"]
    assert told["crs"] == "EPSG:3857"


@pytest.mark.long
def test_qgis_reads_both_layers(url):
    """Run the provider of the installed QGIS, without a screen, in the Python that Debian's QGIS belongs to."""
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode:
        needs.missing("QGIS", "python3-qgis")
    done = subprocess.run([python, "-c", QGIS, url], capture_output=True, text=True, timeout=55, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["stations"]["all"] == [f"s-{k:02}" for k in range(STATIONS)]
    assert told["stations"]["box"] == ["s-00", "s-01", "s-02"]
    assert len(told["observations-latest"]["all"]) == 2 * STATIONS
    assert told["observations-latest"]["types"]["observed_at"] == "DateTime"

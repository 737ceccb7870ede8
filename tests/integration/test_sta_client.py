"""Somebody else's client reads our SensorThings service over HTTP: entities, queries, pages, and what they lead to."""

from __future__ import annotations

import socket
import threading
import tomllib
from pathlib import Path

import frost_sta_client as fsc
import pytest
import uvicorn

from built import T0_MS, records
from pantau.decode import Decoder
from pantau.registry.file import read
from pantau.sinks._city_stations import station_rows
from pantau.sinks.sqlite import CityStore
from pantau.web.app import create_app
from pantau_wire import names as T

pytestmark = pytest.mark.filterwarnings("ignore:furl:DeprecationWarning")  # of the client's own library
MINUTES = 250
REGISTRY = """
[[station]]
id = "pintu-10"
name = "Pintu Air 10"
domain = "flood"
latitude = -6.18
longitude = 106.62
sensor_height_m = 6.5
[[node]]
id = "flood-01"
station = "pintu-10"
"""


class Status:
    def problems(self):
        return []

    def figures(self):
        return {}


@pytest.fixture
def service(tmp_path):
    registry = read(tomllib.loads(REGISTRY), Path("registry.toml"))
    store = CityStore(tmp_path / "city.sqlite3")
    store.put_stations(station_rows(registry, T0_MS))
    decode = Decoder(registry).decode
    for part in range(0, MINUTES, 50):
        frame = records(
            {T.WATER_DISTANCE: list(range(1000 + part, 1050 + part))}, seq=1 + part, base_s=T0_MS // 1000 + 60 * part
        )
        assert store.deliver([decode(frame)])[0].kind == "stored"
    app = create_app(store, Status(), public_read=True, city="tng", registry=lambda: registry)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield fsc.SensorThingsService(f"http://127.0.0.1:{listener.getsockname()[1]}/sta/v1.1")
    server.should_exit = True
    thread.join()
    store.close()


def test_a_client_finds_the_station_its_streams_and_every_reading(service):
    thing = service.things().query().filter("name eq 'flood-01'").expand("Locations").list().entities[0]
    assert thing.properties["domain"] == "flood"
    assert thing.locations.entities[0].location["coordinates"] == [106.62, -6.18]
    streams = (
        service.datastreams()
        .query()
        .filter("Thing/name eq 'flood-01'")
        .expand("ObservedProperty,Sensor")
        .list()
        .entities
    )
    assert sorted(stream.observed_property.name for stream in streams) == ["water_distance", "water_level"]
    level = next(stream for stream in streams if stream.observed_property.name == "water_level")
    assert level.unit_of_measurement.symbol == "m"
    found = level.get_observations().query().orderby("phenomenonTime", "asc").list()
    values = [one.result for one in found]  # the client follows the links from page to page
    assert values == [round(6.5 - (1000 + k) / 1000, 3) for k in range(MINUTES)]


def test_a_client_asks_for_a_span_and_the_newest(service):
    base = (
        service.observations()
        .query()
        .filter(
            "Datastream/name eq 'flood-01/water_distance' and phenomenonTime ge 2026-11-18T14:06:40Z and phenomenonTime lt 2026-11-18T14:11:40Z"
        )
    )
    assert [one.result for one in base.list()] == [1.18, 1.181, 1.182, 1.183, 1.184]
    newest = (
        service.observations()
        .query()
        .filter("Datastream/ObservedProperty/name eq 'water_distance'")
        .orderby("phenomenonTime", "desc")
        .top(1)
    )
    assert newest.list().entities[0].result == 1.249

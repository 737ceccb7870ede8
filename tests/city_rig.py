"""A city to look at: real stores and rules, fed by frames as nodes make them, and the app that serves it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from argon2 import PasswordHasher

from built import health, records
from pantau.access.passwords import Passwords
from pantau.access.store import AccessStore
from pantau.alerts.files import load
from pantau.alerts.store import AlertStore
from pantau.decode import Decoder
from pantau.registry.file import read
from pantau.sinks._city_stations import station_rows
from pantau.sinks.sqlite import CityStore
from pantau.web.app import create_app

XSS = "Kali <b>Angke</b> <img src=x onerror=document.title='owned'>"
REGISTRY = f"""
[[station]]
id = "pintu-air-10"
name = "Pintu Air 10"
domain = "flood"
latitude = -6.1865
longitude = 106.6245
kemendagri = "36.71.01.1001"
report_interval_s = 60
datum = "station zero"
sensor_height_m = 6.5
[[station]]
id = "angke"
name = "{XSS}"
domain = "flood"
latitude = -6.2375
longitude = 106.7108
report_interval_s = 60
sensor_height_m = 5.0
[[station]]
id = "sudirman"
name = "Jl. Sudirman"
domain = "traffic"
latitude = -6.1702
longitude = 106.6489
report_interval_s = 60
[[station]]
id = "alun-alun"
name = "Alun-Alun Kota"
domain = "air"
latitude = -6.1781
longitude = 106.6319
report_interval_s = 60
[[station]]
id = "cikokol"
name = "Cikokol"
domain = "air"
latitude = -6.2050
longitude = 106.6371
report_interval_s = 60
[[node]]
id = "flood-01"
station = "pintu-air-10"
[[node]]
id = "flood-02"
station = "angke"
[[node]]
id = "traffic-01"
station = "sudirman"
[[node]]
id = "air-01"
station = "alun-alun"
[[node]]
id = "air-02"
station = "cikokol"
[[threshold]]
station = "pintu-air-10"
property = "water_level"
name = "siaga_3"
value = 2.5
[[threshold]]
station = "pintu-air-10"
property = "water_level"
name = "siaga_2"
value = 3.5
[[threshold]]
station = "pintu-air-10"
property = "water_level"
name = "siaga_1"
value = 4.5
"""


class Bridge:
    """What a healthy bridge says of itself; a test may say otherwise."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.numbers: dict[str, float] = {}

    def problems(self) -> list[str]:
        return self.wrong

    def figures(self) -> dict[str, float]:
        return self.numbers


class City:
    """Stores of a city, fed by frames as nodes make them and judged by the rules that ship; and the app over them."""

    def __init__(self, folder: Path, registry: str = REGISTRY, now_ms: Callable[[], int] | None = None, **app: Any):
        self.registry = read(tomllib.loads(registry), Path("registry.toml"))
        self.now_s = int(time.time()) if now_ms is None else now_ms() // 1000
        self.store = CityStore(folder / "city.sqlite3")
        self.store.put_stations(station_rows(self.registry, self.now_s * 1000))
        # A hash of the usual cost takes 64 MiB and a tenth of a second; how dear it is, is access' own test.
        self.access = AccessStore(folder / "access.sqlite3", Passwords(PasswordHasher(1, 8, 1)))
        self.alerts = AlertStore(folder / "alerts.sqlite3", load(None), self.registry)
        self.bridge = Bridge()
        self._decode = Decoder(self.registry).decode
        self._seq = 0
        if now_ms is not None:
            app["now_ms"] = now_ms
        usual = {"public_read": True, "city": "tng", "title": "Kota Tangerang", "licence": "CC-BY-4.0"}
        app = usual | {"alert_store": self.alerts, "access": self.access} | app
        self.app = create_app(
            self.store,
            self.bridge,
            registry=lambda: self.registry,
            **app,
        )

    def feed(self, node: str, columns: dict[int, Any], *, ago_s: float = 0, every_s: int = 60, **more: Any) -> None:
        """Deliver one frame of `node` whose last record is `ago_s` old. Columns are raws, as in built.records."""
        first = next(iter(columns.values()))
        count = len(first[0] if isinstance(first, tuple) else first)
        base_s = int(self.now_s - ago_s - every_s * (count - 1))
        received_ms = int(self.now_s - ago_s) * 1000
        self._seq += 1
        self.deliver(
            records(columns, node=node, seq=self._seq, ident=self._seq, base_s=base_s, interval_s=every_s, received_ms=received_ms, **more)
        )  # fmt: skip

    def say_health(self, node: str, **fields: Any) -> None:
        """Deliver the node's own report of now."""
        self._seq += 1
        said = {"rssi": -61, "firmware": "0.1.0", "outbox_records": 2, "uptime_ms": 5_000, "utc_ms": self.now_s * 1000}
        self.deliver(health(said | fields, node=node, seq=self._seq, ident=self._seq, received_ms=self.now_s * 1000))

    def deliver(self, stored: Any) -> None:
        """Deliver a stored frame to both stores."""
        frame = self._decode(stored)
        assert self.store.deliver([frame])[0].kind == "stored"
        assert self.alerts.deliver([frame])[0].kind in ("stored", "duplicate")

    def close(self) -> None:
        self.store.close()
        self.alerts.close()
        self.access.close()


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve `app` on a free port of loopback; yields the page's address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        app.state.hub.close()
        server.should_exit = True
        thread.join()

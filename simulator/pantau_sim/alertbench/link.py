"""From the alarm frame to the alert at a webhook: Mosquitto, the bridge as it ships, frames signed as nodes sign them.

Each alarm is a node of its own, at a random moment: a closed float switch, the plainest alarm there is. They go over one
connection without TLS, of which a node's own is known to add little (`pantau bench node`); nothing else is left out.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pantau.bench.alert import Told
from pantau.spool import SpoolReader
from pantau_sim.ingestbench import rig
from pantau_sim.load import publisher
from pantau_sim.load.frames import Fleet
from pantau_wire import frame, mqtt, topics
from pantau_wire import names as T

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from pantau_sim.load.frames import Node

_PATIENCE_S = 20.0  # for the last alert
_BOOT = 7  # another than that of the load
_EVERY = 3  # every third node of a fleet is a flood station
_READ = 10_000
_WEBHOOK = """[[notify.webhook]]
name = "bench"
url = "http://127.0.0.1:{port}/"
lab_plain = true
rules = ["node-alarm"]
actions = ["open"]
per_minute = 6000
"""


class _Desk(ThreadingHTTPServer):
    """A webhook's receiver: when each notice was here, by its key, and the station that it is about."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.out: dict[str, tuple[str, float]] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Desk

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        at_s = time.time()
        said: dict[str, Any] = json.loads(body)
        self.server.out.setdefault(said["id"], (said["place"]["station"], at_s))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class names it
        """Say nothing."""


def measure(alarms: int, seconds: float, load: int, folder: Path) -> tuple[list[Told], int]:
    """Send so many alarm frames within `seconds`, beside `load` other frames a second; return their times, and how many were lost."""
    rig.need_mosquitto()
    others = max(_EVERY, load)
    fleet = Fleet(rig.CITY, others + _EVERY * alarms, 1)
    ringing = [node for node in fleet.nodes[others:] if node.domain == "flood"]
    with ExitStack() as stack:
        desk = stack.enter_context(_receiving())
        port, _ = stack.enter_context(rig.broker(folder / "broker"))
        webhook = _WEBHOOK.format(port=desk.server_port)
        stack.enter_context(rig.bridge(port, fleet, folder / "bridge", extra=webhook))
        if load:
            stack.enter_context(_load(port, others, load, seconds))
        sent = _ring(port, ringing, seconds)
        end = time.monotonic() + _PATIENCE_S
        while len(desk.out) < len(sent) and time.monotonic() < end:
            time.sleep(0.05)
        return _told(folder / "bridge" / "data", sent, dict(desk.out))


@contextmanager
def _receiving() -> Iterator[_Desk]:
    with _Desk() as desk:
        thread = threading.Thread(target=desk.serve_forever, daemon=True)
        thread.start()
        try:
            yield desk
        finally:
            desk.shutdown()
            thread.join()


@contextmanager
def _load(port: int, nodes: int, rate: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Give a publisher that sends other frames at `rate` a second from now on."""
    words = {"port": port, "city": rig.CITY, "nodes": nodes, "frames": round(rate * seconds), "rate": rate}
    arguments = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    with rig.worker("pantau_sim.load.publisher", *arguments, "--gate") as running:
        rig.hear(running, "the publishers")
        rig.go(running)
        yield running


def _ring(port: int, nodes: list[Node], seconds: float) -> dict[str, float]:
    """Let each node send an alarm frame at a random moment within `seconds`; return when each did, by its station."""
    rng = random.Random(2)
    moments = sorted(rng.uniform(0, seconds) for _ in nodes)
    sent: dict[str, float] = {}
    with closing(publisher.connect("127.0.0.1", port, "alarms", None, None)) as sock:
        sock.setblocking(True)
        begun = time.monotonic()
        for number, (node, moment) in enumerate(zip(nodes, moments, strict=True), 1):
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            packet = mqtt.publish(topics.topic(rig.CITY, node.id, "up"), _alarm(node), 1, number)
            sent[f"{node.id}-place"] = time.time()
            sock.sendall(packet)
    return sent


def _alarm(node: Node) -> bytes:
    """Return what a node sends when its float switch closes: a record of now, with the alarm bit."""
    f = frame.Frame(T.K_RECORDS)
    f.boot, f.seq, f.clock, f.profile, f.alarm = _BOOT, 1, 3, 1, True
    f.count, f.interval_s, f.base_s = 1, 60, int(time.time())
    f.columns = {T.WATER_DISTANCE: ([1500], None), T.WATER_CONTACT: ([1], None)}
    return bytes(frame.encode(f, node.id, node.key))


def _told(data: Path, sent: dict[str, float], out: dict[str, tuple[str, float]]) -> tuple[list[Told], int]:
    with closing(SpoolReader(data / "spool.sqlite3")) as reader:
        received: dict[str, float] = {}
        after = 0
        while frames := reader.read(after, _READ):
            received |= {f"{one.node}-place": one.received_ms / 1000 for one in frames if one.boot == _BOOT}
            after = frames[-1].id
    with closing(sqlite3.connect(f"file:{data / 'notices.sqlite3'}?mode=ro", uri=True)) as db:
        queued = {key: at_ms / 1000 for key, at_ms in db.execute("SELECT key, queued_ms FROM notices")}
    told = [
        Told(sent[station], received[station], queued[key], at_s)
        for key, (station, at_s) in out.items()
        if station in sent
    ]
    return told, len(sent) - len(told)

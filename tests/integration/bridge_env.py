"""A real Mosquitto, a real bridge process and an independent MQTT client."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from needs import need
from pantau import keys
from pantau.spool import SpoolReader
from pantau_wire import frame as wire
from pantau_wire import topics
from unit.host import bridge_kit as kit

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Broker:
    """Mosquitto as a child process; the same port and persistence over restarts."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self.conf = folder / "mosquitto.conf"
        listener = extra or f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
        self.conf.write_text(
            f"persistence true\npersistence_location {folder}/\nmax_inflight_messages 1000\nmax_queued_messages 100000\n"
            f"user root\n{listener.format(port=self.port)}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        exe = need("mosquitto", "mosquitto")
        self.process = subprocess.Popen(
            [exe, "-c", str(self.conf)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                assert self.process.poll() is None, "mosquitto ended at once"
                assert time.monotonic() < end, "mosquitto does not listen"
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)


class BridgeProcess:
    """`pantau bridge run` as a child, with its log as a queue of lines."""

    def __init__(
        self, folder: Path, port: int, mqtt: str = "tls = false\nlab_plain = true", host: str = "localhost"
    ) -> None:
        self.folder = folder
        self.web = free_port()
        self.config = folder / "pantau.toml"
        self.config.write_text(
            f'[bridge]\ncity = "{kit.CITY}"\n[mqtt]\nhost = "{host}"\nport = {port}\n{mqtt}\n'
            f'[spool]\nack_interval_ms = 20\n[web]\nlisten = "127.0.0.1:{self.web}"\npublic_read = true\n'
        )
        (folder / "registry.toml").write_text(kit.REGISTRY)
        keys.save(folder / "keys.json", kit.KEYS)
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from pantau.cli import main; main()", *words, "-c", str(self.config)]

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": f"{ROOT / 'host'}:{ROOT / 'schemas'}"}

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self) -> BridgeProcess:
        self.process = subprocess.Popen(
            self.command("bridge", "run"), env=self.environment(), stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.put(line)
        process.stderr.close()

    def until(self, *words: str) -> str:
        return self.until_all(words)[0]

    def until_all(self, *wanted: Sequence[str]) -> list[str]:
        """The lines that hold each group of words, in whatever order they come."""
        found: dict[int, str] = {}
        end = time.monotonic() + PATIENCE_S
        while len(found) < len(wanted):
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no lines with {wanted} in:\n{''.join(self.log)}") from None
            self.log.append(line)
            for number, words in enumerate(wanted):
                if all(word in line for word in words):
                    found[number] = line
        return [found[number] for number in range(len(wanted))]

    def ready(self) -> BridgeProcess:
        self.until_all(("mqtt.sessions", "connected=64"), ("city.ready",))
        return self

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE_S)
        if status > 0:
            time.sleep(0.5)
            print("".join(self.lines.get() for _ in range(self.lines.qsize())))
        return status

    def rows(self, query: str, store: str = "spool.sqlite3") -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "data" / store)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def stored(self) -> list[tuple[Any, ...]]:
        with contextlib.closing(SpoolReader(self.folder / "data" / "spool.sqlite3")) as reader:
            return sorted((frame.node, frame.boot, frame.seq) for frame in reader.read(0, 1_000_000))

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def health(self) -> list[str]:
        """Return what is wrong, as the page says it."""
        try:
            return list(json.loads(self.get("/healthz"))["reasons"])
        except urllib.error.HTTPError as unhealthy:
            with unhealthy:
                return list(json.loads(unhealthy.read())["reasons"])

    def until_health(self, *words: str) -> list[str]:
        """Wait for reasons with each of `words`, or for none when there are no words; as in until_metric."""
        end = time.monotonic() + PATIENCE_S
        while True:
            reasons = self.health()
            if all(any(word in reason for reason in reasons) for word in words) and bool(words) == bool(reasons):
                return reasons
            assert time.monotonic() < end, (words, reasons)
            time.sleep(0.05)

    def until_metric(self, line: str) -> None:
        """The page's process hears of the other one's figures once a second."""
        end = time.monotonic() + PATIENCE_S
        while line not in (found := self.get("/metrics")):
            assert time.monotonic() < end, f"no {line!r} in:\n{found}"
            time.sleep(0.05)


class Client:
    """A node's half by another MQTT implementation."""

    def __init__(self, port: int, node: str = kit.NODE) -> None:
        self.node = node
        self.downs: queue.Queue[Any] = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"test-{node}", clean_session=True)
        self.client.on_message = lambda _c, _u, message: self.downs.put(message)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe([(topics.topic(kit.CITY, node, what), 1) for what in ("ack", "cmd")])
        assert subscribed.wait(PATIENCE_S)

    def send(self, payload: bytes, topic: str | None = None) -> None:
        sent = self.client.publish(topic or kit.up(self.node), payload, qos=1)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()

    def down(self) -> wire.Frame:
        message = self.downs.get(timeout=PATIENCE_S)
        assert wire.verify(message.payload, self.node, kit.KEY)
        assert not message.retain
        return wire.decode(message.payload)

    def until_through(self, seq: int, boot: int = 1) -> None:
        while True:
            fields = self.down().fields
            if fields.get("boot") == boot and fields["through"] >= seq:
                return

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

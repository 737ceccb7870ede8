"""The MQTT JSON sink on a real Mosquitto. The platform behind the broker is ours: a subscriber with a store.

It keeps what ThingsBoard's documents promise: one value for each device, key and time, the last one that it was told.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from pantau.sinks import Context, Sink
from pantau.sinks.mqtt import MqttJsonTable, open_sink
from pantau_sim.servers import mosquitto
from sinks.kit import CITY, LOG, Row, registry

_PATIENCE_S = 10.0


class Store:
    """What the platform holds, and how often it was told."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, int], Any] = {}
        self.attributes: dict[str, dict[str, Any]] = {}
        self.connected: Counter[str] = Counter()
        self.told: Counter[tuple[str, str, int]] = Counter()
        self.messages: list[tuple[str, int]] = []  # topic, bytes

    def take(self, topic: str, payload: bytes) -> None:
        self.messages.append((topic, len(payload)))
        said = json.loads(payload)
        if topic.endswith("/connect"):
            self.connected[said["device"]] += 1
        elif topic.endswith("/attributes"):
            for device, values in said.items():
                self.attributes.setdefault(device, {}).update(values)
        else:
            for device, entries in said.items():
                for entry in entries:
                    for key, value in entry["values"].items():
                        self.values[device, key, entry["ts"]] = value
                        self.told[device, key, entry["ts"]] += 1


class Platform:
    """A subscriber with a session of its own at the broker, so that it misses nothing while the broker is away."""

    def __init__(self, port: int, topics: str = "v1/gateway/#", name: str = "platform") -> None:
        self.store = Store()
        self._port, self._topics, self._name = port, topics, name
        self._mark = f"kit/{name}"
        self._marks, self._moved = 0, threading.Condition()
        self._client: paho.Client | None = None

    def connect(self) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._name, clean_session=False)
        ready = threading.Event()
        client.on_message = lambda _c, _d, message: self._came(message.topic, message.payload)
        client.on_subscribe = lambda *_: ready.set()
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        client.subscribe([(self._topics, 1), (self._mark, 1)])
        assert ready.wait(_PATIENCE_S)
        self._client = client

    def leave(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def settled(self) -> Store:
        """Return the store once it has all that the broker had confirmed before."""
        assert self._client is not None
        want = self._marks + 1
        self._client.publish(self._mark, b"", qos=1).wait_for_publish(_PATIENCE_S)
        with self._moved:
            assert self._moved.wait_for(lambda: self._marks >= want, _PATIENCE_S)
        return self.store

    def _came(self, topic: str, payload: bytes) -> None:
        if topic != self._mark:
            self.store.take(topic, payload)
            return
        with self._moved:
            self._marks += 1
            self._moved.notify_all()


class Kit:
    name = "mqtt"
    keyed_by = "time"
    holds_null = False
    holds_undated = False
    takes_revisions = True
    can_lose = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._stack.enter_context(mosquitto.running(folder / "mosquitto"))
        self.platform = Platform(self.server.port)
        self.platform.connect()
        self._stack.callback(self.platform.leave)

    def settings(self, **given: Any) -> MqttJsonTable:
        told = {"host": "127.0.0.1", "port": self.server.port, "tls": False, "lab_plain": True, "timeout_s": 3.0}
        return MqttJsonTable(**(told | given))

    def open(self, folder: Path | None = None, **given: Any) -> Sink:
        context = Context(CITY, LOG, folder or self.folder / "sink", registry())
        return open_sink(self.settings(**given), context)

    def rows(self) -> list[Row]:
        values = dict(self.platform.settled().values)
        return [
            Row(device, None, None, None, key, value, at_ms, values.get((device, f"{key}_quality", at_ms), 1))
            for (device, key, at_ms), value in values.items()
            if not key.endswith("_quality")
        ]

    def stop(self) -> None:
        self.platform.leave()
        self.server.stop()

    def start(self) -> None:
        self.server.start()
        self.platform.connect()

    def close(self) -> None:
        self._stack.close()

"""A whole node (real firmware, real VM) against a real Mosquitto over TLS with passwords; the bridge's part is played here."""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from integration.bridge_env import PATIENCE_S, Broker
from needs import need, need_vm
from pantau_node.outbox import FileOutbox
from pantau_sim.demo import certificates
from pantau_sim.node import SimNode
from pantau_wire import frame, topics
from pantau_wire import names as T

NODE, CITY = "flood-01", "tng"
KEY = bytes(range(32))
UP, ACK, CMD, WILL = (topics.topic(CITY, NODE, what) for what in ("up", "ack", "cmd", "will"))


class Bridge:
    """Subscribes, checks every frame, answers with acknowledgements and time when told to."""

    def __init__(self, port: int, ca: Path) -> None:
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.frames: list[frame.Frame] = []
        self.acks = True
        self._stored: dict[int, set[int]] = {}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, "bridge", clean_session=False)
        self._client.username_pw_set("bridge", "b")
        self._client.tls_set(str(ca))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = lambda _c, _u, m: self.messages.put((m.topic, m.payload))
        self._client.connect("localhost", port)
        self._client.subscribe([(UP, 1), (WILL, 1)])
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def until(self, wanted: Callable[[str, bytes], bool]) -> bytes:
        """Take messages, answering them, until one is wanted; return its payload."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                topic, payload = self.messages.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"not seen; frames so far: {[(f.kind, f.boot, f.seq) for f in self.frames]}"
                ) from None
            if topic == UP:
                self._on_frame(payload)
            if wanted(topic, payload):
                return payload

    def until_frame(self, wanted: Callable[[frame.Frame], bool]) -> frame.Frame:
        self.until(lambda topic, _payload: topic == UP and wanted(self.frames[-1]))
        return self.frames[-1]

    def _on_frame(self, payload: bytes) -> None:
        assert frame.verify(payload, NODE, KEY)
        f = frame.decode(payload)
        self.frames.append(f)
        if not self.acks:
            return
        stored = self._stored.setdefault(f.boot, set())
        stored.add(f.seq)
        through = 0
        while through + 1 in stored:
            through += 1
        bits = sum(1 << (seq - through - 1) for seq in stored if seq > through)
        self.send(ACK, T.K_ACK, {"boot": f.boot, "through": through, "map": bits})
        if "time_nonce" in f.fields:
            self.send(CMD, T.K_TIME, {"utc_ms": time.time_ns() // 1000000, "nonce": f.fields["time_nonce"]})

    def send(self, topic: str, kind: int, fields: dict[str, Any]) -> None:
        f = frame.Frame(kind)
        f.counter = time.time_ns() // 1000000
        f.fields = fields
        self._client.publish(topic, frame.encode(f, NODE, KEY), qos=1)


class Bench:
    """Broker, certificates and one node in a folder."""

    def __init__(self, folder: Path) -> None:
        certificates.make(folder)
        tool = need("mosquitto_passwd", "mosquitto")
        for flag, user, word in (("-c", NODE, "n"), (None, "bridge", "b")):
            options = ["-b", *([flag] if flag else []), str(folder / "passwords"), user, word]
            subprocess.run([tool, *options], check=True, capture_output=True)
        self.folder = folder
        self.broker = Broker(
            folder,
            "listener {port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {folder}/passwords\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n",
        ).start()
        self.root = folder / NODE
        self.root.mkdir()
        self.node = SimNode(self.root)
        self.bridge: Bridge | None = None

    def configure(self, run_s: int = 0, password: str = "n", **broker: Any) -> None:
        config = {
            "node": NODE,
            "city": CITY,
            "broker": {"host": "localhost", "port": self.broker.port, "backoff_max_s": 1, "backoff_min_ms": 100}
            | broker,
            "sampling": {"interval_s": 1, "batch": 2, "run_s": run_s},
            "station": "flood",
            "sensors": [{"model": "a02yyuw", "uart": 1}, {"model": "sht4x", "i2c": 0}],
        }
        identity = {"node": NODE, "generation": 1, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": password}
        (self.root / "config.json").write_text(json.dumps(config))
        (self.root / "identity.json").write_text(json.dumps(identity))
        (self.root / "ca.der").write_bytes((self.folder / "ca.der").read_bytes())

    def start(self) -> Bridge:
        self.bridge = Bridge(self.broker.port, self.folder / "ca.pem")
        asyncio.run(self.node.start())
        return self.bridge

    def until_log(self, text: str) -> str:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            log = self.node.log_path.read_text() if self.node.log_path.exists() else ""
            if text in log:
                return log
            time.sleep(0.05)
        raise AssertionError(f"{text!r} is not in the node's log:\n{log}")

    def outbox(self) -> tuple[int, int, list[tuple[int, int]]]:
        """Stop the node; return (boot, records, [(boot, seq)]) of what its flash holds."""
        asyncio.run(self.node.stop())
        box = FileOutbox(str(self.root / "outbox.log"), 1 << 20)
        held = box.last_boot, box.records(), [entry[:2] for entry in box.index.places()]
        box.close()
        return held

    def until_acked(self) -> None:
        """Wait until the acknowledgements that were sent have reached the node's flash."""
        end = time.monotonic() + PATIENCE_S
        path = self.root / "outbox.log"
        copy = self.folder / "copy.log"
        while time.monotonic() < end:
            copy.write_bytes(path.read_bytes())
            box = FileOutbox(str(copy), 1 << 20)
            records = box.records()
            box.close()
            if not records:
                return
            time.sleep(0.05)

    def close(self) -> None:
        asyncio.run(self.node.stop())
        if self.bridge:
            self.bridge.close()
        self.broker.stop(signal.SIGKILL)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    need_vm()
    made = Bench(tmp_path)
    yield made
    made.close()


def records(frames: list[frame.Frame]) -> dict[int, frame.Frame]:
    return {f.seq: f for f in frames if f.kind == T.K_RECORDS}


def test_everything_arrives_once_dated_and_leaves_the_flash(bench: Bench) -> None:
    bench.configure(run_s=6)
    bridge = bench.start()
    bridge.until(lambda topic, payload: topic == WILL and payload == b"online")
    bridge.until_frame(lambda f: f.kind == T.K_HEALTH and f.fields["records_produced"] == 6)
    bench.until_log("sampling ended after 6 records")
    made = records(bridge.frames)
    assert sum(f.count for f in made.values()) == 6
    assert any(f.clock == 3 for f in made.values()), "the time that the bridge gave was not taken"
    for f in made.values():
        for _, codes in f.columns.values():
            assert codes is None or all(code & 7 == 4 for code in codes), "no sensor is wired: all is missing"
    health = bridge.frames[-1].fields
    assert abs(health["utc_ms"] - health["uptime_ms"] - bench.node.boot_utc_ms) < 1000
    bridge.send(CMD, T.K_COMMAND, {"id": 7, "name": "ping"})
    assert bridge.until_frame(lambda f: f.kind == T.K_RESULT).fields["id"] == 7
    bench.until_acked()
    assert bench.outbox()[1] == 0


def test_without_acknowledgement_the_flash_keeps_all_and_the_next_boot_sends_it_again(bench: Bench) -> None:
    bench.configure(run_s=2)
    bridge = bench.start()
    bridge.acks = False
    sent = bridge.until_frame(lambda f: f.kind == T.K_RECORDS)
    bench.until_log("sampling ended after 2 records")
    boot, count, held = bench.outbox()
    assert (boot, count) == (1, 2) and (1, sent.seq) in held, "a PUBACK let a frame go"
    assert bridge.until(lambda topic, _payload: topic == WILL and _payload == b"offline")
    bridge.acks = True
    asyncio.run(bench.node.start())
    again = bridge.until_frame(lambda f: f.kind == T.K_RECORDS and f.boot == 1)
    assert again.seq == sent.seq and again.columns == sent.columns
    bridge.until_frame(lambda f: f.boot == 2 and f.kind == T.K_RECORDS)


def test_a_broker_restart_costs_nothing(bench: Bench) -> None:
    bench.configure()
    bridge = bench.start()
    bridge.until_frame(lambda f: f.kind == T.K_RECORDS)
    bench.broker.stop()
    bench.until_log("the broker closed the connection")
    bench.broker.start()
    count = len(bridge.frames) + 5
    after = bridge.until_frame(lambda f: f.kind == T.K_RECORDS and f.clock == 3 and len(bridge.frames) >= count)
    seen = {f.seq for f in bridge.frames}
    assert set(range(1, after.seq - 4)) <= seen, f"missing before {after.seq}: {sorted(seen)}"


@pytest.mark.parametrize(
    "change,said",
    [
        ({"ca": "/other.der"}, "certificate is not trusted"),
        ({"ca": "/none.der"}, "CA file /none.der"),
        ({"server_name": "city.example"}, "certificate is not trusted"),
        ({"password": "wrong"}, "not authorised"),
        ({"port": 1}, "ECONNREFUSED"),
        ({"host": "no-such-host.invalid"}, "no-such-host.invalid"),
    ],
)
def test_a_broker_that_is_not_ours_is_refused_by_name_and_measuring_goes_on(
    bench: Bench, change: dict[str, Any], said: str
) -> None:
    bench.configure(run_s=3, **change)
    other = bench.folder / "other"
    other.mkdir()
    certificates.make(other)
    (bench.root / "other.der").write_bytes((other / "ca.der").read_bytes())
    bridge = bench.start()
    bench.until_log("sampling ended after 3 records")
    log = bench.until_log(said)
    assert log.count(said) == 1, "one line per reason, not one per attempt"
    assert KEY.hex() not in log and "wrong" not in log
    assert bridge.messages.empty()
    assert bench.outbox()[:2] == (1, 3)


def test_a_renewed_ca_file_ends_the_outage_without_a_restart_and_everything_arrives(bench: Bench) -> None:
    bench.configure(run_s=6)
    old = bench.folder / "old"
    old.mkdir()
    certificates.make(old)
    (bench.root / "ca.der").write_bytes((old / "ca.der").read_bytes())
    bridge = bench.start()
    bench.until_log("certificate is not trusted")
    bench.until_log("sampling ended after 6 records")
    assert bridge.frames == []
    (bench.root / "ca.der").write_bytes((bench.folder / "ca.der").read_bytes())
    last = bridge.until_frame(lambda f: f.kind == T.K_HEALTH and f.fields["records_produced"] == 6)
    while sum(f.count for f in records(bridge.frames).values()) < 6:
        bridge.until_frame(lambda f: f.kind == T.K_RECORDS)
    assert bench.node.boots == 1 and last.fields["reconnect_causes"][0] == 4

"""Whole nodes over hours and days of virtual time: outages, lost brokers, power cuts; nothing lost, nothing else stored."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from needs import need_vm
from pantau_node.outbox import FileOutbox
from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.virtual import Simulation
from pantau_wire import frame, mqtt, mqtt_more, topics
from pantau_wire import names as T

NODE, CITY = "flood-01", "tng"
KEY = bytes(range(32))
UP, ACK, CMD = (topics.topic(CITY, NODE, what) for what in ("up", "ack", "cmd"))


class Bridge:
    """The bridge's part over the broker model: stores each frame once, then acknowledges; answers questions for the time."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.frames: dict[tuple[int, int], bytes] = {}
        self.again = 0
        self.awake = True
        self._stored: dict[int, set[int]] = {}
        self._connect()

    def _connect(self) -> None:
        self._reader = mqtt.Reader(4096)
        self._client = self.sim.client(self._on_data)
        self._client.send(mqtt.connect("bridge", clean=False, keepalive=0))
        self._client.send(mqtt.subscribe(1, [(UP, 1)]))

    def restart_broker(self, *, keep_sessions: bool = True) -> None:
        self.sim.restart_broker(keep_sessions=keep_sessions)
        self._connect()

    def _on_data(self, data: bytes) -> None:
        self._reader.feed(data)
        while packet := self._reader.next():
            if packet[0] == mqtt.PUBLISH:
                _, payload, _, pid, _, _ = mqtt_more.parse_publish(*packet[1:])
                self._client.send(mqtt.puback(pid))
                if self.awake:  # else: committed to nothing, as a bridge that crashed after the PUBACK
                    self._store(payload)

    def _store(self, payload: bytes) -> None:
        assert frame.verify(payload, NODE, KEY)
        f = frame.decode(payload)
        known = self.frames.setdefault((f.boot, f.seq), payload)
        assert known == payload, f"boot {f.boot} seq {f.seq} came with other bytes"
        stored = self._stored.setdefault(f.boot, set())
        self.again += f.seq in stored
        stored.add(f.seq)
        through = 0
        while through + 1 in stored:
            through += 1
        bits = sum(1 << (seq - through - 1) for seq in stored if 0 < seq - through <= 64)
        self.down(ACK, T.K_ACK, {"boot": f.boot, "through": through, "map": bits})
        if "time_nonce" in f.fields:
            self.down(CMD, T.K_TIME, {"utc_ms": self.sim.clock.now_us() // 1000, "nonce": f.fields["time_nonce"]})

    def down(self, topic: str, kind: int, fields: dict[str, Any]) -> None:
        f = frame.Frame(kind)
        f.counter = self.sim.clock.now_us() // 1000
        f.fields = fields
        self._client.send(mqtt.publish(topic, frame.encode(f, NODE, KEY), 1, 7))

    def decoded(self) -> list[frame.Frame]:
        return [frame.decode(self.frames[name]) for name in sorted(self.frames)]


class Bench:
    def __init__(self, folder: Path, interval_s: int = 60, batch: int = 15, keepalive_s: int = 60) -> None:
        self.sim = Simulation(VirtualClock())
        self.node = SimNode(folder / NODE, clock=self.sim.clock)
        self.node.root.mkdir()
        config = {
            "node": NODE,
            "city": CITY,
            "broker": {"host": "broker", "tls": False, "lab_plain": True, "keepalive_s": keepalive_s},
            "sampling": {"interval_s": interval_s, "batch": batch},
            "sensors": [{"model": "sht4x", "i2c": 0}],
        }
        identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0}
        (self.node.root / "config.json").write_text(json.dumps(config))
        (self.node.root / "identity.json").write_text(json.dumps(identity))
        self.interval_s = interval_s
        self.due = 0
        self.sim.add(self.node)
        self.bridge = Bridge(self.sim)
        self._on_us = 0

    def power_on(self) -> None:
        self._on_us = self.sim.clock.now_us()
        self.sim.power_on(self.node)

    def power_off(self) -> None:
        """Cut the power between two instants; what was due by then must have been recorded."""
        self.due += (self.sim.clock.now_us() - self._on_us) // (self.interval_s * 1000000)
        self.sim.power_off(self.node)

    def held(self) -> tuple[int, int]:
        """Return (records in flash that the bridge does not have, overwritten records)."""
        box = FileOutbox(str(self.node.root / "outbox.log"), 1 << 20)
        held = sum(e[3] for e in box.index.places() if e[:2] not in self.bridge.frames)
        held += box.batch.count if box.batch else 0
        overwritten = box.overwritten_records
        box.close()
        return held, overwritten

    def stored(self) -> int:
        return sum(f.count for f in self.bridge.decoded())

    def log(self) -> str:
        return self.node.log_path.read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    need_vm()
    made: list[Bench] = []

    def make(**options: int) -> Bench:
        made.append(Bench(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.sim.close()


def test_an_hour_is_stored_whole_and_dated_from_its_first_minutes_on(bench: Any) -> None:
    b = bench()
    start_s = b.sim.clock.now_us() // 1000000
    b.power_on()
    b.sim.run(3700)
    b.power_off()
    assert b.stored() == 60 and b.held()[0] == b.due - 60 == 1, b.log()
    instants = [t for f in b.bridge.decoded() if f.count and f.clock for t in frame.times(f)]
    assert instants and all((t - start_s) % 60 in (0, 59, 1) for t in instants)
    assert b.bridge.again == 0


@pytest.mark.parametrize("seed", [99, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(20))])
def test_outages_brokers_without_memory_and_power_cuts_lose_nothing(bench: Any, seed: int) -> None:
    b = bench(interval_s=10, batch=6)
    rng = random.Random(seed)
    for _ in range(6):
        b.power_on()
        for _ in range(6):
            b.sim.run(rng.randrange(100, 900))
            what = rng.randrange(4)
            if what == 0:
                b.sim.set_link(b.node, up=False)
                b.sim.run(rng.randrange(10, 600))
                b.sim.set_link(b.node, up=True)
            elif what == 1:
                b.bridge.restart_broker(keep_sessions=rng.random() < 0.5)
            elif what == 2:
                b.bridge.awake = False
                b.sim.run(rng.randrange(10, 600))
                b.bridge.awake = True
        b.sim.run(5 + (b._on_us - b.sim.clock.now_us()) // 1000000 % 10)
        b.power_off()
    held, overwritten = b.held()
    assert b.due == b.stored() + held + overwritten and overwritten == 0, b.log()
    b.power_on()
    b.sim.run(700)
    assert b.held()[0] <= 6, "the backlog does not drain"
    assert "error" not in b.log(), b.log()


@pytest.mark.long
def test_two_weeks_go_over_the_wrap_of_the_ticks(bench: Any) -> None:
    b = bench(interval_s=300, batch=12)
    b.power_on()
    b.sim.run(14 * 86400 + 7)
    b.power_off()
    assert b.due == 14 * 288 == b.stored() + b.held()[0], b.log()
    last = b.bridge.decoded()[-1]
    assert last.base_s - b._on_us // 1000000 > 13 * 86400 and "error" not in b.log()

"""The technician's console on the whole node: real VM, real time, its stdin as the cable, its log around the answers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.cable import Cable
from pantau_sim.node import SimNode
from pantau_sim.sensors import a02yyuw, sht4x
from pantau_sim.world import World
from pantau_wire import frame, line
from pantau_wire import names as T

pytestmark = pytest.mark.usefixtures("vm")

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NODE = "flood-01"
SENSORS = [{"model": "a02yyuw", "uart": 1}, {"model": "sht4x", "i2c": 0}, {"model": "bme280", "i2c": 7}]
SECRETS = (b"wifi-secret", b"broker-secret", KEY.hex().encode(), KEY)
EVERY_S = 6


class Field:
    """A node that nobody but the technician hears."""

    def __init__(self, folder: Path, interval_s: int = EVERY_S, *, setup: bool = False) -> None:
        station = World(1).station(NODE)
        wiring = {"uart": {1: a02yyuw.Emulator(station, 1)}, "i2c": {(0, 0x44): sht4x.Emulator(station, 2)}}
        self.node = SimNode(folder / NODE, wiring=wiring)
        self.root = self.node.root
        self.root.mkdir()
        body = {
            "city": "tng",
            "link": {"kind": "none", "password": "wifi-secret"},
            "broker": {"host": "broker"},
            "sampling": {"interval_s": interval_s, "batch": 2},
            "sensors": SENSORS,
        }
        (self.root / "config.json").write_text(json.dumps(body))
        identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "broker-secret"}
        (self.root / "identity.json").write_text(json.dumps(identity))
        if setup:
            (self.root / "setup").touch()

    def on(self) -> Cable:
        asyncio.run(self.node.start())
        log = self.node.log_path.open("rb")
        self.close = log.close
        return Cable(self.node.type, log.read, NODE, KEY)

    def off(self) -> None:
        self.close()
        asyncio.run(self.node.stop())


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Any]:
    made: list[Field] = []

    def make(**options: Any) -> Field:
        made.append(Field(tmp_path, **options))
        return made[0]

    yield make
    for one in made:
        one.off()


def pulled(cable: Cable, **args: Any) -> tuple[list[frame.Frame], dict[str, Any]]:
    """The frames that a node gives, each with the node's signature."""
    *frames, last = cable.parts("pull", **args)
    assert all(frame.verify(data, NODE, KEY) for data in frames)
    return [frame.decode(data) for data in frames], json.loads(last)


def instants(frames: list[frame.Frame]) -> list[int]:
    return sorted(at for f in frames if f.kind == T.K_RECORDS for at in frame.times(f))


def test_questions_are_answered_beside_the_log_and_no_sample_is_missed(field: Any) -> None:
    cable = field().on()
    hello = cable.ask("hello")
    assert (hello["node"], hello["board"], hello["station"], hello["setup"]) == (NODE, "esp32-generic", "flood", 0)
    assert hello["utc_ms"] is None and hello["clock"] == 0 and hello["boot"] == 1
    status = cable.ask("status")
    assert status["firmware"] == hello["version"] and status["records_produced"] >= 0 and status["heap_free"] > 0

    tested = cable.ask("selftest")
    assert tested["fresh"] == 1 and tested["readings"][str(T.WATER_DISTANCE)][1] == 0
    ultrasonic, air, missing = tested["sensors"]
    assert (ultrasonic["model"], ultrasonic["bus"], ultrasonic["ok"]) == ("a02yyuw", {"uart": 1}, 1)
    assert air["ok"] == 1 and air["good"] >= 1 and air["properties"] == [T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY]
    assert (missing["made"], missing["ok"], missing["properties"]) == (0, 0, [])
    again = cable.ask("read")
    assert again["fresh"] == 1 and again["at_s"] > tested["at_s"] and "ok" not in again["sensors"][0]

    logs = cable.ask("logs")
    assert "sensors[2] bme280: this board has no i2c 7" in logs["text"] and "bme280" in logs["problems"]
    seen = cable.ask("seen")
    assert (seen["link"], seen["up"], seen["ack_s"], seen["rssi"]) == ("none", 0, None, None)
    assert cable.ask("get", key="sampling.interval_s") == {"ok": 1, "detail": f"sampling.interval_s={EVERY_S}"}
    assert cable.ask("get", key="link.password")["detail"] == "link.password=***"

    cable.until(lambda: cable.ask("hello")["uptime_ms"] > (3 * EVERY_S + 3) * 1000)
    assert cable.put(cable.frame(T.K_COMMAND, {"id": 5, "name": "flush"}))["ok"] == 1
    frames, last = pulled(cable)
    at = instants(frames)
    assert {EVERY_S, 2 * EVERY_S, 3 * EVERY_S, tested["at_s"], again["at_s"]} <= set(at) and len(set(at)) == len(at)
    assert not any(f.columns.get(T.TIME_OFFSET) for f in frames), "a regular record was late for a question"
    assert last["frames"] == len(frames) and last["left"] == 0
    rest, end = pulled(cable, after=[frames[1].boot, frames[1].seq], n=2)
    assert [f.seq for f in rest] == [f.seq for f in frames[2:4]] and end["left"] == len(frames) - 4
    assert not any(secret in cable.heard for secret in SECRETS)


def test_what_is_no_question_of_ours_does_nothing(field: Any) -> None:
    cable = field().on()
    before = cable.ask("status")
    noise = random.Random(8)
    for _ in range(50):
        cable.type(noise.randbytes(200))
    cable.type(b"\0" + line.packet(line.ASK, NODE, b'\x01{"do":"hello"}')[1:9])  # half a packet
    for what, node, payload in (
        (line.ASK, "flood-02", b'\x01{"do":"hello"}'),
        (line.SAY, NODE, b'\x01\x00{"do":"hello"}'),
        (line.HELLO, "", b"?"),
        ("ack", NODE, cable.frame(T.K_ACK, {"boot": 1, "through": 1})),
        ("cmd", "flood-02", cable.frame(T.K_COMMAND, {"id": 1, "name": "restart"})),
        (line.ASK, NODE, b""),
    ):
        cable.type(line.packet(what, node, payload))
    assert cable.ask("nonsense")["error"] == "unknown_verb"
    for bad in (b"", b"{", b"[]", b"7", b'{"do":', b"\xff\xfe", b'{"did":"hello"}', b"[" * 150):
        assert cable.raw(bad)["error"] in ("bad_request", "no_memory"), bad
    assert cable.ask("pull", after="x")["error"] == "bad_request"
    assert cable.ask("put", at=0, of=5000, b64="AAAA")["error"] == "too_long"
    assert cable.ask("put", at=100, of=1000, b64="AAAA")["error"] == "gap"
    assert cable.ask("put", at=0, of=10, b64="A")["error"] == "bad_request"

    restart = {"id": 9, "name": "restart"}
    assert cable.put(cable.frame(T.K_COMMAND, restart, OTHER))["error"] == "refused"
    ping = cable.frame(T.K_COMMAND, {"id": 7, "name": "ping"})
    said = cable.order(ping)
    assert said["ok"] == 1 and said["id"] == 7 and said["detail"].startswith("uptime")
    assert cable.order(ping)["error"] == "refused", "replayed"
    after = cable.ask("status")
    assert after["boot" if "boot" in after else "records_produced"] >= before.get("boot", 0)
    assert after["forged"] == before["forged"] + 2
    assert cable.ask("hello")["boot"] == 1


def test_a_station_leaves_set_up_mode_with_a_signed_record(field: Any) -> None:
    f = field(setup=True)
    cable = f.on()
    assert cable.ask("hello")["setup"] == 1

    def order(name: str, number: int, **args: Any) -> tuple[int, str]:
        said = cable.put(cable.frame(T.K_COMMAND, {"id": number, "name": name, "args": json.dumps(args)}))
        return said.get("ok", 0), said["detail"]

    record = {"who": "a technician", "zero_m": 106.8456, "height_mm": 3120, "stable": True}
    assert order("commission", 1, **record)[1].startswith("the clock is not set")
    assert order("maintenance", 2, s=0) == (
        0,
        "in set-up mode until it is commissioned: records are flagged, no alarms",
    )
    assert order("clock", 3, utc_ms=12) == (0, "not plausible, or against a better source (0)")
    assert order("clock", 4, utc_ms=int(time.time() * 1000))[0] == 1
    for bad in ({}, {"height_mm": 3}, {"who": ""}):
        assert order("commission", 5, **bad) == (0, "args: must be a JSON object with who")
    assert (f.root / "setup").exists()
    cable.ask("read")
    ok, detail = order("commission", 6, **record)
    assert ok == 1 and detail.startswith("in service, boot 1 seq "), detail
    assert not (f.root / "setup").exists() and cable.ask("hello")["setup"] == 0
    cable.ask("read")
    assert order("flush", 7)[0] == 1

    frames, _ = pulled(cable)
    signed = [one for one in frames if one.kind == T.K_COMMISSIONING]
    assert [one.fields for one in signed] == [{"id": 6, "body": json.dumps(record)}] and signed[0].clock == 2
    health = [one.fields.get("setup", 0) for one in frames if one.kind == T.K_HEALTH]
    assert health[0] == 1 and health[-1] == 0
    flags = [
        code >> 3 if code else 0
        for one in frames
        if one.kind == T.K_RECORDS
        for code in (one.columns[T.WATER_DISTANCE][1] or [0] * one.count)
    ]
    assert flags[0] == T.R_MAINTENANCE and flags[-1] == 0
    assert order("commission", 8, **record)[1].endswith("it was in service already")

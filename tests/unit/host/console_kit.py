"""A node at the other end of a cable, scripted and in memory: answers as docs/console.md says, and whatever goes wrong on the way."""

from __future__ import annotations

import base64
import json
from typing import Any

from pantau.node.session import Key, Session
from pantau_wire import frame, line
from pantau_wire import names as T

NAME = "flood-01"
SECRET = bytes(range(32))
KEY = Key(NAME, 0, SECRET)
UTC_MS = 1_782_864_000_000  # 2026-07-01T00:00:00Z
CONFIG = {
    "node": NAME, "sampling.interval_s": 60, "link.ssid": "kali", "link.password": "wifi-secret", "broker.host": "broker",
}  # fmt: skip


def reading(raw: int | None, reason: int = 0) -> list[Any]:
    """A reading as `read` gives it."""
    return [raw, T.QUALITY[reason]]


def sonar(**more: Any) -> dict[str, Any]:
    """An A02YYUW as `selftest` tells of it."""
    return {
        "model": "a02yyuw",
        "bus": {"uart": 1},
        "made": 1,
        "good": 99,
        "errors": [],
        "properties": [2, 6, 7],
        "ok": 1,
        **more,
    }


def up(seq: int, boot: int = 3, key: bytes = SECRET) -> bytes:
    """A frame of the outbox."""
    f = frame.Frame(T.K_RESULT)
    f.boot, f.seq, f.fields = boot, seq, {"id": seq, "ok": 1, "detail": "x" * 40}
    return bytes(frame.encode(f, NAME, key))


class FakeNode:
    """A Stream. Time passes only while somebody reads; `noise` is said before the next answer; see the attributes for faults."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.hello: dict[str, Any] = {
            "node": NAME, "version": "0.1.0", "board": "esp32-generic", "station": "flood", "boot": 3, "uptime_ms": 7_200_000,
            "utc_ms": UTC_MS, "clock": 3, "setup": 1,
        }  # fmt: skip
        self.status: dict[str, Any] = {"config_generation": 4, "config_state": 0, "reset_cause": 1, "setup": 1}
        self.seen: dict[str, Any] = {
            "link": "wifi",
            "up": 1,
            "state": 2,
            "rssi": -61,
            "ack_s": 12,
            "waiting_s": None,
            "frames": 0,
            "records": 5,
        }
        self.readings: dict[str, Any] = {"2": reading(1953), "6": reading(2), "7": reading(7)}
        self.sensors: list[dict[str, Any]] = [sonar()]
        self.walk: list[int] = []  # distances of the next reads
        self.fresh = 1
        self.config = dict(CONFIG)
        self.log = "boot 3\nsampling\n"
        self.frames: list[bytes] = []
        self.orders: list[frame.Frame] = []
        self.result: dict[str, Any] = {"ok": 1, "detail": "done"}
        self.secret = SECRET
        self.counter = 0
        self.noise = b""
        self.deaf = 0  # questions that are passed over
        self.damage: set[int] = set()  # places of SAY packets, counted from 0, that arrive damaged
        self.damaged_byte = 5
        self.cut_after: int | None = None  # bytes, then the cable is pulled
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        self._reader = line.Reader()
        self._out = b""
        self._said = 0
        self._order = b""

    def session(self, greet: bool = True) -> Session:
        """A session with it."""
        session = Session(self, "/dev/ttyUSB0", lambda: self.now_s, lambda: UTC_MS / 1000 + self.now_s)
        if greet:
            session.greet()
        return session

    def read(self, timeout_s: float) -> bytes:
        if self.cut_after is not None and self.cut_after <= 0:
            raise OSError(5, "gone")
        if not self._out:
            self.now_s += timeout_s
            return b""
        self.now_s += 0.001
        data, self._out = self._out[:64], self._out[64:]
        if self.cut_after is not None:
            data = data[: self.cut_after]
            self.cut_after -= len(data)
        return data

    def write(self, data: bytes) -> None:
        assert len(data) <= 200 or b"\0" not in data
        self._reader.feed(data)
        while (packet := self._reader.next()) is not None:
            what, node, payload = packet
            assert what == line.ASK
            assert node in {"", NAME}
            self._out += self.noise
            if self.deaf:
                self.deaf -= 1
                continue
            self._answer(payload[0], json.loads(payload[1:]))

    def close(self) -> None:
        self.closed = True

    def say(self, number: int, more: int, data: bytes) -> None:
        packet = line.packet(line.SAY, "", bytes([number, more]) + data)
        if self._said in self.damage:
            at = min(self.damaged_byte, len(packet) - 2)
            packet = packet[:at] + bytes([packet[at] ^ 0x55 or 1]) + packet[at + 1 :]
        self._said += 1
        self._out += packet

    def _answer(self, number: int, ask: dict[str, Any]) -> None:
        self.asked.append(ask)
        answer = json.dumps(getattr(self, "_do_" + ask["do"])(number, ask)).encode()
        for at in range(0, len(answer), 512):
            self.say(number, int(at + 512 < len(answer)), answer[at : at + 512])
            self._out += b"a line of the log between\r\n"

    def _do_hello(self, _n: int, _ask: dict[str, Any]) -> dict[str, Any]:
        return self.hello

    def _do_status(self, _n: int, _ask: dict[str, Any]) -> dict[str, Any]:
        return self.status

    def _do_seen(self, _n: int, _ask: dict[str, Any]) -> dict[str, Any]:
        return self.seen | {"frames": len(self.frames)}

    def _do_logs(self, _n: int, _ask: dict[str, Any]) -> dict[str, Any]:
        return {"text": self.log, "defect": None, "problems": ""}

    def _do_get(self, _n: int, ask: dict[str, Any]) -> dict[str, Any]:
        key = ask["key"]
        if key not in self.config:
            return {"ok": 0, "detail": f"{key}: unknown key"}
        hidden = key.endswith(("password", "pin"))
        return {"ok": 1, "detail": f"{key}={'***' if hidden else json.dumps(self.config[key])}"}

    def _do_read(self, _n: int, _ask: dict[str, Any]) -> dict[str, Any]:
        if self.walk:
            self.readings["2"] = reading(self.walk.pop(0))
        return {
            "at_s": 7200,
            "utc_s": UTC_MS // 1000,
            "fresh": self.fresh,
            "readings": self.readings,
            "sensors": self.sensors,
        }

    _do_selftest = _do_read

    def _do_pull(self, number: int, ask: dict[str, Any]) -> dict[str, Any]:
        names = [[head.boot, head.seq] for head in map(frame.header, self.frames)]
        after = ask.get("after")
        start = names.index(after) + 1 if after in names else 0
        for data in self.frames[start : start + ask["n"]]:
            self.say(number, 1, data)
        sent = names[start : start + ask["n"]]
        return {"frames": len(sent), "last": sent[-1] if sent else None, "left": len(names) - start - len(sent)}

    def _do_put(self, _n: int, ask: dict[str, Any]) -> dict[str, Any]:
        if ask["at"] == 0:
            self._order = b""
        if ask["at"] != len(self._order):
            return {"error": "gap", "text": "begin again at 0"}
        self._order += base64.b64decode(ask["b64"])
        if len(self._order) < ask["of"]:
            return {"have": len(self._order)}
        f = frame.decode(self._order)
        if not frame.verify(self._order, NAME, self.secret):
            return {"error": "refused", "text": "not signed with this node's key"}
        if f.counter <= self.counter:
            return {"error": "refused", "text": "not newer"}
        self.counter = f.counter
        self.orders.append(f)
        if f.fields.get("name") == "clock" and self.result["ok"]:
            self.hello |= {"utc_ms": json.loads(f.fields["args"])["utc_ms"], "clock": 2}
        return self.result | {"id": f.fields["id"]}

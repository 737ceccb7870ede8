"""The bridge of the week, as an actor in virtual time: verifies, stores once, acknowledges what it stored, answers, gives orders."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pantau_wire import frame, mqtt, mqtt_more, topics
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from pantau_sim.virtual import Client, Simulation

HERE, GONE, DEAF = "here", "gone", "deaf"
_COMMIT_US = 200000  # a real bridge commits many frames at once, and acknowledges then
_MAP = 64


class Bridge:
    """frames: {(boot, seq): bytes} as stored; conflicts, refused: what must not be; counts: what happened.

    state: here; gone (its session stays at the broker); deaf: takes messages from the broker and dies before it stores them.
    """

    def __init__(self, simulation: Simulation, city: str, node: str, key: bytes) -> None:
        self.frames: dict[tuple[int, int], bytes] = {}
        self.conflicts: list[tuple[int, int]] = []
        self.refused: list[str] = []
        self.results: dict[int, list[dict[str, Any]]] = {}
        self.counts: Counter[str] = Counter()
        self.state = HERE
        self._simulation = simulation
        self._city, self._node, self._key = city, node, key
        self._counter = 0
        self._order = 0
        self._pid = 0
        self._due: set[int] = set()  # boots whose acknowledgement waits for the commit
        self._through: dict[int, int] = {}
        self._client: Client | None = None
        self.connect()

    def connect(self) -> None:
        """(Re)connect, unless away; the session at the broker persists."""
        if self.state == GONE or not self._simulation.broker_up:
            return
        self._reader = mqtt.Reader(65536)
        client = self._simulation.client(lambda data: self._on_data(client, data))
        self._client = client
        hello = mqtt.connect("bridge", keepalive=0, clean=False)
        self._send(hello + mqtt.subscribe(self._next_pid(), [(f"pantau/v1/{self._city}/+/+/up", 1)]))

    def go(self, state: str) -> None:
        """Go away (gone or deaf) or come back (here)."""
        self.counts[state] += 1
        before, self.state = self.state, state
        if state == GONE and self._client:
            self._client.connection.lost()
            self._simulation.flush()
            self._client = None
        elif before == GONE:
            self.connect()

    def command(self, name: str, **args: Any) -> int:
        """Send a command; its id."""
        self._order += 1
        self._down(T.K_COMMAND, {"id": self._order, "name": name, "args": json.dumps(args)}, "cmd")
        return self._order

    def configure(self, generation: int, body: dict[str, Any]) -> int:
        """Send a configuration; its id."""
        self._order += 1
        self._down(T.K_CONFIG, {"id": self._order, "generation": generation, "body": json.dumps(body)}, "cmd")
        return self._order

    def kinds(self, kind: int) -> list[frame.Frame]:
        """All stored frames of a kind, in order of (boot, seq)."""
        decoded = (frame.decode(self.frames[name]) for name in sorted(self.frames))
        return [f for f in decoded if f.kind == kind]

    def _on_data(self, client: Client, data: bytes) -> None:
        if client is not self._client:
            return  # bytes on a connection that is gone
        self._reader.feed(data)
        while True:
            packet = self._reader.next()
            if packet is None:
                return
            if packet[0] == mqtt.PUBLISH:
                topic, payload, qos, pid, _retain, _dup = mqtt_more.parse_publish(packet[1], packet[2])
                if self.state == HERE:
                    self._take(topic, bytes(payload))
                else:
                    self.counts["lost by a deaf bridge"] += 1
                if qos:
                    self._send(mqtt.puback(pid))

    def _take(self, topic: str, payload: bytes) -> None:
        try:
            f = frame.decode(payload)
            whose = topics.parse(topic)[2]
        except WireError as error:
            self.refused.append(f"{topic}: {error}")
            return
        if whose != self._node or f.kind not in T.UP or not frame.verify(payload, whose, self._key):
            self.refused.append(f"{topic}: boot {f.boot} seq {f.seq}: not signed by its node")
            return
        name = (f.boot, f.seq)
        known = self.frames.setdefault(name, payload)
        if known is not payload:
            self.counts["redelivered"] += 1
            if known != payload:
                self.conflicts.append(name)
                return
        elif f.kind == T.K_RESULT:
            self.results.setdefault(f.fields.get("id", 0), []).append(f.fields)
        if f.kind == T.K_HEALTH:
            self._on_health(f.fields)
        self._soon(f.boot)

    def _on_health(self, fields: dict[str, Any]) -> None:
        """Answer the question for the time; what is older than the oldest frame held will never come: a gap, named by this."""
        boot, seq = fields.get("outbox_oldest_boot", 0), fields.get("outbox_oldest_seq", 0)
        if seq - 1 > self._through.get(boot, 0):
            self._through[boot] = seq - 1
            self._soon(boot)
        if fields.get("time_nonce"):
            self._down(T.K_TIME, {"nonce": fields["time_nonce"], "utc_ms": self._now_ms()}, "cmd")

    def _soon(self, boot: int) -> None:
        if not self._due:
            self._simulation.at(self._simulation.clock.now_us() + _COMMIT_US, self._acknowledge)
        self._due.add(boot)

    def _acknowledge(self) -> None:
        due, self._due = sorted(self._due), set()
        for boot in due:
            through = self._through.get(boot, 0)
            while (boot, through + 1) in self.frames:
                through += 1
            self._through[boot] = through
            later = sum(1 << k for k in range(_MAP) if (boot, through + 1 + k) in self.frames)
            self._down(T.K_ACK, {"boot": boot, "through": through, "map": later}, "ack")

    def _down(self, kind: int, fields: dict[str, Any], what: str) -> None:
        f = frame.Frame(kind)
        self._counter = max(self._counter + 1, self._now_ms())
        f.counter, f.fields = self._counter, fields
        data = frame.encode(f, self._node, self._key)
        self._send(mqtt.publish(topics.topic(self._city, self._node, what), data, 1, self._next_pid()))

    def _send(self, data: bytes) -> None:
        if self._client and not self._client.connection.closed:
            self._client.send(data)

    def _next_pid(self) -> int:
        self._pid = self._pid % 65535 + 1
        return self._pid

    def _now_ms(self) -> int:
        return self._simulation.clock.now_us() // 1000

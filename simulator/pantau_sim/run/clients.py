"""Strangers at the broker, with a stolen account that may publish and listen everywhere: what they send is on the scenario's clock and seed."""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING

from pantau_sim.sensors.base import Prng
from pantau_wire import _flood, frame, mqtt, mqtt_more, topics
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.run.district import District
    from pantau_sim.scenario.plan import NodePlan, Span
    from pantau_sim.virtual import Client

_KEPT = 50  # frames overheard
_MOST = 2000  # bytes of a piece of garbage


class Stranger:
    """One client of the scenario in one district, against the nodes of its stations there."""

    def __init__(self, district: District, span: Span, victims: list[NodePlan], seed: int) -> None:
        self._district = district
        self._span = span
        self._victims = victims
        self._rng = Prng(seed, zlib.crc32(f"{span.kind} {span.start_us}".encode()), district.number)
        self._heard: deque[tuple[str, bytes]] = deque(maxlen=_KEPT)
        self._key = bytes(self._rng.below(256) for _ in range(32))
        self._client: Client | None = None
        self._reader = mqtt.Reader(1 << 16)
        self._pid = self._turn = 0
        self.sent = 0
        self._act: Callable[[NodePlan], tuple[str, bytes] | None] = getattr(self, "_" + span.kind)
        self._every_us = max(1, int(60e6 / span.per_min))
        district.at(span.start_us, self._begin)

    def reconnect(self) -> None:
        """The broker is back."""
        now_us = self._district.simulation.clock.now_us()
        if self._span.start_us <= now_us < self._span.end_us:
            self._connect()

    def _begin(self) -> None:
        self._connect()
        self._send()

    def _connect(self) -> None:
        if not self._district.simulation.broker_up:
            return
        client = self._district.simulation.client(lambda data: self._receive(client, data))
        self._client, self._reader = client, mqtt.Reader(1 << 16)
        name = f"stranger-{self._span.kind}-{self._span.start_us}"
        client.send(
            mqtt.connect(name, keepalive=0, clean=True)
            + mqtt.subscribe(1, [(f"pantau/v1/{self._district.city}/+/+/up", 0)])
        )

    def _receive(self, client: Client, data: bytes) -> None:
        if client is not self._client:
            return
        self._reader.feed(data)
        while (packet := self._reader.next()) is not None:
            if packet[0] == mqtt.PUBLISH:
                topic, payload, _qos, _pid, _retain, _dup = mqtt_more.parse_publish(packet[1], packet[2])
                if self._genuine(topic, bytes(payload)):
                    self._heard.append((topic, bytes(payload)))

    def _genuine(self, topic: str, payload: bytes) -> bool:
        """Whether a victim said it; what strangers say they need not repeat."""
        return any(topic.endswith(f"/{v.id}/up") and _signed(payload, v) for v in self._victims)

    def _send(self) -> None:
        now_us = self._district.simulation.clock.now_us()
        if now_us >= self._span.end_us:
            return
        victim = self._victims[self._turn % len(self._victims)]
        self._turn += 1
        made = self._act(victim)
        client = self._client
        if made is not None and client is not None and not client.connection.closed:
            self._pid = self._pid % 65535 + 1
            self.sent += 1
            client.send(mqtt.publish(made[0], made[1], 1, self._pid))
        self._district.at(now_us + self._every_us, self._send)

    def _up(self, victim: NodePlan) -> str:
        return str(topics.topic(self._district.city, victim.id, "up"))

    def _last_of(self, victim: NodePlan) -> bytes | None:
        ending = f"/{victim.id}/up"
        return next((payload for topic, payload in reversed(self._heard) if topic.endswith(ending)), None)

    # -- what each kind sends

    def _forger(self, victim: NodePlan) -> tuple[str, bytes]:
        """A flood in the victim's name, with a key of one's own."""
        f = frame.Frame(T.K_RECORDS, 0)
        f.boot, f.seq, f.clock, f.base_s = (
            1,
            1_000_000 + self._turn,
            3,
            self._district.simulation.clock.now_us() // 1_000_000,
        )
        f.count, f.interval_s, f.profile, f.alarm = 1, 60, 1, True
        f.columns = {_flood.WATER_DISTANCE: ([50], None)}
        return self._up(victim), bytes(frame.encode(f, victim.id, self._key))

    def _conflicter(self, victim: NodePlan) -> tuple[str, bytes] | None:
        """Other content under the identity of a frame that was sent, signed with the victim's stolen key."""
        last = self._last_of(victim)
        if last is None:
            return None
        f = frame.decode(last)
        if f.kind != T.K_RECORDS or not f.columns:
            return None
        for ident, (values, codes) in list(f.columns.items()):
            f.columns[ident] = ([None if v is None else v + 1 for v in values], codes)
        return self._up(victim), bytes(frame.encode(f, victim.id, victim.key))

    def _corrupter(self, victim: NodePlan) -> tuple[str, bytes] | None:
        last = self._last_of(victim)
        if last is None:
            return None
        at = self._rng.below(len(last))
        return self._up(victim), last[:at] + bytes([last[at] ^ 1 << self._rng.below(8)]) + last[at + 1 :]

    def _replayer(self, victim: NodePlan) -> tuple[str, bytes] | None:
        last = self._last_of(victim)
        return None if last is None else (self._up(victim), last)

    def _flooder(self, victim: NodePlan) -> tuple[str, bytes]:
        size = self._rng.below(_MOST)
        return self._up(victim), bytes(self._rng.below(256) for _ in range(min(size, 24))) + b"\xaa" * max(0, size - 24)

    def _down_forger(self, victim: NodePlan) -> tuple[str, bytes]:
        """An acknowledgement of all that was heard and of what comes next: the node would delete what no bridge has yet."""
        last = self._last_of(victim)
        head = None if last is None else frame.header(last)
        f = frame.Frame(T.K_ACK, 0)
        f.counter = self._district.simulation.clock.now_us() // 1000
        # No more than the node has made: it would see through the rest without any key.
        f.fields = {"boot": head.boot if head else 1, "through": head.seq if head else 1, "map": (1 << 64) - 1}
        return str(topics.topic(self._district.city, victim.id, "ack")), bytes(frame.encode(f, victim.id, self._key))


def _signed(payload: bytes, victim: NodePlan) -> bool:
    try:
        frame.header(payload)
    except WireError:
        return False
    return bool(frame.verify(payload, victim.id, victim.key))

"""A node's durable half as the bridge sees it: outbox, boots, lanes, patience. I/O-free.

The rules are the firmware's (outbox.py, sender.py), its times a tenth of them: a frame is kept until the bridge's own,
authenticated acknowledgement covers it; alarms overtake; what is not acknowledged is sent again, each time more patiently.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    import random

Identity = tuple[str, int, int]  # node, boot, seq
RECORDS = 3
WINDOW = 8
_RESERVED = 2  # of the window, for alarms
_REACH = 64  # an acknowledgement's map ends so far above its watermark
_ACK_S = 0.5
_ACK_MAX_S = 4.0
MOST = 500  # frames held; a node that is full produces no more here, so that nothing is ever overwritten


class Held:
    """A frame in the outbox."""

    __slots__ = ("alarm", "due_s", "payload", "sealed_s", "tries")

    def __init__(self, payload: bytes, sealed_s: float, *, alarm: bool) -> None:
        self.payload, self.sealed_s, self.alarm = payload, sealed_s, alarm
        self.due_s, self.tries = 0.0, 0


def distance_mm(node: str, boot: int, seq: int, index: int) -> int:
    """Return the reading of a record: another one for each, so that no two can be taken for one another."""
    return 300 + zlib.crc32(f"{node}/{boot}/{seq}/{index}".encode()) % 5000


class Node:
    """One node. Times are monotonic seconds of the caller, `unix_s` is what its clock shows."""

    def __init__(self, name: str, key: bytes, rng: random.Random, produced: dict[Identity, bytes]) -> None:
        """`produced` takes every frame that reaches the outbox."""
        self.name, self.key = name, key
        self.boot, self.seq = 1, 0
        self.refused = 0  # down-going frames with a wrong tag
        self._rng, self._produced = rng, produced
        self._outbox: dict[tuple[int, int], Held] = {}  # in order of (boot, seq)
        self._flight: set[tuple[int, int]] = set()
        self._far: set[tuple[int, int]] = set()  # sent, but no acknowledgement can name them yet
        self._alarms: list[tuple[int, int]] = []  # sealed and never sent
        self._through: dict[int, int] = {}

    @property
    def held(self) -> int:
        """Return how many frames wait for their acknowledgement."""
        return len(self._outbox)

    def identities(self) -> list[Identity]:
        """Return what is in the outbox."""
        return [(self.name, boot, seq) for boot, seq in self._outbox]

    def measure(self, now: float, unix_s: int, *, alarm: bool = False) -> bool:
        """Seal a frame of records; False when the outbox is full."""
        if len(self._outbox) >= MOST:
            return False
        count = 1 if alarm else RECORDS
        f = self._frame(T.K_RECORDS, unix_s)
        f.alarm, f.count, f.interval_s = alarm, count, 1
        seq = self.seq + 1
        distances = [distance_mm(self.name, self.boot, seq, index) for index in range(count)]
        f.columns = {T.WATER_DISTANCE: (distances, None), T.RAIN_TIPS: ([seq % 4] * count, None)}
        if seq % 5 == 0:
            missing = wire.quality(T.R_TIMEOUT)
            f.columns[T.AIR_TEMPERATURE] = ([2700 + seq % 100, *[None] * (count - 1)], [0, *[missing] * (count - 1)])
        self._seal(f, now, alarm=alarm)
        return True

    def report(self, now: float, unix_s: int, uptime_s: float) -> None:
        """Seal a health frame: it says where the outbox begins, and sometimes asks for the time."""
        f = self._frame(T.K_HEALTH, unix_s)
        oldest = next(iter(self._outbox), (self.boot, self.seq + 1))
        f.fields = {
            "uptime_ms": int(uptime_s * 1000),
            "utc_ms": unix_s * 1000,
            "outbox_frames": len(self._outbox),
            "outbox_oldest_boot": oldest[0],
            "outbox_oldest_seq": oldest[1],
            "overwritten_frames": 0,
        }
        if self._rng.random() < 0.3:
            f.fields["time_nonce"] = self._rng.randrange(1, 1 << 32)
        self._seal(f, now, alarm=False)

    def reboot(self) -> None:
        """End this boot: the outbox stays, what was on its way is forgotten."""
        self.boot, self.seq = self.boot + 1, 0
        self.unlinked()

    def unlinked(self) -> None:
        """The link is gone: whatever was on its way is sent again."""
        self._flight.clear()
        self._far.clear()

    def on_ack(self, data: bytes) -> list[tuple[Identity, Held]]:
        """Let go what an authentic acknowledgement covers, and return it."""
        if not wire.verify(data, self.name, self.key):
            self.refused += 1
            return []
        try:
            f = wire.decode(data)
        except WireError:
            return []
        if f.kind != T.K_ACK:
            return []
        boot, through, bits = f.fields["boot"], f.fields["through"], f.fields.get("map", 0)
        self._through[boot] = max(self._through.get(boot, 0), through)
        gone = [
            name
            for name in self._outbox
            if name[0] == boot and (name[1] <= through or (name[1] <= through + _REACH and bits >> name[1] - through - 1 & 1))
        ]  # fmt: skip
        self._flight.difference_update(gone)
        self._far = {name for name in self._far.difference(gone) if self._beyond(name)}
        return [((self.name, *name), self._outbox.pop(name)) for name in gone]

    def due(self, now: float) -> list[tuple[int, int, bytes]]:
        """Return (boot, seq, bytes) of what is to be published now."""
        out = []
        for name in sorted(self._flight):
            held = self._outbox[name]
            if now < held.due_s:
                continue
            if self._beyond(name):
                self._flight.discard(name)
                self._far.add(name)
                continue
            held.tries += 1
            out.append(self._sent(name, held, now))
        alarms, self._alarms = self._alarms, []
        for name in alarms:
            if name in self._outbox and name not in self._flight:
                (self._alarms.append(name) if len(self._flight) >= WINDOW else out.append(self._first(name, now)))
        if len(self._outbox) > len(self._flight) + len(self._far):
            for name in self._outbox:
                if len(self._flight) >= WINDOW - _RESERVED:
                    break
                if name not in self._flight and name not in self._far:
                    out.append(self._first(name, now))
        return out

    def _first(self, name: tuple[int, int], now: float) -> tuple[int, int, bytes]:
        held = self._outbox[name]
        held.tries = 0
        self._flight.add(name)
        return self._sent(name, held, now)

    def _sent(self, name: tuple[int, int], held: Held, now: float) -> tuple[int, int, bytes]:
        patience = min(_ACK_S * 2 ** min(held.tries, 8), _ACK_MAX_S)
        held.due_s = now + patience * self._rng.uniform(0.75, 1.25)
        return (*name, held.payload)

    def _beyond(self, name: tuple[int, int]) -> bool:
        boot, seq = name
        return seq > self._through.get(boot, 0) + _REACH

    def _frame(self, kind: int, unix_s: int) -> wire.Frame:
        f = wire.Frame(kind)
        f.boot, f.seq, f.clock, f.base_s, f.profile = self.boot, self.seq + 1, 3, unix_s, 1
        return f

    def _seal(self, f: wire.Frame, now: float, *, alarm: bool) -> None:
        payload: bytes = wire.encode(f, self.name, self.key)
        self.seq = f.seq
        self._produced[self.name, self.boot, self.seq] = payload
        self._outbox[self.boot, self.seq] = Held(payload, now, alarm=alarm)
        if alarm:
            self._alarms.append((self.boot, self.seq))

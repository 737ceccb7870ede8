"""What was to be sent, when, and what came of it. I/O-free.

Open loop: the instants are fixed before the run, and a latency counts from the frame's instant, not from when there was
room to send it. A broker that stalls is thereby charged with every frame that waited (no coordinated omission).
"""

from __future__ import annotations

import hmac
import random
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.load.histogram import Histogram
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.load.frames import Fleet

_MAP = 64


class Due(NamedTuple):
    """One frame to send: the node's number, its seq, and when it was meant to go (seconds of the run's clock)."""

    number: int
    seq: int
    at_s: float


class Offered:
    """The account of one run."""

    def __init__(self, fleet: Fleet, boot: int, rate: float, seconds: float, seed: int) -> None:
        self._fleet, self.boot, self._rate = fleet, boot, rate
        self.total = max(1, round(rate * seconds))
        self._order = random.Random(f"order {seed}").sample(range(len(fleet.nodes)), len(fleet.nodes))
        self._numbers = {node.id: number for number, node in enumerate(fleet.nodes)}
        self._next = 0
        self._waiting: list[dict[int, float]] = [
            {} for _ in fleet.nodes
        ]  # per node: seq -> instant, until the bridge has it
        self.shed = 0
        self.pubacked = 0
        self.acked = 0
        self.forged = 0  # acknowledgements with a wrong tag
        self.behind_s = 0.0  # greatest delay of the generator itself
        self.to_broker = Histogram()
        self.to_bridge = Histogram()

    @property
    def finished(self) -> bool:
        """Return whether every instant has come."""
        return self._next >= self.total

    @property
    def offered(self) -> int:
        """Return how many instants have come."""
        return self._next

    def due(self, now_s: float) -> Iterator[Due]:
        """Yield what is to be sent by now. The nodes take turns, in an order of the seed."""
        upto = min(self.total, int(now_s * self._rate) + 1)
        nodes = len(self._order)
        if self._next < upto:
            self.behind_s = max(self.behind_s, now_s - self._next / self._rate)
        while self._next < upto:
            lap, place = divmod(self._next, nodes)
            at_s = self._next / self._rate
            self._next += 1
            number = self._order[place]
            yield Due(number, lap + 1, at_s)

    def sent(self, due: Due) -> None:
        """Note a frame that is on its way."""
        self._waiting[due.number][due.seq] = due.at_s

    def on_puback(self, due: Due, now_s: float) -> None:
        """Count the broker's acknowledgement."""
        self.pubacked += 1
        self.to_broker.add(now_s - due.at_s)

    def on_ack(self, topic: str, data: bytes, now_s: float) -> int:
        """Count what an authentic acknowledgement of the bridge covers for the first time; return how much."""
        name = topic.split("/")[4]
        number = self._numbers.get(name)
        if number is None:
            return 0
        fields = self._fields(name, self._fleet.nodes[number].key, data)
        if fields is None or fields["boot"] != self.boot:
            return 0
        through, bits = fields["through"], fields["map"]
        waiting = self._waiting[number]
        covered = [s for s in waiting if s <= through or (s <= through + _MAP and bits >> s - through - 1 & 1)]
        for seq in covered:
            self.to_bridge.add(now_s - waiting.pop(seq))
        self.acked += len(covered)
        return len(covered)

    def _fields(self, name: str, key: bytes, data: bytes) -> Counter[str] | None:
        """Return the fields of an ACK that the node's key signed, None for anything else."""
        body, end = data[: -tag.SIZE], data[-tag.SIZE :]
        scope = tag.DOWN + bytes((len(name),)) + name.encode()
        if not hmac.compare_digest(hmac.digest(key, scope + body, "sha256")[: tag.SIZE], end):
            self.forged += 1
            return None
        try:
            f = wire.decode(data)
        except WireError:
            return None
        return Counter(f.fields) if f.kind == T.K_ACK else None

"""Bundles on their way to nodes, in windows of chunks. I/O-free.

A node answers every 16 chunks, and once where one does not follow what it holds; so a window ends where such an answer is due,
and the next one begins with it. Many go at once, each at its own pace; what all send together has a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_wire.bundle import MAX_CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pantau.fleet.rows import Order

WINDOW = 16 * MAX_CHUNK
_AGAIN_MS, _AGAIN_MOST_MS = 30_000, 900_000  # without an answer, doubling
_STALLED_MS = 180_000  # without a byte more: others come first
_COST = 64  # bytes of a frame and its packet beside the chunk


class Limits(NamedTuple):
    """How much a city's broker and links are asked to carry at a time."""

    nodes: int = 50
    bytes_s: int = 100_000
    burst_s: float = 2.0


@dataclass(slots=True)
class _Way:
    """One bundle to one node. `have` is what it holds, `sent` how far chunks were sent; Unix ms when, and when it came further."""

    order: int
    node: str
    ident: int
    data: bytes
    have: int
    sent: int
    sent_ms: int
    moved_ms: int
    patience_ms: int = _AGAIN_MS

    @property
    def end(self) -> int:
        """Return where the window ends."""
        return min(len(self.data), self.have // WINDOW * WINDOW + WINDOW)


class Chunks:
    """The bundles under way: `due` gives the chunks to send, `at` and `forget` say what became of them."""

    def __init__(self, limits: Limits, bundle: Callable[[int], bytes | None]) -> None:
        """`bundle` returns the bytes of a bundle by its ident."""
        self.limits = limits
        self._bundle = bundle
        self._ways: dict[int, _Way] = {}  # by order, the one served longest ago first
        self._parked: dict[int, int] = {}  # by order: since when it waits for others, Unix ms
        self._tokens, self._at_ms = 0.0, 0
        self.sent_bytes = 0

    @property
    def active(self) -> int:
        """Return how many nodes are being sent to."""
        return len(self._ways)

    def at(self, order: int, have: int, received_ms: int) -> None:
        """The node of an order holds so much."""
        self._parked.pop(order, None)
        way = self._ways.get(order)
        if way is None:
            return
        if have != way.have:
            way.moved_ms, way.patience_ms = received_ms, _AGAIN_MS
        answers_us = received_ms > way.sent_ms  # else it had not seen what was sent last
        if have < way.sent and not answers_us and have >= way.have:
            way.have = have
            return
        way.have = way.sent = have

    def unsent(self, node: str) -> None:
        """What was given out for a node could not be sent: again from what it holds, after a while."""
        for way in self._ways.values():
            if way.node == node:
                way.sent = way.have

    def forget(self, order: int) -> None:
        """An order is over, or held whole."""
        self._ways.pop(order, None)
        self._parked.pop(order, None)

    def due(
        self, orders: Mapping[int, Order], heard: Callable[[str], int], now_ms: int
    ) -> Iterator[tuple[Order, dict[str, Any]]]:
        """Yield (order, fields of an UPDATE frame) of what is to be sent now. `heard` is when a node was heard last."""
        passed_s = min(self.limits.burst_s, max(0, now_ms - self._at_ms) / 1000)
        self._tokens = min(self.limits.burst_s * self.limits.bytes_s, self._tokens + passed_s * self.limits.bytes_s)
        self._at_ms = now_ms
        self._admit(orders, heard, now_ms)
        for way in self._ways.values():
            lost = way.sent > way.have and now_ms - way.sent_ms >= way.patience_ms
            if lost and heard(way.node) > way.sent_ms:  # it lives: what was sent did not reach it
                way.sent = way.have
                way.patience_ms = min(_AGAIN_MOST_MS, 2 * way.patience_ms)
        ready = [way for way in self._ways.values() if way.sent < way.end]
        while ready and self._tokens > 0:
            for way in ready:
                piece = way.data[way.sent : min(way.sent + MAX_CHUNK, way.end)]
                yield orders[way.order], {"id": way.ident, "offset": way.sent, "total": len(way.data), "chunk": piece}
                way.sent += len(piece)
                way.sent_ms = now_ms
                self._tokens -= len(piece) + _COST
                self.sent_bytes += len(piece)
                if self._tokens <= 0:
                    break
            ready = [way for way in ready if way.sent < way.end]
        for way in sorted(
            self._ways.values(), key=lambda way: way.sent_ms
        ):  # who waited for want of tokens goes first next
            self._ways[way.order] = self._ways.pop(way.order)

    def _admit(self, orders: Mapping[int, Order], heard: Callable[[str], int], now_ms: int) -> None:
        """Begin with as many as may be under way; who has stalled makes place for who waits."""
        for number in [n for n in (*self._ways, *self._parked) if n not in orders]:
            self.forget(number)
        waiting = [o for n, o in orders.items() if n not in self._ways]
        waiting.sort(key=lambda o: (self._parked.get(o.id, 0), o.id))
        for order in waiting:
            parked_ms = self._parked.get(order.id)
            if parked_ms is not None and heard(order.node) <= parked_ms:
                continue  # silent since: what was sent waits for it at the broker
            if len(self._ways) >= self.limits.nodes and not self._park_one(now_ms):
                return
            data = self._bundle(order.what["bundle"])
            if data is not None:
                self._parked.pop(order.id, None)
                self._ways[order.id] = _Way(
                    order.id, order.node, order.what["bundle"], data, order.have, order.have, 0, now_ms
                )

    def _park_one(self, now_ms: int) -> bool:
        """Take out the one that has stalled longest, if any has."""
        stalled = [way for way in self._ways.values() if now_ms - way.moved_ms >= _STALLED_MS]
        if not stalled:
            return False
        way = min(stalled, key=lambda way: way.moved_ms)
        del self._ways[way.order]
        self._parked[way.order] = now_ms
        return True

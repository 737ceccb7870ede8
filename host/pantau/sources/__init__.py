"""Where messages come from. One file per source; each hands arrivals to a bounded inbox and confirms what is durable."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Two full batches: one is being committed while the next arrives. Bytes bound a flood of long messages.
MAX_ARRIVALS = 10_000
MAX_BYTES = 16 << 20


class Channel(Protocol):
    """The connection that a message came in on; it confirms by packet id, in order of receipt."""

    def confirm(self, pid: int) -> None:
        """Queue the confirmation of one message; nothing happens when the connection has ended since."""

    def flush(self) -> None:
        """Send what was queued."""


class Arrival(NamedTuple):
    """One message as it came; `pid` 0 wants no confirmation. `received_ms` is Unix ms UTC."""

    topic: str
    payload: bytes
    received_ms: int
    channel: Channel
    pid: int


class Source(Protocol):
    """One way in."""

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled, reconnecting for ever; never raises for trouble of the far side."""

    def publish(self, node: str, what: str, payload: bytes) -> bool:
        """Send to a node; False when that is not possible now and should be tried again."""

    async def close(self) -> None:
        """Stop receiving, send what is queued, leave in order."""

    def problems(self) -> Sequence[str]:
        """Return what is wrong, each with what to do; empty when all is well."""

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics."""


class Inbox:
    """Arrivals that wait for the next commit. When it is full the sources stop reading, and the broker keeps the rest."""

    def __init__(self) -> None:
        self._waiting: deque[Arrival] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._full = False
        self._closed = False
        self.on_full: Callable[[bool], None] = lambda _full: None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Return whether sources should stop reading. What they had already read still goes in."""
        return self._full

    def put(self, arrival: Arrival) -> None:
        """Add one message; a closed inbox takes nothing, and what is never confirmed the broker keeps."""
        if self._closed:
            return
        self._waiting.append(arrival)
        self._bytes += len(arrival.payload)
        self._some.set()
        if not self._full and (len(self._waiting) >= MAX_ARRIVALS or self._bytes >= MAX_BYTES):
            self._full = True
            self.on_full(True)

    def close(self) -> None:
        """Take in no more, and wake who waits."""
        self._closed = True
        self._some.set()

    async def wait(self, timeout_s: float) -> None:
        """Return as soon as there is something, or after `timeout_s`."""
        if not self._waiting and not self._closed:
            self._some.clear()
            try:
                await asyncio.wait_for(self._some.wait(), timeout_s)
            except TimeoutError:
                return

    def take(self, limit: int) -> list[Arrival]:
        """Return up to `limit` messages, oldest first; [] when there is none."""
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._bytes -= sum(len(arrival.payload) for arrival in taken)
        if self._full and len(self._waiting) < MAX_ARRIVALS // 2 and self._bytes < MAX_BYTES // 2:
            self._full = False
            self.on_full(False)
        return taken


def confirm(arrivals: Sequence[Arrival]) -> None:
    """Confirm messages in order of receipt, with one write per connection."""
    touched: dict[int, Channel] = {}
    for arrival in arrivals:
        if arrival.pid:
            arrival.channel.confirm(arrival.pid)
            touched[id(arrival.channel)] = arrival.channel
    for channel in touched.values():
        channel.flush()

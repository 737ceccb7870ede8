"""Where messages come from. One file per source; each hands chunks to a bounded inbox and confirms what is durable."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Two full batches: one is being committed while the next arrives. Bytes bound a flood of long messages.
MAX_MESSAGES = 10_000
MAX_BYTES = 16 << 20


class Channel(Protocol):
    """The connection that messages came in on."""

    @property
    def ended(self) -> bool:
        """Return whether it is over: what it brought and was not confirmed comes again on another one."""

    def confirm(self, pids: Sequence[bytes]) -> None:
        """Confirm these messages, in order of receipt; nothing happens when the connection has ended since."""


class Chunk(NamedTuple):
    """What one read of one connection brought: messages in order of receipt, as columns.

    `received_ms` is Unix ms UTC. A pid is two bytes as on the wire, b"" for a message that wants no confirmation; `size`
    is the bytes of all payloads, and of topics that a stranger can choose.
    """

    channel: Channel
    received_ms: int
    topics: list[bytes]
    payloads: list[bytes]
    pids: list[bytes]
    size: int


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
    """Chunks that wait for the next commit. When it is full the sources stop reading, and the broker keeps the rest."""

    def __init__(self) -> None:
        self._waiting: deque[Chunk] = deque()
        self._messages = self._bytes = 0
        self._some = asyncio.Event()
        self._full = False
        self._closed = False
        self.on_full: Callable[[bool], None] = lambda _full: None

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._messages

    @property
    def full(self) -> bool:
        """Return whether sources should stop reading. What they had already read still goes in."""
        return self._full

    def put(self, chunk: Chunk) -> None:
        """Add what one read brought; a closed inbox takes nothing, and what is never confirmed the broker keeps."""
        if self._closed:
            return
        self._waiting.append(chunk)
        self._messages += len(chunk.payloads)
        self._bytes += chunk.size
        self._some.set()
        if not self._full and (self._messages >= MAX_MESSAGES or self._bytes >= MAX_BYTES):
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

    def take(self, limit: int) -> list[Chunk]:
        """Return whole chunks, oldest first, until they hold `limit` messages or more; [] when there is none."""
        taken: list[Chunk] = []
        count = 0
        while self._waiting and count < limit:
            chunk = self._waiting.popleft()
            taken.append(chunk)
            count += len(chunk.payloads)
            self._bytes -= chunk.size
        self._messages -= count
        if self._full and self._messages < MAX_MESSAGES // 2 and self._bytes < MAX_BYTES // 2:
            self._full = False
            self.on_full(False)
        return taken


def confirm(chunks: Sequence[Chunk]) -> None:
    """Confirm the messages of `chunks`, in order of receipt on each connection."""
    for chunk in chunks:
        chunk.channel.confirm(chunk.pids)

"""Server-sent events: what changed, told to every open page. Bounded in clients, memory and rate."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MAX_CLIENTS = 200  # control rooms and wall boards of one city; each costs a socket and a short queue
_QUEUE = 4  # messages; a page that lags by more is told to reload instead
_KEEP_ALIVE_S = 15.0  # under the idle limit of common proxies (60 s), and ends the sockets of pages that are gone
_RELOAD = "event: reload\ndata: {}\n\n"


class HubFullError(Exception):
    """All places are taken, or the bridge is stopping: refuse the client, it may ask again."""


class Hub:
    """Collects changed nodes from any thread and sends one rendered message per interval to every client.

    `render` gets the changed nodes and returns the event's data (one line of JSON), or None when it cannot tell: then
    pages reload. It runs in a worker thread.
    """

    def __init__(self, render: Callable[[frozenset[str]], str | None], interval_s: float = 1.0) -> None:
        """Make a hub that sends at most one message per `interval_s`; it costs nothing while nobody listens."""
        self._render = render
        self._interval_s = interval_s
        self._clients: set[asyncio.Queue[str | None]] = set()
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def notify(self, nodes: frozenset[str]) -> None:
        """Say that `nodes` changed. Safe from any thread."""
        if self._loop is not None and self._clients:
            with contextlib.suppress(RuntimeError):  # the loop closed between the check and the call: nobody listens
                self._loop.call_soon_threadsafe(self._mark, nodes)

    def _mark(self, nodes: frozenset[str]) -> None:
        self._changed |= nodes
        self._wake.set()

    def close(self) -> None:
        """End every open stream and refuse new ones, so that a server can stop without waiting for its pages."""
        self._closed = True
        for queue in self._clients:
            _force(queue, None)

    def join(self) -> asyncio.Queue[str | None]:
        """Take a place. Raises HubFullError. The caller must pass the queue to `stream`."""
        if self._closed or len(self._clients) >= MAX_CLIENTS:
            raise HubFullError
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        self._clients.add(queue)
        self._loop = asyncio.get_running_loop()
        if self._pump is None:
            self._pump = self._loop.create_task(self._send())
        return queue

    async def stream(self, queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
        """Yield the event stream of one client until it leaves or the hub closes."""
        try:
            yield "retry: 3000\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), _KEEP_ALIVE_S)
                except TimeoutError:
                    message = ": alive\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._clients.discard(queue)
            if not self._clients and self._pump is not None:
                self._pump.cancel()
                self._pump = None

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            nodes, self._changed = frozenset(self._changed), set()
            data = await asyncio.to_thread(self._render, nodes)
            for queue in self._clients:
                if data is None or queue.full():
                    _force(queue, _RELOAD)
                else:
                    queue.put_nowait(f"event: change\ndata: {data}\n\n")
            await asyncio.sleep(self._interval_s)


def _force(queue: asyncio.Queue[str | None], message: str | None) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(message)

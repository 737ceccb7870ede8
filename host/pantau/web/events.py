"""Server-sent events: what changed, told to every open page. Bounded in clients, memory and rate."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MAX_CLIENTS = 200  # control rooms and wall boards of one city; each costs a socket and a short queue
_QUEUE = 4  # messages; a page that lags by more is told to reload instead
_KEEP_ALIVE_S = 15.0  # under the idle limit of common proxies (60 s), and ends the sockets of pages that are gone
_RELOAD = "event: reload\ndata: {}\n\n"


class HubFullError(Exception):
    """All places are taken, or the bridge is stopping: refuse the client, it may ask again."""


class Changed(NamedTuple):
    """What commits touched since the last message: nodes by id, alerts by number."""

    nodes: frozenset[str] = frozenset()
    alerts: frozenset[int] = frozenset()


class Told(NamedTuple):
    """The same news as text of an event stream, for the public and for staff, who also learn the names of staff."""

    public: str
    staff: str


def event(name: str, data: dict[str, Any]) -> str:
    """Return one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


@dataclass(eq=False)
class Client:
    """One open stream."""

    staff: bool
    queue: asyncio.Queue[str | None]

    def force(self, message: str | None) -> None:
        """Put `message` in the place of all that waits."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(message)


class Hub:
    """Collects what changed from any thread and sends one rendered message per interval to every client.

    `render` gets what changed and returns the events that tell it, or None when it cannot tell: then pages reload. It runs
    in a worker thread.
    """

    def __init__(
        self, render: Callable[[Changed], Told | None] = lambda _changed: None, interval_s: float = 1.0
    ) -> None:
        """Make a hub that sends at most one message per `interval_s`; it costs nothing while nobody listens."""
        self.render = render
        self._interval_s = interval_s
        self._clients: set[Client] = set()
        self._changed = Changed()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    def notify(self, nodes: frozenset[str] = frozenset(), alerts: frozenset[int] = frozenset()) -> None:
        """Say that `nodes` and `alerts` changed. Safe from any thread."""
        if self._loop is not None and self._clients:
            with contextlib.suppress(RuntimeError):  # the loop closed between the check and the call: nobody listens
                self._loop.call_soon_threadsafe(self._mark, nodes, alerts)

    def _mark(self, nodes: frozenset[str], alerts: frozenset[int]) -> None:
        self._changed = Changed(self._changed.nodes | nodes, self._changed.alerts | alerts)
        self._wake.set()

    def close(self) -> None:
        """End every open stream and refuse new ones, so that a server can stop without waiting for its pages."""
        self._closed = True
        for client in self._clients:
            client.force(None)

    def join(self, *, staff: bool = False) -> Client:
        """Take a place. Raises HubFullError. The caller must pass what it gets to `stream`."""
        if self._closed or len(self._clients) >= MAX_CLIENTS:
            raise HubFullError
        client = Client(staff, asyncio.Queue(_QUEUE))
        self._clients.add(client)
        self._loop = asyncio.get_running_loop()
        if self._pump is None:
            self._pump = self._loop.create_task(self._send())
        return client

    async def stream(self, client: Client) -> AsyncIterator[str]:
        """Yield the event stream of one client until it leaves or the hub closes."""
        try:
            yield "retry: 3000\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(client.queue.get(), _KEEP_ALIVE_S)
                except TimeoutError:
                    message = ": alive\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._clients.discard(client)
            if not self._clients and self._pump is not None:
                self._pump.cancel()
                self._pump = None

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, Changed()
            told = await asyncio.to_thread(self.render, changed)
            for client in self._clients:
                if told is None or client.queue.full():
                    client.force(_RELOAD)
                else:
                    client.queue.put_nowait(told.staff if client.staff else told.public)
            await asyncio.sleep(self._interval_s)

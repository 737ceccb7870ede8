"""One MQTT 3.1.1 connection of the load fleet: a window of unconfirmed frames, a row of waiting ones, acknowledgements in."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from pantau_sim.load.frames import publish
from pantau_wire import mqtt
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.load.frames import Node
    from pantau_sim.load.offered import Due
    from pantau_sim.load.target import Target

_MAX_PACKET = 4096
_CONNECT_S = 20.0
_PIDS = 65_535
Item = tuple["Due", "Node", bytes]


class RefusedError(ConnectionError):
    """The broker does not let us in, or not listen; the text says what to do."""


class Client(asyncio.Protocol):
    """A connection that is made again when it breaks; what the broker had not confirmed is then sent again."""

    def __init__(
        self,
        client_id: str,
        filters: list[str],
        window: int,
        on_puback: Callable[[Due], None],
        on_ack: Callable[[str, bytes], None],
    ) -> None:
        """`on_puback` is called for each confirmed frame, `on_ack` with each message on one of `filters`."""
        self._client_id, self._filters, self._window = client_id, filters, window
        self._on_puback, self._on_ack = on_puback, on_ack
        self._transport: asyncio.Transport | None = None
        self._reader = mqtt.Reader(_MAX_PACKET)
        self._flight: dict[int, Item] = {}  # by packet id, oldest first
        self._waiting: deque[Item] = deque()  # bounded by the caller: see `backlog`
        self._pid = 0
        self._target: Target | None = None
        self._ready: asyncio.Future[None] | None = None
        self.lost = asyncio.Event()

    @property
    def backlog(self) -> int:
        """Return how many frames wait for room in the window."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Return whether everything is confirmed."""
        return not self._flight and not self._waiting

    async def connect(self, target: Target) -> None:
        """Connect, subscribe and send what is left from before. Raises OSError (TimeoutError, ssl.SSLError, RefusedError)."""
        loop = asyncio.get_running_loop()
        self._target, self._reader, self._ready = target, mqtt.Reader(_MAX_PACKET), loop.create_future()
        self.lost.clear()
        name = target.host if target.context is not None else None
        try:
            async with asyncio.timeout(_CONNECT_S):
                await loop.create_connection(
                    lambda: self, target.host, target.port, ssl=target.context, server_hostname=name
                )
                await self._ready
        except BaseException:
            self.close()
            raise
        before, self._flight = list(self._flight.values()), {}
        self._waiting.extendleft(reversed(before))
        self.flush()

    def offer(self, item: Item) -> None:
        """Take a frame; `flush` sends it as soon as the window has room."""
        self._waiting.append(item)

    def flush(self) -> None:
        """Send what the window allows, in one write."""
        if self._transport is None or self._ready is None or not self._ready.done():
            return
        out = []
        while self._waiting and len(self._flight) < self._window:
            item = self._waiting.popleft()
            self._pid = self._pid % _PIDS + 1
            while self._pid in self._flight:
                self._pid = self._pid % _PIDS + 1
            self._flight[self._pid] = item
            out.append(publish(item[1], item[2], self._pid))
        if out:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        assert isinstance(transport, asyncio.Transport)
        assert self._target is not None
        self._transport = transport
        user, password = self._target.user, self._target.password
        transport.write(mqtt.connect(self._client_id, user, password, keepalive=0, clean=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits."""
        self._transport = None
        self.lost.set()
        self._fail(exc or RefusedError("the broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Take packets."""
        self._reader.feed(data)
        try:
            while (packet := self._reader.next()) is not None:
                self._packet(*packet)
        except WireError as error:
            self._fail(RefusedError(f"the broker sent what is not MQTT 3.1.1 ({error}): is this its port?"))
            self.close()
        self.flush()

    def _packet(self, kind: int, flags: int, body: bytes) -> None:
        if kind == mqtt.PUBACK:
            item = self._flight.pop(mqtt.parse_pid(body), None)
            if item is not None:
                self._on_puback(item[0])
        elif kind == mqtt.PUBLISH:
            topic, payload, qos, pid = mqtt.split_publish(flags, body)
            if qos and self._transport is not None:
                self._transport.write(mqtt.puback(pid))
            self._on_ack(topic.decode("utf-8", "replace"), payload)
        elif kind == mqtt.CONNACK:
            self._connected(mqtt.parse_connack(body)[1])
        elif kind == mqtt.SUBACK:
            refused = 128 in mqtt.parse_suback(body)[1]
            if refused:
                self._fail(
                    RefusedError("the broker does not let us read acknowledgements: see its ACL, or --broker-only")
                )
            else:
                self._done()

    def _connected(self, code: int) -> None:
        if code:
            self._fail(RefusedError(f"the broker refused the connection (code {code}): check user and password"))
        elif self._filters and self._transport is not None:
            self._transport.write(mqtt.subscribe(1, [(name, 1) for name in self._filters]))
        else:
            self._done()

    def _done(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, error: Exception) -> None:
        ready: asyncio.Future[Any] | None = self._ready
        if ready is not None and not ready.done():
            ready.set_exception(error)

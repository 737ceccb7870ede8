"""One MQTT connection of one partition: packets in, confirmations and publishes out. Manual PUBACK only.

What is written within one turn of the loop leaves in one piece: the broker then handles many PUBACKs at the price of one.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any

from pantau.sources import Chunk, publishes
from pantau.sources.dialect import DISCONNECT, PINGREQ, pubacks
from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.sources import Inbox
    from pantau.sources.dialect import Connack, Dialect, Login

# A packet up to this size is read whole: the longest topic, packet id and the longest frame fit. Of a longer one this
# much is handed on (to be refused as too_long) and the rest is skipped unseen, or it would come back for ever.
MAX_PACKET = 68 << 10
MAX_IN_FLIGHT = 256  # publishes of ours that the broker has not confirmed, per connection
PING_PATIENCE_S = 15.0
_FAREWELL_S = 2.0  # for the broker to close after our DISCONNECT, so that it has read all before it


class SourceLost(Exception):  # noqa: N818  a state that passes
    """The connection is gone or was refused: connect again later. The message says what to do about it."""


class Packets(mqtt.Reader):
    """A reader that survives packets too long to hold."""

    def __init__(self) -> None:
        super().__init__(MAX_PACKET)
        self._skip = 0

    def next(self) -> tuple[int, int, bytes] | None:
        """Return (type, flags, body) of the next packet, None when more bytes are needed. Raises WireError."""
        if self._skip:
            step = min(self._skip, len(self._data) - self._at)
            self._skip -= step
            self._at += step
            if self._skip:
                return None
        try:
            packet: tuple[int, int, bytes] | None = super().next()
        except WireError as error:
            if error.code != "too_long":
                raise
            return self._head()
        return packet

    def publishes(self, topics: list[bytes], payloads: list[bytes], pids: list[bytes], *, properties: bool) -> None:
        """Append the plain QoS 1 messages that come next (publishes.py); `next` has whatever stands behind them."""
        if not self._skip:
            self._at = publishes.take(self._data, self._at, topics, payloads, pids, properties=properties)

    def _head(self) -> tuple[int, int, bytes] | None:
        data, at, size, shift = self._data, self._at + 1, 0, 0
        while True:  # the length was read whole before it was found too long
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        if len(data) - at < MAX_PACKET:
            return None
        first = data[self._at]
        self._at = at + MAX_PACKET
        self._skip = size - MAX_PACKET
        return first >> 4, first & 15, data[at : self._at]


class Session(asyncio.Protocol):
    """The client's half of one connection. `lost` is done when it has ended, with the reason as its exception or None."""

    def __init__(self, dialect: Dialect, login: Login, filters: Sequence[tuple[str, int]], inbox: Inbox) -> None:
        self._dialect = dialect
        self._login = login
        self._filters = filters
        self._inbox = inbox
        self._properties = dialect.name == "MQTT 5"
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = self._loop.create_future()  # session_present, once subscribed
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.warnings: tuple[str, ...] = ()
        self.keepalive_s = login.keepalive_s
        self.shown_until_s: float | None = None  # Unix seconds: the end of the broker's certificate
        self._packets = Packets()
        self._transport: asyncio.Transport | None = None
        self._session_present = False
        self._heard_any = False
        self._out: list[bytes] = []
        self._pid = 0
        self._most_in_flight = MAX_IN_FLIGHT
        self._in_flight: dict[int, tuple[str, bytes]] = {}
        self._writable = True
        self._chunks = 0  # handed on and not yet confirmed
        self._all_confirmed = asyncio.Event()
        self._departed = False
        self._sent_at = self._heard_at = time.monotonic()
        self._pinged_at: float | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        assert isinstance(transport, asyncio.Transport)  # what create_connection gives a Protocol
        self._transport = transport
        if shown := transport.get_extra_info("peercert"):
            self.shown_until_s = float(ssl.cert_time_to_seconds(shown["notAfter"]))
        self._write(self._dialect.connect(self._login))

    def data_received(self, data: bytes) -> None:
        """Take bytes; any packet that cannot be ends the connection."""
        self._heard_at = time.monotonic()
        self._pinged_at = None
        if not self._heard_any and data[0] >> 4 != mqtt.CONNACK:
            self._end(SourceLost("what answers there does not speak MQTT 3.1.1; correct [mqtt] host and port"))
            return
        self._heard_any = True
        self._packets.feed(data)
        topics: list[bytes] = []
        payloads: list[bytes] = []
        pids: list[bytes] = []
        try:
            while True:
                self._packets.publishes(topics, payloads, pids, properties=self._properties)
                packet = self._packets.next()
                if packet is None:
                    break
                if packet[0] == mqtt.PUBLISH:
                    for column, part in zip(
                        (topics, payloads, pids), self._dialect.split_publish(packet[1], packet[2]), strict=True
                    ):
                        column.append(part)
                else:
                    self._packet(packet[0], packet[2])
        except WireError as error:
            name = self._dialect.name
            self._end(SourceLost(f"the broker sent what is not {name} ({error}); is host:port an MQTT broker?"))
        if payloads and not self._departed:
            self._chunks += 1
            received_ms = time.time_ns() // 1_000_000
            size = sum(map(len, topics)) + sum(map(len, payloads))  # a stranger's topic may be the longer part
            self._inbox.put(Chunk(self, received_ms, topics, payloads, pids, size))

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self._end(
            None if self._departed else SourceLost(f"connection lost ({error or 'closed by the broker'}); trying again")
        )

    def pause_writing(self) -> None:
        """Hold back publishes: the broker does not take them fast enough."""
        self._writable = False

    def resume_writing(self) -> None:
        """Publish again."""
        self._writable = True

    # --- pantau.sources.Channel

    @property
    def ended(self) -> bool:
        """Return whether the connection is over; the broker has what was not confirmed."""
        return self.lost.done()

    def confirm(self, pids: Sequence[bytes]) -> None:
        """Send the PUBACKs of these messages, those of one chunk."""
        self._chunks -= 1
        self._write(pubacks(pids))
        if not self._chunks:
            self._all_confirmed.set()

    # --- for the source

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 1; False when too much is unconfirmed already."""
        if not self.ready.done() or self.lost.done() or not self._writable or self._full:
            return False
        pid = self._next_pid()
        self._in_flight[pid] = (topic, payload)
        self._write(self._dialect.publish(topic, payload, pid))
        return True

    @property
    def _full(self) -> bool:
        return len(self._in_flight) >= self._most_in_flight

    def unconfirmed(self) -> list[tuple[str, bytes]]:
        """Return (topic, payload) of our publishes that the broker has not confirmed, for the next connection."""
        return list(self._in_flight.values())

    def read(self, *, on: bool) -> None:
        """Read from the socket or leave the bytes to the broker's flow control."""
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.resume_reading()
            self._heard_at = time.monotonic()
            self._pinged_at = None
        else:
            self._transport.pause_reading()

    def tick(self, *, reading: bool) -> None:
        """Keep the connection alive; end it when the broker does not answer."""
        now = time.monotonic()
        if self._pinged_at is not None and reading and now - self._pinged_at > PING_PATIENCE_S:
            self._end(SourceLost(f"no answer for {PING_PATIENCE_S:.0f} s; trying again"))
            return
        half = self.keepalive_s / 2
        if now - self._sent_at > half or (now - self._heard_at > half and self._pinged_at is None):
            self._pinged_at = self._pinged_at or now
            self._write(PINGREQ)

    def leave(self) -> None:
        """Send what is queued and DISCONNECT; the broker keeps the session."""
        self._write(DISCONNECT)
        self._end(None)

    async def depart(self, within_s: float) -> None:
        """Leave once all that was handed on is confirmed, after `within_s` in any case, and see the broker end it.

        So the broker has read our last confirmations before anybody else comes for this session. Reading is to be off.
        """
        if self._chunks:
            self._all_confirmed.clear()
            confirmed = asyncio.ensure_future(self._all_confirmed.wait())
            ends: set[asyncio.Future[Any]] = {confirmed, self.lost}
            await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            confirmed.cancel()
        self._departed = True
        self._write(DISCONNECT)
        self.read(on=True)  # what comes now is nobody's here; it is the end that is waited for
        await asyncio.wait({self.lost}, timeout=_FAREWELL_S)
        self._end(None)

    # --- inside

    def _packet(self, kind: int, body: bytes) -> None:
        if kind == mqtt.PUBACK:
            self._in_flight.pop(self._dialect.puback(body)[0], None)
        elif kind == mqtt.CONNACK:
            self._introduced(self._dialect.connack(body))
        elif kind == mqtt.SUBACK:
            self._subscribed(self._dialect.suback(body)[1])
        elif kind == mqtt_more.DISCONNECT:
            self._end(SourceLost(f"the broker ended the connection: {self._dialect.disconnected(body)}"))

    def _introduced(self, answer: Connack) -> None:
        if answer.refused:
            self._end(SourceLost(f"the broker refuses the connection: {answer.refused}"))
            return
        self._session_present = answer.session_present
        self.warnings = answer.warnings
        self.keepalive_s = answer.keepalive_s or self.keepalive_s
        self._most_in_flight = min(MAX_IN_FLIGHT, answer.in_flight)
        self._write(self._dialect.subscribe(self._next_pid(), self._filters))

    def _subscribed(self, answers: list[str]) -> None:
        refused = [(topic, why) for (topic, _), why in zip(self._filters, answers, strict=False) if why]
        if refused:
            self._end(SourceLost(f"the subscription to {refused[0][0]} is {refused[0][1]}"))
        elif not self.ready.done():
            self.ready.set_result(self._session_present)

    def _next_pid(self) -> int:
        self._pid = self._pid % 0xFFFF + 1
        while self._pid in self._in_flight:
            self._pid = self._pid % 0xFFFF + 1
        return self._pid

    def _write(self, data: bytes) -> None:
        """Send with all else of this turn of the loop."""
        if not data or self._transport is None or self._transport.is_closing():
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
            self._sent_at = time.monotonic()
        self._out.clear()

    def _end(self, reason: SourceLost | None) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()
        if self.lost.done():
            return
        if reason is None:
            self.lost.set_result(None)
        else:
            self.lost.set_exception(reason)
            self.lost.exception()  # a session that nobody waits for any more may end in silence
        if not self.ready.done():
            self.ready.cancel()

"""One MQTT 3.1.1 connection of one partition: packets in, confirmations and publishes out. Manual PUBACK only."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pantau.sources import Arrival
from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError
from pantau_wire.refused import REFUSED

if TYPE_CHECKING:
    from pantau.sources import Inbox

# A packet up to this size is read whole: the longest topic, packet id and the longest frame fit. Of a longer one this
# much is handed on (to be refused as too_long) and the rest is skipped unseen, or it would come back for ever.
MAX_PACKET = 68 << 10
MAX_IN_FLIGHT = 256  # publishes of ours that the broker has not confirmed, per connection
PING_PATIENCE_S = 15.0


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

    def __init__(self, connect: bytes, filters: list[tuple[str, int]], inbox: Inbox) -> None:
        self._connect = connect
        self._filters = filters
        self._inbox = inbox
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = loop.create_future()  # session_present, once subscribed
        self.lost: asyncio.Future[None] = loop.create_future()
        self._packets = Packets()
        self._transport: asyncio.Transport | None = None
        self._session_present = False
        self._heard_any = False
        self._acks = bytearray()
        self._pid = 0
        self._in_flight: dict[int, tuple[str, bytes]] = {}
        self._writable = True
        self._sent_at = self._heard_at = time.monotonic()
        self._pinged_at: float | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        assert isinstance(transport, asyncio.Transport)  # what create_connection gives a Protocol
        self._transport = transport
        self._write(self._connect)

    def data_received(self, data: bytes) -> None:
        """Take bytes; any packet that cannot be ends the connection."""
        self._heard_at = time.monotonic()
        self._pinged_at = None
        if not self._heard_any and data[0] >> 4 != mqtt.CONNACK:
            self._end(SourceLost("what answers there does not speak MQTT 3.1.1; correct [mqtt] host and port"))
            return
        self._heard_any = True
        self._packets.feed(data)
        received_ms = time.time_ns() // 1_000_000
        try:
            while (packet := self._packets.next()) is not None:
                self._packet(packet, received_ms)
        except WireError as error:
            self._end(SourceLost(f"the broker sent what is not MQTT 3.1.1 ({error}); is host:port an MQTT broker?"))

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self._end(SourceLost(f"connection lost ({error or 'closed by the broker'}); trying again"))

    def pause_writing(self) -> None:
        """Hold back publishes: the broker does not take them fast enough."""
        self._writable = False

    def resume_writing(self) -> None:
        """Publish again."""
        self._writable = True

    # --- pantau.sources.Channel

    def confirm(self, pid: int) -> None:
        """Queue the PUBACK of one message."""
        if not self.lost.done():
            self._acks += mqtt.puback(pid)

    def flush(self) -> None:
        """Write all queued PUBACKs at once."""
        if self._acks and not self.lost.done():
            self._write(bytes(self._acks))
        self._acks.clear()

    # --- for the source

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 1; False when too much is unconfirmed already."""
        if not self.ready.done() or self.lost.done() or not self._writable or len(self._in_flight) >= MAX_IN_FLIGHT:
            return False
        pid = self._next_pid()
        self._in_flight[pid] = (topic, payload)
        self._write(mqtt.publish(topic, payload, qos=1, pid=pid))
        return True

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

    def tick(self, keepalive_s: int, *, reading: bool) -> None:
        """Keep the connection alive; end it when the broker does not answer."""
        now = time.monotonic()
        if self._pinged_at is not None and reading and now - self._pinged_at > PING_PATIENCE_S:
            self._end(SourceLost(f"no answer for {PING_PATIENCE_S:.0f} s; trying again"))
            return
        half = keepalive_s / 2
        if now - self._sent_at > half or (now - self._heard_at > half and self._pinged_at is None):
            self._pinged_at = self._pinged_at or now
            self._write(mqtt.pingreq())

    def leave(self) -> None:
        """Send what is queued and DISCONNECT; the broker keeps the session."""
        self.flush()
        if self._transport is not None and not self.lost.done():
            self._write(mqtt_more.disconnect())
        self._end(None)

    # --- inside

    def _packet(self, packet: tuple[int, int, bytes], received_ms: int) -> None:
        kind, flags, body = packet
        if kind == mqtt.PUBLISH:
            topic, payload, _qos, pid, _retain, _dup = mqtt_more.parse_publish(flags, body)
            self._inbox.put(Arrival(topic, payload, received_ms, self, pid))
        elif kind == mqtt.PUBACK:
            self._in_flight.pop(mqtt.parse_pid(body), None)
        elif kind == mqtt.CONNACK:
            self._session_present, code = mqtt.parse_connack(body)
            if code:
                self._end(SourceLost(_refused(code)))
            else:
                self._write(mqtt.subscribe(self._next_pid(), self._filters))
        elif kind == mqtt.SUBACK:
            self._subscribed(mqtt.parse_suback(body)[1])

    def _subscribed(self, codes: list[int]) -> None:
        refused = [topic for (topic, _), code in zip(self._filters, codes, strict=False) if code > 1]
        if refused:
            self._end(SourceLost(f"the broker refuses to subscribe us to {refused[0]}; allow it in the broker's ACL"))
        elif not self.ready.done():
            self.ready.set_result(self._session_present)

    def _next_pid(self) -> int:
        self._pid = self._pid % 0xFFFF + 1
        while self._pid in self._in_flight:
            self._pid = self._pid % 0xFFFF + 1
        return self._pid

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self._sent_at = time.monotonic()

    def _end(self, reason: SourceLost | None) -> None:
        if self._transport is not None:
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


def _refused(code: int) -> str:
    """Return what a CONNACK code means and what to do about it."""
    means = REFUSED.get(code, f"code {code}")
    advice = "correct [mqtt] user and password_file" if code in {4, 5} else "look into the broker's log"
    return f"the broker refuses the connection: {means}; {advice}"

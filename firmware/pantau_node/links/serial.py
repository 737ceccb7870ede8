"""link.kind "serial": a UART to an edge computer, with the packets of pantau_wire.line and no broker. docs/serial.md.

link.address: UART or UART:baud, as "1:115200". Whether somebody listens is known by what comes down: the computer says hello
every ten seconds, and at once when it is asked. A frame that the line damages is sent again by the core, which gets no
acknowledgement for it; so nothing is confirmed here.
"""

import asyncio

from micropython import const

from pantau_node import log
from pantau_wire import line

from . import LinkError

_NET = const(1)
_SILENT = const(8)
_STUCK = const(11)
_WRITE = const(13)
_BAUD = const(115200)
_RXBUF = const(2048)  # 180 ms at 115200 baud: the longest collection is shorter
_CHUNK = const(128)  # of writing: no more than the hardware holds, so that no write waits
_CHUNK_MS = const(15)
_POLL_MS = const(50)
_ASK_MS = const(5000)
_HEARD_MS = const(35000)  # three hellos and a half
_LOOK_MS = const(30000)
_WRITE_MS = const(5000)
_DAY_MS = const(86400000)
_AGAIN_S = const(5)


def place(address):
    """Return (UART, baud) of link.address; raises ValueError."""
    uart, _, baud = address.partition(":")
    if (uart and not uart.isdigit()) or (baud and not 9600 <= int(baud) <= 4000000):
        raise ValueError('link.address: %s is not UART:baud, as "1:115200"' % address)
    return int(uart or 1), int(baud or _BAUD)


class Wire:
    """The UART, as the way out below the link; state: 0 down, 2 up. session(): the link that goes with it."""

    failures = 0

    def __init__(self, board, conf, clock):
        self._board = board
        self._place = place(conf.link_address)
        self._clock = clock
        self.uart = None
        self.state = 0

    def rssi(self):
        """Nothing is measured on a wire."""

    def cycle(self):
        """Make the UART anew before the next session."""
        self.state = 0

    async def up(self):
        """Return with the UART open; raises LinkError."""
        if self.state:
            return
        try:
            self.uart = self._board.uart(self._place[0], self._place[1], _RXBUF)
        except (OSError, ValueError) as error:
            raise LinkError("serial: %s" % error)
        self.state = 2

    def session(self, who, events):
        """Return the link."""
        return SerialLink(who, self._clock, self, events)


def make(board, conf, clock):
    """Return the Net; raises ValueError for a malformed link.address."""
    return Wire(board, conf, clock)


class SerialLink:
    """The node's end of the line; who: Identity; net: Wire; events: as for links.mqtt.MqttLink, and so its attributes."""

    def __init__(self, who, clock, net, events):
        self._node = who.node
        self.clock = clock
        self.net = net
        self.events = events
        self.causes = {}
        self.attempts = 0
        self.beat_ms = 0
        self.up = False
        self._heard_ms = 0
        self._due_ms = 0  # when to ask the core for a frame again
        self._stuck_ms = _DAY_MS
        self._told = ""

    def wake(self):
        """There may be something to send."""
        self._due_ms = 0

    async def run(self):
        """Serve the line for ever."""
        while True:
            cause = _NET
            try:
                await self.net.up()
                cause = _WRITE
                await self._serve()
            except (OSError, LinkError, MemoryError) as error:
                self._count(cause, "%s" % error)
            finally:
                self._set(False)
                self.net.cycle()
            self.beat_ms = self.clock.uptime_ms() + _LOOK_MS
            await asyncio.sleep(_AGAIN_S)

    async def _serve(self):
        self.packets = line.Reader()
        ask_at = look_at = 0
        while True:
            now = self.clock.uptime_ms()
            self.beat_ms = now + _LOOK_MS
            self._take(now)
            if self.up and now - self._heard_ms > _HEARD_MS:
                self._set(False)
                self._count(_SILENT, "nobody listens any more")
            if not self.up and now >= ask_at:
                ask_at = now + _ASK_MS
                self.attempts += 1
                await self._write(line.packet(line.HELLO, "", b"?"))
            if now >= look_at:
                look_at = now + _LOOK_MS
                self._look()
            payload = self._next(now)
            if payload is not None:
                await self._write(line.packet("up", self._node, payload))
            else:
                await asyncio.sleep(_POLL_MS / 1000)

    def _next(self, now):
        """Return the frame to send now, or None."""
        if not self.up or now < self._due_ms:
            return None
        payload = self.events.next_send()
        if payload is None:
            self._due_ms = now + self.events.due_ms()
        return payload

    def _take(self, now):
        """Take what has come down."""
        data = self.net.uart.read(_CHUNK)
        while data:
            self.packets.feed(data)
            packet = self.packets.next()
            while packet is not None:
                what, node, payload = packet
                if what == line.HELLO and not payload:  # our own question comes back from a line that is shorted
                    self._heard(now)
                elif what in ("ack", "cmd") and node == self._node:
                    self._heard(now)
                    self.events.on_message(payload)
                    self._due_ms = 0
                packet = self.packets.next()
            data = self.net.uart.read(_CHUNK)

    def _heard(self, now):
        self._heard_ms = now
        self._set(True)

    async def _write(self, data):
        """Write without ever waiting in the UART: the other tasks go on meanwhile."""
        at = 0
        end_ms = self.clock.uptime_ms() + _WRITE_MS
        while at < len(data):
            took = self.net.uart.write(data[at : at + _CHUNK])
            if took:
                at += took
            elif self.clock.uptime_ms() >= end_ms:
                raise OSError("the UART takes nothing")
            await asyncio.sleep(_CHUNK_MS / 1000)

    def _look(self):
        """Ask for a restart when there has been no acknowledgement for a day, and each day from then on."""
        age = self.events.ack_age_ms()
        if age is None or age < _DAY_MS:
            self._stuck_ms = _DAY_MS
        elif self.up and age >= self._stuck_ms:
            self._stuck_ms += _DAY_MS
            self.causes[_STUCK] = self.causes.get(_STUCK, 0) + 1
            self.events.on_stuck()

    def _set(self, up):
        if up == self.up:
            return
        self.up = up
        if up:
            self._told = ""
            self._due_ms = 0
            log("info", "serial", "somebody listens")
        self.events.on_up(up)

    def _count(self, cause, text):
        self.causes[cause] = self.causes.get(cause, 0) + 1
        if text != self._told:
            self._told = text
            log("warn", "serial", text)

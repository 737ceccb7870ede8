"""Sensirion SPS30 by UART, which takes one of the two free ones: the same sensor as sps30, asked in SHDLC frames.

Frame: 7E | address 0 | command | (in an answer: state) | length | data | sum | 7E, where sum is the complement of the
sum of all before it; 7E, 7D, 11 and 13 between the ends travel as 7D and the byte xor 20. SEL stays open.

Range: 0..1000 ug/m3, 0..3000 particles/cm3
Power: 5 V, 60 mA; logic 3.3 V
Source: Sensirion SPS30 datasheet 1.1, 4, 5; IEEE 754
"""

from micropython import const

from pantau_wire import _tables as T

from . import base, sps30

BUS = "uart"
BAUD = 115200
RXBUF = 512
PROPERTIES = sps30.PROPERTIES
WARM_UP_MS = sps30.WARM_UP_MS
PERIOD_MS = sps30.PERIOD_MS

_END = b"\x7e"
_STUFFED = b"\x7d\x7e\x11\x13"
_LONGEST = const(128)  # the longest answer, 47 bytes, with every byte stuffed and more
_ANSWER_MS = const(100)  # the maker allows 20
_STEP_MS = const(10)
_NOT_NOW = const(0x43)  # command not allowed in this state: a start while it measures, a reading while it does not


def frame(order):
    """Return the bytes that send a command and its data."""
    body = b"\x00" + order[:1] + bytes((len(order) - 1,)) + order[1:]
    return _END + stuff(body + bytes((~sum(body) & 0xFF,))) + _END


def stuff(body):
    """Return the bytes as they may stand between two 7E."""
    out = b""
    for byte in body:
        out += bytes((0x7D, byte ^ 0x20)) if byte in _STUFFED else bytes((byte,))
    return out


def unstuff(part):
    """Return what stuff() was given, None when an escape is cut off, or one of a byte that needs none."""
    first, *rest = part.split(b"\x7d")
    for piece in rest:
        if not piece or piece[0] ^ 0x20 not in _STUFFED:
            return None
        first += bytes((piece[0] ^ 0x20,)) + piece[1:]
    return first


def _verify(body):
    if len(body) < 5:
        return "short"
    if len(body) != body[3] + 5:
        return "length"
    return "" if sum(body) & 0xFF == 0xFF else "checksum"


class Reader:
    """Bytes to answers: (command, state, data). What stands before an answer and is none counts as one fault.

    Garbage before the first answer is how a line begins, not a fault.
    """

    def __init__(self):
        self.counters = base.Counters()
        self.refused = 0  # parts between two 7E that were no answer, since boot
        self.cause = ""  # why the latest one was not
        self._synced = False
        self._bad = ""
        self._open = False
        self._part = b""
        self.pending = 0

    def feed(self, data):
        found = []
        parts = (self._part + data).split(_END)
        if len(parts[-1]) > _LONGEST:
            parts.append(b"")
        self._part = parts.pop()
        self.pending = len(self._part)
        if parts and not self._open:
            self._open = True
            if parts[0]:
                self.refuse("header")
                parts[0] = b""
        for part in parts:
            if not part:
                continue  # an answer ends, the next begins
            body = unstuff(part)
            cause = "stuffing" if body is None else _verify(body)
            if cause:
                self.refuse(cause)
            else:
                self.settle()
                self._synced = True
                self.counters.good += 1
                found.append((body[1], body[2], body[4:-1]))
        return found

    def refuse(self, cause):
        self.refused += 1
        self.cause = cause
        if self._synced or cause == "checksum":
            self._bad = cause

    def cut(self):
        """No more bytes belong to the answer begun."""
        if self._part:
            self.refuse("short")
        self._part = b""
        self.pending = 0
        self.settle()

    def settle(self):
        """Count what was refused since the last answer."""
        if self._bad == "checksum":
            self.counters.checksum += 1
        elif self._bad:
            self.counters.framing += 1
        self._bad = ""


def parse(reply):
    """Return what sps30.floats() gives of one whole answer; a further cause: length."""
    for _, _, data in Reader().feed(reply):
        if len(data) == 40:
            return sps30.floats(data)
    return None, "length"


class Driver(sps30.Driver):
    """As by I2C; what an order is and how its answer comes differ."""

    # Command with its data, fewest bytes of the answer.
    TYPE = (b"\xd0\x00", 8, b"\x11")  # and what wakes a firmware from 2.0 on that was sent to sleep
    VERSION = (b"\xd1", 2)
    STOP = (b"\x01", 0)
    START = (b"\x00\x01\x03", 0)
    VALUES = (b"\x03", 0)
    STATUS = (b"\xd2\x00", 4)
    CLEAR = (b"\xd2\x01", 0)

    def __init__(self, bus, **options):
        sps30.Driver.__init__(self, bus, **options)
        self._parser = Reader()
        self.counters = self._parser.counters
        self._heard = False

    async def fresh(self):
        data = await self.get(self.VALUES)
        if data and len(data) != 40:
            self.reason = self.counters.count(T.R_DEVICE_FAULT)
            return None
        return data

    async def get(self, what):
        order, size, *wake = what
        self.reason = lost = T.R_NO_SAMPLE
        self.gone = False
        for _ in range(2):
            if self.left() < _ANSWER_MS + _STEP_MS:
                break
            if self.gone and wake:
                self._bus.write(b"\xff" + frame(wake[0]))  # the first byte wakes its receiver
                await base.sleep_ms(_STEP_MS)
            answer = await self._answer(order)
            if answer is None:
                lost = self.reason
                continue
            state, data = answer
            if state & 0x7F == _NOT_NOW:
                if what == self.VALUES:
                    self._known = False  # it lost its supply for a moment
                return b""
            if state & 0x7F or len(data) < size:
                self.reason = self.counters.count(T.R_DEVICE_FAULT)
                return None
            if what == self.VALUES and not data and lost != T.R_NO_SAMPLE:
                self.reason = lost  # each reading is given away once: it was on the line
                return None
            return data
        return None

    async def _answer(self, order):
        """Return (state, data), None when nothing comes in time."""
        parser = self._parser
        refused = parser.refused
        late = self._bus.read()
        if late:
            parser.feed(late)
        self._bus.write(frame(order))
        for _ in range(_ANSWER_MS // _STEP_MS):
            await base.sleep_ms(_STEP_MS)
            for command, state, data in parser.feed(self._bus.read() or b""):
                if command == order[0]:
                    self._heard = True
                    self.gone = False
                    self.reason = T.R_OK
                    return state, data
        parser.cut()
        self.gone = parser.refused == refused
        if not self.gone:
            self.reason = T.R_CHECKSUM
        else:
            self.reason = self.counters.count(T.R_TIMEOUT if self._heard else T.R_ABSENT)
        return None

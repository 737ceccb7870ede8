"""What drivers share: counters, the packet finder, the stuck test, time and small integer arithmetic.

now and sleep_ms are the only clock of a driver: a test replaces these two names and waits for nothing.
"""

import asyncio
import time

from micropython import const

from pantau_wire import _tables as T

_OLDEST_MS = const(1 << 28)  # three days
_GAP_PACKETS = const(16)  # so many packets' worth of garbage is counted even if no good packet ever ends it


def now() -> int:
    """Return milliseconds of a clock that only moves forward; compare with since()."""
    return time.ticks_ms()  # pyright: ignore[reportReturnType]  an opaque number to the stubs


def since(start, end):
    """Return end - start in ms; right over the wrap of a 30-bit clock for spans below six days."""
    return ((end - start + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class Age:
    """Milliseconds since mark(), or since it was made.

    Stops at three days, so that no wrap of the clock makes it young again: ask it once a day at least.
    """

    def __init__(self):
        self.mark()

    def mark(self):
        self._start = now()
        self._ms = 0

    def ms(self):
        if self._ms < _OLDEST_MS:
            ms = since(self._start, now())
            self._ms = _OLDEST_MS if ms < 0 else min(max(self._ms, ms), _OLDEST_MS)
        return self._ms


class Stuck(Age):
    """True from check() when the value has been exactly the same for `limit_s` seconds (at most three days)."""

    def __init__(self, limit_s):
        self._limit_ms = limit_s * 1000
        self._value = None
        self.mark()

    def check(self, value):
        if value != self._value:
            self._value = value
            self.mark()
        return self.ms() >= self._limit_ms


def sleep_ms(ms):
    """Return what to await to let the others run for `ms` milliseconds."""
    return asyncio.sleep_ms(ms)


class Counters:
    """Events since boot. `good` counts whole packets or replies; all others are faults of one kind each."""

    good = checksum = framing = timeout = absent = out_of_range = no_echo = warming = stuck = bounce = fault = 0
    FAULTS = {
        T.R_CHECKSUM: "checksum",  # and framing
        T.R_TIMEOUT: "timeout",
        T.R_ABSENT: "absent",
        T.R_OUT_OF_RANGE: "out_of_range",
        T.R_NO_ECHO: "no_echo",
        T.R_WARMING: "warming",
        T.R_STUCK: "stuck",
        T.R_BOUNCE: "bounce",
        T.R_DEVICE_FAULT: "fault",
    }

    def count(self, reason):
        """Add one to the fault of this reason id, and return it; anything that is no fault is not counted."""
        name = self.FAULTS.get(reason)
        if name:
            setattr(self, name, getattr(self, name) + 1)
        return reason

    def errors(self):
        """Return [(reason id, count)] of what happened, for the health frame; framing counts as checksum."""
        found = []
        for reason in sorted(self.FAULTS):
            n = getattr(self, self.FAULTS[reason])
            if reason == T.R_CHECKSUM:
                n += self.framing
            if n:
                found.append((reason, n))
        return found


class Framer:
    """Finds packets in a byte stream that comes in pieces of any size, after any garbage.

    headers: the possible first bytes; head: bytes that measure needs; measure(head) -> whole length in bytes, 0 when no
    packet starts so; verify(packet) -> "" or the cause of refusal. A refused candidate costs one byte, so a packet
    that starts inside a broken one is found; never more than one packet is buffered between two calls.
    A gap between good packets counts as its bad packets when it is exactly made of them, else as one framing error.
    Garbage before the first good packet is how a stream begins, not an error.
    buf is the packet begun; a caller that finds whole packets from there on while gap is 0 may take them by itself, then sets
    synced, counts them and feeds the rest.
    """

    def __init__(self, headers, head, measure, verify, counters, longest):
        self.headers = headers
        self.head = head
        self.measure = measure
        self.verify = verify
        self._limit = longest * _GAP_PACKETS
        self.counters = counters
        self.refused = 0  # candidates refused since boot
        self.cause = ""  # why the latest one was
        self.gap = 0  # bytes passed over since the last good packet
        self._expect = 0  # where the next packet starts if the gap holds whole packets
        self._bad = []  # causes of the whole packets in the gap
        self.cut()

    def feed(self, data):
        """Return the good packets that `data` completes, as bytes."""
        buf = self.buf + data
        end = len(buf)
        pos = 0
        found = []
        while pos < end:
            start = self._find(buf, pos)
            self.gap += start - pos
            pos = start
            head = buf[pos : pos + self.head]
            if len(head) < self.head:
                break
            size = self.measure(head)
            if size > end - pos:
                break
            cause = self.verify(buf[pos : pos + size]) if size else "length"
            if cause:
                self.refused += 1
                self.cause = cause
                if size and (self.gap == self._expect or not (self.synced or self._bad)):
                    self._bad.append(cause)
                    self._expect = self.gap + size
                self.gap += 1
                pos += 1
            else:
                self._settle(self.gap == self._expect)
                self.synced = True
                self.counters.good += 1
                found.append(buf[pos : pos + size])
                pos += size
        self.buf = buf[pos:]
        self.pending = end - pos
        if self.gap >= self._limit:
            whole = self.gap <= self._expect
            left = self.gap - self._expect if whole else 0  # negative: inside a packet that is already counted
            self._settle(whole)
            self.gap = left
            self.synced = whole
        return found

    def cut(self):
        """Forget the packet begun: what follows it was lost by this node, which is no fault of the sensor."""
        self._settle(self.gap == self._expect)
        self.synced = False
        self.buf = b""
        self.pending = 0  # bytes of a packet begun

    def _find(self, buf, pos):
        best = len(buf)
        for header in self.headers:
            at = buf.find(header[:1], pos)
            while 0 <= at < best:
                if buf[at : at + len(header)] == header[: len(buf) - at]:
                    best = at
                else:
                    at = buf.find(header[:1], at + 1)
        return best

    def _settle(self, whole):
        if not whole and self._bad:
            self._bad.pop()  # the last one was cut short, and counts below
        for cause in self._bad:
            if cause == "checksum":
                self.counters.checksum += 1
            else:
                self.counters.framing += 1
        if not whole and (self.synced or self.gap >= self._limit):
            self.counters.framing += 1
        self.gap = self._expect = 0
        self._bad = []


def median(values):
    """Return the middle of the values, the mean of the two middle ones rounded down for an even number."""
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) & 1 else (values[half - 1] + values[half]) // 2


def mean(total, n, factor=1):
    """Return total * factor / n rounded to the nearest integer; total >= 0, n > 0."""
    return (2 * total * factor + n) // (2 * n)


def bus_reason(error, heard):
    """Return the reason id of an OSError of the I2C bus: absent is a NACK of a device never heard since power-on."""
    # A stretched clock is ETIMEDOUT: 110 on Linux, 116 on the ESP32.
    return T.R_TIMEOUT if heard or (error.args and error.args[0] in (110, 116)) else T.R_ABSENT

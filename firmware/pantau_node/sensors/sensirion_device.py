"""Sensirion's I2C beyond a single order: a command, a wait, an answer of words with a CRC-8 each, repeated when disturbed."""

from micropython import const

from pantau_wire import _tables as T

from . import base
from .sensirion import crc8, words

_WAKE_MS = const(35)  # SCD41: 30, SPS30: 5


def word(value):
    """Return a word and its CRC, as a command takes it."""
    data = bytes((value >> 8, value & 0xFF))
    return data + bytes((crc8(data),))


class Device:
    """One device on the bus, which one task at a time has to itself, see alone().

    reason: why the latest ask() brought nothing; T.R_NO_SAMPLE when there was no time for it. gone: the device did not answer.
    """

    def __init__(self, bus, address):
        self._bus = bus
        self._address = address
        self.counters = base.Counters()
        self._busy = False

    async def alone(self, limit_ms, work):
        """Return what `await work()` gives, None when the other task does not let go in time; what it asks ends in time."""
        start = base.now()
        while self._busy:
            if base.since(start, base.now()) >= limit_ms:
                return None
            await base.sleep_ms(10)
        self._busy = True
        self._start = start
        self._limit_ms = limit_ms
        try:
            return await work()
        finally:
            self._busy = False

    def left(self):
        return self._limit_ms - base.since(self._start, base.now())

    async def _wake(self, order):
        for _ in range(2):
            try:
                self._bus.writeto(self._address, order)
            except OSError:
                pass  # the SPS30 hears only the second, the SCD41 never acknowledges it
        await base.sleep_ms(_WAKE_MS)

    async def ask(self, order, n=0, wait_ms=2, tries=2, other=T.R_CHECKSUM, wake=b""):
        """Return the n words that answer the order, or None; a disturbed transfer is repeated.

        other: the reason when the same bytes are wrong from the first word on each time: no noise does that.
        wake: the order that goes before the repetition to a device which may be asleep, as a node left it before its reset.
        """
        self.reason = T.R_NO_SAMPLE
        self.gone = False
        last = None
        for _ in range(tries):
            if self.gone and wake and self.left() >= wait_ms + _WAKE_MS:
                await self._wake(wake)
            if self.left() < wait_ms:
                break
            try:
                self._bus.writeto(self._address, order)
                await base.sleep_ms(wait_ms)
                reply = self._bus.readfrom(self._address, 3 * n) if n else b""
            except OSError as error:
                self.reason = self.counters.count(base.bus_reason(error, self.counters.good))
                self.gone = True
                continue
            self.gone = False
            values, wrong = words(reply)
            if wrong is None:
                self.counters.good += n > 0
                self.reason = T.R_OK
                return values
            self.reason = self.counters.count(other if wrong == 0 and reply == last else T.R_CHECKSUM)
            last = reply
        return None

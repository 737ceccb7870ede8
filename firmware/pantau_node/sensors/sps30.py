"""Sensirion SPS30 by I2C: particle mass and number, a reading a second of ten IEEE-754 floats, CRC-8 on each two bytes.

The chip of the node need not calculate with floats: fixed() takes them apart, exactly. Select I2C with SEL on GND.

Range: 0..1000 ug/m3, 0..3000 particles/cm3
Power: 5 V, 60 mA; logic 3.3 V
Source: Sensirion SPS30 datasheet 1.1, 4, 6; IEEE 754
"""

import struct

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base
from .particles import Means
from .sensirion import words
from .sensirion_device import Device

BUS = "i2c"
ADDRESS = const(0x69)
PROPERTIES = (
    P.PM1,
    P.PM2_5,
    P.PM4,
    P.PM10,
    P.PARTICLES_0_5,
    P.TYPICAL_PARTICLE_SIZE,
    P.PM2_5_SPREAD,
    P.PM_N,
)
WARM_UP_MS = const(30000)  # the number is right after 8 s at 200 particles/cm3 and more, after 30 s below 50
PERIOD_MS = const(1000)

# In the order of PROPERTIES: which of the ten values, our units in one of the sensor's, the most that it is made for.
_COLUMNS = ((0, 10, 10000), (1, 10, 10000), (2, 10, 10000), (3, 10, 10000), (4, 100, 300000), (9, 1000, 10000))
_ZERO_MS = const(3600000)  # no air is without any particle for so long; the size stands still without them
_SILENT_MS = const(15000)  # cleaning the fan takes 10 s without a new reading
_PRODUCT = b"00080000"
_MOST = const(2147483)  # of all ten values: the wire carries 2**31 of our units, and the finest is a thousandth


def fixed(bits):
    """Return the IEEE-754 single in units of 2**-32: exact from 2**-9 on, to the nearest below.

    None when it is negative, infinite or no number.
    """
    power = bits >> 23
    if power >= 255:
        return 0 if bits == 0x80000000 else None  # minus zero
    value = bits & 0x7FFFFF
    if power:
        value |= 0x800000
        power -= 1
    shift = power - 117
    return value << shift if shift >= 0 else ((value >> (-shift - 1)) + 1) >> 1


def floats(data):
    """Return (ten values in units of 2**-32, "") of 40 bytes, or (None, "value") when one is no number that can be.

    Mass up to 1, 2.5, 4, 10 um in ug/m3; number up to 0.5, 1, 2.5, 4, 10 um per cm3; typical size in um.
    """
    values = []
    for bits in struct.unpack(">10I", data):
        value = fixed(bits)
        if value is None or value > _MOST << 32:
            return None, "value"
        values.append(value)
    return values, ""


def parse(reply):
    """Return the same of the 60 bytes that I2C gives; further causes: short, crc."""
    if len(reply) < 60:
        return None, "short"
    values, wrong = words(reply[:60])
    return floats(struct.pack(">20H", *values)) if wrong is None else (None, "crc")


def broken(status):
    """True when the status register says that the fan stands or runs at a wrong speed, or that the laser fails."""
    return status[1] & 0x20 or status[3] & 0x30


class Driver(Device):
    """Means over the readings since the last read, without those of the warm-up; one is taken at each collect().

    The sensor averages nothing: what it saw between two collects is not in the mean. sps30_uart speaks otherwise.
    """

    # Order and number of words in the answer.
    TYPE = (b"\xd0\x02", 4, b"\x11\x03")  # and what wakes a firmware from 2.0 on that was sent to sleep
    VERSION = (b"\xd1\x00", 1)
    STOP = (b"\x01\x04", 0)
    START = (b"\x00\x10\x03\x00\xac", 0)
    READY = (b"\x02\x02", 1)
    VALUES = (b"\x03\x00", 20)
    STATUS = (b"\xd2\x06", 2)
    CLEAR = (b"\xd2\x10", 0)

    def __init__(self, bus, address=ADDRESS, warm_up_s=WARM_UP_MS // 1000, stuck_s=600):
        Device.__init__(self, bus, address)
        self._warm_up_ms = warm_up_s * 1000
        self._known = False
        self._tells = False
        self._warm = False
        self._on = base.Age()
        self._last = base.Age()
        self._stuck = base.Stuck(stuck_s)
        self._is_stuck = False
        self._means = Means(len(_COLUMNS))
        self._nonsense = 0

    async def get(self, what):
        """Return the bytes that answer, None when there are none."""
        values = await self.ask(what[0], what[1], 6 if what[1] else 25, wake=b"".join(what[2:]))
        return None if values is None else struct.pack(">%dH" % len(values), *values)

    async def fresh(self):
        """Return the 40 bytes of a reading that was not taken yet, nothing when there is none, None for a failure."""
        ready = await self.get(self.READY)
        if ready and not ready[1]:
            return b""
        return ready and await self.get(self.VALUES)

    async def collect(self):
        """Take the reading of the last second, or do what must come before it."""
        await self.alone(1000, self._turn)

    async def _turn(self):
        if not self._known and not await self._begin():
            return
        data = await self.fresh()
        if data:
            self._last.mark()
            self._take(data)
        elif data is None:
            self._known = not self.gone
        elif self._last.ms() < _SILENT_MS:
            self.reason = T.R_NO_SAMPLE
        else:  # it lost its supply for a moment, or its mind
            self.reason = self.counters.count(T.R_TIMEOUT)
            self._known = False

    async def _begin(self):
        """Identify the sensor and start it anew: nobody knows how it was left."""
        product = await self.get(self.TYPE)
        if product is None:
            return False
        if product[:8] != _PRODUCT:
            self.reason = self.counters.count(T.R_DEVICE_FAULT)
            return False
        version = await self.get(self.VERSION)
        if version is None:
            return False
        self._tells = version[:2] >= b"\x02\x02"  # there is no status register before
        await self.get(self.STOP)  # may be refused: it does not measure yet
        self._known = await self.get(self.START) is not None
        self._warm = False
        self._on.mark()
        self._last.mark()
        return self._known

    def _take(self, data):
        values, _ = floats(data)
        means = self._means
        if not self._warm and self._on.ms() >= self._warm_up_ms:
            self._warm = True
            means.clear()
            self._nonsense = 0
        if values is None:
            self.counters.count(T.R_DEVICE_FAULT)
            self._nonsense += 1
        else:
            stuck = self._stuck.check(data)
            self._is_stuck = stuck and (max(values[:9]) > 0 or self._stuck.ms() >= _ZERO_MS)
            means.add([values[column] for column, _, _ in _COLUMNS])

    async def read(self, deadline_ms):
        nothing = [(ident, None, T.R_TIMEOUT) for ident in PROPERTIES]
        return await self.alone(deadline_ms, self._record) or nothing

    async def _record(self):
        await self._turn()
        means = self._means
        every = await self._judge()
        if not means.n:
            return [(ident, None, every) for ident in PROPERTIES]
        out = []
        for ident, (_, factor, most) in zip(PROPERTIES, _COLUMNS):
            value = (means.mean(len(out), factor) + (1 << 31)) >> 32
            out.append((ident, value, T.R_OUT_OF_RANGE if value > most and every == T.R_OK else every))
        self.counters.out_of_range += T.R_OUT_OF_RANGE in [reason for _, _, reason in out]
        out.append((P.PM2_5_SPREAD, (means.deviation(1, 10) + (1 << 31)) >> 32, out[1][2]))
        out.append((P.PM_N, means.n, T.R_OK))
        means.clear()
        return out

    async def _judge(self):
        """Return what holds for the whole record."""
        count = self.counters.count
        nonsense = self._nonsense
        self._nonsense = 0
        if nonsense > self._means.n:
            return T.R_DEVICE_FAULT
        if not self._means.n:
            if self.reason != T.R_NO_SAMPLE:
                return self.reason
            return T.R_TIMEOUT if not self._known else T.R_NO_SAMPLE if self._warm else count(T.R_WARMING)
        status = await self.get(self.STATUS) if self._tells else None
        if status and broken(status):
            await self.get(self.CLEAR)
            return count(T.R_DEVICE_FAULT)
        if not self._warm:
            return count(T.R_WARMING)
        return count(T.R_STUCK) if self._is_stuck else T.R_OK

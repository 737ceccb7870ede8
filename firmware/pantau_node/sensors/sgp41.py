"""Sensirion SGP41 by I2C: raw signals of a VOC and a NOx pixel on one hot plate, a CRC-8 on each word.

The signals are logarithms of resistances, compensated for 25 Cel and 50 %: no concentrations, comparable only with
themselves. The maker's index wants one of them each second for hours; a record has their mean over what collect() took.
Conditioning harms the NOx pixel after 10 s: it gets 2, once; should the order that ends it be lost, the next comes in 8.

Range: 0..65535 ticks
Power: 3.3 V, 3 mA
Source: Sensirion SGP41 datasheet 1, 3, 4; feature set (SGP40: 20, SGP41: 40) as ESPHome reads it
"""

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base
from .sensirion import words
from .sensirion_device import Device

BUS = "i2c"
ADDRESS = const(0x59)
PROPERTIES = (P.VOC_RAW, P.NOX_RAW)
COUNTS = True  # cannot sleep: its hot plate would go on, and a signal says nothing before the plate was hot for minutes
WARM_UP_MS = const(300000)
PERIOD_MS = const(1000)

_WARM_MS = (60000, 300000)  # until the maker's index would see events, by pixel
_SERIAL = b"\x36\x82"
_FEATURES = b"\x20\x2f"
_SELF_TEST = b"\x28\x0e"
_CONDITION = b"\x26\x12\x80\x00\xa2\x66\x66\x93"  # 50 %, 25 Cel: not compensated
_MEASURE = b"\x26\x19\x80\x00\xa2\x66\x66\x93"
_HEATER_OFF = b"\x36\x15"
_CONDITION_MS = const(2000)
_TEST_MS = const(330)  # 320, and a timer may be early
_WAIT_MS = const(55)


def parse(reply):
    """Return (VOC ticks, NOx ticks, "") of 6 bytes, or (None, None, cause): short, crc."""
    if len(reply) < 6:
        return None, None, "short"
    values, wrong = words(reply[:6])
    return (None, None, "crc") if wrong is not None else (values[0], values[1], "")


def passed(result):
    """True when the word of the self-test names no broken pixel (SGP41: low four bits) and is not 4B00 (SGP40)."""
    return result & 15 == 0 and result >> 8 != 0x4B


class Driver(Device):
    """Means over the readings since the last read; one is taken at each collect(), which also starts the sensor."""

    def __init__(self, bus, address=ADDRESS, stuck_s=3600):
        Device.__init__(self, bus, address)
        self._known = False
        self._conditioned = False
        self._on = base.Age()
        self._stuck = base.Stuck(stuck_s)
        self._is_stuck = False
        self._clear()

    def _clear(self):
        self._n = 0
        self._sums = [0, 0]
        self._began_ms = 0  # how long the plate was hot at the first reading

    async def collect(self):
        """Start the sensor, or take a reading."""
        await self.alone(_CONDITION_MS + 1000, self._turn)

    async def _turn(self):
        if not self._known and not await self._begin():
            return
        values = await self.ask(_MEASURE, 2, _WAIT_MS)
        if values is None:
            self._known = not self.gone
            return
        if not self._n:
            self._began_ms = self._on.ms()
        self._n += 1
        self._sums[0] += values[0]
        self._sums[1] += values[1]
        self._is_stuck = self._stuck.check(values)

    async def _begin(self):
        """Identify the sensor and let it test itself; condition it, the first time."""
        if await self.ask(_SERIAL, 3, other=T.R_DEVICE_FAULT) is None:
            return False
        features = await self.ask(_FEATURES, 1, 10)
        result = features and await self.ask(_SELF_TEST, 1, _TEST_MS)
        if not result:
            return False
        if features[0] & 0x1FF == 0x20 or not passed(result[0]):
            await self.ask(_HEATER_OFF)
            self.reason = self.counters.count(T.R_DEVICE_FAULT)
            return False
        if not self._conditioned and self.left() > _CONDITION_MS + 2 * _WAIT_MS:
            self._conditioned = True
            if await self.ask(_CONDITION, 1, _WAIT_MS) is None:
                await self.ask(_HEATER_OFF)
                return False
            await base.sleep_ms(_CONDITION_MS)
        self._known = True
        self._on.mark()
        return True

    async def read(self, deadline_ms):
        nothing = [(ident, None, T.R_TIMEOUT) for ident in PROPERTIES]
        return await self.alone(deadline_ms, self._record) or nothing

    async def _record(self):
        await self._turn()
        count = self.counters.count
        if not self._n:
            reason = T.R_TIMEOUT if self.reason == T.R_NO_SAMPLE else self.reason
            return [(ident, None, reason) for ident in PROPERTIES]
        out = []
        for ident, total, warm_ms in zip(PROPERTIES, self._sums, _WARM_MS):
            value = base.mean(total, self._n)
            reason = T.R_STUCK if self._is_stuck else T.R_OK
            if self._began_ms < warm_ms:
                reason = T.R_WARMING
            elif value in (0, 65535):
                reason = T.R_OUT_OF_RANGE
            out.append((ident, value, reason))
        for reason in {reason for _, _, reason in out}:
            count(reason)
        self._clear()
        return out

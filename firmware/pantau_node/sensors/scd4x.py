"""Sensirion SCD40/41/43 by I2C: carbon dioxide, photoacoustic, a reading every 5 s, a CRC-8 on each word.

Its temperature and humidity are those of its own warm inside (it corrects CO2 with them) and are not reported as air's.
The sensor takes the least CO2 of some days for 400 ppm and shifts its scale so (automatic self-calibration, on as it
comes). At the kerb that is false: it is switched off at each start, for this start only, unless asc is true.

Range: 400..5000 ppm, to 40000 beyond its accuracy
Power: 3.3 V, 18 mA mean, 205 mA peak
Source: Sensirion SCD4x datasheet 1, 3.5 to 3.9
"""

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base
from .sensirion import words
from .sensirion_device import Device, word

BUS = "i2c"
ADDRESS = const(0x62)
PROPERTIES = (P.CO2,)
WARM_UP_MS = const(5000)  # the first reading
PERIOD_MS = const(5000)

_STOP = b"\x3f\x86"
_WAKE = b"\x36\xf6"  # SCD41: it may have been powered down
_SERIAL = b"\x36\x82"
_SELF_CALIBRATION = b"\x24\x16"
_PRESSURE = b"\xe0\x00"
_START = b"\x21\xb1"
_READY = b"\xe4\xb8"
_READ = b"\xec\x05"
_STOP_MS = const(510)  # 500, and a timer may be early
_OLD_MS = const(15000)
LEAST = const(350)  # 400 less the accuracy: the open air is at the edge
MOST = const(5000)


def parse(reply):
    """Return (ppm, hundredths of Cel, hundredths of %, "") of 9 bytes, or (None, None, None, cause): short, crc."""
    if len(reply) < 9:
        return None, None, None, "short"
    values, wrong = words(reply[:9])
    if wrong is not None:
        return None, None, None, "crc"
    ppm, t, rh = values
    return ppm, base.mean(t, 65535, 17500) - 4500, base.mean(rh, 65535, 10000), ""


def ready(status):
    """True when the word of E4B8 says that there is a reading."""
    return status & 0x7FF != 0


class Driver(Device):
    """The latest reading; collect() starts the sensor and takes it.

    pressure_hpa: mean air pressure of the place, 0 for sea level; 10 hPa are 1 % of the reading.
    """

    def __init__(self, bus, address=ADDRESS, asc=False, pressure_hpa=0, stuck_s=3600):
        Device.__init__(self, bus, address)
        if pressure_hpa and not 700 <= pressure_hpa <= 1200:
            raise ValueError("pressure_hpa: 700 to 1200, or 0")
        self._orders = [_SELF_CALIBRATION + word(1 if asc else 0)]
        if pressure_hpa:
            self._orders.append(_PRESSURE + word(pressure_hpa))
        self._orders.append(_START)
        self._known = False
        self._ppm = None
        self._age = base.Age()
        self._stuck = base.Stuck(stuck_s)
        self._is_stuck = False

    async def collect(self):
        """Start the sensor, or take a reading if there is a new one."""
        await self.alone(1000, self._turn)

    async def _turn(self):
        if not self._known:
            self._known = await self._begin()
            if not self._known:
                return
        status = await self.ask(_READY, 1)
        if status and ready(status[0]):
            # Once only: reading empties the sensor's buffer.
            values = await self.ask(_READ, 3, tries=1)
            if values:
                self._ppm = values[0]
                self._age.mark()
                self._is_stuck = self._stuck.check(values)
        elif status is None:
            self._known = not self.gone
        elif self._age.ms() < _OLD_MS:
            self.reason = T.R_NO_SAMPLE
        else:
            self.reason = self.counters.count(T.R_TIMEOUT)
            self._known = False

    async def _begin(self):
        """Stop, since a measuring sensor obeys nothing else, identify, set up, start."""
        if await self.ask(_STOP, 0, _STOP_MS, wake=_WAKE) is None:
            return False
        if await self.ask(_SERIAL, 3, other=T.R_DEVICE_FAULT) is None:
            return False
        for order in self._orders:
            if await self.ask(order) is None:
                return False
        self._ppm = None
        self._age.mark()
        return True

    async def read(self, deadline_ms):
        return [await self.alone(deadline_ms, self._record) or (P.CO2, None, T.R_TIMEOUT)]

    async def _record(self):
        await self._turn()
        if self._ppm is not None and self._age.ms() < _OLD_MS:
            reason = T.R_STUCK if self._is_stuck else T.R_OK
            if not LEAST <= self._ppm <= MOST:
                reason = T.R_OUT_OF_RANGE
            return P.CO2, self._ppm, self.counters.count(reason)
        reason = self.reason
        if reason == T.R_NO_SAMPLE and not self._known:
            reason = T.R_TIMEOUT
        elif reason == T.R_NO_SAMPLE and self._ppm is None:
            reason = self.counters.count(T.R_WARMING)
        return P.CO2, None, reason

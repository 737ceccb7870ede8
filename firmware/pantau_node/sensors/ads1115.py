"""Water depth by a submersible pressure transducer, 4-20 mA over a shunt or 0.5-4.5 V over a divider, on a TI ADS1115.

Registers: 0 conversion, 1 configuration, 16 bits each, big-endian. A single shot writes the configuration with OS set;
OS reads 0 until it is done. PGA 4.096 V: 125 uV a step. NAMUR NE43: <= 3.6 mA is a broken loop, >= 21 mA a short one; the
same shares of the span are taken for 0.5-4.5 V: <= 0.4 V, >= 4.75 V. The chip has no identity: another device at
the address is told by a configuration that does not read back as it was written.

Range: 0..5000 mm (span_mm)
Power: 3.3 V, 0.2 mA; loop 12..24 V, 4..20 mA
Source: TI ADS1115 datasheet by eldruin/ads1x1x-rs; NAMUR NE43 (unverified)
"""

from micropython import const

from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import base

BUS = "i2c"
ADDRESS = 0x48  # to 4B by its ADDR pin
PROPERTIES = (P.TRANSDUCER_VOLTAGE, P.WATER_DEPTH)
WARM_UP_MS = 500  # of the loop
PERIOD_MS = 60

_SINGLE_SHOT = const(0xC383)  # OS, AIN0 against ground, 4.096 V, single shot, 128 SPS, comparator off
_READS = const(5)
_CONVERT_MS = const(9)  # 1/128 s and a tenth, the tolerance of the chip's clock
_LONGEST_MS = const(30)  # busy for longer is not a slow clock


def config(channel):
    """Return the configuration word of one conversion of AIN0..3 against ground."""
    return _SINGLE_SHOT | channel << 12


def code(reply):
    """Return the signed number of a conversion's two bytes."""
    return ((reply[0] << 8 | reply[1]) ^ 0x8000) - 0x8000


def ends(signal="4-20ma", shunt_ohm=150, divider=(2, 3)):
    """Return (uV at the input for no depth, uV from there to the whole span, what both are multiplied by).

    divider: (num, den), input = output of the transducer * num / den; 5 over 10 kOhm is 10/15.
    Raises ValueError when a short loop would be more than the converter can see.
    """
    if signal == "4-20ma":
        low, full, times = 4000 * shunt_ohm, 16000 * shunt_ohm, 1
    elif signal == "0.5-4.5v":
        low, full, times = 500000 * divider[0], 4000000 * divider[0], divider[1]
    else:
        raise ValueError("signal %s: 4-20ma or 0.5-4.5v" % signal)
    if low + full * 17 // 16 >= 4096000 * times:
        raise ValueError("shunt_ohm or divider: 21 mA or 4.75 V is more than the converter's 4.096 V")
    return low, full, times


def level(number, low, full, times, span_mm):
    """Return (depth in mm, reason id) of a conversion; low, full, times: of ends()."""
    above = number * 125 * times - low
    mm = (2 * above * span_mm + full) // (2 * full)
    if number in (0x7FFF, -0x8000):
        return mm, T.R_OUT_OF_RANGE
    return mm, T.R_OK if -full < 40 * above and 16 * above < 17 * full else T.R_DEVICE_FAULT


class Driver:
    """Median of 5 conversions. span_mm: water over the transducer at 20 mA; zero_mm is added: the depth at 4 mA.

    channel: 0..3; signal: "4-20ma" with shunt_ohm, or "0.5-4.5v" with divider; stuck_s: all five equal for that long.
    """

    def __init__(
        self,
        bus,
        address=ADDRESS,
        channel=0,
        signal="4-20ma",
        shunt_ohm=150,
        divider=(2, 3),
        span_mm=5000,
        zero_mm=0,
        stuck_s=21600,
    ):
        self._bus = bus
        self._address = address
        self._config = config(channel)
        self._scale = ends(signal, shunt_ohm, divider) + (span_mm,)
        self._zero = zero_mm
        self._stuck = base.Stuck(stuck_s)
        self.counters = base.Counters()

    async def read(self, deadline_ms):
        start = base.now()
        count = self.counters.count
        numbers = []
        reason = T.R_TIMEOUT
        failed = 0
        while len(numbers) < _READS and failed < 2:
            left = deadline_ms - base.since(start, base.now())
            if left <= _CONVERT_MS:
                break
            number, cause = await self._convert(min(left, _LONGEST_MS))
            if number is None:
                reason = count(cause)
                failed += 1
            else:
                self.counters.good += 1
                count(level(number, *self._scale)[1])
                numbers.append(number)
        if not numbers:
            return [(P.TRANSDUCER_VOLTAGE, None, reason), (P.WATER_DEPTH, None, reason)]
        number = base.median(numbers)
        mm, reason = level(number, *self._scale)
        if self._stuck.check(numbers) and mm > 0 and reason == T.R_OK:  # dry is dry
            reason = count(T.R_STUCK)
        elif reason == T.R_OK and len(numbers) * 2 < _READS:
            reason = T.R_SPREAD  # nothing checks a conversion on its way: one or two are no median
        return [(P.TRANSDUCER_VOLTAGE, (number * 5 + 2) // 4, reason), (P.WATER_DEPTH, mm + self._zero, reason)]

    async def _convert(self, limit_ms):
        """Return (code, reason id); the code is None for a device that does not answer, is busy, or is another one."""
        start = base.now()
        wanted = self._config
        try:
            self._bus.writeto_mem(self._address, 1, bytes((wanted >> 8, wanted & 0xFF)))
            wait_ms = _CONVERT_MS
            while base.since(start, base.now()) + wait_ms <= limit_ms:
                await base.sleep_ms(wait_ms)
                now = self._bus.readfrom_mem(self._address, 1, 2)
                if (now[0] << 8 | now[1]) & 0x7FFF != wanted & 0x7FFF:
                    return None, T.R_DEVICE_FAULT
                if now[0] & 0x80:
                    return code(self._bus.readfrom_mem(self._address, 0, 2)), T.R_OK
                wait_ms = 1
        except OSError as error:
            return None, base.bus_reason(error, self.counters.good)
        return None, T.R_TIMEOUT

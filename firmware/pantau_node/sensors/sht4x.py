"""Sensirion SHT40/41/45 and SHT30/31/35: air temperature and relative humidity by I2C, a CRC-8 on each word.

Range: -40..125 Cel, 0..100 %
Power: 3.3 V, < 1 mA
Source: Sensirion SHT4x 4.5, 4.6; SHT3x-DIS 4.3, 4.12, 4.13
"""

from pantau_wire import _tables as T

from . import base

MODEL = "sht4x"
BUS = "i2c"
ADDRESS = 0x44
PROPERTIES = (T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY)
WARM_UP_MS = 1
PERIOD_MS = 10

# model: (measure with high repeatability, ms until the result is there)
MEASURE = {"sht4x": (b"\xfd", 9), "sht3x": (b"\x24\x00", 16)}
_TRIES = 2  # a disturbed transfer is repeated once


def parse(reply, model=MODEL):
    """Return (hundredths of Cel, hundredths of %, "") of 6 bytes, or (None, None, cause): crc_t, crc_rh, short."""
    if len(reply) < 6:
        return None, None, "short"
    values, wrong = base.words(reply[:6])
    if wrong is not None:
        return None, None, "crc_rh" if wrong else "crc_t"
    t, rh = values
    centi_c = base.mean(t, 65535, 17500) - 4500
    if model == "sht3x":
        return centi_c, base.mean(rh, 65535, 10000), ""
    return centi_c, max(0, min(10000, base.mean(rh, 65535, 12500) - 600)), ""


class Driver:
    """One single-shot measurement per read."""

    def __init__(self, bus, address=ADDRESS, model=MODEL, stuck_s=3600):
        self._bus = bus
        self._address = address
        self._model = model
        self._stuck = base.Stuck(stuck_s)
        self.counters = base.Counters()

    async def read(self, deadline_ms):
        start = base.now()
        order, wait_ms = MEASURE[self._model]
        reason = T.R_TIMEOUT
        for _ in range(_TRIES):
            if base.since(start, base.now()) + wait_ms > deadline_ms:
                break
            try:
                self._bus.writeto(self._address, order)
                await base.sleep_ms(wait_ms)
                reply = self._bus.readfrom(self._address, 6)
            except OSError as error:
                reason = base.bus_reason(error)
                self.counters.count(reason)
                continue
            centi_c, centi_rh, cause = parse(reply, self._model)
            if not cause:
                return self._judge(reply, centi_c, centi_rh)
            self.counters.checksum += 1
            reason = T.R_CHECKSUM
        return [(T.AIR_TEMPERATURE, None, reason), (T.RELATIVE_HUMIDITY, None, reason)]

    def _judge(self, reply, centi_c, centi_rh):
        self.counters.good += 1
        reason = T.R_OK
        if not -4000 <= centi_c <= 12500:
            self.counters.out_of_range += 1
            reason = T.R_OUT_OF_RANGE
        elif self._stuck.check(bytes(reply)):
            self.counters.stuck += 1
            reason = T.R_STUCK
        return [(T.AIR_TEMPERATURE, centi_c, reason), (T.RELATIVE_HUMIDITY, centi_rh, reason)]

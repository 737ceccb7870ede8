"""Sensirion SHT40/41/45 and SHT30/31/35: air temperature and relative humidity by I2C, a CRC-8 on each word.

Range: -40..125 Cel, 0..100 %
Power: 3.3 V, < 1 mA
Source: Sensirion SHT4x 4.5, 4.6; SHT3x-DIS 4.3, 4.12, 4.13
"""

from micropython import const

from pantau_wire import _tables as T

from . import base, sensirion

_FOG = const(9700)  # hundredths of %: air that wet stays so for a night

BUS = "i2c"
ADDRESS = 0x44  # SHT3x: or 45
PROPERTIES = (T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY)
WARM_UP_MS = 1
PERIOD_MS = 10


def parse(reply, model="sht4x"):
    """Return (hundredths of Cel, hundredths of %, "") of 6 bytes, or (None, None, cause): crc_t, crc_rh, short."""
    if len(reply) < 6:
        return None, None, "short"
    values, wrong = sensirion.words(reply[:6])
    if wrong is not None:
        return None, None, "crc_rh" if wrong else "crc_t"
    t, rh = values
    centi_c = base.mean(t, 65535, 17500) - 4500
    if model == "sht3x":
        return centi_c, base.mean(rh, 65535, 10000), ""
    return centi_c, max(0, min(10000, base.mean(rh, 65535, 12500) - 600)), ""


class Driver:
    """One single-shot measurement per read.

    Humidity whose word stays the same for `stuck_s` is a stuck one, even while the temperature moves.
    An SHT3x that was left measuring by itself, as over a reset of the node, refuses every order until it is stopped.
    """

    def __init__(self, bus, address=ADDRESS, model="sht4x", stuck_s=3600):
        self._bus = bus
        self._address = address
        self._model = model
        self._stuck = base.Stuck(stuck_s)
        self._wet = base.Stuck(stuck_s)
        self.counters = base.Counters()

    async def read(self, deadline_ms):
        start = base.now()
        # Measure with high repeatability, and after how many ms the result is there.
        order, wait_ms = (b"\x24\x00", 16) if self._model == "sht3x" else (b"\xfd", 9)
        count = self.counters.count
        reason = T.R_TIMEOUT
        centi_c = centi_rh = None
        asked = wet = False
        for again in range(2):  # a disturbed transfer is repeated once
            if base.since(start, base.now()) + wait_ms + again > deadline_ms:
                break
            try:
                if not asked:
                    if again and wait_ms == 16:
                        self._bus.writeto(self._address, b"\x30\x93")  # stop measuring by itself
                        await base.sleep_ms(1)
                    self._bus.writeto(self._address, order)
                    asked = True
                await base.sleep_ms(wait_ms)
                reply = self._bus.readfrom(self._address, 6)
            except OSError as error:
                # What took the order is there: without a result it is not ready, and gets as much time again.
                reason = count(base.bus_reason(error, asked or self.counters.good))
                continue
            asked = False
            centi_c, centi_rh, _ = parse(reply, self._model)
            if centi_c is None:
                reason = count(T.R_CHECKSUM)
                continue
            self.counters.good += 1
            stuck = self._stuck.check(bytes(reply))
            wet = self._wet.check(reply[3:5]) and centi_rh < _FOG  # pyright: ignore[reportOptionalOperand]  both or none
            known = -4000 <= centi_c <= 12500
            reason = count(T.R_OUT_OF_RANGE if not known else T.R_STUCK if stuck else T.R_OK)
            break
        wet = count(T.R_STUCK) if wet and reason == T.R_OK else reason
        return [(T.AIR_TEMPERATURE, centi_c, reason), (T.RELATIVE_HUMIDITY, centi_rh, wet)]

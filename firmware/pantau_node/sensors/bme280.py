"""Bosch BME280 by I2C: temperature, pressure, humidity, in integers after the datasheet (BST-BME280-DS002 4.2.3).

A BMP280 (id 58) is often sold as one: it has no humidity, which is then a device fault.

Range: -40..85 Cel, 0..100 %, 300..1100 hPa
Power: 3.3 V, < 1 mA
Source: Bosch BST-BME280-DS002 4.2, 5.3, 9.1; BST-BMP280-DS001 3.12
"""

import struct

from micropython import const

from pantau_wire import _tables as T

from . import base

BUS = "i2c"
ADDRESS = const(0x76)  # or 77
PROPERTIES = (T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY, T.AIR_PRESSURE)
WARM_UP_MS = 2
PERIOD_MS = 10

BME280 = const(0x60)  # what the chips say they are
_BMP280 = const(0x58)
_ID = const(0xD0)
_CTRL_HUM = const(0xF2)  # before the status, and that before ctrl_meas
_CTRL_MEAS = const(0xF4)
_DATA = const(0xF7)
_FORCED_X1 = b"\x25"  # temperature and pressure once, then sleep: 9.3 ms at most with humidity once
_X1_ASLEEP = const(0x24)  # what ctrl_meas holds afterwards
_WAIT_MS = const(10)
_WET_S = const(3600)
_FOG = const(9700)  # hundredths of %: air that wet stays so for a night


def h4_h5(e4, e5, e6):
    """Return dig_H4, dig_H5, which share E5: signed 12 bits each."""
    h4, h5 = e4 << 4 | e5 & 15, e6 << 4 | e5 >> 4
    return h4 - (h4 >> 11 << 12), h5 - (h5 >> 11 << 12)


def calibration(low, high):
    """Return (T1..T3, P1..P9, H1..H6) of the 26 bytes at 88 and the 7 at E1."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, _, h1 = struct.unpack("<HhhHhhhhhhhhBB", low)
    h2, h3, e4, e5, e6, h6 = struct.unpack("<hBBBBb", high)
    h4, h5 = h4_h5(e4, e5, e6)
    return (t1, t2, t3), (p1, p2, p3, p4, p5, p6, p7, p8, p9), (h1, h2, h3, h4, h5, h6)


def raw(data):
    """Return (adc_T, adc_P, adc_H) of the 8 bytes at F7."""
    p = data[0] << 12 | data[1] << 4 | data[2] >> 4
    t = data[3] << 12 | data[4] << 4 | data[5] >> 4
    return t, p, data[6] << 8 | data[7]


def fine(trim, adc):
    """Return t_fine, the temperature that the other two lean on: the datasheet's formula, rounded once.

    The published 32-bit form drops bits at every step, up to 12 units of t_fine: that alone moves pressure by 0.5 Pa.
    """
    t1, t2, t3 = trim
    step = adc - (t1 << 4)
    return (step * (t2 << 20) + step * step * t3 + (1 << 33)) >> 34


def centi_c(t_fine):
    """Return hundredths of a degree."""
    return (t_fine * 5 + 128) >> 8


def pressure(trim, t_fine, adc):
    """Return Pa * 256 (the 64-bit form); 0 when the calibration cannot be: then the device is faulty."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = trim
    var1 = t_fine - 128000
    var2 = var1 * var1 * p6 + (var1 * p5 << 17) + (p4 << 35)
    var1 = (var1 * var1 * p3 >> 8) + (var1 * p2 << 12)
    var1 = ((1 << 47) + var1) * p1 >> 33
    if not var1:
        return 0
    p = (((1048576 - adc) << 31) - var2) * 3125
    p = p // var1 if (p < 0) == (var1 < 0) else -(-p // var1)  # C truncates where Python floors
    var1 = p9 * (p >> 13) * (p >> 13) >> 25
    var2 = p8 * p >> 19
    return ((p + var1 + var2) >> 8) + (p7 << 4)


def humidity(trim, t_fine, adc):
    """Return % * 1024, within 0..100 %."""
    h1, h2, h3, h4, h5, h6 = trim
    x = t_fine - 76800
    scaled = ((adc << 14) - (h4 << 20) - h5 * x + 16384) >> 15
    gain = ((x * h6 >> 10) * ((x * h3 >> 11) + 32768) >> 10) + 2097152
    x = scaled * ((gain * h2 + 8192) >> 14)
    x -= ((x >> 15) * (x >> 15) >> 7) * h1 >> 4
    return max(0, min(x, 419430400)) >> 12


def compensate(trims, adcs):
    """Return (t_fine, hundredths of Cel, Pa * 256, % * 1024)."""
    t_fine = fine(trims[0], adcs[0])
    return t_fine, centi_c(t_fine), pressure(trims[1], t_fine, adcs[1]), humidity(trims[2], t_fine, adcs[2])


def skipped(adcs):
    """True when a channel holds its reset value: nothing was measured. That of humidity, 8000, can also be a reading."""
    return adcs[0] == 0x80000 or adcs[1] == 0x80000


class Driver:
    """One forced measurement per read.

    Identity and calibration are read again after every failure, and when the chip has lost its settings: it may be a new
    device. The bus has no checksum, and a wrong bit in the calibration would bend every later reading: two readings of it
    must agree. Humidity whose word stays the same for an hour is stuck, even while the others move.
    """

    def __init__(self, bus, address=ADDRESS, stuck_s=600):
        self._bus = bus
        self._address = address
        self._trims = None
        self._id = 0
        self._stuck = base.Stuck(stuck_s)
        self._wet = base.Stuck(max(stuck_s, _WET_S))
        self.counters = base.Counters()

    async def read(self, deadline_ms):
        start = base.now()
        reason = T.R_TIMEOUT
        for _ in range(2):
            if base.since(start, base.now()) + 2 * _WAIT_MS > deadline_ms:
                break
            try:
                reason = self._identify()
                data = await self._measure() if reason == T.R_OK else None
                if data:
                    return self._judge(data)
                reason = reason or T.R_TIMEOUT
            except OSError as error:
                reason = base.bus_reason(error, self.counters.good)
            self.counters.count(reason)
            self._trims = None
            if reason == T.R_DEVICE_FAULT:
                break
        return [(ident, None, reason) for ident in PROPERTIES]

    def _identify(self):
        """Read id and calibration of a new device; return a reason id."""
        if self._trims is None or self._settings()[2] != _X1_ASLEEP:
            self._trims = None
            self._id = self._bus.readfrom_mem(self._address, _ID, 1)[0]
            if self._id not in (BME280, _BMP280):
                return T.R_DEVICE_FAULT
            low, high = self._read_calibration()
            if (low, high) != self._read_calibration():
                return T.R_CHECKSUM
            self._trims = calibration(low, high)
        return T.R_OK

    def _read_calibration(self):
        low = self._bus.readfrom_mem(self._address, 0x88, 26)
        return low, self._bus.readfrom_mem(self._address, 0xE1, 7) if self._id == BME280 else bytes(7)

    def _settings(self):
        """Return ctrl_hum, status and ctrl_meas."""
        return self._bus.readfrom_mem(self._address, _CTRL_HUM, 3)

    async def _measure(self):
        """Return the 8 data bytes, None when the measurement did not take place."""
        if self._id == BME280:
            self._bus.writeto_mem(self._address, _CTRL_HUM, b"\x01")
        self._bus.writeto_mem(self._address, _CTRL_MEAS, _FORCED_X1)
        await base.sleep_ms(_WAIT_MS)
        hum, status, _ = self._settings()
        if status & 8:
            await base.sleep_ms(_WAIT_MS)
            hum, status, _ = self._settings()
        if status & 8 or (self._id == BME280 and hum & 7 != 1):
            return None
        data = self._bus.readfrom_mem(self._address, _DATA, 8)
        return None if skipped(raw(data)) else bytes(data)

    def _judge(self, data):
        self.counters.good += 1
        _, temperature, p, h = compensate(self._trims, raw(data))
        pascal = max(0, (p + 128) >> 8)  # of a chip that is out of its mind; the column has no sign
        centi_rh = (h * 100 + 512) >> 10
        stuck, wet = self._stuck.check(data), self._wet.check(data[6:]) and centi_rh < _FOG
        reason = T.R_STUCK if stuck else T.R_OK
        out = [
            (T.AIR_TEMPERATURE, temperature, reason if -4000 <= temperature <= 8500 else T.R_OUT_OF_RANGE),
            (T.RELATIVE_HUMIDITY, centi_rh, T.R_STUCK if wet else reason),
            (T.AIR_PRESSURE, pascal, reason if 30000 <= pascal <= 110000 else T.R_OUT_OF_RANGE),
        ]
        if self._id != BME280:
            out[1] = (T.RELATIVE_HUMIDITY, None, T.R_DEVICE_FAULT)
        for reason in {row[2] for row in out}:  # each fault once
            self.counters.count(reason)
        return out

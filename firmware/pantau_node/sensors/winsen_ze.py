"""Winsen ZE03, ZE07, ZE25: one toxic gas by an electrochemical cell, a packet of 9 bytes each second in active upload.

Packet: FF | gas | unit 03 ppm, 04 ppb | decimals | value BE16 | full scale BE16 | checksum. CO 04, O3 2A, SO2 2B, NO2 2C.
Active upload is ordered with 78 40 (ZE07, ZE25: their manuals) or 78 03 (ZE03: public libraries, unverified).
The form of an answer in Q&A mode (FF 86) differs from module to module and is not used: such packets are passed over.

Range: full scale of the module, in each packet
Power: 5 V, 30 mA (unverified)
Source: Winsen ZE07-CO manual V1.2 tables 4..6, as quoted by others; radhoo/uradmonitor drv_ze03; no capture of a device is public
"""

from pantau_wire import _air as P

from . import base
from .stream import Stream
from .winsen import command, verify

BUS = "uart"
BAUD = 9600
RXBUF = 512  # 56 s
PROPERTIES = (P.CO, P.NO2, P.SO2, P.O3)
WARM_UP_MS = 180000  # of the module; a cell that was long without power needs a day (unverified)
PERIOD_MS = 1000

_GASES = {"co": (0x04, P.CO), "no2": (0x2C, P.NO2), "so2": (0x2B, P.SO2), "o3": (0x2A, P.O3)}


def _length(_head):
    return 9


def ppb(value, unit, decimals):
    """Return parts per billion, to the nearest integer; None in another unit, or with decimals that no module has."""
    if unit not in (3, 4) or decimals > 3:
        return None
    return base.mean(value, 10**decimals, 1000 if unit == 3 else 1)


class Driver(Stream):
    """Rows: gas, unit, decimals, value, full scale. gas: code of the latest packet; another than the model's is a fault."""

    LIMITS = (1000000,)
    FINE = 0
    FRAMES = ((b"\xff",), 1, _length, verify)

    def __init__(self, bus=None, model="ze07_co", warm_up_s=WARM_UP_MS // 1000, stuck_s=86400):
        family, gas = model.split("_")
        self._code, ident = _GASES[gas]
        self.PROPERTIES = (ident,)
        self.CALL = command(0x78, 0x03 if family == "ze03" else 0x40)
        self.gas = None
        super().__init__(bus, model, warm_up_s, stuck_s)

    def parse(self, packet):
        row = packet[1], packet[2], packet[3], packet[4] << 8 | packet[5], packet[6] << 8 | packet[7]
        return row if packet[1] not in (0x01, 0x78, 0x86) else None  # a command, and answers

    def take(self, row):
        self.gas, unit, decimals, value, full = row
        value, full = ppb(value, unit, decimals), ppb(full, unit, decimals)
        if self.gas != self._code or value is None or full is None:
            return None, True, None
        self.LIMITS = (full - 1,)  # at full scale it can only say: at least so much
        return (value,), False, row if value else None  # air without the gas is constant


Parser = Driver

"""HLK-LD2450, 24 GHz radar for people within 6 m: up to three targets, ten packets a second. Not for roads.

Packet: AA FF 03 00 | 3 x (x mm, y mm, speed cm/s, resolution mm, each LE16) | 55 CC. Numbers are sign and magnitude, bit 15
set is positive; a slot of zeros is no target. No checksum: header and tail stand in. It reports an empty room, too.

Range: 0..3 targets, to 6 m
Power: 5 V, 120 mA (unverified)
Source: HLK-LD2450 serial protocol V1.03, its worked example
"""

import struct

from micropython import const

from pantau_wire import _tables as T
from pantau_wire import _traffic as P

from . import base

BUS = "uart"
BAUD = 256000
RXBUF = 1024  # 3.4 s
PROPERTIES = (P.RADAR_TARGET_COUNT,)
WARM_UP_MS = 0
PERIOD_MS = 100
COUNTS = True  # who passes while the chip sleeps is not seen

_SIZE = const(30)
_SILENT_MS = const(2000)  # twenty packets


def _length(_head):
    return _SIZE


def _verify(packet):
    return "" if packet[-2:] == b"\x55\xcc" else "tail"


def signed(word):
    """Return the number of a sign-and-magnitude word: bit 15 set is positive."""
    return word & 0x7FFF if word & 0x8000 else -word


class Parser:
    """Bytes to lists of targets (x mm, y mm, speed cm/s, resolution mm); empty slots are left out."""

    def __init__(self):
        self.counters = base.Counters()
        self.framer = base.Framer((b"\xaa\xff\x03\x00",), 4, _length, _verify, self.counters, _SIZE)

    def feed(self, data):
        reports = []
        for packet in self.framer.feed(data):
            words = struct.unpack("<12H", packet[4:-2])
            targets = []
            for at in range(0, 12, 4):
                if words[at] or words[at + 1] or words[at + 2]:
                    targets.append((signed(words[at]), signed(words[at + 1]), signed(words[at + 2]), words[at + 3]))
            reports.append(targets)
        return reports


class Driver:
    """The greatest number of targets in view since the last read. collect() must be called every 3 s."""

    def __init__(self, bus):
        self._bus = bus
        self._parser = Parser()
        self._heard = False
        self._last = base.Age()
        self._refused = 0
        self._most = 0
        self.counters = self._parser.counters

    async def collect(self):
        """Take in what the radar sent."""
        for targets in self._parser.feed(self._bus.read() or b""):
            self._heard = True
            self._last.mark()
            self._most = max(self._most, len(targets))

    async def read(self, deadline_ms):
        await self.collect()
        most, refused = self._most, self._parser.framer.refused
        only_bad = refused > self._refused
        self._most, self._refused = 0, refused
        quiet = self._last.ms() >= _SILENT_MS
        if self._heard and not quiet:
            return [(P.RADAR_TARGET_COUNT, most, T.R_OK)]
        if only_bad:
            return [(P.RADAR_TARGET_COUNT, None, T.R_CHECKSUM)]  # counted by the framer
        return [(P.RADAR_TARGET_COUNT, None, self.counters.count(T.R_TIMEOUT if self._heard else T.R_ABSENT))]

"""Plantower PMS1003/5003/7003/A003: particle mass and counts, a packet of 32 bytes about once a second.

Packet: 42 4D | length BE16 | words BE16 | sum of all bytes before it BE16. Length 28: data; 4: the reply to a command;
20 and 36 are the PMS3003 and PMS5003ST. Masses in ug/m3: CF=1 (factory) and atmospheric; counts in particles/dL.

Range: 0..1000 ug/m3
Power: 5 V, 100 mA; logic 3.3 V
Source: Plantower PMS5003 and PMS7003 manuals V2.5; AirGradient limits
"""

import struct

from micropython import const

from pantau_wire import _air as P

from .stream import Stream

BUS = "uart"
BAUD = 9600
RXBUF = 2048  # 12 s at the fastest pace of 0.2 s
PROPERTIES = (P.PM1, P.PM2_5, P.PM10, P.PM2_5_CF1, P.PARTICLES_0_3, P.PM2_5_SPREAD, P.PM_N)
WARM_UP_MS = 30000  # maker: stable 30 s after the fan starts
PERIOD_MS = 1000
_DATA = b"\x42\x4d\x00\x1c"
_SIZE = const(32)
_CLEAN = b"\x00"  # what air without a particle repeats


def _length(head):
    size = head[2] << 8 | head[3]
    return 4 + size if size in (4, 20, 28, 36) else 0


def _verify(packet):
    return "" if sum(packet[:-2]) & 0xFFFF == (packet[-2] << 8 | packet[-1]) else "checksum"


class Driver(Stream):
    """Rows: PM1, 2.5, 10 (CF=1); PM1, 2.5, 10 (atm); n > 0.3, 0.5, 1, 2.5, 5, 10 um; version << 8 | error.

    The T and ST variants reuse or add words, see their manual. The models do not differ. collect() is due every 10 s.
    """

    PROPERTIES = PROPERTIES
    LIMITS = (10000, 10000, 10000, 10000, 65535)
    FINE = 1
    CALL = (
        b"\x42\x4d\xe4\x00\x01\x01\x74\x42\x4d\xe1\x00\x01\x01\x71"  # wake up; active: a brown-out may leave it neither
    )
    FRAMES = ((b"\x42\x4d",), 4, _length, _verify)

    def packets(self, data):
        """As every stream. Nearly always whole packets follow each other, and are cut apart at once; all else is the framer's."""
        framer = self.framer
        row = framer.buf + data
        found = []
        at = 0
        while not framer.gap and row.startswith(_DATA, at):
            packet = row[at : at + _SIZE]
            if len(packet) < _SIZE or sum(packet) - packet[30] - packet[31] != packet[30] << 8 | packet[31]:
                break
            found.append(packet)
            at += _SIZE
        if at:
            self.counters.good += len(found)
            framer.buf = b""
            framer.pending = 0
            framer.synced = True
            data = row[at:]
        return found + framer.feed(data) if data else found

    def weigh(self, packet):
        """What take() says of the packet's row, without making one."""
        if len(packet) != _SIZE:
            return super().weigh(packet)
        fine_cf1, _, pm1, fine, coarse, count = struct.unpack(">6H", packet[6:18])
        fault = packet[29] or (coarse > 0 and not count)
        return (10 * pm1, 10 * fine, 10 * coarse, 10 * fine_cf1, count), fault, packet[4:28] if count else _CLEAN

    def add(self, values):
        sums = self._sums
        sums[0] += values[0]
        sums[1] += values[1]
        sums[2] += values[2]
        sums[3] += values[3]
        sums[4] += values[4]

    def parse(self, packet):
        size = len(packet) // 2 - 3
        return list(struct.unpack(">%dH" % size, packet[4:-2])) if size > 1 else None  # 1: the reply to a command

    def take(self, row):
        if len(row) < 13:
            return None, True, None  # another member of the family: no counts in it
        # Mass without any particle is a stopped fan, a dirty or a failing laser; zero of everything is clean air.
        fault = row[-1] & 0xFF or (row[5] > 0 and not row[6])
        return (10 * row[3], 10 * row[4], 10 * row[5], 10 * row[1], row[6]), fault, row[:12] if row[6] else (0,)


Parser = Driver

"""Plantower PMS1003/5003/7003/A003: particle mass and counts, a packet of 32 bytes about once a second.

Packet: 42 4D | length BE16 | words BE16 | sum of all bytes before it BE16. Length 28: data; 4: the reply to a command;
20 and 36 are the PMS3003 and PMS5003ST. Masses in ug/m3: CF=1 (factory) and atmospheric; counts in particles/dL.

Range: 0..1000 ug/m3
Power: 5 V, 100 mA; logic 3.3 V
Source: Plantower PMS5003 and PMS7003 manuals V2.5; AirGradient limits
"""

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base

BUS = "uart"
BAUD = 9600
RXBUF = 2048  # 12 s at the fastest pace of 0.2 s
PROPERTIES = (P.PM1, P.PM2_5, P.PM10, P.PM2_5_CF1, P.PARTICLES_0_3)
WARM_UP_MS = const(30000)  # maker: stable 30 s after the fan starts
PERIOD_MS = const(1000)

_MOST = const(10000)  # tenths of ug/m3
_SILENT_MS = const(5000)  # three times the slowest pace of 2.3 s would be 7; AirGradient gives up after 3


def _length(head):
    size = head[2] << 8 | head[3]
    return 4 + size if size in (4, 20, 28, 36) else 0


def _verify(packet):
    return "" if sum(packet[:-2]) & 0xFFFF == (packet[-2] << 8 | packet[-1]) else "checksum"


def consistent(row):
    """False when the packet contradicts itself: mass without any particle (a dirty or failing laser)."""
    return not (row[5] > 0 and row[6] == 0)


class Parser:
    """Bytes to rows of words: PM1, 2.5, 10 (CF=1); PM1, 2.5, 10 (atm); n > 0.3, 0.5, 1, 2.5, 5, 10 um; version << 8 | error.

    The T and ST variants reuse or add words, see their manual. Replies to commands are not rows.
    """

    def __init__(self):
        self.counters = base.Counters()
        self.framer = base.Framer((b"\x42\x4d",), 4, _length, _verify, self.counters, 40)

    def feed(self, data):
        rows = []
        for packet in self.framer.feed(data):
            if len(packet) > 8:
                rows.append([packet[i] << 8 | packet[i + 1] for i in range(4, len(packet) - 2, 2)])
        return rows


class Driver:
    """Mean over all packets since the last read, without those of the warm-up; the models do not differ.

    collect() must be called every 10 s.
    """

    def __init__(self, bus, model="pms5003", warm_up_s=WARM_UP_MS // 1000, stuck_s=600):
        self._bus = bus
        self._parser = Parser()
        self._on = base.Age()
        self._warm_up_ms = warm_up_s * 1000
        self._warm = False
        self._heard = False
        self._last = base.Age()
        self._refused = 0
        self._stuck = base.Stuck(stuck_s)
        self._is_stuck = False
        self._clear()
        self.counters = self._parser.counters

    def _clear(self):
        self._n = 0
        self._sums = [0] * len(PROPERTIES)
        self._faults = 0

    async def collect(self):
        """Take in what the sensor sent."""
        data = self._bus.read()
        if not data:
            return
        rows = self._parser.feed(data)
        for i, row in enumerate(rows):
            self._heard = True
            self._last.mark()
            if len(row) < 13:
                continue  # another member of the family: no counts in it
            # one read brings the packets of the last seconds: the newest came now, the others a period apart
            if not self._warm and self._on.ms() - (len(rows) - 1 - i) * PERIOD_MS >= self._warm_up_ms:
                self._warm = True
                self._clear()
            self._is_stuck = self._stuck.check(tuple(row[:12])) and row[6] > 0
            self._faults += not consistent(row) or row[-1] & 0xFF != 0
            self._n += 1
            for column, value in enumerate((row[3], row[4], row[5], row[1], row[6])):
                self._sums[column] += value

    async def read(self, deadline_ms):
        await self.collect()
        if not self._n:
            reason = self._silence()
            return [(ident, None, reason) for ident in PROPERTIES]
        out = []
        reasons = set()
        for ident, total in zip(PROPERTIES, self._sums):
            if ident == P.PARTICLES_0_3:
                value = min(base.mean(total, self._n), 65535)
                reason = self._reason(0)
            else:
                value = base.mean(total, self._n, 10)
                reason = self._reason(value)
            out.append((ident, value, reason))
            reasons.add(reason)
        for reason in reasons:
            self.counters.count(reason)
        self._clear()
        return out

    def _reason(self, tenths):
        if self._faults * 2 > self._n:
            return T.R_DEVICE_FAULT
        if not self._warm:
            return T.R_WARMING
        if tenths > _MOST:
            return T.R_OUT_OF_RANGE
        return T.R_STUCK if self._is_stuck else T.R_OK

    def _silence(self):
        refused = self._parser.framer.refused
        only_bad = refused > self._refused
        self._refused = refused
        if only_bad:
            return T.R_CHECKSUM
        if self._heard and self._last.ms() < _SILENT_MS:
            return T.R_NO_SAMPLE  # it speaks every 2.3 s in clean air: a record of one second may hold no packet
        return self.counters.count(T.R_TIMEOUT if self._heard else T.R_ABSENT)

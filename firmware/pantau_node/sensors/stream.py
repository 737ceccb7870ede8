"""The driver around any air sensor that reports by itself about once a second: means over a record, silence, warm-up."""

# pyright: reportAttributeAccessIssue=false, reportCallIssue=false
# (a Stream has what its subclasses say; empty stand-ins would cost RAM)

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base

_PERIOD_MS = const(1000)
_ZERO_MS = const(3600000)  # nothing at all in the air for so long: the laser or the fan is dead
_SILENT_MS = const(5000)  # twice the slowest pace of a PMS, 2.3 s; AirGradient gives up after 3 s


def deviation(n, total, squares, factor=1):
    """Return the standard deviation times factor, to the nearest integer, of n > 0 whole numbers: their sum, that of the squares."""
    square = 4 * factor * factor * (n * squares - total * total)
    root, better = square, (square + 1) // 2
    while better < root:  # Newton, from above: ends at the root rounded down
        root, better = better, (better + square // better) // 2
    return (root + n) // (2 * n)


class Stream:
    """Mean over all packets since the last read, without those of the warm-up, which begins anew after a silence.

    A subclass says: PROPERTIES, first the columns of the mean, then spread and number of a particle sensor; LIMITS, the
    greatest value of each column; FINE, the column of the spread; CALL, the bytes that make a silent sensor report; FRAMES,
    what a Framer is told; parse(packet) -> row or None; perhaps packets(), weigh() and add(), to be quicker; take(row) -> (the value of each column or None, whether the sensor
    is at fault, what a stopped one repeats or None). A value beyond its limit is out of range, however constant: a spider
    before the laser is both. Without a bus it is the parser alone: feed() gives the rows.
    """

    def __init__(self, bus=None, model="", warm_up_s=30, stuck_s=600):
        self.counters = base.Counters()
        self.framer = base.Framer(*self.FRAMES, self.counters, 40)
        if bus is None:
            return
        self._bus = bus
        self._on = base.Age()
        self._warm_up_ms = warm_up_s * 1000
        self._warm = self._gone = self._is_stuck = False
        self._last = base.Age()
        self._refused = 0
        self._stuck = base.Stuck(stuck_s)
        self._steady = None  # what the last report repeated
        self._clear()

    def _clear(self):
        self._n = self._squares = self._faults = 0
        self._sums = [0] * len(self.LIMITS)

    def packets(self, data):
        """Return the good packets that `data` completes."""
        return self.framer.feed(data)

    def feed(self, data):
        """Return the rows that `data` completes."""
        rows = []
        for packet in self.packets(data):
            row = self.parse(packet)
            if row:
                rows.append(row)
        return rows

    def weigh(self, packet):
        """Return what take() says of a packet, None for one that is no report."""
        row = self.parse(packet)
        return self.take(row) if row else None

    def add(self, values):
        """Add a report to the sums."""
        for i, value in enumerate(values):
            self._sums[i] += value

    async def collect(self):
        """Take in what the sensor sent."""
        reports = []
        for packet in self.packets(self._bus.read() or b""):
            report = self.weigh(packet)
            if report:
                reports.append(report)
        if not reports:
            return
        if self._gone:
            self._gone = False
            self._on.mark()
        self._last.mark()
        age = len(reports) * _PERIOD_MS
        last = steady = self._steady
        for values, fault, steady in reports:
            # one read brings the packets of the last seconds: the newest came now, the others a period apart
            age -= _PERIOD_MS
            if not self._warm and self._on.ms() - age >= self._warm_up_ms:
                self._warm = True
                self._clear()
            if steady != last:
                last = steady
                self._stuck.check(None)  # it moved, perhaps back to what it was
            if fault:
                self._faults += 1
                self.counters.count(T.R_DEVICE_FAULT)
            if values:
                self._n += 1
                fine = values[self.FINE]
                self._squares += fine * fine
                self.add(values)
        self._steady = steady
        stuck = self._stuck.check(steady)
        self._is_stuck = steady is not None and stuck and (any(steady) or self._stuck.ms() >= _ZERO_MS)

    async def read(self, deadline_ms):
        await self.collect()
        count = self.counters.count
        n = self._n
        common = None
        if self._faults * 2 > n:
            common = T.R_DEVICE_FAULT  # counted packet by packet
        elif not n:
            common = T.R_CHECKSUM  # counted by the framer
            if self.framer.refused == self._refused:
                common = T.R_NO_SAMPLE  # a record of 1 s may hold no packet: a PMS in clean air speaks every 2.3 s
                if self._last.ms() >= _SILENT_MS:
                    common = count(T.R_TIMEOUT if self.counters.good else T.R_ABSENT)
                    self._gone = True
                    self._warm = False
                    self._stuck.check(None)
                    self._bus.write(self.CALL)
        elif not self._warm:
            common = count(T.R_WARMING)
        out = []
        seen = []
        for i, limit in enumerate(self.LIMITS):
            value = base.mean(self._sums[i], n) if n else None
            reason = common or (T.R_OUT_OF_RANGE if value > limit else T.R_STUCK if self._is_stuck else T.R_OK)
            if not common and reason not in seen:
                seen.append(count(reason))
            out.append((self.PROPERTIES[i], value, reason))
        if len(self.PROPERTIES) > len(out):
            spread = deviation(n, self._sums[self.FINE], self._squares) if n else None
            out.append((P.PM2_5_SPREAD, spread, out[self.FINE][2]))
            out.append((P.PM_N, n or None, T.R_OK if n else common))
        self._refused = self.framer.refused
        self._clear()
        return out

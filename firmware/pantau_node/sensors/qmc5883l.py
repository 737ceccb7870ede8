"""QST QMC5883L magnetometer by I2C: a vehicle bends the earth's field. |B| against a slow baseline, on and off thresholds.

In the lane or at its edge; motorcycles beyond a metre are lost in the noise. The chip measures 50 times a second and is looked
at every 15 ms, so that its overrun bit means what it says: the node was late and a sample is lost. HMC5883L (1E) and
QMC5883P (2C) are sold on the same boards and are other chips.

Range: -8..8 G
Power: 3.3 V, 3 mA
Source: QST QMC5883L 1.0 (registers); robert-hh/QMC5883; Cheung (in-lane magnetometer)
"""

from micropython import const

from pantau_wire import _tables as T
from pantau_wire import _traffic as P

from . import base

BUS = "i2c"
ADDRESS = const(0x0D)
PROPERTIES = (P.VEHICLE_COUNT, P.OCCUPANCY)
WARM_UP_MS = const(2000)
PERIOD_MS = 20
COUNTS = True  # what comes while the chip sleeps is lost

ID = const(0xFF)
DRDY, OVL, DOR = const(1), const(2), const(4)  # of the status
LSB_G = const(3000)  # per gauss in the range of 8 G
# Register and value: set/reset period as the datasheet recommends; 512-fold oversampling, 8 G, 50 Hz, continuous.
SETUP = ((0x0B, 0x01), (0x09, 0x15))
_ID, _STATUS = const(0x0D), const(0x06)
_LOOKALIKES = ((0x1E, 0x0A, b"H43"), (0x2C, 0x00, b"\x80"))  # HMC5883L, QMC5883P: address, register, identity
_SETTLE = const(100)  # samples of the first baseline
_SLOW = const(9)  # baseline: 2**9 samples, ten seconds
_STUCK_MS = const(300000)  # occupied for longer: something was parked or moved there, and is the new baseline
# Learnt while a vehicle stood over it, the baseline is wrong and the empty road a vehicle. It is sure after so many calm
# samples (a minute), or once a vehicle has come and left; until then this long occupied is enough to learn it anew.
_SURE = const(3000)
_DOUBT_MS = const(20000)
_STEP_MS = const(100)  # a gap longer than this is not measured time
_GONE_MS = const(1000)  # without a sample
_TRIES = const(3)  # failures in a row after which the chip is set up again, at this pace:
_AGAIN_MS = const(1000)


def parse(reply):
    """Return (x, y, z, status, hundredths of Cel) of the registers from 00 on; the last two None where the reply ends before.

    The temperature has no absolute zero: 50 Cel are added as the public drivers do.
    """
    words = [reply[i] | reply[i + 1] << 8 for i in (0, 2, 4)]
    x, y, z = [word - (word >> 15 << 16) for word in words]
    status = reply[6] if len(reply) > 6 else None
    centi_c = None
    if len(reply) > 8:
        centi_c = reply[7] | reply[8] << 8
        centi_c -= centi_c >> 15 << 16
        centi_c += 5000
    return x, y, z, status, centi_c


def magnitude(x, y, z):
    """Return |B| in sixteenths of an LSB, rounded down."""
    square = (x * x + y * y + z * z) << 8
    root = square and 1 << 20
    while root:  # Newton from above falls until it is there: some 15 rounds
        less = (root + square // root) >> 1
        if less >= root:
            break
        root = less
    return root


class Detector:
    """Samples to vehicles. on, off: thresholds in LSB; hold_ms: how long it must be quiet before a vehicle has left."""

    def __init__(self, on, off, hold_ms):
        self._on, self._off, self._hold_ms = on << 4, off << 4, hold_ms
        self.occupied = False
        self.busy_ms = 0
        self.restart()

    def restart(self):
        """Learn the baseline anew."""
        self.occupied = False
        self._base = self._n = 0  # sum of the first samples, then baseline << _SLOW
        self._above = 0
        self._last = None

    def ready(self):
        """Return whether what it says can be believed."""
        return self._n >= (_SURE if self.occupied else _SETTLE)

    def step(self, t, x, y, z):
        """Take the sample of instant t (ms); return 1 when a vehicle has come, -1 when the baseline was given up, else 0."""
        b = magnitude(x, y, z)
        passed = 0 if self._last is None else base.since(self._last, t)
        self._last = t
        if self._n < _SETTLE:
            self._base += b
            self._n += 1
            if self._n == _SETTLE:
                self._base = base.mean(self._base, _SETTLE, 1 << _SLOW)
            return 0
        off = abs(b - (self._base >> _SLOW))
        if not self.occupied:
            self._above = self._above + 1 if off > self._on else 0
            if self._above < 2:  # one sample alone is a spark
                if not self._above:
                    self._base += b - (self._base >> _SLOW)
                    self._n = min(self._n + 1, _SURE)
                return 0
            self.occupied = True
            self._came = self._quiet = t
            return 1
        self.busy_ms += min(max(passed, 0), _STEP_MS)
        if off > self._off:
            self._quiet = t
        sure = self._n == _SURE
        if base.since(self._quiet, t) >= self._hold_ms:
            self.occupied = False
            self._above = 0
            self._n = _SURE
        elif base.since(self._came, t) > (_STUCK_MS if sure else _DOUBT_MS):
            self.restart()
            if sure:
                return -1
            self.busy_ms = 0
        return 0


class Driver:
    """Vehicles and occupancy since the last read. on_mg, off_mg: thresholds in milligauss; hold_ms: see Detector."""

    COLLECT_MS = 15

    def __init__(self, bus, address=ADDRESS, on_mg=20, off_mg=10, hold_ms=200):
        self._bus = bus
        self._address = address
        self._detector = Detector(on_mg * LSB_G // 1000, off_mg * LSB_G // 1000, hold_ms)
        self._failed = _TRIES  # failures in a row
        self._tried = None
        self._heard = False
        self._first = True  # nothing has been read since the set-up or a failure: an overrun is none
        self._reason = T.R_ABSENT
        self._last = base.Age()  # of the last sample
        self._start = base.now()
        self._count = self._samples = 0
        self._moved = False
        self.counters = base.Counters()

    async def collect(self):
        """Take in a sample if there is one."""
        try:
            if self._failed >= _TRIES or self._last.ms() > _GONE_MS:
                self._set_up()
            else:
                self._sample()
            return
        except OSError as error:
            self._reason = base.bus_reason(error, self._heard)
        self._first = True  # what the failure let pass is this one fault, not an overrun beside it
        self._failed += 1
        if self._reason == T.R_ABSENT and not self._heard and self._lookalike():
            self._reason = T.R_DEVICE_FAULT
        self.counters.count(self._reason)

    def _set_up(self):
        if self._tried is not None and self._tried.ms() < _AGAIN_MS:
            return
        self._tried = base.Age()
        self._failed = _TRIES
        if self._bus.readfrom_mem(self._address, _ID, 1)[0] != ID:
            self._reason = self.counters.count(T.R_DEVICE_FAULT)
            return
        for register, value in SETUP:
            self._bus.writeto_mem(self._address, register, bytes((value,)))
        self._failed = 0
        self._first = True
        self._reason = T.R_TIMEOUT  # until a sample comes
        self._last.mark()
        self._detector.restart()

    def _lookalike(self):
        for address, register, identity in _LOOKALIKES:
            try:
                if self._bus.readfrom_mem(address, register, len(identity)) == identity:
                    return True
            except OSError:
                pass
        return False

    def _sample(self):
        # The status first: reading the data clears it.
        status = self._bus.readfrom_mem(self._address, _STATUS, 1)[0]
        if not status & DRDY:
            return
        x, y, z = parse(self._bus.readfrom_mem(self._address, 0, 6))[:3]
        self._failed = 0
        self._tried = None  # an Age that nobody asks for days turns young again
        self._heard = True
        self._last.mark()
        self.counters.good += 1
        self._samples += 1
        if status & DOR and not self._first:
            self.counters.timeout += 1  # a sample was overwritten before it was read
        self._first = False
        if status & OVL:
            x = y = z = 32767  # a bus next to it: more field than the range holds
        came = self._detector.step(base.now(), x, y, z)
        if came > 0:
            self._count += 1
        elif came < 0:
            self._moved = True
            self.counters.stuck += 1

    async def read(self, deadline_ms):
        if deadline_ms > 0:
            await self.collect()
        now = base.now()
        elapsed = max(1, base.since(self._start, now))
        count, samples, moved = min(self._count, 65535), self._samples, self._moved
        occupancy = min(1000, self._detector.busy_ms * 1000 // elapsed)
        self._start = now
        self._count = self._samples = self._detector.busy_ms = 0
        self._moved = False
        if not samples:
            if not self._failed:
                self.counters.count(self._reason)  # it answers, and has no sample
            return [(ident, None, self._reason) for ident in PROPERTIES]
        reason = T.R_OK
        if moved:
            reason = T.R_STUCK
        elif not self._detector.ready():
            reason = self.counters.count(T.R_WARMING)
        elif 2 * PERIOD_MS * samples < elapsed:
            reason = T.R_SPREAD  # more than half of the samples are missing
        return [(P.VEHICLE_COUNT, count, reason), (P.OCCUPANCY, occupancy, reason)]

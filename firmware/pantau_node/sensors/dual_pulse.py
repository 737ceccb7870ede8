"""Two inputs a known distance apart (loop relays, light beams, tubes): direction, speed, length class of each vehicle.

Loops and beams: v = distance / time between the two closings, length = v * mean time closed - loop length; both times must
agree, else the vehicle counts but is suspect. Tubes: axles, grouped into vehicles by their spacing, class by wheelbase.

Range: 4..160 km/h
Power: dry contacts
Source: NPTEL 105101008 (dual loop); Coifman (on-times); FHWA pooled fund MN/RC 2012-33 (length classes); McGowen 2011 (tubes)
"""

from micropython import const

from pantau_wire import _tables as T
from pantau_wire import _traffic as P

from . import base
from .speeds import Speeds

BUS = "pulses"
_BINS = tuple(range(P.VEHICLE_SPEED_BIN_1, P.VEHICLE_SPEED_BIN_1 + 8))
_CLASSES = (P.VEHICLE_COUNT_MOTORCYCLE, P.VEHICLE_COUNT_LIGHT, P.VEHICLE_COUNT_HEAVY)
PROPERTIES = (
    (P.VEHICLE_COUNT_APPROACHING, P.VEHICLE_COUNT_RECEDING, P.VEHICLE_SPEED_MEAN, P.VEHICLE_SPEED_85, P.OCCUPANCY)
    + _BINS
    + _CLASSES
)
_PLAIN = (P.VEHICLE_COUNT_APPROACHING, P.VEHICLE_COUNT_RECEDING, P.OCCUPANCY)  # good even where speed and class are not
WARM_UP_MS = 0
PERIOD_MS = 0
COUNTS = True  # what comes while the chip sleeps is lost

# Upper limits in mm of motorcycle (SM) and light vehicle (MP), above is KS: lengths between the usual ones (motorcycle 2 m,
# car 4 to 5 m, bus or truck from 6.5 m), or wheelbases (1.3 m; 2.4 to 3.0 m; from 3.5 m). A site may measure its own.
_LIMITS = {"loop": (2800, 6000), "beam": (2800, 6000), "tube": (1800, 3400)}
_SLOWEST = const(40)  # 0.1 km/h, between the two inputs
_FASTEST = const(1600)
_FREE_FLOW = const(200)  # from here on the two times closed must agree: a queue brakes and starts
_SHORTEST_MM = const(500)
_SPACING_MM = const(7000)  # the next axle of the same vehicle is nearer
_STUCK_MS = const(300000)
_DEAD = const(10)  # vehicles in a row that only the other input saw
_WAITING = const(16)
_FORGET_MS = const(1 << 28)  # three days: before the wrap of the clock makes an instant young again


def speed(distance, time, factor=36):
    """Return the rounded speed: 0.1 km/h of mm and ms, mm/s with a factor of 1000."""
    return base.mean(distance, time, factor)


def length(distance_mm, time, on_a, on_b, loop_mm):
    """Return the vehicle's length in mm; the times all in the same unit."""
    return base.mean(distance_mm, 2 * time, on_a + on_b) - loop_mm


def agree(on_a, on_b):
    """Return whether two times closed in ms agree: within a quarter of the longer one and two ticks."""
    return 4 * abs(on_a - on_b) <= max(on_a, on_b) + 8


def classify(mm, limits):
    """Return 0 (motorcycle), 1 (light), 2 (heavy)."""
    return 0 if mm < limits[0] else 1 if mm < limits[1] else 2


class _Input:
    """One input without its bounce: after a change it is not listened to for gap_ms, then what it has settled to counts."""

    def __init__(self, bus, gap_ms, now):
        self._bus = bus
        self._gap_ms = gap_ms
        self._raw = self.closed = False
        self._raw_at = self._from = now
        self._at = now - gap_ms  # of the last change
        self._overflow = bus.overflow
        self._busy_ms = 0
        self.stuck = False
        self.missed = 0  # vehicles in a row that only the other one saw

    def changes(self, now, counters):
        """Return [(instant, closed)] up to now."""
        found = []
        for t, closed in self._bus.take() + [(now, None)]:
            if self._raw != self.closed and base.since(self._at, t) >= self._gap_ms:
                self._change(self._raw_at, self._raw, found)
            if closed is None:
                break
            if base.since(self._at, t) < self._gap_ms:
                counters.bounce += closed
            elif closed != self.closed:
                self._change(t, closed, found)
            self._raw, self._raw_at = closed, t
        quiet_ms = base.since(self._at, now)
        if self.closed and quiet_ms > _STUCK_MS and not self.stuck:
            self.stuck = True
            counters.stuck += 1
        if quiet_ms > _FORGET_MS:
            self._at = now - self._gap_ms
        return found

    def _change(self, t, closed, found):
        if not closed:
            self._busy_ms += base.since(self._from, t)
            self.stuck = False
        self.closed, self._at, self._from = closed, t, t
        found.append((t, closed))

    def busy_ms(self, now):
        """Return for how long it was closed since the last call."""
        busy, self._busy_ms = self._busy_ms, 0
        if self.closed:
            busy += base.since(self._from, now)
            self._from = now
        return busy

    def lost(self):
        """Return whether edges were lost since the last call: the board's list was full."""
        before, self._overflow = self._overflow, self._bus.overflow
        return self._overflow != before


class _Spans:
    """Loops and beams: pairs the closures of the two sides. A vehicle is complete when it has left both."""

    def __init__(self, driver):
        self._driver = driver
        self._open = [None, None]  # since when each side is closed
        self._waiting = []  # (side, start, ms closed) that the other side has not seen yet

    def change(self, side, t, closed):
        start = self._open[side]
        self._open[side] = t if closed else None
        if closed or start is None:
            return
        driver = self._driver
        on = base.since(start, t)
        if on < driver.gap_ms:
            driver.counters.bounce += 1
            return
        best = None
        for other in self._waiting:
            rank = self._rank(other, start, on) if other[0] != side else None
            if rank is not None and (best is None or rank < best[0]):
                best = rank, other
        if best is None:
            if len(self._waiting) == _WAITING:
                driver.missed(self._waiting.pop(0)[0])
            self._waiting.append((side, start, on))
            return
        other = best[1]
        self._waiting.remove(other)
        apart = base.since(other[1], start)
        good = agree(on, other[2]) or speed(driver.distance_mm, abs(apart)) < _FREE_FLOW
        mm = length(driver.distance_mm, abs(apart), on, other[2], driver.loop_mm)
        driver.passed(other[0] if apart > 0 else side, abs(apart), mm, good)

    def _rank(self, other, start, on):
        """Return how badly two closures fit each other, None when they cannot be of one vehicle."""
        driver = self._driver
        apart = base.since(other[1], start)
        time = abs(apart)
        if not time or speed(driver.distance_mm, time) > _FASTEST:
            return None
        possible = length(driver.distance_mm, time, on, other[2], driver.loop_mm) >= _SHORTEST_MM
        if possible and time <= driver.slowest_ms and agree(on, other[2]):
            return time
        if -on <= apart <= other[2]:
            return (1 << 20) + time  # both closed at once: one vehicle, however it braked
        return (1 << 21) + time if possible and 2 * time <= driver.slowest_ms else None

    def settle(self, now):
        """Give up on what the other side will not see any more."""
        while self._waiting and base.since(self._waiting[0][1] + self._waiting[0][2], now) > self._driver.slowest_ms:
            self._driver.missed(self._waiting.pop(0)[0])


class _Axles:
    """Tubes: pairs the axles of the two sides, and joins them to vehicles, one at a time in each direction."""

    def __init__(self, driver):
        self._driver = driver
        self._hits = [[], []]  # axles that the other side has not seen yet
        # The vehicle of each first side, empty for none: instant of the last axle there, ms between the sides, first spacing.
        self._cars = [[], []]

    def change(self, side, t, closed):
        if not closed:
            return
        driver = self._driver
        first = 1 - side
        for at in self._hits[first]:
            apart = base.since(at, t)
            if apart <= 0 or apart > driver.slowest_ms or speed(driver.distance_mm, apart) > _FASTEST:
                continue
            car = self._cars[first]
            # An axle within the reach of the vehicle before it has that vehicle's speed.
            if car and base.since(car[0], at) <= self._reach(car) and 4 * abs(apart - car[1]) > car[1] + 8:
                continue
            while self._hits[first][0] != at:
                self._drop(first)
            self._hits[first].pop(0)
            self._axle(first, at, apart)
            return
        self._hits[side].append(t)
        if len(self._hits[side]) > _WAITING:
            self._drop(side)

    def _reach(self, car):
        return _SPACING_MM * car[1] // self._driver.distance_mm

    def _drop(self, side):
        self._hits[side].pop(0)
        self._driver.missed(side, False)

    def _axle(self, first, at, apart):
        car = self._cars[first]
        if car and base.since(car[0], at) <= self._reach(car):
            car[2] = car[2] or base.mean(base.since(car[0], at), car[1], self._driver.distance_mm)
            car[0] = at
            if car[2] < self._driver.limits[1]:
                self._end(first)  # two axles so near are a whole vehicle: a truck's first two are further apart
            return
        if car:
            self._end(first)
        self._cars[first] = [at, apart, 0]

    def _end(self, first):
        car, self._cars[first] = self._cars[first], []
        self._driver.passed(first, car[1], car[2] or None, True)

    def settle(self, now):
        for side in (0, 1):
            car = self._cars[side]
            if car and base.since(car[0], now) > 2 * car[1] + self._reach(car):
                hits = self._hits[side]
                while hits and base.since(car[0], hits[0]) <= self._reach(car):
                    self._drop(side)  # axles of this vehicle that only one side has seen
                self._end(side)
            while self._hits[side] and base.since(self._hits[side][0], now) > self._driver.slowest_ms:
                self._drop(side)


class Driver:
    """Vehicles since the last read; one still on a loop belongs to the record in which it leaves.

    bus: the inputs A and B; kind: loop, beam or tube; approach: the order in which an approaching vehicle meets them, ab or
    ba; motorcycle_mm, light_mm: upper limits of the classes, lengths or, of tubes, wheelbases. collect() must be called
    before the board's list of edges is full.
    """

    def __init__(
        self,
        bus,
        kind="loop",
        distance_mm=3660,
        loop_mm=2000,
        approach="ab",
        debounce_ms=10,
        motorcycle_mm=0,
        light_mm=0,
    ):
        if kind not in _LIMITS or approach not in ("ab", "ba") or distance_mm <= 0:
            raise ValueError("kind is loop, beam or tube; approach is ab or ba; distance_mm is above 0")
        low, high = _LIMITS[kind]
        self.limits = (motorcycle_mm or low, light_mm or high)
        self.distance_mm = distance_mm
        self.loop_mm = loop_mm if kind == "loop" else 0
        self.slowest_ms = distance_mm * 36 // _SLOWEST
        self.gap_ms = debounce_ms
        self.counters = base.Counters()
        self._approach = int(approach == "ba")  # the side that an approaching vehicle meets first
        self._start = self._done = base.now()
        self._sides = [_Input(one, debounce_ms, self._start) for one in bus]
        self._match = _Axles(self) if kind == "tube" else _Spans(self)
        if kind == "tube":
            self.PROPERTIES = tuple([ident for ident in PROPERTIES if ident != P.OCCUPANCY])
        self._speeds = Speeds()
        self._way = self._approach  # of the latest vehicle: that of one whose direction nobody saw
        self._begin()

    def _begin(self):
        self._counts = [0, 0]
        self._kinds = [0, 0, 0]
        self._suspect = False

    def _count(self, first):
        self._way = first
        self._counts[first ^ self._approach] += 1

    def passed(self, first, time, mm, good):
        """A vehicle met side `first` first, `time` ms before the other; mm: length, wheelbase or None; good: the two sides agree."""
        for side in self._sides:
            side.missed = 0
        self._count(first)
        self._speeds.add(speed(self.distance_mm, time))
        if mm is None:
            self._suspect = True  # of one axle alone: the other one was missed, which is counted there
        else:
            self._kinds[classify(mm, self.limits)] += 1
        self.counters.good += 1
        if not good:
            self._fault()

    def missed(self, side, vehicle=True):
        """Only `side` saw a vehicle, which counts, or an axle, of which two count when the other side is dead."""
        other = self._sides[1 - side]
        self._sides[side].missed = 0
        other.missed += 1
        if other.missed <= _DEAD:
            self._fault()
        if vehicle or (other.missed > _DEAD and other.missed & 1):
            self._count(self._way)

    def _fault(self):
        self.counters.fault += 1
        self._suspect = True

    async def collect(self):
        """Take in the edges up to now."""
        now = base.now()
        edges = []
        for side in (0, 1):
            for t, closed in self._sides[side].changes(now, self.counters):
                edges.append((base.since(self._done, t), t, side, closed))
            if self._sides[side].lost():
                self._fault()
        for _, t, side, closed in sorted(edges):
            self._match.change(side, t, closed)
        self._match.settle(now)
        self._done = now

    async def read(self, deadline_ms):
        await self.collect()
        a, b = self._sides
        dead = a.missed >= _DEAD or b.missed >= _DEAD
        reason = T.R_STUCK if a.stuck or b.stuck else T.R_DEVICE_FAULT if dead else T.R_OK
        busy = [one.busy_ms(self._done) for one in self._sides][a.missed >= _DEAD]  # of B where A is dead
        occupancy = min(1000, busy * 1000 // max(1, base.since(self._start, self._done)))
        mean, v85, speeds = self._speeds.take()
        values = self._counts + [mean, v85, occupancy] + speeds + self._kinds
        detail = reason or (T.R_SPREAD if self._suspect else T.R_OK)
        self._start = self._done
        self._begin()
        known = getattr(self, "PROPERTIES", None) or PROPERTIES
        found = []
        for ident, value in zip(PROPERTIES, values):
            if ident in known:
                said = reason if ident in _PLAIN else detail
                found.append((ident, value, T.R_NO_SAMPLE if value is None else said))
        return found

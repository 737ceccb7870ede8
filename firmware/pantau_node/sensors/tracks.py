"""Vehicles from radar targets: the LD2451 gives targets without identity, so neighbours in time are joined to tracks.

A vehicle counts once, when its track has been seen three times; a track that is lost for a second has ended, and then its
greatest radial speed enters the statistics (far out the angle is small, so the greatest is nearest to the true speed).
So a vehicle in view at the end of a record counts there and gives its speed to the next: over many records both sums agree.
"""

from micropython import const

from .base import since
from .speeds import Speeds

_BIRTH = const(3)  # reports of 100 ms: a ghost lasts one or two
_LOST_MS = const(1000)
MAX_TRACKS = const(12)  # the radar reports 5 targets at most; the others are tracks not seen for less than a second
_MAX_SPEED = const(120)  # km/h, the radar's own limit
_GATE_DM = const(
    60
)  # how far from its predicted place a target may be: the range cell of 200 MHz is 0.75 m, a car is 4 m long
_MAX_ANGLE = const(25)  # degrees; nearer, slower and wider targets are walkers and reflections (field log)
_MIN_DISTANCE_M = const(5)
_MIN_SPEED = const(8)


class _Track:
    def __init__(self, t, approaching, distance_dm, speed):
        self.seen = t
        self.approaching = approaching
        self.distance_dm = distance_dm
        self.speed = speed
        self.top = speed
        self.hits = 1

    def miss(self, t, distance_dm):
        """Return how far in dm a target lies from where this track should be at `t`; km/h * ms / 360 = dm."""
        moved = self.speed * since(self.seen, t) // 360
        return abs(self.distance_dm + (-moved if self.approaching else moved) - distance_dm)

    def hit(self, t, distance_dm, speed):
        self.seen = t
        self.distance_dm = distance_dm
        self.speed = speed
        self.top = max(self.top, speed)
        self.hits += 1


class Tracker:
    """Joins targets to tracks and keeps the sums since take().

    approach: direction byte of an approaching vehicle; zone_m: the road counts as occupied while one is nearer than this;
    t: milliseconds, only differences matter.
    """

    def __init__(self, approach, zone_m, t):
        self._approach = approach
        self._zone_m = zone_m
        self._tracks = []
        self._speeds = Speeds()
        self._last = t
        self._reset(t)

    def _reset(self, t):
        self._start = t
        self._counts = [0, 0]
        self._busy_ms = 0

    def empty(self):
        """True when nothing is being followed."""
        return not self._tracks

    def report(self, t, targets):
        """Take one report [(angle, distance m, direction, speed km/h, SNR)] of instant t."""
        self.expire(t)
        busy = False
        free = list(self._tracks)
        for angle, distance_m, direction, speed, _ in sorted(targets, key=_by_distance):
            if abs(angle) > _MAX_ANGLE or distance_m < _MIN_DISTANCE_M or speed < _MIN_SPEED:
                continue
            busy = busy or distance_m <= self._zone_m
            self._join(t, free, direction == self._approach, distance_m * 10, min(speed, _MAX_SPEED))
        if busy:
            self._busy_ms += max(0, min(since(self._last, t), 200))  # a lost report or two is bridged, a silence is not
        self._last = t

    def _join(self, t, free, approaching, distance_dm, speed):
        best = None
        least = _GATE_DM
        for track in free:
            miss = track.miss(t, distance_dm)
            if track.approaching == approaching and miss <= least:
                best, least = track, miss
        if best is None:
            if len(self._tracks) < MAX_TRACKS:
                self._tracks.append(_Track(t, approaching, distance_dm, speed))
            return
        free.remove(best)
        best.hit(t, distance_dm, speed)
        if best.hits == _BIRTH:
            self._counts[0 if approaching else 1] += 1

    def expire(self, t):
        """End the tracks that were not seen for a second."""
        alive = []
        for track in self._tracks:
            if since(track.seen, t) < _LOST_MS:
                alive.append(track)
            elif track.hits >= _BIRTH:
                self._speeds.add(10 * track.top)
        self._tracks = alive

    def take(self, t):
        """Return (approaching, receding, mean and 85th percentile speed in 0.1 km/h or None, occupancy in 0.1 %, speed classes)."""
        elapsed = max(1, since(self._start, t))
        occupancy = min(1000, self._busy_ms * 1000 // elapsed)
        mean, v85, classes = self._speeds.take()
        approaching, receding = self._counts
        self._reset(t)
        return approaching, receding, mean, v85, occupancy, classes


def _by_distance(target):
    return target[1]

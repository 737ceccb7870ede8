"""Vehicles from radar targets: the LD2451 gives targets without identity, so neighbours in time are joined to tracks.

A vehicle counts once, when its track has been seen three times; a track that is lost for a second has ended, and then its
greatest radial speed enters the statistics (far out the angle is small, so the greatest is nearest to the true speed): the
greatest that two reports in a row agree on, for the greatest of many is mostly noise.
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
# 25 degrees to either side, as sent; nearer, slower and wider targets are walkers and reflections (field log).
_LEFT = const(0x80 - 25)
_RIGHT = const(0x80 + 25)
_MIN_DISTANCE_M = const(5)
_MIN_SPEED = const(8)
_MASK = const(0x3FFFFFFF)
_FAR = const(
    -10000
)  # where the way of those that approach begins, in dm: so far apart, the two ways need no test of their own
# A track: instant it was last seen at, where it was (dm along its way), speed and greatest speed in km/h, reports it was in.
_SEEN = const(0)
_AT = const(1)
_SPEED = const(2)
_TOP = const(3)
_HITS = const(4)


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

    def feed(self, t, step, reports):
        """Take reports that are `step` ms apart, the first at t + step; return the instant of the last.

        Each is what stands between header and tail: length LE16, count, alarm, count x (angle + 0x80, distance m, direction,
        speed km/h, SNR), or a length of 0 alone.
        """
        gap = max(0, min(since(self._last, t + step), 200))  # a lost report or two is bridged, a silence is not
        tracks = self._tracks
        approach = self._approach
        zone_m = self._zone_m
        for report in reports:
            t += step
            size = report[0]
            if size > 2:
                # Where the targets begin, the nearest first.
                rows = (4,)
                if size == 12 and report[5] <= report[10]:
                    rows = (4, 9)
                elif size > 7:
                    rows = [report[i + 1] << 8 | i for i in range(4, size, 5)]
                    rows.sort()
                busy = False
                for at in rows:
                    at &= 255
                    speed = report[at + 3]
                    distance_m = report[at + 1]
                    if speed < _MIN_SPEED or distance_m < _MIN_DISTANCE_M or not _LEFT <= report[at] <= _RIGHT:
                        continue
                    busy = busy or distance_m <= zone_m
                    at = _FAR - 10 * distance_m if report[at + 2] == approach else 10 * distance_m
                    best = None
                    least = _GATE_DM
                    for track in tracks:
                        ms = t - track[_SEEN] & _MASK
                        if 0 < ms < _LOST_MS:  # 0: it has its target of this report
                            miss = track[_AT] + track[_SPEED] * ms // 360 - at  # km/h * ms / 360 = dm
                            if -least <= miss <= least:
                                best = track
                                least = miss if miss >= 0 else -miss
                    if best:
                        best[_SEEN] = t
                        best[_AT] = at
                        least = min(speed, best[_SPEED])
                        if least > best[_TOP]:  # noqa: PLR1730  max() is a call, ten times a second for each vehicle
                            best[_TOP] = least
                        best[_SPEED] = speed
                        best[_HITS] += 1
                        if best[_HITS] == _BIRTH:
                            self._counts[0 if at < 0 else 1] += 1
                        continue
                    if len(tracks) >= MAX_TRACKS:
                        self.expire(t)
                    if len(tracks) < MAX_TRACKS:
                        tracks.append([t, at, speed, 0, 1])
                if busy:
                    self._busy_ms += gap
            gap = step
        self._last = t
        self.expire(t)
        return t

    def expire(self, t):
        """End the tracks that were not seen for a second."""
        for track in list(self._tracks):
            if since(track[_SEEN], t) >= _LOST_MS:
                self._tracks.remove(track)
                if track[_HITS] >= _BIRTH:
                    self._speeds.add(10 * min(track[_TOP], _MAX_SPEED))

    def take(self, t):
        """Return (approaching, receding, mean and 85th percentile speed in 0.1 km/h or None, occupancy in 0.1 %, speed classes)."""
        elapsed = max(1, since(self._start, t))
        occupancy = min(1000, self._busy_ms * 1000 // elapsed)
        mean, v85, classes = self._speeds.take()
        approaching, receding = self._counts
        self._reset(t)
        return approaching, receding, mean, v85, occupancy, classes

"""One series of readings: a small window of the newest in time order, and the tests that look at neighbours.

Tests are functions of the window alone, and every insertion judges again what it may have changed. So readings that come
late, because an alarm overtook them, end with the flags that they would have had in order, as far as the window reaches.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

from pantau.quality.flags import FAIL, GOOD, SUSPECT, UNKNOWN
from pantau.quality.limits import Limits

# A point of a window is a list, for it is kept as JSON. `VALUE` is None where nothing was measured or the range test
# failed; such an instant is no neighbour. `LINKS` is the filters' chain (filters.py).
TIME, VALUE, BOOT, SEQ, INDEX, QUALITY, REASON, FLAGS, LINKS = range(9)
Point = list[Any]
KEEP = 4  # enough for readings in order
KEEP_LATE = 24  # while frames are missing: what an alarm may overtake
_GAP_MS = 600_000  # neighbours are never further apart than this or four intervals
_MAX_EXTREMES = 64


class Slots(NamedTuple):
    """Where each neighbour test keeps its flag among the FLAGS of a point, -1 for none."""

    rate: int = -1
    spike: int = -1
    flat: int = -1
    gradient: int = -1
    blip: int = -1
    box: int = -1
    short: int = -1


def gap_of(step_ms: int) -> int:
    """Return how far apart two neighbours may be, ms, in a series that is sampled every `step_ms`."""
    return max(_GAP_MS, 4 * step_ms)


def place(points: list[Point], point: Point) -> int | None:
    """Insert a point by its time and return where, None when there is a point of that instant already."""
    time_ms = point[TIME]
    if not points or time_ms > points[-1][TIME]:
        points.append(point)
        return len(points) - 1
    at = bisect_left(points, time_ms, key=lambda p: p[TIME])
    if points[at][TIME] == time_ms:
        return None
    points.insert(at, point)
    return at


def shorten(points: list[Point], keep: int) -> None:
    """Let go of the oldest: their flags are final."""
    if len(points) > keep:
        del points[: len(points) - keep]


def near(points: list[Point], at: int, gap_ms: int) -> bool:
    """Return whether the point has a value on both sides, none of them too far away."""
    if not 0 < at < len(points) - 1:
        return False
    before, here, after = points[at - 1 : at + 2]
    if before[VALUE] is None or after[VALUE] is None:
        return False
    return bool(here[TIME] - before[TIME] <= gap_ms and after[TIME] - here[TIME] <= gap_ms)


def _level(value: float, suspect: float | None, fail: float | None) -> int:
    if fail is not None and value > fail:
        return FAIL
    return SUSPECT if suspect is not None and value > suspect else GOOD


def rate(points: list[Point], at: int, limits: Limits, gap_ms: int) -> int:
    """Return the flag of the change since the instant before; without a value there it is GOOD, as ioos_qc has it.

    So is the first of a series. A predecessor that is too far away, or that the window has let go, is UNKNOWN.
    """
    if not at:
        return GOOD if len(points) == 1 else UNKNOWN
    here, before = points[at], points[at - 1]
    if before[VALUE] is None:
        return GOOD
    elapsed = here[TIME] - before[TIME]
    if elapsed > gap_ms:
        return UNKNOWN
    return _level(abs(here[VALUE] - before[VALUE]) / elapsed * 1000, limits.rate, limits.rate_fail)


def spike(points: list[Point], at: int, limits: Limits, gap_ms: int) -> int:
    """Return the flag of the distance from the mean of both neighbours; UNKNOWN while one of them is missing."""
    if not near(points, at, gap_ms):
        return UNKNOWN
    before, here, after = points[at - 1 : at + 2]
    return _level(abs(here[VALUE] - (before[VALUE] + after[VALUE]) / 2), limits.spike, limits.spike_fail)


# State of the flat line test: [since, last instant, minima, maxima]. `since` (ms) is the last instant that does not belong;
# the extremes are [value, instant], first the one that rules the whole run.
Flat = list[Any]


def flat(state: Flat, time_ms: int, value: float, limits: Limits, step_ms: int) -> int:
    """Take in the next value in time and return its flag: for how long all values lay within the tolerance.

    Times are counted in whole intervals, as ioos_qc does. A longer silence than `gap_of` begins anew.
    """
    since, last, lows, highs = state
    if time_ms - last > gap_of(step_ms):
        since, lows, highs = time_ms - step_ms, [], []
    while lows and lows[-1][0] >= value:
        lows.pop()
    while highs and highs[-1][0] <= value:
        highs.pop()
    lows.append([value, time_ms])
    highs.append([value, time_ms])
    while highs[0][0] - lows[0][0] >= limits.flat_tolerance and len(highs) + len(lows) > 2:
        oldest = lows if lows[0][1] < highs[0][1] else highs
        since = oldest.pop(0)[1]
    for extremes in (lows, highs):
        if len(extremes) > _MAX_EXTREMES:
            since = max(since, extremes.pop(0)[1])
    state[:] = [since, time_ms, lows, highs]
    if value > limits.flat_above:
        return GOOD
    flag = GOOD
    for threshold_s, then in ((limits.flat_s, SUSPECT), (limits.flat_fail_s, FAIL)):
        if threshold_s is not None and time_ms - since > int(threshold_s * 1000 / step_ms) * step_ms:
            flag = then
    return flag


def flat_again(state: Flat, time_ms: int) -> None:
    """Begin anew after an instant that proves the sensor alive."""
    state[:] = [time_ms, time_ms, [], []]

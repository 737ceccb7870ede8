"""The figure that a rule judges, from the readings that come in: slope, sum, share. Bounded work and memory."""

from __future__ import annotations

from itertools import combinations, pairwise
from statistics import median_high, median_low
from typing import TYPE_CHECKING

from pantau.alerts import track as tracks
from pantau.alerts.rules import Rain, Rise, Threshold
from pantau.alerts.track import Reading, Track

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.alerts.rules import Fault, Leveled, Series
    from pantau.alerts.track import Key

POINTS = 30  # of a slope: 435 pairs, and the slope of a flood does not hang on the 31st
_SUMMED = 120  # rainy records in a window; beyond that the oldest two are added up
_BUCKETS = 12  # of a share's window
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_FAIL, _MISSING = 4, 9
_AT_WORK = frozenset({"maintenance", "warming", "absent"})  # no fault of the sensor's


def slope(points: list[Reading], sign: int) -> float:
    """Return the Theil-Sen slope per minute: the median of all pairs', which up to 29 % of wild points do not move.

    Of two in the middle the one that is less of an alarm (`sign` 1: a rise is), so that of four points one cannot be it.
    """
    pairs = combinations(points, 2)
    slopes = [(b.value - a.value) * _MINUTE_MS / (b.at_ms - a.at_ms) for a, b in pairs if b.at_ms > a.at_ms]
    return median_low(slopes) if sign > 0 else median_high(slopes)


def figure(rule: Series, track: Track, reading: Reading, unit: str) -> Reading | None:
    """Return the figure of `rule` with one more reading that counts, None while there are too few."""
    if isinstance(rule, Threshold):
        return reading
    if isinstance(rule, Rain):
        return reading if unit.startswith("mm/") else _with_amount(rule, track, reading)
    return _with_point(rule, track, reading)


def refuse(rule: Leveled, track: Track, key: Key) -> bool:
    """Take a reading back from figure and evidence; return whether a level fell with it."""
    if not isinstance(rule, Rise | Rain) or not track.series:
        return tracks.refuse(track, rule, key)
    if all(point.key != key for point in track.series):
        return False
    track.series = [point for point in track.series if point.key != key]
    again = _again(rule, track)
    before = track.level
    while track.level and (again is None or rule.sign * again.value < rule.sign * rule.levels[track.level - 1].value):
        tracks.drop(track)
    track.recent = [*track.recent[:-1], again] if again and track.recent else []
    return track.level != before


def _again(rule: Rise | Rain, track: Track) -> Reading | None:
    if not track.series:
        return None
    return _sum(rule, track, track.series[-1]) if isinstance(rule, Rain) else _slope(rule, track, track.series[-1])


def _with_point(rule: Series, track: Track, reading: Reading) -> Reading | None:
    assert isinstance(rule, Rise)
    window_ms = 1000 * rule.window_s
    slot_ms = max(1, window_ms // POINTS)
    points = [p for p in track.series if p.at_ms > reading.at_ms - window_ms]
    if points and points[-1].at_ms // slot_ms == reading.at_ms // slot_ms:
        points.pop()  # sampled faster than needed: the newest of a slot stands for it
    track.series = [*points, reading][-POINTS:]
    return _slope(rule, track, reading)


def _slope(rule: Rise, track: Track, newest: Reading) -> Reading | None:
    points = track.series
    span_ms = points[-1].at_ms - points[0].at_ms
    if len(points) < rule.min_points or span_ms < 300 * rule.window_s:  # 30 % of the window
        return None
    flat = _no_slope(rule, points)
    value = (points[-1].value - points[0].value) * _MINUTE_MS / span_ms if flat else slope(points, rule.sign)
    return newest._replace(value=value, quality=max(point.quality for point in points))


def _no_slope(rule: Rise, points: list[Reading]) -> bool:
    """Return whether no two points can make a slope that matters: then the median need not be looked for."""
    values = [point.value for point in points]
    gap_ms = min((b.at_ms - a.at_ms for a, b in pairwise(points) if b.at_ms > a.at_ms), default=1)
    steepest = (max(values) - min(values)) * _MINUTE_MS / gap_ms
    return steepest < abs(rule.levels[0].value) - rule.hysteresis


def _with_amount(rule: Rain, track: Track, reading: Reading) -> Reading:
    window_ms = 1000 * rule.window_s
    wet = [r for r in track.series if r.at_ms > reading.at_ms - window_ms]
    if reading.value > 0:
        wet.append(reading)
    if len(wet) > _SUMMED:
        wet[:2] = [wet[1]._replace(value=wet[0].value + wet[1].value)]
    track.series = wet
    return _sum(rule, track, reading)


def _sum(rule: Rain, track: Track, newest: Reading) -> Reading:
    value = sum(r.value for r in track.series) * _HOUR_MS / (1000 * rule.window_s)
    return newest._replace(
        value=round(value, 3), quality=max((r.quality for r in track.series), default=newest.quality)
    )


def count(rule: Fault, track: Track, seen: Iterable[tuple[str, int, int, str]]) -> None:
    """Count (property, Unix ms, QARTOD flag, reason) into the buckets of a share."""
    size_ms = 1000 * rule.window_s // _BUCKETS
    for name, at_ms, flag, reason in seen:
        if reason in _AT_WORK:
            continue
        bad = reason in rule.reasons if rule.reasons else flag in {_FAIL, _MISSING}
        buckets, start = track.tally.setdefault(name, []), at_ms // size_ms * size_ms
        bucket = next((b for b in reversed(buckets) if b[0] == start), None)
        if bucket is None:
            bucket = [start, 0, 0]
            buckets.append(bucket)
            buckets.sort()
            del buckets[: -_BUCKETS - 1]
        bucket[1] += 1
        bucket[2] += bad


def share(rule: Fault, track: Track, at_ms: int, key: Key) -> Reading | None:
    """Return the percentage of the worst property at `at_ms`, with its name as reason; None while too little was seen."""
    worst: tuple[float, str] | None = None
    for name, buckets in sorted(track.tally.items()):
        recent = [bucket for bucket in buckets if at_ms - 1000 * rule.window_s < bucket[0] <= at_ms]
        total = sum(bucket[1] for bucket in recent)
        if total >= rule.min_readings:
            percent = 100 * sum(bucket[2] for bucket in recent) / total
            if worst is None or percent > worst[0]:
                worst = (percent, name)
    return Reading(at_ms, round(worst[0], 1), tracks.GOOD, worst[1], key) if worst else None

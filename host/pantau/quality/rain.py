"""Rain: intensities from tips, limits per minute, double tips, and a clogged funnel that the neighbours give away."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from pantau.quality.flags import FAIL, GOOD, SUSPECT, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pantau.quality.work import Work

HOUR_MS = 3_600_000
WINDOWS_MIN = (5, 15, 60)
_SEGMENTS = 240  # two hours of rain at one record a minute; more are joined, the oldest first
_COVERED = 8  # stretches of time without a missing record that are remembered
_SEAM_MS = 90_000  # a pause that is no missing record: the sampling interval may change between frames
_HOURS = 73
_GAPS = 32  # gaps between tips that the double tip test looks back on
_DOUBLE_SHARE = 0.3
_DOUBLE_MS = 500

Segment = list[float]  # [end ms, start ms, mm]: rain that fell evenly from start to end


def judge(
    work: Work, station_state: Callable[[], dict[str, Any]], neighbours: Callable[[], Iterable[dict[str, Any]]]
) -> None:
    """Set the flags of rain_tips and rain_amount, and add the intensities.

    `station_state` is the state of the station, `neighbours` are those of the stations around, to look at.
    """
    tips = work.columns.get("rain_tips")
    volume = getattr(work.site.station, "tip_mm", None)
    if tips is None or work.again:
        return
    rain = work.state.setdefault("rain", {"segments": [], "covered": [], "gaps": [0, 0], "ms": 0})
    first, last = work.values("rain_first_tip_age"), work.values("rain_last_tip_age")
    hours = station_state().setdefault("rain", {"hours": [], "since": work.times[0]}) if volume else None
    before = None
    for at, row in enumerate(tips):
        time_ms = work.times[at]
        span_ms = min(work.step_ms, time_ms - before) if before is not None else work.step_ms
        before = time_ms
        late = time_ms <= rain["ms"]
        rain["ms"] = max(rain["ms"], time_ms)
        if row.value is None:
            continue
        count = int(row.value)
        instants = tip_instants(time_ms, span_ms, count, first[at], last[at])
        _both(work, at, "double_tip", _double(rain, instants, row.reason == "bounce", late))
        if not volume:
            continue
        per_min = count * volume * 60_000 / max(span_ms, 60_000)
        table = work.site.rain
        _both(
            work,
            at,
            "intensity",
            FAIL if per_min > table.fail_mm_min else SUSPECT if per_min > table.suspect_mm_min else GOOD,
        )
        _add(rain, instants, volume, time_ms, span_ms, table.spread_s * 1000)
        if hours is not None:
            hours["heard"] = max(hours.get("heard", 0), time_ms)
            _hour(hours, time_ms, count * volume)
            flag = UNKNOWN if late else _clogged(hours, time_ms, work, neighbours)
            _both(work, at, "clogged", flag)
        _intensities(work, at, rain, at == len(tips) - 1)


def _both(work: Work, at: int, test: str, flag: int) -> None:
    work.set("rain_tips", at, test, flag)
    work.set("rain_amount", at, test, flag)


def tip_instants(time_ms: int, span_ms: int, count: int, first_s: float | None, last_s: float | None) -> list[float]:
    """Return when the tips of a record came, ms: the node tells the first and the last, those between are spread evenly.

    A node that does not tell them has them spread over the record.
    """
    if not count:
        return []
    if first_s is None or last_s is None:
        return [time_ms - span_ms + span_ms * (i + 1) / count for i in range(count)]
    start, end = time_ms - first_s * 1000, time_ms - last_s * 1000
    if count == 1:
        return [end]
    return [start + (end - start) * i / (count - 1) for i in range(count)]


def _add(
    rain: dict[str, Any], instants: list[float], volume: float, time_ms: int, span_ms: int, spread_ms: float
) -> None:
    """Spread each tip over the time since the one before it, and note that this record's time is covered."""
    _cover(rain["covered"], time_ms - span_ms, time_ms)
    segments: list[Segment] = rain["segments"]
    if instants:
        earlier = [s[0] for s in segments if s[0] < instants[0]]
        start = max(earlier[-1] if earlier else 0.0, instants[0] - spread_ms)
        insort(segments, [instants[0], start, volume])
        if len(instants) > 1:
            insort(segments, [instants[-1], instants[0], volume * (len(instants) - 1)])
    newest = rain["ms"]
    while segments and segments[0][0] <= newest - 2 * HOUR_MS:
        segments.pop(0)
    while len(segments) > _SEGMENTS:  # blurs what only the longest window sees
        _, start, mm = segments.pop(0)
        segments[0] = [segments[0][0], min(start, segments[0][1]), mm + segments[0][2]]


def _cover(covered: list[list[int]], start: int, end: int) -> None:
    covered.append([start, end])
    covered.sort()
    joined: list[list[int]] = []
    for span in covered:
        if joined and span[0] <= joined[-1][1] + _SEAM_MS:
            joined[-1][1] = max(joined[-1][1], span[1])
        else:
            joined.append(list(span))
    for span in joined:
        span[0] = max(span[0], joined[-1][1] - 2 * HOUR_MS)
    covered[:] = [span for span in joined if span[0] < span[1]][-_COVERED:]


def amount(segments: list[Segment], start: float, end: float) -> float:
    """Return the rain in mm that fell from `start` to `end`, ms. Segments are in order of their ends."""
    total = 0.0
    for until, since, mm in reversed(segments):
        if until <= start:
            break
        if since >= start and until <= end:  # whole, and the only case of tips at one instant
            total += mm
        elif since < end:
            total += mm * (min(end, until) - max(start, since)) / (until - since)
    return total


def _intensities(work: Work, at: int, rain: dict[str, Any], last: bool) -> None:
    """Add the three intensities: of each record while it rains, else of the last one of a frame, so that a dry hour says so."""
    time_ms = work.times[at]
    if rain["ms"] - time_ms > HOUR_MS:
        return
    hour = amount(rain["segments"], time_ms - HOUR_MS, time_ms)
    if not hour and not last:
        return
    quality, reason = work.verdict("rain_tips", at)[:2]
    for minutes in WINDOWS_MIN:
        start = time_ms - minutes * 60_000
        whole = any(a <= start and time_ms <= b for a, b in rain["covered"])
        mm = hour if minutes == 60 else amount(rain["segments"], start, time_ms)
        known = (quality, reason) if whole or quality > UNKNOWN else (UNKNOWN, "incomplete")
        work.derive(f"rain_intensity_{minutes}min", at, mm * 60 / minutes, *known)


def _double(rain: dict[str, Any], instants: list[float], bounced: bool, late: bool) -> int:
    """Return SUSPECT while too many of the latest gaps are shorter than any rain makes them."""
    bits, n = rain["gaps"]
    if not late:
        gaps = len(instants) - 1
        short = gaps > 0 and (instants[-1] - instants[0]) / gaps < _DOUBLE_MS
        for _ in range(min(_GAPS, max(gaps, int(bounced)))):
            bits, n = (bits << 1 | (short or bounced)) & (1 << _GAPS) - 1, min(n + 1, _GAPS)
        rain["gaps"] = [bits, n]
    if n < 10:
        return UNKNOWN
    return SUSPECT if bits.bit_count() > _DOUBLE_SHARE * n else GOOD


def _hour(hours: dict[str, Any], time_ms: int, mm: float) -> None:
    """Add rain to the station's hours: [[hour, mm]], dry ones left out, three days of them."""
    if not mm:
        return
    hour, table = time_ms // HOUR_MS, hours["hours"]
    for entry in reversed(table):
        if entry[0] == hour:
            entry[1] = round(entry[1] + mm, 3)
            return
    insort(table, [hour, round(mm, 3)])
    del table[: max(0, len(table) - _HOURS)]


def wet(gauges: Iterable[dict[str, Any]], start_ms: int, end_ms: int, enough_mm: float) -> bool | None:
    """Return whether one of the gauges had `enough_mm` in the whole hours from that of `start_ms` to that of `end_ms`.

    None where nobody can say. A gauge that was not heard in the last quarter of the time, or not known in all of it, does not
    know that it was dry; one that has not tipped for three days may be clogged, so that it takes two of them. One that has stood for less than that
    was tested when it was commissioned.
    """
    lively = dry = 0
    for hours in gauges:
        if sum(mm for hour, mm in hours["hours"] if start_ms // HOUR_MS <= hour <= end_ms // HOUR_MS) >= enough_mm:
            return True
        if hours["since"] <= start_ms and hours.get("heard", 0) >= end_ms - (end_ms - start_ms) // 4:
            dry += 1
            new = hours["since"] >= end_ms - _HOURS * HOUR_MS
            lively += new or any(hour >= end_ms // HOUR_MS - _HOURS for hour, _ in hours["hours"])
    return False if lively or dry > 1 else None


def _clogged(
    hours: dict[str, Any], time_ms: int, work: Work, neighbours: Callable[[], Iterable[dict[str, Any]]]
) -> int:
    """Return SUSPECT where the gauge was dry for so long while the neighbours together had rain; judged once an hour."""
    site, hour = work.site.rain, time_ms // HOUR_MS
    since = hour - site.clog_h
    if hours["since"] > since * HOUR_MS:
        return UNKNOWN
    if any(then > since for then, _ in hours["hours"][-1:]):
        hours["clogged"] = [hour, GOOD]
    elif hours.get("clogged", [0])[0] != hour:
        found = [state.get("rain", {}).get("hours", ()) for state in neighbours()]
        wet = sum(mm for table in found for then, mm in table if since < then <= hour)
        hours["clogged"] = [hour, UNKNOWN if not found else SUSPECT if wet > site.clog_mm else GOOD]
    return int(hours["clogged"][1])

"""Traffic stations: limits per lane, idle roads, on-times of two loops, flow in smp/h, saturation, level of service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.quality import pkji
from pantau.quality.flags import FAIL, GOOD, SUSPECT, UNKNOWN

if TYPE_CHECKING:
    from pantau.quality.work import Work

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
_COMPLETE = 0.75
_DIRECTIONS = ("vehicle_count_approaching", "vehicle_count_receding")
_CLASSES = ("vehicle_count_motorcycle", "vehicle_count_light", "vehicle_count_heavy")
_COUNTS = ("vehicle_count", *_DIRECTIONS, *_CLASSES, "pulse_count")
# Length of vehicle and loop together that the mean on-time must give: a motorcycle on a short loop to a queue of trucks.
_LENGTH_M = (1.0, 22.0)
_FREE_FLOW_KMH = 20.0
_FEW = 3  # vehicles in a record: below that the length of one decides
# A record that is mostly bad detail of two loops, and how many of the latest make the detector a fault
_RECORDS = 32
_BAD_SHARE = 0.3


def judge(work: Work) -> None:
    """Set the flags of the counts and add flow, saturation and level of service of whole quarters of an hour."""
    if not any(name in work.columns for name in _COUNTS):
        return
    state = work.state.setdefault("road", {"ms": 0, "busy_ms": None, "bad": [0, 0], "quarter": None})
    for at, time_ms in enumerate(work.times):
        total = _total(work, at)
        if total is not None:
            per_lane = total * 60_000 / max(work.step_ms, 10_000) / work.site.road.lanes
            table = work.site.road
            lane = FAIL if per_lane > table.fail_lane_min else SUSPECT if per_lane > table.suspect_lane_min else GOOD
            _all(work, at, "lane_flow", lane)
        if work.again or time_ms <= state["ms"]:
            continue
        if total is not None:
            _all(work, at, "idle", _idle(work, state, time_ms, total))
        _on_times(work, at, state)
        _quarter(work, at, state)
        state["ms"] = time_ms


def _all(work: Work, at: int, test: str, flag: int) -> None:
    for name in _COUNTS:
        work.set(name, at, test, flag)


def _total(work: Work, at: int) -> float | None:
    """Return the vehicles of a record in both directions by whatever counts there."""
    both = [work.values(name)[at] for name in _DIRECTIONS]
    if None not in both:
        return sum(value for value in both if value is not None)
    for name in ("vehicle_count", "pulse_count"):
        if (value := work.values(name)[at]) is not None:
            return value
    return None


def _idle(work: Work, state: dict[str, Any], time_ms: int, total: float) -> int:
    """Return SUSPECT for a road that has been empty for hours of the day."""
    site = work.site.road
    hour = (time_ms / HOUR_MS + site.utc_offset_h) % 24
    day = site.day_h[0] <= hour < site.day_h[1]
    if total or not day or state["busy_ms"] is None or time_ms - state["ms"] > site.idle_s * 1000:
        state["busy_ms"] = time_ms
        return GOOD
    return SUSPECT if time_ms - state["busy_ms"] > site.idle_s * 1000 else GOOD


def _on_times(work: Work, at: int, state: dict[str, Any]) -> None:
    """Judge two loops by what the node sends.

    It flags `spread` where the on-times of a vehicle disagreed: here the share of such records counts, and whether
    occupancy, count and speed give vehicles of possible length. v = mean speed, on = occupancy * interval / vehicles; length of vehicle and loop = v * on, at free flow only.
    """
    speeds = work.columns.get("vehicle_speed_mean")
    if speeds is None or _CLASSES[1] not in work.columns or speeds[at].value is None:
        return
    speed = speeds[at].value
    bits, n = state["bad"]
    bits = (bits << 1 | (speeds[at].reason == "spread")) & (1 << _RECORDS) - 1
    n = min(n + 1, _RECORDS)
    state["bad"] = [bits, n]
    flag = UNKNOWN if n < 10 else SUSPECT if bits.bit_count() > _BAD_SHARE * n else GOOD
    total, occupancy = _total(work, at), work.usable("occupancy", at)
    if speed is not None and speed >= _FREE_FLOW_KMH and total is not None and total >= _FEW and occupancy is not None:
        length_m = speed / 3.6 * occupancy / 100 * work.step_ms / 1000 / total
        if not _LENGTH_M[0] <= length_m <= _LENGTH_M[1]:
            flag = SUSPECT
        elif flag == UNKNOWN:
            flag = GOOD
    for name in ("vehicle_speed_mean", "occupancy"):
        work.set(name, at, "on_time", flag)


def _quarter(work: Work, at: int, state: dict[str, Any]) -> None:
    """Add a record to its quarter of an hour; the first record of the next one tells it."""
    quarter = (work.times[at] - 1) // QUARTER_MS
    sums = state["quarter"]
    if sums is None or sums[0] != quarter:
        if sums is not None and quarter > sums[0]:
            _tell(work, at, sums)
        sums = state["quarter"] = [quarter, 0, 0.0, 0.0, 0.0]
    counts = _class_counts(work, at)
    if counts is not None:
        sums[1] += work.step_ms
        for place, count in enumerate(counts, 2):
            sums[place] += count


def _class_counts(work: Work, at: int) -> tuple[float, float, float] | None:
    """Return motorcycles, light and heavy vehicles of a record: counted, or by the station's mix."""
    site = work.site.road
    ways = [work.usable(name, at) for name in _DIRECTIONS]
    way = {"both": None, "approaching": ways[0], "receding": ways[1]}[site.direction]
    classes = [work.usable(name, at) for name in _CLASSES]
    counted = None not in classes
    whole = sum(value or 0.0 for value in classes) if counted else _total(work, at)
    if whole is None or (site.direction != "both" and way is None):
        return None
    total = whole if way is None else way
    if counted and whole:
        m, light, heavy = (total * (value or 0.0) / whole for value in classes)
        return m, light, heavy
    if not total:
        return 0.0, 0.0, 0.0
    if site.mix is None:
        return None
    return total * site.mix.motorcycle, total * site.mix.light, total * site.mix.heavy


def _tell(work: Work, at: int, sums: list[Any]) -> None:
    site = work.site.road
    _, covered_ms, motorcycles, light, heavy = sums
    if site.road is None or covered_ms < _COMPLETE * QUARTER_MS:
        return
    per_hour = HOUR_MS / covered_ms
    smp = pkji.equivalents(site.road, site.width_m, (motorcycles + light + heavy) * per_hour, site.lanes)
    flow = (motorcycles * smp.motorcycle + light + heavy * smp.heavy) * per_hour
    work.derive("traffic_flow", at, flow, GOOD, "ok")
    if site.capacity_smp_h is not None:
        saturation = flow / site.capacity_smp_h
        work.derive("degree_of_saturation", at, saturation, GOOD, "ok")
        work.derive("level_of_service", at, pkji.service(saturation), GOOD, "ok")

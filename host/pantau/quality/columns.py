"""The QARTOD tests and the depth filters over the columns of one frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.quality import filters as depth_filters
from pantau.quality.flags import FAIL, GOOD, SUSPECT, UNKNOWN
from pantau.quality.series import (
    BOOT,
    FLAGS,
    INDEX,
    KEEP,
    KEEP_LATE,
    SEQ,
    TIME,
    VALUE,
    Point,
    flat,
    flat_again,
    gap_of,
    place,
    rate,
    shorten,
    spike,
)

if TYPE_CHECKING:
    from pantau.model import Observation
    from pantau.quality.plans import Plan
    from pantau.quality.work import Work

_SPREADS = {"water_distance": "water_distance_spread", "water_level": "water_distance_spread"}


def ranges(plan: Plan, value: float) -> list[int]:
    """Return the flags of a value with all tests done that need nothing but it; the others are UNKNOWN."""
    flags = [UNKNOWN] * len(plan.names)
    limits = plan.limits
    if plan.range >= 0 and limits.fail is not None:
        flags[plan.range] = GOOD if limits.fail[0] <= value <= limits.fail[1] else FAIL
    if plan.site_range >= 0 and limits.suspect is not None:
        flags[plan.site_range] = GOOD if limits.suspect[0] <= value <= limits.suspect[1] else SUSPECT
    if plan.floor >= 0 and plan.filters is not None:
        flags[plan.floor] = plan.filters.floor(value)
    return flags


def judge(work: Work, name: str, plan: Plan) -> None:
    """Set the flags of one column, and revise those of earlier readings that its first ones are neighbours of."""
    flags: list[list[int] | None] = []
    work.flags[name] = flags
    if not plan.neighbours:
        flags.extend(None if row.value is None else ranges(plan, row.value) for row in work.columns[name])
        return
    state = work.state.setdefault("series", {}).setdefault(name, {"points": []})
    spreads = work.values(_SPREADS.get(name, ""))
    for at, row in enumerate(work.columns[name]):
        if work.again:
            flags.append(_remembered(work, state["points"], name, plan, row))
        else:
            flags.append(_next(work, state, name, plan, row, spreads[at]))
    shorten(state["points"], KEEP_LATE if work.gaps else KEEP)


def _remembered(work: Work, points: list[Point], name: str, plan: Plan, row: Observation) -> list[int] | None:
    """Return the flags that the reading had when it was judged; without them it is in doubt."""
    if row.value is None:
        return None
    for point in points:
        if (point[TIME], point[BOOT], point[SEQ], point[INDEX]) == (row.observed_at_ms, row.boot, row.seq, row.index):
            return list(point[FLAGS])
    work.doubtful.add((name, row.index))
    return ranges(plan, row.value)


def _next(
    work: Work, state: dict[str, Any], name: str, plan: Plan, row: Observation, spread: float | None
) -> list[int] | None:
    value = row.value
    flags = None if value is None else ranges(plan, value)
    impossible = flags is not None and FAIL in flags
    known = None if flags is None or impossible or row.quality == FAIL else value
    points: list[Point] = state["points"]
    point = [row.observed_at_ms, known, row.boot, row.seq, row.index, row.quality, row.reason, flags]
    if plan.filters is not None:
        point.append(None)
    at = place(points, point)
    if at is None:  # another reading of the same instant: a clock that went back. It is no neighbour of anything.
        return flags
    for changed in _neighbours(points, at, plan, gap_of(work.least_ms)):
        if changed[SEQ] != row.seq or changed[BOOT] != row.boot:
            work.revise(name, plan, changed)
            if name == "water_level" and work.site.flood.dry_level is not None:
                work.revise("flood_depth", plan, changed)
    if plan.slots.flat >= 0:
        flag = _flat(state, plan, point, work.least_ms, bool(spread), at == len(points) - 1)
        if flags is not None:
            flags[plan.slots.flat] = flag
    if len(points) > KEEP_LATE + 1:
        shorten(points, KEEP_LATE if work.gaps else KEEP)
    return flags


def _flat(state: dict[str, Any], plan: Plan, point: Point, step_ms: int, alive: bool, in_order: bool) -> int:
    time_ms, value = point[TIME], point[VALUE]
    run = state.get("flat")
    if run is None:
        run = state["flat"] = [time_ms - step_ms, time_ms, [], []]
    if value is None:  # an instant without a value neither goes on nor begins anew
        run[1] = max(run[1], time_ms)
        return UNKNOWN
    if not in_order:
        lows, highs = run[2], run[3]
        if lows and max(highs[0][0], value) - min(lows[0][0], value) >= plan.limits.flat_tolerance:
            flat_again(run, run[1])  # it did move in that time
        return UNKNOWN
    if alive:
        flat_again(run, time_ms)
        return GOOD
    return flat(run, time_ms, value, plan.limits, step_ms)


def _neighbours(points: list[Point], at: int, plan: Plan, gap_ms: int) -> list[Point]:
    """Judge the point at `at` and whatever its arrival may have changed; return those other points that it did change."""
    slots, limits, filters = plan.slots, plan.limits, plan.filters
    first = max(0, at - 1)
    if filters is not None and slots.short >= 0 and at >= 2:  # the run of wet readings that ends here may be too short
        earlier = points[at - 2][VALUE]
        first -= earlier is not None and filters.depth(earlier) > 0
    last = len(points) if filters is not None else min(len(points), at + 2)
    changed = []
    for i in range(first, last):
        point = points[i]
        flags = point[FLAGS]
        # What the window has let go was a neighbour once: the verdict of its oldest point stands.
        if i == 0 and i != at:
            continue
        before = None if flags is None or i == at else list(flags)
        if point[VALUE] is not None:
            if slots.rate >= 0 and i in (at, at + 1):
                flags[slots.rate] = rate(points, i, limits, gap_ms)
            if slots.spike >= 0 and at - 1 <= i <= at + 1:
                flags[slots.spike] = spike(points, i, limits, gap_ms)
        if filters is not None:
            depth_filters.judge(points, i, filters, slots, gap_ms)
        if before is not None and before != flags:
            changed.append(point)
    return changed

"""The depth filters for street sensors (after FloodNet), in order: floor, gradient, blip, box, short.

FloodNet drops what a filter refuses; here it is flagged FAIL with the filter's name and keeps its value. What a filter has
refused is no reference for the next. Nine of ten odd readings in a street are cars, bins and litter, not water.
"""

from __future__ import annotations

from typing import NamedTuple

from pantau.quality.flags import FAIL, GOOD, UNKNOWN
from pantau.quality.series import FLAGS, LINKS, TIME, VALUE, Point, Slots, near
from pantau.quality.site import FilterTable

BELOW_GROUND_M = 0.05  # what noise and a settled road may pretend


class Filters(NamedTuple):
    """The filters of one station; `mount` is the level of the sensor's face.

    `dry` is the level of the ground, None where there is always water: then only gradient and blip apply.
    """

    table: FilterTable
    dry: float | None
    mount: float | None

    def floor(self, level: float) -> int:
        """Return the flag of a level that cannot be. Needs no neighbour."""
        if self.mount is not None and level > self.mount:
            return FAIL
        return FAIL if self.dry is not None and level < self.dry - BELOW_GROUND_M else GOOD

    def depth(self, level: float) -> float:
        """Return the depth as the filters see it: 0 up to the noise floor. Of a river, the level itself."""
        if self.dry is None:
            return level
        depth = level - self.dry
        return depth if depth > (self.table.floor_m if self.table.floor else 0.0) else 0.0


def names(table: FilterTable, dry: bool) -> tuple[str, ...]:
    """Return which filters look at neighbours at a station, in order; without dry ground neither box nor short."""
    return tuple(
        n for n in ("gradient", "blip", "box", "short") if getattr(table, n) and (dry or n in ("gradient", "blip"))
    )


def judge(points: list[Point], at: int, filters: Filters, slots: Slots, gap_ms: int) -> None:
    """Set the flags of one point from its neighbours, and the links that its successor needs.

    Links: [instant and depth of the last good reading, depth to which it jumped from dry or 0].
    """
    here = points[at]
    before = points[at - 1] if at else None
    links = before[LINKS] if before is not None else None
    if here[VALUE] is None:
        here[LINKS] = links
        return
    flags, depth, table = here[FLAGS], filters.depth(here[VALUE]), filters.table
    reference = [here[TIME], depth]
    if slots.gradient >= 0:
        flags[slots.gradient] = GOOD
        if links is not None and depth - links[1] > table.gradient_m_s * (here[TIME] - links[0]) / 1000:
            flags[slots.gradient] = FAIL
            reference = links[:2]
    anchor = 0.0
    if slots.box >= 0:
        anchor, flags[slots.box] = _box(points, at, filters, gap_ms, links)
    here[LINKS] = [*reference, anchor]
    if slots.blip >= 0:
        flags[slots.blip] = _blip(points, at, filters, gap_ms)
    if slots.short >= 0 and (flag := _short(points, at, filters, gap_ms)):
        flags[slots.short] = flag


def _blip(points: list[Point], at: int, filters: Filters, gap_ms: int) -> int:
    if not near(points, at, gap_ms):
        return UNKNOWN
    before, depth, after = (filters.depth(p[VALUE]) for p in points[at - 1 : at + 2])
    rise = depth - before
    table = filters.table
    return FAIL if rise > table.blip_rise_m and abs(before - after) < table.blip_return * rise else GOOD


def _box(points: list[Point], at: int, filters: Filters, gap_ms: int, links: list[float] | None) -> tuple[float, int]:
    """Return the depth that the box stands at (0: none) and the flag. The jump itself is known by what follows it."""
    here, depth, table = points[at], filters.depth(points[at][VALUE]), filters.table
    if not at or not depth or links is None or here[TIME] - points[at - 1][TIME] > gap_ms:
        return 0.0, GOOD
    anchor = links[2]
    if anchor and abs(depth - anchor) < table.box_change * anchor:
        return anchor, FAIL
    previous = points[at - 1][VALUE]
    if previous is None or filters.depth(previous) or depth < table.box_jump_m:
        return 0.0, GOOD
    after = points[at + 1] if at + 1 < len(points) else None
    if after is None or after[VALUE] is None:
        return depth, UNKNOWN
    still = abs(filters.depth(after[VALUE]) - depth) < table.box_change * depth
    return depth, FAIL if still and after[TIME] - here[TIME] <= gap_ms else GOOD


def _run(points: list[Point], at: int, step: int, most: int, filters: Filters, gap_ms: int) -> tuple[int, bool | None]:
    """Return how many wet readings follow in one direction, and whether they end dry (None: the window ends first)."""
    n, here = 0, points[at]
    while 0 <= (at := at + step) < len(points):
        point = points[at]
        if point[VALUE] is None or abs(point[TIME] - here[TIME]) > gap_ms:
            return n, False
        if not filters.depth(point[VALUE]):
            return n, True
        n, here = n + 1, point
        if n >= most:
            return n, False
    return n, None


def _short(points: list[Point], at: int, filters: Filters, gap_ms: int) -> int:
    """Return the flag, 0 for the one it has: what the window has let go was looked at before."""
    most = filters.table.short_readings
    if not filters.depth(points[at][VALUE]):
        return GOOD
    earlier, dry_before = _run(points, at, -1, most, filters, gap_ms)
    if dry_before is None:
        return 0
    if not dry_before:
        return GOOD
    later, dry_after = _run(points, at, 1, most, filters, gap_ms)
    if earlier + 1 + later > most or dry_after is False:
        return GOOD
    return FAIL if dry_after else UNKNOWN

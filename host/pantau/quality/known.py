"""What a node's state remembers about its frames: which were judged, which boots can be dated, and what waits for a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pantau.decode import ClockMap

_BOOTS = 8
_SPANS = 16
_MAPS = 4
_HELD = 1000  # frames without a date that a node may have waiting here: ten days at one in a quarter of an hour


def again(state: dict[str, Any], boot: int, seq: int) -> bool:
    """Note a frame and return whether it was judged before. What is too old to be remembered counts as judged."""
    seen: list[list[Any]] = state.setdefault("seen", [])
    spans = next((spans for then, spans in seen if then == boot), None)
    if spans is None:
        if len(seen) == _BOOTS and boot < seen[0][0]:
            return True
        seen.append([boot, [[seq, seq]]])
        seen.sort()
        del seen[: max(0, len(seen) - _BOOTS)]
        return False
    for place in range(len(spans) - 1, -1, -1):
        first, last = spans[place]
        if first <= seq <= last:
            return True
        if seq > last:
            break
    else:
        place = -1
    spans.insert(place + 1, [seq, seq])
    for right in (place + 2, place + 1):
        if 0 < right < len(spans) and spans[right - 1][1] + 1 == spans[right][0]:
            spans[right - 1][1] = spans.pop(right)[1]
    if len(spans) > _SPANS:
        spans[1][0] = spans.pop(0)[0]
    return False


def gaps(state: dict[str, Any]) -> bool:
    """Return whether frames of the two latest boots are still to come."""
    seen = state.get("seen", [])
    newest = seen[-2:]
    if any(len(spans) > 1 for _, spans in newest):
        return True
    return len(seen) > 1 and seen[-1][1][0][0] > 1


def offset(state: dict[str, Any], boot: int) -> int | None:
    """Return what dates the readings of a boot: UTC minus uptime, ms."""
    return next((int(found) for then, found, _ in state.get("maps", ()) if then == boot), None)


def learn(state: dict[str, Any], clock: ClockMap, by: int) -> tuple[int, ...]:
    """Take in a mapping and return the frames that it dates, oldest first: they can be told with their dates now.

    They are those that waited for it. The frame `by` of the log, which brings it, dates the same ones whenever it comes again,
    for a target may have lost them.
    """
    maps: list[list[int]] = state.setdefault("maps", [])
    known = next((entry for entry in maps if entry[0] == clock.boot), None)
    if known is None:
        maps.append(list(clock))
        del maps[: max(0, len(maps) - _MAPS)]
    elif clock.quality > known[2]:
        known[1:] = clock[1:]
    if offset(state, clock.boot) is None:
        return ()
    dated: list[list[int]] = state.get("dated", [])
    frames = [frame for then, frame in dated if then == by]
    waiting: list[list[int]] = state.get("undated", [])
    if found := [frame for boot, frame in waiting if boot == clock.boot]:
        state["undated"] = [entry for entry in waiting if entry[0] != clock.boot]
        state["dated"] = [*dated, *([by, frame] for frame in found)][-_HELD:]
    return (*frames, *found)


def hold(state: dict[str, Any], boot: int, frame: int) -> None:
    """Remember a frame without a date, by its place in the log, until its boot can be dated; the oldest give way."""
    waiting: list[list[int]] = state.setdefault("undated", [])
    if [boot, frame] not in waiting:
        waiting.append([boot, frame])
        del waiting[: max(0, len(waiting) - _HELD)]

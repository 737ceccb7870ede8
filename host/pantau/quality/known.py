"""What a node's state remembers about its frames: which were judged, which boots can be dated, and what waits for a date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.model import Revision

if TYPE_CHECKING:
    from pantau.decode import ClockMap
    from pantau.model import Observation

_BOOTS = 8
_SPANS = 16
_MAPS = 4
_HELD = 1000  # readings without a date that a node may have waiting here; the city store dates the rest by itself


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


def learn(state: dict[str, Any], node: str, clock: ClockMap) -> tuple[Revision, ...]:
    """Take in a mapping and return the dates of the readings that waited for it."""
    maps: list[list[int]] = state.setdefault("maps", [])
    known = next((entry for entry in maps if entry[0] == clock.boot), None)
    if known is None:
        maps.append(list(clock))
        del maps[: max(0, len(maps) - _MAPS)]
    elif clock.quality > known[2]:
        known[1:] = clock[1:]
    held: list[list[Any]] = state.get("held", [])
    date = offset(state, clock.boot)
    if not held or date is None:
        return ()
    state["held"] = [frame for frame in held if frame[0] != clock.boot]
    return tuple(
        Revision((node, boot, seq, index, name), quality, reason, tests, uptimes[index] + date)
        for boot, seq, uptimes, columns in held
        if boot == clock.boot
        for name, told in columns.items()
        for index, quality, reason, tests in told
    )


def hold(state: dict[str, Any], rows: list[Observation]) -> None:
    """Remember undated readings of one frame until their boot can be dated; the oldest frames give way."""
    columns: dict[str, list[list[Any]]] = {}
    uptimes: dict[int, int] = {}
    for row in rows:
        uptimes[row.index] = row.uptime_ms or 0
        columns.setdefault(row.property, []).append([row.index, row.quality, row.reason, row.tests])
    held: list[list[Any]] = state.setdefault("held", [])
    held.append([rows[0].boot, rows[0].seq, [uptimes.get(i, 0) for i in range(max(uptimes) + 1)], columns])
    while len(held) > 1 and sum(len(told) for frame in held for told in frame[3].values()) > _HELD:
        held.pop(0)

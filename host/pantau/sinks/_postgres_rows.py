"""Observations as rows of PostgreSQL's binary COPY format (its manual, COPY, "Binary Format"). I/O-free.

Built by hand: a row takes about a microsecond so, several times less than through a general writer, and the server should
be what a delivery waits for. What the server could not hold is told here, by observation, before it is sent.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pantau.model import Observation

    Learn = Callable[[Observation], "Tag"]
    # By node and property: (observed at, but those of the future behind all others; row).
    Newest = dict[tuple[int, int], tuple[int, bytes]]
    TagKey = tuple[str, str, int, str, str, int]

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"

# In the order of `rows`; the three parts of a row are what a frame, a kind of observation and one observation have of their own.
COLUMNS = (
    "frame, received_at, node, station, property, quality, clock, reason, tests, idx, observed_at, value, uptime_ms"
)
_OF_FRAME = struct.Struct(">hiqiqii")  # number of columns, frame, received_at, node
_STATION = struct.Struct(">ii")
_TAG = struct.Struct(">ihihihiiii")
_DATED = struct.Struct(">ihiqidi")
_IDX = struct.Struct(">ih")
_INT8 = struct.Struct(">iq")
_FLOAT8 = struct.Struct(">id")
_NULL = b"\xff\xff\xff\xff"
_WIDTH = COLUMNS.count(",") + 1

_EPOCH_MS = 946_684_800_000  # 2000-01-01, from which timestamptz counts microseconds
_LEAST_US, _BEYOND_US = -211_813_488_000_000_000, 9_223_371_331_200_000_000  # 4713 BC and 294277 (datatype/timestamp.h)
_LEAST_MS, _BEYOND_MS = _LEAST_US // 1000 + _EPOCH_MS, _BEYOND_US // 1000 + _EPOCH_MS
FUTURE_TOLERANCE_MS = (
    300_000  # as in the embedded store: a date further beyond its receipt must not hold the latest value
)
_BEHIND = 1 << 62


class Tag(NamedTuple):
    """What a kind of observation has in common: its columns as bytes, and the id of its property."""

    columns: bytes
    property: int


class Stored(NamedTuple):
    """A frame as the database knows it. `received_us` is that of its first delivery, in microseconds since 2000."""

    frame: int
    node: int
    received_us: int


class Bad(NamedTuple):
    """An observation that cannot be held, and why; None when it is the frame itself."""

    observation: Observation | None
    reason: str


def micros(at_ms: int) -> int:
    """Return Unix ms as PostgreSQL's microseconds. ValueError outside what a timestamptz can be."""
    if not _LEAST_MS <= at_ms < _BEYOND_MS:
        raise ValueError(f"{at_ms} ms is no time that PostgreSQL can hold")
    return (at_ms - _EPOCH_MS) * 1000


def millis(at_us: int) -> int:
    """Return Unix ms of PostgreSQL's microseconds."""
    return at_us // 1000 + _EPOCH_MS


def tag(property_id: int, quality: int, clock: int, reason: int, tests: int) -> Tag:
    """Return a tag. struct.error for a number that is too large for its column."""
    return Tag(_TAG.pack(2, property_id, 2, quality, 2, clock, 4, reason, 4, tests), property_id)


class Encoder:
    """Encodes frames. `learn` gives a tag that is not in `tags` yet, `station` an id by name.

    Either raises ValueError for what cannot be held, or LookupError, which ends the frame. `newest` becomes the latest rows.
    """

    def __init__(
        self, tags: dict[TagKey, Tag], learn: Learn, station: Callable[[str], int], newest: Newest | None = None
    ) -> None:
        self._tags, self._learn, self._station = tags, learn, station
        self.newest: Newest = {} if newest is None else newest

    def rows(self, observations: Sequence[Observation], stored: Stored) -> tuple[list[bytes], list[Bad]]:
        """Return the rows of a frame, and what of it cannot be one."""
        tags, newest = self._tags, self.newest
        latest_ms = millis(stored.received_us) + FUTURE_TOLERANCE_MS
        head = _OF_FRAME.pack(_WIDTH, 8, stored.frame, 8, stored.received_us, 4, stored.node)
        station, begin = None, head + _NULL
        out: list[bytes] = []
        bad: list[Bad] = []
        best: dict[int, tuple[int, bytes]] = {}
        for seen in observations:
            try:
                key = (seen.property, seen.unit, seen.quality, seen.reason, seen.tests, seen.clock)
                columns, number = tags.get(key) or self._learn(seen)
                at_ms, value, uptime_ms, at = seen.observed_at_ms, seen.value, seen.uptime_ms, seen.station
                if at != station:
                    begin = head + (_NULL if at is None else _STATION.pack(4, self._station(at)))
                    station = at
                if at_ms is None or value is None or uptime_ms is not None or not _LEAST_MS <= at_ms < _BEYOND_MS:
                    row = begin + columns + _rare(seen.index, at_ms, value, uptime_ms)
                else:
                    row = begin + columns + _DATED.pack(2, seen.index, 8, (at_ms - _EPOCH_MS) * 1000, 8, value, -1)
            except (struct.error, ValueError, OverflowError, TypeError) as error:
                bad.append(Bad(seen, str(error)))
                continue
            out.append(row)
            if at_ms is not None:
                rank = at_ms if at_ms <= latest_ms else at_ms - _BEHIND
                held = best.get(number)
                if held is None or rank > held[0]:
                    best[number] = (rank, row)
        for number, (rank, row) in best.items():
            held = newest.get((stored.node, number))
            if held is None or rank > held[0]:
                newest[stored.node, number] = (rank, row)
        return out, bad


def unknown(seen: Observation) -> Tag:
    """Learn nothing."""
    raise LookupError(seen.property)


def _rare(index: int, at_ms: int | None, value: float | None, uptime_ms: int | None) -> bytes:
    return (
        _IDX.pack(2, index)
        + (_NULL if at_ms is None else _INT8.pack(8, micros(at_ms)))
        + (_NULL if value is None else _FLOAT8.pack(8, value))
        + (_NULL if uptime_ms is None else _INT8.pack(8, uptime_ms))
    )


REVISED = "node, boot, seq, idx, property, quality, reason, tests, observed_at"
_REVISED = struct.Struct(">hiiiqiqihihihiiii")
_REVISED_WIDTH = REVISED.count(",") + 1


def revised(node: int, key: tuple[int, int, int], property_id: int, quality: int, words: tuple[int, int], at_ms: int | None) -> bytes:  # fmt: skip
    """Return a revision as a row; `key` is (boot, seq, index), `words` the ids of reason and tests."""
    boot, seq, index = key
    fixed = _REVISED.pack(
        _REVISED_WIDTH, 4, node, 8, boot, 8, seq, 2, index, 2, property_id, 2, quality, 4, words[0], 4, words[1]
    )
    return fixed + (_NULL if at_ms is None else _INT8.pack(8, micros(at_ms)))


def copy(rows: Iterable[bytes]) -> bytes:
    """Return rows as one COPY."""
    return b"".join((HEAD, *rows, TAIL))

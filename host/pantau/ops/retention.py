"""What may go, and when: a policy over the spool that never lets go of what somebody still needs, and the city store's ageing.

Two things make room in the spool: age, and a disk that fills up. Both take from its old end only, whole blocks, and only what
every follower (each sink, the alerts) has taken and no quarantine entry points at. When that is not enough the spool grows to
its limit, the bridge stops acknowledging and the nodes keep: nothing is ever dropped to make room.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from pantau.problems import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

_DAY_MS = 86_400_000
_MIB = 1 << 20
_HIGH, _LOW = 0.8, 0.7  # of the spool's limit: from here on room is made, down to there
_BUSY_S = 5.0
_ROWS = 500  # per transaction: some milliseconds in which a delivery waits
_SERIES = 256  # series looked through per step

_DELETE = "DELETE FROM observations WHERE (node, boot, seq, idx, property) IN"
_DATED = """SELECT node, boot, seq, idx, property FROM observations
    WHERE node = ? AND property = ? AND observed_at < ? AND received < ? LIMIT ?"""
_UNDATED = """SELECT node, boot, seq, idx, property FROM observations
    WHERE observed_at IS NULL AND received < ? ORDER BY received LIMIT ?"""

_BLOCKS = "SELECT id + frames - 1, received_ms, length(data) + length(runs) FROM blocks ORDER BY id LIMIT 2000"
_SIZE = """SELECT (p.page_count - f.freelist_count) * s.page_size
    FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s"""

Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionTable(Table):
    """[retention]: how long things are kept. Without a number they are kept for ever."""

    spool_days: Days | None = 90  # frames that all have taken; they are what a replay repairs history from
    spool_min_days: Annotated[int, Field(ge=0, le=36_500)] = 2  # kept even when the spool's limit is near
    observations_days: Days | None = None
    # How long ended alerts are kept is with their rules: keep_days in alerts.toml.


class SpoolLimits(NamedTuple):
    """The policy's numbers. `keep_ms` None = for ever; `keep_min_ms` is kept even above `high_bytes`."""

    keep_ms: int | None
    keep_min_ms: int
    high_bytes: int
    low_bytes: int


def limits_of(table: RetentionTable, max_mib: int) -> SpoolLimits:
    """Return the limits of a spool that may grow to `max_mib`."""
    keep_ms = None if table.spool_days is None else table.spool_days * _DAY_MS
    size = max_mib * _MIB
    return SpoolLimits(keep_ms, table.spool_min_days * _DAY_MS, int(_HIGH * size), int(_LOW * size))


def before_ms(days: int | None, now_ms: int) -> int | None:
    """Return the instant before which things have had their days; None for things that are kept for ever."""
    return None if days is None else now_ms - days * _DAY_MS


class Block(NamedTuple):
    """A run of frames that goes whole: the id of its last frame, when that was received, what it takes of the file."""

    through: int
    received_ms: int
    bytes: int


_ALL = 2**63 - 1


def taken_by_all(cursors: Mapping[str, int], followers: Collection[str], held: int | None = None) -> int:
    """Return the id through which nobody needs a frame any more.

    `followers` are all who are configured: one that has no cursor yet has taken nothing. `held` is the lowest frame that the
    quarantine points at: it was not taken either, and a replay wants its bytes.
    """
    if not followers:
        return 0
    through = min(cursors.get(name, 0) for name in followers)
    return through if held is None else min(through, held - 1)


def spool_prune(blocks: Iterable[Block], size: int, taken: int, now_ms: int, limits: SpoolLimits) -> int:
    """Return the id through which frames may go, 0 for none. `blocks` are oldest first, `size` is the spool's in bytes.

    Call it with as many of the oldest blocks as one is ready to delete: the answer is right for any prefix. `now_ms` is to be
    the lesser of the clock and the newest frame's receipt, so that a silent fleet, or a clock that jumped ahead, ages nothing.
    """
    through = 0
    pressed = size > limits.high_bytes
    held = list(blocks)
    # What was received in the future came before all that follows: a clock that ran ahead must not hold that up for years.
    before = list(accumulate((block.received_ms for block in reversed(held)), min))
    for block, earliest_ms in zip(held, reversed(before), strict=True):
        age_ms = now_ms - (earliest_ms if block.received_ms > now_ms else block.received_ms)
        old = limits.keep_ms is not None and age_ms > limits.keep_ms
        crowded = pressed and size > limits.low_bytes and age_ms > limits.keep_min_ms
        if block.through > taken or not (old or crowded):
            break
        through = block.through
        size -= block.bytes
    return through


def prunable(
    spool: Path, followers_file: Path, followers: Collection[str] | None, now_ms: int, limits: SpoolLimits
) -> int:
    """Return the id through which frames may go, read from the files of a bridge at work; 0 when that cannot be read.

    `followers` None: nobody follows this log, for the shared one has all that it holds.

    It looks at no more than 2,000 blocks: call it again while it finds something.
    """
    try:
        cursors = dict(_rows(followers_file, "SELECT sink, position FROM cursors")) if followers is not None else {}
        held = _rows(spool, "SELECT min(frame_id) FROM quarantine")[0][0]
        newest = _rows(spool, "SELECT received_ms FROM blocks ORDER BY id DESC LIMIT 1")
        size = _rows(spool, _SIZE)[0][0]
        blocks = [Block(*row) for row in _rows(spool, _BLOCKS)]
    except sqlite3.Error:
        return 0  # nothing goes on the word of a file that cannot be read
    now_ms = min(now_ms, newest[0][0]) if newest else now_ms
    if followers is None:
        cursors, followers = {"shared log": _ALL}, ("shared log",)
    return spool_prune(blocks, size, taken_by_all(cursors, followers, held), now_ms, limits)


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as db:
        return db.execute(query).fetchall()


def holder(cursors: Mapping[str, int], followers: Collection[str], held: int | None, last_id: int) -> str:
    """Return what keeps the spool from making room, with what to do; "" when nothing does."""
    slow = min(followers, key=lambda name: cursors.get(name, 0), default=None)
    if slow is None:
        return "no sink has taken anything; configure one"
    through = cursors.get(slow, 0)
    if held is not None and held <= through:
        return f"the quarantine keeps frame {held}: `pantau quarantine list`, then replay or drop it"
    if through < last_id:
        return f"sink {slow} has not taken {last_id - through} frames: look at its target, or remove it from [sinks]"
    return ""


class CityAging:
    """Takes aged observations out of the city store, a few at a time, on a connection of its own.

    An observation is aged when both its date and its receipt are: a node whose clock stands in the year 2000 loses nothing.
    Latest values, nodes and stations stay. The file keeps its size; what is free in it is used again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left: list[tuple[int, int]] | None = None

    def step(self, cutoff_ms: int) -> int | None:
        """Delete up to 500 observations in one transaction and return how many; None when a whole pass is over.

        Raises sqlite3.Error with nothing changed; call it again later.
        """
        with closing(sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)) as db:
            if self._left is None:
                gone = self._delete(db, _UNDATED, (cutoff_ms, _ROWS))
                if gone < _ROWS:
                    self._left = db.execute("SELECT node, property FROM latest ORDER BY 1 DESC, 2 DESC").fetchall()
                return gone
            if not self._left:
                self._left = None
                return None
            db.execute("BEGIN IMMEDIATE")
            try:
                gone = self._series(db, cutoff_ms)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return gone

    def _series(self, db: sqlite3.Connection, cutoff_ms: int) -> int:
        """Go through the next series; one that had more than fits is come back to."""
        gone = 0
        left = self._left or []
        for _ in range(min(_SERIES, len(left))):
            node, number = left[-1]
            gone += self._delete(db, _DATED, (node, number, cutoff_ms, cutoff_ms, _ROWS - gone))
            if gone >= _ROWS:
                break
            left.pop()
        return gone

    @staticmethod
    def _delete(db: sqlite3.Connection, where: str, values: tuple[int, ...]) -> int:
        return db.execute(f"{_DELETE} ({where})", values).rowcount

"""A series as a page draws it: no more points than asked for, and no peak hidden. Reads of the store, bounded in time."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUDGET_S = 1.0
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_FAIL = 4
# The flags of QARTOD from good to worst: a bucket is as bad as its worst reading.
_BADNESS = "CASE o.quality WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 2 WHEN 9 THEN 3 ELSE 4 END"
_QUALITY = (1, 2, 3, 9, 4)
_WHOSE = """{0}.node IN (SELECT id FROM nodes WHERE node IN (SELECT value FROM json_each(:nodes)))
    AND {0}.property = (SELECT id FROM properties WHERE name = :property)
    AND (:station IS NULL OR {0}.station = (SELECT id FROM words WHERE text = :station))"""
_OF = _WHOSE.format("o") + " AND o.observed_at >= :from_ms AND o.observed_at < :to_ms"
_UNITS = """SELECT DISTINCT p.name, p.unit FROM latest AS l JOIN properties AS p ON p.id = l.property
    WHERE l.node IN (SELECT id FROM nodes WHERE node IN (SELECT value FROM json_each(:nodes))) ORDER BY p.name"""
_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM observations AS o WHERE {_OF} LIMIT :most)"  # noqa: S608
_RAW = f"""SELECT o.observed_at, o.value, o.quality, r.text, o.dated_later FROM observations AS o
    JOIN words AS r ON r.id = o.reason WHERE {_OF} ORDER BY o.observed_at"""  # noqa: S608
_BUCKETS = f"""SELECT b.at, b.low, b.high, b.badness, b.n, l.value, r.text FROM (
        SELECT max(o.observed_at) AS at, min(CASE WHEN o.quality <> {_FAIL} THEN o.value END) AS low,
            max(CASE WHEN o.quality <> {_FAIL} THEN o.value END) AS high, max({_BADNESS}) AS badness, count(*) AS n
        FROM observations AS o WHERE {_OF} GROUP BY (o.observed_at - :from_ms) / :step_ms) AS b
    JOIN observations AS l ON {_WHOSE.format("l")} AND l.observed_at = b.at
    JOIN words AS r ON r.id = l.reason GROUP BY b.at ORDER BY b.at"""  # noqa: S608


class TooMuchError(RuntimeError):
    """A question takes longer than it may; the text says what helps."""


class Asked(NamedTuple):
    """One series: from_ms <= observed_at < to_ms, Unix ms UTC. Of these nodes, and only while they stood at `station`."""

    nodes: tuple[str, ...]
    station: str | None
    property: str
    from_ms: int
    to_ms: int


class Columns(NamedTuple):
    """A series column by column, oldest first. `q` is the worst QARTOD flag of a point, `n` the number of its readings.

    `t` is Unix ms UTC, of the last reading of a point; `low` and `high` leave out what failed; a missing value is None.
    """

    t: list[int]
    low: list[float | None]
    high: list[float | None]
    last: list[float | None]
    q: list[int]
    n: list[int]
    reason: list[str]


class SeriesReader:
    """Reads series of one store, each on a connection of its own. Raises sqlite3.Error and TooMuchError."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def columns(self, asked: Asked, points: int) -> tuple[Columns, int | None]:
        """Return at most `points` points, and the width of a bucket in ms, None where every reading is a point."""
        with self._bounded() as db:
            db.execute("BEGIN")  # both questions see the same store
            given = _given(asked)
            (count,) = db.execute(_COUNT, given | {"most": points + 1}).fetchone()
            if count <= points:
                rows = db.execute(_RAW, given).fetchall()
                return _raw(rows), None
            step_ms = -(-(asked.to_ms - asked.from_ms) // points)
            rows = db.execute(_BUCKETS, given | {"step_ms": step_ms}).fetchall()
            return _bucketed(rows), step_ms

    def rows(self, asked: Asked, page: int = 5000) -> Iterator[list[tuple[Any, ...]]]:
        """Yield (observed_at, value, quality, reason, dated_later) of every reading, a page at a time."""
        after = asked.from_ms
        while True:
            with self._bounded() as db:
                given = _given(asked) | {"from_ms": after, "page": page}
                rows = db.execute(f"{_RAW} LIMIT :page", given).fetchall()
            if len(rows) < page:
                if rows:
                    yield rows
                return
            # Readings of one instant stay together: the page ends before the last instant unless that is all of it.
            end = rows[-1][0]
            whole = [row for row in rows if row[0] < end] or rows
            after = end if len(whole) < len(rows) else end + 1
            yield whole

    def properties(self, nodes: tuple[str, ...]) -> dict[str, str]:
        """Return {property: unit} of what these nodes have delivered."""
        with self._bounded() as db:
            return dict(db.execute(_UNITS, {"nodes": json.dumps(nodes)}).fetchall())

    @contextmanager
    def _bounded(self) -> Iterator[sqlite3.Connection]:
        end = time.monotonic() + BUDGET_S
        with closing(sqlite3.connect(self._uri, uri=True, check_same_thread=False)) as db:
            db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            try:
                yield db
            except sqlite3.OperationalError as error:
                if time.monotonic() > end:
                    raise TooMuchError(f"the answer takes more than {BUDGET_S:g} s: ask for a shorter time") from error
                raise


def _given(asked: Asked) -> dict[str, Any]:
    return asked._asdict() | {"nodes": json.dumps(asked.nodes)}


def _raw(rows: list[tuple[Any, ...]]) -> Columns:
    good = [None if row[2] == _FAIL else row[1] for row in rows]
    return Columns(
        [row[0] for row in rows], good, good, [row[1] for row in rows], [row[2] for row in rows], [1] * len(rows),
        [row[3] for row in rows],
    )  # fmt: skip


def _bucketed(rows: list[tuple[Any, ...]]) -> Columns:
    at, low, high, badness, n, last, reason = zip(*rows, strict=True)
    return Columns(list(at), list(low), list(high), list(last), [_QUALITY[b] for b in badness], list(n), list(reason))

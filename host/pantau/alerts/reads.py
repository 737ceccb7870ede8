"""What page, command and delivery read of alerts.sqlite3, on a connection of their own; readers never hold up the writer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.alerts.schema import VERSION
from pantau.alerts.track import Alert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_ALERT = ", ".join((*Alert._fields, "english", "indonesian"))
_WORST_FIRST = "ORDER BY past, severity DESC, opened_ms DESC, id DESC"
_FLAGS = slice(9, 12)  # confirmed, muted, past


class Listed(NamedTuple):
    """An alert with what was said about it last."""

    alert: Alert
    english: str
    indonesian: str


class Entry(NamedTuple):
    """One decision of the log. `explanation` has `figures`, `limits` and `station`."""

    number: int
    alert: int
    action: str
    severity: int
    confirmed: bool
    muted: bool
    past: bool
    at_ms: int
    decided_ms: int
    by: str
    english: str
    indonesian: str
    explanation: dict[str, Any]


class AlertReader:
    """Reads one store. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        """Open an existing store read-only. Raises sqlite3.Error, and RuntimeError for another version's file."""
        self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0, check_same_thread=False)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            self._db.close()
            msg = f"{path} has store version {version}, this Pantau reads {VERSION}; start its bridge once"
            raise RuntimeError(msg)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def open_alerts(self, limit: int = 1000) -> list[Listed]:
        """Return the open alerts, worst first and of those the newest; past events last."""
        return list(self._alerts(f"WHERE closed_ms IS NULL {_WORST_FIRST} LIMIT ?", limit))

    def history(self, *, station: str | None = None, before: int | None = None, limit: int = 100) -> list[Listed]:
        """Return alerts, open and ended, the newest first; `before` is the last id of the page before."""
        where = [("station = ?", station), ("id < ?", before)]
        given = [(clause, value) for clause, value in where if value is not None]
        clause = f"WHERE {' AND '.join(c for c, _ in given)} " if given else ""
        return list(self._alerts(f"{clause}ORDER BY id DESC LIMIT ?", *(value for _, value in given), limit))

    def alert(self, number: int) -> Listed | None:
        """Return one alert, None when there is none of this number, or none any more."""
        return next(self._alerts("WHERE id = ?", number), None)

    def some(self, numbers: Collection[int]) -> list[Listed]:
        """Return the alerts of these numbers that there are, at most 1,000 of them, in order of number."""
        asked = json.dumps(sorted(numbers)[:1000])
        return list(self._alerts("WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", asked))

    def standing(self) -> int:
        """Return how many alerts are open."""
        return int(self._db.execute("SELECT count(*) FROM alerts WHERE closed_ms IS NULL").fetchone()[0])

    def explain(self, number: int) -> list[Entry]:
        """Return every decision about one alert, in order."""
        return list(self._entries("WHERE alert = ? ORDER BY number", number))

    def decisions_after(self, number: int, limit: int = 500) -> list[Entry]:
        """Return what was decided after decision `number`, in order: how delivery goes on from where it was."""
        return list(self._entries("WHERE number > ? ORDER BY number LIMIT ?", number, limit))

    def last_number(self) -> int:
        """Return the number of the newest decision, 0 for none."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'decisions'").fetchone()
        return int(row[0]) if row else 0

    def _alerts(self, rest: str, *values: object) -> Iterator[Listed]:
        with closing(self._db.execute(f"SELECT {_ALERT} FROM alerts {rest}", values)) as rows:  # noqa: S608
            for row in rows:
                flags = [bool(flag) for flag in row[_FLAGS]]
                yield Listed(Alert._make([*row[: _FLAGS.start], *flags, *row[_FLAGS.stop : -2]]), row[-2], row[-1])

    def _entries(self, rest: str, *values: object) -> Iterator[Entry]:
        query = f"SELECT {', '.join(Entry._fields)} FROM decisions {rest}"  # noqa: S608  this module's own words
        with closing(self._db.execute(query, values)) as rows:
            for row in rows:
                flags = [bool(flag) for flag in row[4:7]]
                yield Entry._make([*row[:4], *flags, *row[7:12], json.loads(row[12])])

"""followers.sqlite3: how far each sink has come, and what its quality control knew then. One writer, one thread.

Position and state are written together: after a crash the fold goes on from where both agree, and the sink recognises
what it is given again. NORMAL sync: a power cut may take back the last second, whole.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pantau.ops.migrate import Schema, bring_up
from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = Schema(
    "followers",
    1,
    create="""
CREATE TABLE cursors (sink TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE states (sink TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (sink, key)) WITHOUT ROWID;
""",
    steps={},
)
_BUSY_S = 5.0
FOLLOWERS = "followers.sqlite3"  # in the data folder


class FollowerStore:
    """The file. Raises StoreError for one of another version, sqlite3.Error for trouble of the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = NORMAL")
        bring_up(self._db, path, SCHEMA)  # first: a file that is refused keeps the journal that it has
        self._db.execute("PRAGMA journal_mode = WAL")

    def position(self, sink: str) -> int | None:
        """Return the id of the last frame that `sink` is known to have, None for a sink that is new here."""
        row = self._db.execute("SELECT position FROM cursors WHERE sink = ?", (sink,)).fetchone()
        return int(row[0]) if row else None

    @property
    def begun(self) -> bool:
        """Return whether any sink is known to have something."""
        return self._db.execute("SELECT 1 FROM cursors LIMIT 1").fetchone() is not None

    def state(self, sink: str) -> SavedState:
        """Return a view of the sink's state, as of that position and of every later one."""
        return SavedState(self.path, sink)

    def save(self, sink: str, position: int, changed: Mapping[str, str]) -> None:
        """Note position and state in one transaction. Raises sqlite3.Error with nothing changed."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO cursors VALUES (?,?)", (sink, position))
            rows = [(sink, key, value) for key, value in changed.items()]
            self._db.executemany("INSERT OR REPLACE INTO states VALUES (?,?,?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def highest_position(data_dir: Path, city_store: Path) -> int:
    """Return the highest frame id that a follower or the city store knows of, 0 when there is none.

    Raises sqlite3.Error for a file that cannot be read: to begin below what sinks have seen would lose frames in silence.
    """
    queries = {
        data_dir / FOLLOWERS: "SELECT max(position) FROM cursors",
        city_store: "SELECT max(value) FROM meta WHERE key = 'position'",
    }
    found = [0]
    for path, query in queries.items():
        if path.exists():
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_S)) as db:
                # a file of another sort is refused by its opener, in words
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (query.split()[3],)).fetchone():
                    found.append(int(db.execute(query).fetchone()[0] or 0))
    return max(found)


class SavedState(Mapping[str, str]):
    """The saved state of one sink, read when it is asked for: a city's worth of it need not be in memory. One thread."""

    def __init__(self, path: Path, sink: str) -> None:
        self._path, self._sink = path, sink
        self._db: sqlite3.Connection | None = None

    def __getitem__(self, key: str) -> str:
        rows = self._rows("SELECT value FROM states WHERE sink = ? AND key = ?", key)
        if not rows:
            raise KeyError(key)
        return str(rows[0][0])

    def __iter__(self) -> Iterator[str]:
        return (row[0] for row in self._rows("SELECT key FROM states WHERE sink = ?"))

    def __len__(self) -> int:
        return len(self._rows("SELECT key FROM states WHERE sink = ?"))

    def _rows(self, query: str, *values: str) -> list[tuple[str]]:
        try:
            if self._db is None:
                self._db = sqlite3.connect(
                    f"file:{self._path}?mode=ro",
                    uri=True,
                    timeout=_BUSY_S,
                    check_same_thread=False,
                    isolation_level=None,
                )
            return self._db.execute(query, (self._sink, *values)).fetchall()
        except sqlite3.Error as error:
            raise SpoolUnavailable(f"{self._path}: {error}; look at the disk and its free space") from error

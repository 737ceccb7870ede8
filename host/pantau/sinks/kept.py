"""What a sink must remember beside its target: ids that the target gave, the newest time it was told. One small SQLite file.

NORMAL sync: a power cut may take back the last second, so nothing here may be needed for correctness that cannot be found
out again.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from pantau.log import event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("pantau.sink")


class Kept:
    """Texts by kind and key, in `<folder>/<name>.sqlite3`. Raises sqlite3.Error for trouble of the disk."""

    def __init__(self, folder: Path, name: str) -> None:
        """A file that is damaged is begun anew."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.sqlite3"
        try:
            self._db = _opened(path)
        except sqlite3.OperationalError:
            raise  # locked, a full disk: it passes
        except sqlite3.DatabaseError as error:
            event(_log, logging.WARNING, "sink.memory_damaged", file=str(path), reason=str(error), meaning="begun anew")
            for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                file.unlink(missing_ok=True)
            self._db = _opened(path)

    def get(self, kind: str, key: str) -> str | None:
        """Return one text, None when there is none."""
        row = self._db.execute("SELECT value FROM kept WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return str(row[0]) if row else None

    def all(self, kind: str) -> dict[str, str]:
        """Return all texts of a kind, by key."""
        return dict(self._db.execute("SELECT key, value FROM kept WHERE kind = ?", (kind,)))

    def put(self, kind: str, texts: Mapping[str, str]) -> None:
        """Keep texts, in one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = [(kind, key, value) for key, value in texts.items()]
            self._db.executemany("INSERT OR REPLACE INTO kept VALUES (?,?,?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def forget(self, kind: str) -> None:
        """Forget all of a kind: the target lost it, or changed its ids."""
        self._db.execute("DELETE FROM kept WHERE kind = ?", (kind,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(
            "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            raise sqlite3.DatabaseError(str(said[0]))
    except BaseException:
        db.close()
        raise
    return db

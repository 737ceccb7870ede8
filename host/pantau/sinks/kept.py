"""What a sink must remember beside its target: ids that the target gave, the newest time it was told. One small SQLite file.

NORMAL sync: a power cut may take back the last second, so nothing here may be needed for correctness that cannot be found
out again.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Kept:
    """Texts by kind and key, in `<folder>/<name>.sqlite3`. Raises sqlite3.Error for trouble of the disk."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / f"{name}.sqlite3", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )

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

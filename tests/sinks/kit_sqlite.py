"""The embedded city store as a target: a file, whose trouble is a lock that somebody else holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pantau.sinks.sqlite import CityStore
from sinks.kit import Row, registry

_ALL = "SELECT node, boot, seq, idx, property, value, observed_at_ms, quality FROM readings"


class Kit:
    """One city.sqlite3. It is stopped by a writer that does not let go, as a person's shell would."""

    name = "sqlite"
    keyed_by = "identity"
    holds_null = True
    holds_undated = True
    takes_revisions = True
    can_lose = False  # an open file cannot be exchanged under its writer: the bridge is stopped for that
    by_frame = True

    def __init__(self, folder: Path) -> None:
        self._path = folder / "city.sqlite3"
        self._holder: sqlite3.Connection | None = None

    def open(self, folder: Path | None = None) -> CityStore:
        store = CityStore(self._path)
        store._db.execute("PRAGMA busy_timeout = 100")
        store.use(registry())
        return store

    def rows(self) -> list[Row]:
        db = sqlite3.connect(self._path)
        try:
            return [Row(*row) for row in db.execute(_ALL)]
        finally:
            db.close()

    def stop(self) -> None:
        self._holder = sqlite3.connect(self._path, isolation_level=None)
        self._holder.execute("BEGIN IMMEDIATE")

    def start(self) -> None:
        assert self._holder is not None
        self._holder.execute("ROLLBACK")
        self._holder.close()
        self._holder = None

    def lose(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._holder is not None:
            self.start()

"""The reference of the embedded city store: SQLite's executemany of the same rows into the same tables."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pantau.sinks.sqlite import CityStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.sinks import Context, Sink

REFERENCE = "executemany of prepared rows"


@contextmanager
def serve(folder: Path) -> Iterator[Path]:
    """Give the folder: there is no server."""
    yield folder


def open(server: Path, context: Context) -> Sink:  # noqa: A001  the name that every bench of a sink has
    """Return the store."""
    store = CityStore(server / "city.sqlite3")
    store.use(context.registry)
    return store


def reference(server: Path, batches: Sequence[Sequence[Decoded]], folder: Path) -> float:
    """Return the seconds in which SQLite takes the rows of `batches`, prepared, one transaction a batch, with the same indexes."""
    del server
    paths = [folder / "made.sqlite3", folder / "reference.sqlite3"]
    store = CityStore(paths[0])
    for batch in batches:
        store.deliver(batch)
    store.close()
    with closing(sqlite3.connect(paths[0])) as db:
        every = db.execute("SELECT * FROM observations").fetchall()
    share = -(-len(every) // len(batches))
    rows = [every[at : at + share] for at in range(0, len(every), share)]
    CityStore(paths[1]).close()
    try:
        with closing(sqlite3.connect(paths[1], isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = NORMAL")
            marks = ",".join("?" * len(every[0]))
            began = time.perf_counter()
            for some in rows:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(f"INSERT OR IGNORE INTO observations VALUES ({marks})", some)  # noqa: S608  question marks
                db.execute("COMMIT")
            return time.perf_counter() - began
    finally:
        for path in paths:
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

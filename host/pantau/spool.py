"""The durable log: frames as received, what was refused, the windows, the cursors of the sinks. One SQLite file.

WAL with synchronous=FULL: when `commit` returns, the batch survives a power cut. One thread writes (`Spool`); each
follower reads with its own `SpoolReader`. The log knows frames by an ever-growing id, so that a store with one blob
per commit can stand in its place: what is relied on is commit, window, payload, read and the cursors.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from pantau.model import StoredFrame
from pantau.quarantine import SCHEMA as QUARANTINE_SCHEMA
from pantau.quarantine import Quarantine
from pantau.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pantau.ingest import Batch
    from pantau.quarantine import Entry

SCHEMA_VERSION = 1
_BUSY_S = 5.0  # for a person's own sqlite3 shell; the bridge has one writer
_PAGE = 4096
_MIB = 1 << 20

_SCHEMA = (
    """
CREATE TABLE frames (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, payload BLOB NOT NULL,
    UNIQUE (node, boot, seq)
);
CREATE TABLE windows (
    node TEXT NOT NULL, boot INTEGER NOT NULL,
    through INTEGER NOT NULL, map BLOB NOT NULL, gone INTEGER NOT NULL, spilled INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;
CREATE TABLE cursors (sink TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
    + QUARANTINE_SCHEMA
)

# Trouble of the disk or of another process, by SQLite's primary codes: FULL, IOERR, BUSY, LOCKED, READONLY, CANTOPEN.
# What cannot be written now may be written later, so the bridge keeps the batch and tries again.
_PASSING = {
    sqlite3.SQLITE_FULL: "the disk or the size limit of the spool is reached: free space or raise [spool] max_mib",
    sqlite3.SQLITE_IOERR: "the disk does not take the write: check it and its free space",
    sqlite3.SQLITE_BUSY: "another program holds the file: close it",
    sqlite3.SQLITE_LOCKED: "another program holds the file: close it",
    sqlite3.SQLITE_READONLY: "the file is read-only: check its owner and the mount",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check the folder, its owner and the mount",
}


class SpoolUnavailable(Exception):  # noqa: N818  a state that passes, not a mistake
    """Nothing was made durable. Keep the batch, acknowledge nothing, try again later."""


class SpoolBroken(Exception):  # noqa: N818
    """The file is not a spool that this Pantau can use. Stop; the message says what to do."""


def _trouble(path: Path, error: sqlite3.Error) -> SpoolUnavailable | SpoolBroken:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _PASSING:
        return SpoolUnavailable(f"{path}: {error}; {_PASSING[code]}")
    return SpoolBroken(
        f"{path}: {error}; move the file aside (nodes still have what was not acknowledged) or restore it"
    )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


class Spool:
    """The writer. Used by one thread at a time; every change is one transaction."""

    def __init__(self, path: Path, *, max_mib: int, quarantine_rows: int, quarantine_mib: int) -> None:
        """Open or create the log. Raises SpoolUnavailable or SpoolBroken."""
        self.path = path
        try:
            self._db = _connect(path)
            self._prepare(max_mib)
            self.last_id = int(self._db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()[0])
            self.bytes = self._size()
            self.quarantine = Quarantine(self._db, max_rows=quarantine_rows, max_bytes=quarantine_mib * _MIB)
        except sqlite3.Error as error:
            raise _trouble(path, error) from error

    def _prepare(self, max_mib: int) -> None:
        self._db.execute(f"PRAGMA page_size = {_PAGE}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            msg = f"{self.path} has spool version {version}, this Pantau reads {SCHEMA_VERSION}: use the Pantau that wrote it"
            raise SpoolBroken(msg)
        # SQLite itself then answers "full" at our limit, by the same path as a full disk.
        page = self._db.execute("PRAGMA page_size").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {max_mib * _MIB // page}")

    def commit(self, batch: Batch) -> int:
        """Make `batch` durable and return how many of its frames the log already held (0 unless a window was wrong).

        Raises SpoolUnavailable with nothing changed, or SpoolBroken.
        """
        frames = list(batch.frames.values())
        windows = [
            (node, boot, w.through, w.bits.to_bytes((w.bits.bit_length() + 7) // 8, "little"), w.gone, w.spilled)
            for (node, boot), w in batch.windows.items()
        ]
        last_id = self.last_id
        with _Transaction(self):
            before = self._db.total_changes
            self._db.executemany(
                "INSERT INTO frames (node, boot, seq, received_ms, payload) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
                frames,
            )
            known = len(frames) - (self._db.total_changes - before)
            self._db.executemany("INSERT OR REPLACE INTO windows VALUES (?,?,?,?,?,?)", windows)
            self.quarantine.add(batch.refused)
            if frames:
                last_id = int(self._db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()[0])
        self.last_id = last_id
        self.bytes = self._size()
        return known

    def window(self, node: str, boot: int) -> Window | None:
        """Return the window as of the last commit, None for a boot that was never seen."""
        query = "SELECT through, map, gone, spilled FROM windows WHERE node = ? AND boot = ?"
        row = self._fetch(query, (node, boot))
        return Window(row[0], int.from_bytes(row[1], "little"), row[2], bool(row[3])) if row else None

    def payload(self, node: str, boot: int, seq: int) -> bytes | None:
        """Return the stored bytes of one frame, None when the log does not hold it."""
        row = self._fetch("SELECT payload FROM frames WHERE node = ? AND boot = ? AND seq = ?", (node, boot, seq))
        return row[0] if row else None

    def cursor(self, sink: str) -> int:
        """Return how far `sink` has come, 0 for a new one."""
        row = self._fetch("SELECT position FROM cursors WHERE sink = ?", (sink,))
        return int(row[0]) if row else 0

    def save_cursors(self, positions: Iterable[tuple[str, int]]) -> None:
        """Note how far sinks have come."""
        with _Transaction(self):
            self._db.executemany("INSERT OR REPLACE INTO cursors VALUES (?,?)", positions)

    def note(self, key: str, value: str) -> None:
        """Remember one fact about this bridge."""
        with _Transaction(self):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def noted(self, key: str) -> str | None:
        """Return what `note` remembered."""
        row = self._fetch("SELECT value FROM meta WHERE key = ?", (key,))
        return row[0] if row else None

    def mark(self, frames: Iterable[tuple[StoredFrame, str, str]]) -> None:
        """Put stored frames into quarantine: (frame, reason, detail). They stay in the log."""
        with _Transaction(self):
            for frame, reason, detail in frames:
                self.quarantine.mark(frame, reason, detail)

    def resolve(self, done: Iterable[int], tried: Iterable[int] = ()) -> None:
        """Delete the entries of the quarantine that are `done`; take the replay request off those that were `tried`."""
        with _Transaction(self):
            self.quarantine.want_replay(tried, wanted=False)
            self.quarantine.remove(done)

    def want_replay(self, entries: Iterable[int]) -> None:
        """Ask the bridge to try entries of the quarantine again."""
        with _Transaction(self):
            self.quarantine.want_replay(entries, wanted=True)

    def replay_wanted(self, limit: int, *, stored_too: bool) -> list[Entry]:
        """Return up to `limit` entries whose replay was asked for; messages only unless `stored_too`."""
        wanted = "id IN (SELECT id FROM quarantine WHERE replay = 1 AND (?1 OR frame_id IS NULL) LIMIT ?2)"
        return self._entries(wanted, (stored_too, limit))

    def entries(self, reason: str | None, node: str | None) -> list[Entry]:
        """Return the quarantine, oldest first, or the part with this reason and of this node."""
        return self._entries("(?1 IS NULL OR reason = ?1) AND (?2 IS NULL OR node = ?2)", (reason, node))

    def entry(self, number: int) -> Entry | None:
        """Return one entry of the quarantine."""
        return next(iter(self._entries("id = ?", (number,))), None)

    def _entries(self, where: str, values: tuple[object, ...]) -> list[Entry]:
        try:
            return self.quarantine.entries(where, values)
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self._db.close()

    def _size(self) -> int:
        """Return the size of the file without the free pages in it."""
        pages, free, size = (
            self._fetch(f"PRAGMA {name}", ())[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _fetch(self, query: str, values: Sequence[object]) -> sqlite3.Row:
        try:
            row: sqlite3.Row = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error
        return row


class _Transaction:
    """BEGIN IMMEDIATE .. COMMIT; on any error nothing has changed and SQLite's trouble is ours."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __enter__(self) -> None:
        try:
            self._spool._db.execute("BEGIN IMMEDIATE")  # noqa: SLF001  the two are one thing
        except sqlite3.Error as error:
            raise _trouble(self._spool.path, error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        db = self._spool._db  # noqa: SLF001
        try:
            if error is None:
                db.execute("COMMIT")
        except sqlite3.Error as failed:
            error = failed
        if error is None:
            return
        if db.in_transaction:  # a full disk may have rolled back already
            db.execute("ROLLBACK")
        self._spool.quarantine.recount()
        if isinstance(error, sqlite3.Error):
            raise _trouble(self._spool.path, error) from error
        raise error


class SpoolReader:
    """Reads the log for one follower, in its own thread, without ever holding up the writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames with an id above `after`, in order. Raises SpoolUnavailable or SpoolBroken."""
        return self._frames("id > ? ORDER BY id LIMIT ?", (after, limit))

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the log holds them."""
        return [frame for number in ids for frame in self._frames("id = ?", (number,))]

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _frames(self, where: str, values: Sequence[int]) -> list[StoredFrame]:
        query = f"SELECT id, node, boot, seq, received_ms, payload FROM frames WHERE {where}"  # noqa: S608  fixed text
        try:
            if self._db is None:
                self._db = _connect(self._path)
                self._db.execute("PRAGMA query_only = 1")
            return [StoredFrame(*row) for row in self._db.execute(query, values)]
        except sqlite3.Error as error:
            raise _trouble(self._path, error) from error

"""The durable log: frames as received, what was refused, the windows of what is held. One SQLite file.

WAL with synchronous=FULL: when `commit` returns, the batch survives a power cut. One thread writes (`Spool`); each
follower reads with its own `SpoolReader`. A commit is one blob of frames (blocks.py): a row for each would cost more than
all else together. Frames have ever-growing ids.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from pantau import blocks
from pantau.boots import PAGE, Saved
from pantau.model import StoredFrame
from pantau.ops.migrate import StoreError, bring_up
from pantau.quarantine import Quarantine
from pantau.spool_schema import SCHEMA, columns
from pantau.window import Window
from pantau_wire import frame as wire
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pantau.batch import Batch
    from pantau.quarantine import Entry

LOG = "log"  # the note with the name of this log, by which sinks know their positions in it
_BUSY_S = 5.0  # the bridge's two processes take turns, for milliseconds
_PAGE = 4096
_MIB = 1 << 20
_PAGES_KEPT = 4096  # of a boot: the tags of 131,072 frames, which is more than a node's ring can hold back
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
            self._numbers = {node: number for number, node in self._db.execute("SELECT number, node FROM nodes")}
            # A node that was never here needs no look into the file: at the first start of a city that is all of them.
            self._saved = {node for (node,) in self._db.execute("SELECT DISTINCT node FROM boots")}
            self._unknown: list[str] = []  # nodes with a number that no commit has made durable yet
            last = self._db.execute("SELECT id + frames - 1 FROM blocks ORDER BY id DESC LIMIT 1").fetchone()
            self.last_id = max(int(last[0]) if last else 0, int(self.noted("pruned") or 0))
            self._checkpoint = int(self.noted("checkpoint") or 1)
            self.bytes = self._size()
            self.quarantine = Quarantine(self._db, max_rows=quarantine_rows, max_bytes=quarantine_mib * _MIB)
        except StoreError as error:
            raise SpoolBroken(str(error)) from error
        except sqlite3.Error as error:
            raise _trouble(path, error) from error

    def _prepare(self, max_mib: int) -> None:
        self._db.execute(f"PRAGMA page_size = {_PAGE}")
        self._db.execute("PRAGMA synchronous = FULL")
        bring_up(self._db, self.path, SCHEMA)  # first: a file that is refused keeps the journal that it has
        self._db.execute("PRAGMA journal_mode = WAL")
        # SQLite itself then answers "full" at our limit, by the same path as a full disk.
        page = self._db.execute("PRAGMA page_size").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {max_mib * _MIB // page}")

    def commit(self, batch: Batch) -> None:
        """Make `batch` durable. Raises SpoolUnavailable with nothing changed, or SpoolBroken."""
        with _Transaction(self):
            self._save_frames(batch)
            self._save_boots(batch.saves)
            new = [(self._numbers[node], node) for node in self._unknown]
            self._db.executemany("INSERT INTO nodes VALUES (?,?)", new)
            if batch.checkpoint != self._checkpoint:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (str(batch.checkpoint),))
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", batch.notes.items())
            self.quarantine.add(batch.refused)
        self._unknown.clear()
        self._saved.update(saved.node for saved in batch.saves)
        self._checkpoint = batch.checkpoint
        self.last_id = max(self.last_id, batch.last_id)
        with contextlib.suppress(SpoolUnavailable):  # the batch is durable: nothing after may fail it
            self.bytes = self._size()

    def _save_frames(self, batch: Batch) -> None:
        if not batch.payloads:
            return
        if batch.first_id <= self.last_id:
            msg = f"{self.path}: a batch begins at frame {batch.first_id}, the log ends at {self.last_id}; restart the bridge"
            raise SpoolBroken(msg)
        known = self._numbers
        numbers = [known.get(node) or self._number(node) for node in batch.nodes]
        at_ms = batch.runs[0][0]
        row = (len(batch.payloads), at_ms, blocks.pack_runs(at_ms, batch.runs), blocks.pack(numbers, batch.payloads))
        self._db.execute("INSERT INTO blocks VALUES (?,?,?,?,?)", (batch.first_id, *row))

    def _save_boots(self, saves: Sequence[Saved]) -> None:
        boots = [(s.node, s.boot, *columns(s.window), s.folded) for s in saves]
        self._db.executemany("INSERT OR REPLACE INTO boots VALUES (?,?,?,?,?,?,?)", boots)
        pages = [(s.node, s.boot, number, page) for s in saves for number, page in s.pages.items()]
        self._db.executemany("INSERT OR REPLACE INTO pages VALUES (?,?,?,?)", pages)

    def _number(self, node: str) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._numbers) + 1
            self._unknown.append(node)
        return number

    def boot(self, node: str, boot: int) -> Saved | None:
        """Return one boot as last saved, without its pages; None for one that was never saved."""
        if node not in self._saved:
            return None
        query = "SELECT through, map, gone, top, folded FROM boots WHERE node = ? AND boot = ?"
        row = self._fetch(query, (node, boot))
        if row is None:
            return None
        return Saved(node, boot, Window(row[0], int.from_bytes(row[1], "little"), row[2], row[3]), row[4], {})

    def page(self, node: str, boot: int, number: int) -> bytes | None:
        """Return one saved page of tags, None when there is none."""
        query = "SELECT tags FROM pages WHERE node = ? AND boot = ? AND number = ?"
        row = self._fetch(query, (node, boot, number))
        return row[0] if row else None

    def tail(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield (id, node, payload) of the frames from the checkpoint on."""
        names = {number: node for node, number in self._numbers.items()}
        query = "SELECT id, frames, data FROM blocks WHERE id + frames > ? AND id > ? - 131072 ORDER BY id"
        try:
            for first, count, data in self._db.execute(query, (self._checkpoint, self._checkpoint)):
                for at, (number, payload) in enumerate(blocks.unpack(count, data)):
                    yield first + at, names[number], payload
        except (ValueError, KeyError) as error:
            raise SpoolBroken(f"{self.path}: {error}; restore it from its backup or move it aside") from error
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error

    def prune(self, through_id: int, most: int = 1 << 30) -> int:
        """Delete up to `most` whole blocks up to the frame `through_id`; return how many frames went.

        A few at a time, so that no commit waits long. The caller knows that every sink has passed them; what a start after a
        crash reads stays in any case.
        """
        gone = 0
        through_id = min(through_id, self._checkpoint - 1)
        for _ in range(most):
            row = self._fetch("SELECT id, frames, data FROM blocks ORDER BY id LIMIT 1", ())
            if row is None or row[0] + row[1] - 1 > through_id:
                return gone
            with _Transaction(self):
                self._prune_pages(row[1], row[2])
                self._db.execute("DELETE FROM blocks WHERE id = ?", (row[0],))
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('pruned', ?)", (str(row[0] + row[1] - 1),))
            gone += row[1]
            self.bytes = self._size()
        return gone

    def _prune_pages(self, count: int, data: bytes) -> None:
        """Delete pages far before the frames that go. Those near may hold frames that an alarm overtook, in later blocks."""
        names = {number: node for node, number in self._numbers.items()}
        top: dict[tuple[str, int], int] = {}
        try:
            for number, payload in blocks.unpack(count, data):
                head = wire.header(payload)
                key = (names[number], head.boot)
                top[key] = max(top.get(key, 0), head.seq)
        except (ValueError, KeyError, WireError):
            return  # a block that rotted must not stay for ever
        rows = [(*key, seq // PAGE - _PAGES_KEPT) for key, seq in top.items() if seq // PAGE > _PAGES_KEPT]
        self._db.executemany("DELETE FROM pages WHERE node = ? AND boot = ? AND number < ?", rows)

    def go_on_after(self, number: int) -> None:
        """Give new frames ids above `number`: a log that is new, or restored, must not use again what sinks have seen."""
        with _Transaction(self):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('pruned', ?)", (str(number),))
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (str(min(self._checkpoint, number + 1)),)
            )
        self.last_id = max(self.last_id, number)

    @property
    def oldest(self) -> tuple[int, int] | None:
        """Return (id, received_ms) of the oldest frame held, None for an empty log."""
        row = self._fetch("SELECT id, received_ms FROM blocks ORDER BY id LIMIT 1", ())
        return (row[0], row[1]) if row else None

    def held_at(self, at_ms: int) -> int:
        """Return the id of the last frame received before `at_ms` (Unix ms), 0 when there is none."""
        query = "SELECT id + frames - 1 FROM blocks WHERE received_ms < ? ORDER BY received_ms DESC, id DESC LIMIT 1"
        row = self._fetch(query, (at_ms,))
        return int(row[0]) if row else 0

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

    def redelivery_wanted(self, limit: int) -> list[Entry]:
        """Return up to `limit` entries of stored frames whose delivery was asked for once more."""
        wanted = "id IN (SELECT id FROM quarantine WHERE replay = 1 AND frame_id IS NOT NULL LIMIT ?)"
        return self._entries(wanted, (limit,))

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

    def _fetch(self, query: str, values: Sequence[object]) -> Any:
        try:
            return self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error


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
        with contextlib.suppress(
            sqlite3.Error
        ):  # a full disk may have rolled back already; the first error is the one to tell
            if db.in_transaction:
                db.execute("ROLLBACK")
        self._spool.quarantine.doubt()
        if isinstance(error, sqlite3.Error):
            raise _trouble(self._spool.path, error) from error
        raise error


class SpoolReader:
    """Reads the log for one follower, in its own thread, without ever holding up the writer."""

    waits = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._names: dict[int, str] = {}
        self._held: list[StoredFrame] = []  # the block read last: a follower takes it in several bites

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames with an id above `after`, in order. Raises SpoolUnavailable or SpoolBroken."""
        found: list[StoredFrame] = []
        while len(found) < limit:
            block = self._block(after + 1)
            some = [frame for frame in block if frame.id > after][: limit - len(found)]
            if not some:
                break
            found += some
            after = some[-1].id
        return found

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the log holds them."""
        return [frame for number in ids for frame in self._block(number) if frame.id == number]

    def last_id(self) -> int:
        """Return the id of the last frame in the log, 0 for an empty one."""
        row = self._rows(
            "SELECT coalesce(max(id + frames - 1), 0) FROM blocks WHERE id = (SELECT max(id) FROM blocks)", ()
        )
        return int(row[0][0])

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def _block(self, number: int) -> list[StoredFrame]:
        """Return the block that holds the frame `number`, else the next one after it; [] at the end of the log."""
        held = self._held
        if held and held[0].id <= number <= held[-1].id:
            return held
        query = "SELECT id, frames, received_ms, runs, data FROM blocks WHERE id"
        rows = self._rows(f"{query} <= ? ORDER BY id DESC LIMIT 1", (number,))
        if not rows or rows[0][0] + rows[0][1] <= number:
            rows = self._rows(f"{query} >= ? ORDER BY id LIMIT 1", (number,))
        self._held = self._expand(*rows[0]) if rows else []
        return self._held

    def _expand(self, first: int, count: int, at_ms: int, runs: bytes, data: bytes) -> list[StoredFrame]:
        try:
            pairs = zip(blocks.unpack(count, data), blocks.times(count, at_ms, runs), strict=True)
            return [self._frame(first + at, *pair, received) for at, (pair, received) in enumerate(pairs)]
        except (ValueError, WireError) as error:
            raise SpoolBroken(f"{self._path}: block {first}: {error}; restore it from its backup") from error

    def _frame(self, number: int, node: int, payload: bytes, received_ms: int) -> StoredFrame:
        if node not in self._names:
            self._names = dict(self._rows("SELECT number, node FROM nodes", ()))
        head = wire.header(payload)
        return StoredFrame(number, self._names[node], head.boot, head.seq, received_ms, payload)

    def _rows(self, query: str, values: Sequence[int]) -> list[Any]:
        try:
            if self._db is None:
                self._db = _connect(self._path)
                self._db.execute("PRAGMA query_only = 1")
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _trouble(self._path, error) from error

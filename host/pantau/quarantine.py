"""Refused bytes with their reason: kept, bounded, listed and replayed. They live in the spool's file.

Two sorts of entry: messages that never became frames, and stored frames that could not be decoded or delivered
(`frame_id` points into the log). The same bytes again raise a count, not a row.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pantau.refusals import elsewhere

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from typing import Any

    from pantau.batch import Refused
    from pantau.ingest import Ingest
    from pantau.model import StoredFrame
    from pantau.spool import Spool

KEEP_BYTES = 4096  # of one message: a whole frame four times over; of anything longer the head shows what it is
KEEP_TOPIC = 256  # characters: more than any topic of ours has, less than the 65,535 that a stranger may send

SCHEMA = """
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    reason TEXT NOT NULL, detail TEXT NOT NULL, topic TEXT NOT NULL,
    node TEXT NOT NULL, boot INTEGER, seq INTEGER, frame_id INTEGER,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    size INTEGER NOT NULL, payload BLOB NOT NULL, replay INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX quarantine_replay ON quarantine (id) WHERE replay = 1;
"""
_COLUMNS = "id, reason, detail, topic, node, boot, seq, frame_id, first_ms, last_ms, count, size, payload, replay"
_ADD = """INSERT INTO quarantine
    (digest, reason, detail, topic, node, boot, seq, frame_id, first_ms, last_ms, count, size, payload)
    VALUES (?,?,?,?,?,?,?,?,?,?,1,?,?)
    ON CONFLICT (digest) DO UPDATE SET count = count + 1, last_ms = max(last_ms, excluded.last_ms)"""


class Entry(NamedTuple):
    """One refusal. Times are Unix ms UTC; `size` is what arrived, `payload` what was kept of it."""

    id: int
    reason: str
    detail: str
    topic: str
    node: str
    boot: int | None
    seq: int | None
    frame_id: int | None
    first_ms: int
    last_ms: int
    times: int
    size: int
    payload: bytes
    replay: int


class Quarantine:
    """The table within the spool. Its owner opens and commits the transactions."""

    def __init__(self, db: sqlite3.Connection, *, max_rows: int, max_bytes: int) -> None:
        self._db = db
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self.dropped = 0  # rows that the bounds pushed out since the start
        self.rows = self.bytes = 0
        self._seen = 0
        self.recount()

    def doubt(self) -> None:
        """Count again before the next change: a transaction failed."""
        self._seen = -1

    def recount(self) -> None:
        """Take the counts from the table: at the start, and when a transaction failed."""
        self.rows, self.bytes = self._sum("1", 0)

    def add(self, refused: Iterable[Refused]) -> None:
        """Keep refused messages, within the bounds."""
        self._insert(
            [
                (
                    *(
                        _digest(r.reason, r.topic.encode(), r.payload),
                        r.reason,
                        "",
                        r.topic[:KEEP_TOPIC],
                        r.node,
                        r.boot,
                        r.seq,
                        None,
                    ),
                    *(r.received_ms, r.received_ms, len(r.payload), r.payload[:KEEP_BYTES]),
                )
                for r in refused
            ]
        )

    def mark(self, frame: StoredFrame, reason: str, detail: str) -> None:
        """Note that a stored frame could not be used. Its bytes stay in the log too, for as long as that keeps them."""
        digest = _digest(reason, detail.partition(":")[0].encode(), str(frame.id).encode())
        row = (digest, reason, detail, "", frame.node, frame.boot, frame.seq, frame.id)
        self._insert([(*row, frame.received_ms, frame.received_ms, len(frame.payload), frame.payload[:KEEP_BYTES])])

    def entries(self, where: str = "1", values: tuple[Any, ...] = ()) -> list[Entry]:
        """Return entries, oldest first; `where` is fixed text of the caller."""
        query = f"SELECT {_COLUMNS} FROM quarantine WHERE {where} ORDER BY id"  # noqa: S608
        return [Entry(*row) for row in self._db.execute(query, values)]

    def remove(self, entries: Iterable[int]) -> None:
        """Delete entries."""
        self._db.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in entries])
        self.recount()

    def want_replay(self, entries: Iterable[int], *, wanted: bool) -> None:
        """Ask for entries to be tried again, or take the request off."""
        rows = [(int(wanted), number) for number in entries]
        self._db.executemany("UPDATE quarantine SET replay = ? WHERE id = ?", rows)

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        if (version := self._db.execute("PRAGMA data_version").fetchone()[0]) != self._seen:
            self._seen = version  # another process of the bridge wrote meanwhile
            self.recount()
        last = self._db.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()[0]
        self._db.executemany(_ADD, rows)
        new, size = self._sum("id > ?", last)
        self.rows += new
        self.bytes += size
        self._bound()

    def _bound(self) -> None:
        """Drop the oldest rows beyond the bounds: bytes from strangers must not fill the disk."""
        while self.rows > self._max_rows or (self.bytes > self._max_bytes and self.rows > 1):
            # Bytes go in steps of a sixteenth, so that a flood does not cost one query per message.
            over = max(self.rows - self._max_rows, self.rows // 16 if self.bytes > self._max_bytes else 0, 1)
            edge = self._db.execute("SELECT id FROM quarantine ORDER BY id LIMIT 1 OFFSET ?", (over - 1,)).fetchone()[0]
            gone, size = self._sum("id <= ?", edge)
            self._db.execute("DELETE FROM quarantine WHERE id <= ?", (edge,))
            self.rows -= gone
            self.bytes -= size
            self.dropped += gone

    def _sum(self, where: str, value: int) -> tuple[int, int]:
        query = f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM quarantine WHERE {where}"  # noqa: S608
        rows, size = self._db.execute(query, (value,) if "?" in where else ()).fetchone()
        return int(rows), int(size)


class Replayed(NamedTuple):
    """What a replay came to: messages that became frames, and stored frames to deliver again."""

    tried: int
    stored: int
    again: list[Entry]


def replay(
    spool: Spool,
    ingest: Ingest,
    *,
    stored_too: bool = True,
    limit: int = 1000,
    holds: Callable[[int], bool] | None = None,
) -> Replayed:
    """Judge the requested messages again, with today's registry, keys and code.

    Without `stored_too` the requests for stored frames are left standing, for a bridge with its followers to serve; so are
    those of partitions that another bridge `holds`, until they are ours. What is refused again stays, under today's reason.
    Raises SpoolUnavailable with the requests still standing.
    """
    entries = [e for e in spool.replay_wanted(limit, stored_too=stored_too) if not elsewhere(e.topic, holds)]
    if not entries:
        return Replayed(0, 0, [])
    again = [entry for entry in entries if entry.frame_id is not None]
    messages = [entry for entry in entries if entry.frame_id is None]
    try:
        verdicts = [ingest.offer(entry.topic, entry.payload, entry.first_ms) for entry in messages]
        batch = ingest.take()
        stored = batch.counts["new"]
        unchanged = {(entry.reason, entry.topic, entry.payload) for entry in entries}
        batch.refused = [r for r in batch.refused if (r.reason, r.topic, r.payload) not in unchanged]
        spool.commit(batch)
    except BaseException:
        ingest.abandon(ingest.take())
        raise
    ingest.settle(batch)
    done = [entry.id for entry, verdict in zip(messages, verdicts, strict=True) if verdict.reason != entry.reason]
    spool.resolve(done, tried=[entry.id for entry in entries])
    return Replayed(len(entries), stored, again)


def _digest(reason: str, *parts: bytes) -> bytes:
    """Return 16 bytes that are the same for the same refusal of the same bytes."""
    hashed = hashlib.sha256(reason.encode())
    for part in parts:
        hashed.update(len(part).to_bytes(4, "big") + part)
    return hashed.digest()[:16]

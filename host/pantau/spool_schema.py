"""The spool's file: its tables and how older versions become this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau import blocks
from pantau.boots import PAGE
from pantau.ops.migrate import Schema, run_script
from pantau.quarantine import SCHEMA as QUARANTINE
from pantau.window import Window
from pantau_wire import tag

if TYPE_CHECKING:
    import sqlite3

# A block is one commit: frames `id` .. `id + frames - 1`, their receipt in Unix ms (blocks.py). A boot is the window of what
# is stored, as of the frame `folded`; pages hold its frames' tags (boots.py), by which a frame that comes again is known.
_LOG = """
CREATE TABLE nodes (number INTEGER PRIMARY KEY, node TEXT NOT NULL UNIQUE);
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, frames INTEGER NOT NULL, received_ms INTEGER NOT NULL, runs BLOB NOT NULL, data BLOB NOT NULL
);
CREATE INDEX block_times ON blocks (received_ms);
CREATE TABLE boots (
    node TEXT NOT NULL, boot INTEGER NOT NULL,
    through INTEGER NOT NULL, map BLOB NOT NULL, gone INTEGER NOT NULL, top INTEGER NOT NULL, folded INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;
CREATE TABLE pages (
    node TEXT NOT NULL, boot INTEGER NOT NULL, number INTEGER NOT NULL, tags BLOB NOT NULL,
    PRIMARY KEY (node, boot, number)
) WITHOUT ROWID;
"""
_REST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_ROWS = 1000  # of version 1 that become one block


def _blocks_from_rows(db: sqlite3.Connection) -> None:
    """Version 1 had a row for each frame, and a window that could forget frames far ahead."""
    run_script(db, _LOG)
    db.execute("INSERT INTO nodes (node) SELECT DISTINCT node FROM frames")
    numbers: dict[str, int] = {node: number for number, node in db.execute("SELECT number, node FROM nodes")}
    last = 0
    while True:
        query = "SELECT id, node, boot, seq, received_ms, payload FROM frames WHERE id > ? ORDER BY id LIMIT ?"
        rows = db.execute(query, (last, _ROWS)).fetchall()
        if not rows:
            break
        first = rows[0][0]
        run = [row for at, row in enumerate(rows) if row[0] == first + at]  # ids that follow one another
        at_ms = run[0][4]
        data = blocks.pack([numbers[row[1]] for row in run], [row[5] for row in run])
        runs = blocks.pack_runs(at_ms, [(row[4], 1) for row in run])
        db.execute("INSERT INTO blocks VALUES (?,?,?,?,?)", (first, len(run), at_ms, runs, data))
        last = run[-1][0]
    _boots_from_windows(db, last)
    run_script(db, "DROP TABLE frames; DROP TABLE windows; DROP TABLE cursors;")
    db.execute("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (str(last + 1),))


def _boots_from_windows(db: sqlite3.Connection, last: int) -> None:
    for node, boot, through, bits, gone in db.execute("SELECT node, boot, through, map, gone FROM windows").fetchall():
        window = Window(through, int.from_bytes(bits, "little"), gone)
        pages: dict[int, bytearray] = {}
        frames = "SELECT seq, substr(payload, -8) FROM frames WHERE node = ? AND boot = ?"
        for seq, mark in db.execute(frames, (node, boot)):
            page = pages.setdefault(seq // PAGE, bytearray(PAGE * tag.SIZE))
            page[seq % PAGE * tag.SIZE : (seq % PAGE + 1) * tag.SIZE] = mark
            window.top = max(window.top, seq)
        db.execute("INSERT INTO boots VALUES (?,?,?,?,?,?,?)", (node, boot, *columns(window), last))
        rows = [(node, boot, number, bytes(page)) for number, page in pages.items()]
        db.executemany("INSERT INTO pages VALUES (?,?,?,?)", rows)


def columns(window: Window) -> tuple[int, bytes, int, int]:
    """Return (through, map, gone, top) as the table holds them."""
    bits = window.bits.to_bytes((window.bits.bit_length() + 7) // 8, "little")
    return window.through, bits, window.gone, window.top


SCHEMA = Schema("spool", 2, create=_LOG + _REST + QUARANTINE, steps={1: _blocks_from_rows})

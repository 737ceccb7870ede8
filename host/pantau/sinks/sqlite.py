"""The embedded city store: history, latest values, nodes and stations in one SQLite file.

One delivery is one transaction with the spool position in it, and the primary key is the observation's identity: a
batch that is delivered again after a crash changes nothing. WAL with NORMAL sync: a power cut may take back the last
deliveries whole, position included, and the follower delivers them again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pantau.ops.migrate import Schema, bring_up, run_script
from pantau.sinks import Verdict
from pantau.sinks import _city_sql as sql
from pantau.sinks._city_stations import StationRow, station_rows
from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.model import Observation, Revision
    from pantau.registry import Registry

    Row = tuple[Any, ...]
    Listener = Callable[[frozenset[str]], None]

__all__ = ["CityStore", "StationRow", "station_rows"]


def _script(name: str) -> Callable[[sqlite3.Connection], None]:
    return lambda db: run_script(db, files(__package__).joinpath(name).read_text(encoding="utf-8"))


ABOUT = sql.ABOUT
SCHEMA = Schema("city store", 2, create=_script("schema.sql"), steps={1: _script("schema_1_to_2.sql")})
# A node's clock may run ahead of the bridge's by transit and drift. A date beyond that is in the future: such a reading
# must not hold the latest value against all that arrives after it.
FUTURE_TOLERANCE_MS = 300_000
_BUSY_TIMEOUT_S = 5.0  # readers never block a WAL writer; this is for a person's own sqlite3 shell
_MAX_INT = 2**63 - 1
_MAX_IDS = 1 << 16

# What SQLite raises for one bad row. Anything else is trouble of the file and concerns the whole batch.
_ROW_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    OverflowError,
)

# Columns of a row as sql.INSERT takes it.
_NODE, _PROPERTY, _VALUE, _QUALITY, _REASON, _OBSERVED = 0, 4, 5, 6, 7, 8
_CLOCK, _RECEIVED, _LATER, _TESTS = 10, 11, 13, 14


class CityStore:
    """The `sqlite` sink. One writer; readers open their own connection on `path`."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open the store, brought up to this version, or create it. Raises sqlite3.Error, and StoreError when it cannot be."""
        self.path = path
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        # Interned ids: a few per node of the registry, since frames of unknown nodes never pass the bridge's ingest.
        self._ids: dict[tuple[str, str], int] = {}
        self._waiting: list[StationRow] | None = None  # stations that the store could not take yet
        self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            bring_up(self._db, path, SCHEMA)  # first: a file that is refused keeps the journal that it has
            self._db.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the writer; what `deliver` returned as stored stays."""
        with self._lock:
            self._db.close()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the nodes that a commit touched, in the delivering thread. Returns the way to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def position(self) -> int:
        """Return the highest spool id of the last committed delivery, 0 for an empty store."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
        return int(row[0]) if row else 0

    def find(self, observation: Observation) -> str | None:
        """Return the row of an observation as people read it, None when the store does not hold it."""
        with self._lock:
            try:
                row = self._db.execute(sql.FIND, observation.key).fetchone()
            except sqlite3.Error as error:
                raise TargetTrouble(f"city store {self.path}: {error}; check the disk and the file") from None
        return (
            None
            if row is None
            else f"{self.path}, readings: {observation.property} = {row[0]} {row[1]}, quality {row[2]}"
        )

    def use(self, registry: Registry) -> None:
        """Take over stations and placements as they are now; a store that cannot take them gets them with a delivery."""
        self._waiting = station_rows(registry, time.time_ns() // 1_000_000)
        with contextlib.suppress(sqlite3.Error):
            self.put_stations(self._waiting)

    def put_stations(self, stations: Iterable[StationRow]) -> None:
        """Replace stations and placements by the registry's. Observations keep the station they were made at."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                placed = self._put(list(stations))
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
            self._waiting = None
        self._announce(placed)

    def _put(self, rows: list[StationRow]) -> frozenset[str]:
        placed = [(node, row.id) for row in rows for node in row.nodes]
        self._db.execute("DELETE FROM placements")
        self._db.execute("DELETE FROM stations")
        self._db.executemany("INSERT INTO stations VALUES (?,?,?,?,?,?)", [row[:6] for row in rows])
        self._db.executemany("INSERT INTO placements VALUES (?,?)", placed)
        for node, _ in placed:
            self._node(node)
        return frozenset(node for node, _ in placed)

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply one batch in one transaction and return a verdict per frame. Trouble of the file is `retry` for all."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                placed = frozenset() if self._waiting is None else self._put(self._waiting)
                verdicts, revised = self._apply(batch)
                self._db.execute("COMMIT")
                self._waiting = None
            except sqlite3.Error as error:
                self._undo()
                reason = f"city store {self.path}: {error}; check the disk, and close what else writes to the file"
                return [Verdict("retry", reason)] * len(batch)
            except BaseException:  # a bug, or the thread's end: never leave the transaction open behind it
                self._undo()
                raise
        pairs = zip(batch, verdicts, strict=True)
        stored = {decoded.node for decoded, verdict in pairs if verdict.kind == "stored"}
        self._announce(placed | stored | revised)
        return verdicts

    def _announce(self, nodes: frozenset[str]) -> None:
        if nodes:
            for listener in tuple(self._listeners):
                listener(nodes)

    def _undo(self) -> None:
        self._ids.clear()  # ids handed out in this transaction are gone with it
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _apply(self, batch: Sequence[Decoded]) -> tuple[list[Verdict], set[str]]:
        """Apply all that `batch` says; return its verdicts and the nodes of which older observations were revised."""
        remapped = self._apply_clock_maps(batch)
        offsets = self._offsets(batch)
        words: dict[str, int] = {}  # of this batch: a few texts and names in thousands of rows
        rows = [self._rows(decoded, offsets, words) for decoded in batch]
        verdicts = self._insert(batch, rows)
        good = [rows[i] for i, verdict in enumerate(verdicts) if verdict.kind != "rejected"]
        self._raise_latest(good)
        for (node, boot), offset in remapped.items():
            self._redate(node, boot, offset)
        revised = self._revise([revision for decoded in batch for revision in decoded.revisions])
        self._touch_nodes(
            [decoded for decoded, verdict in zip(batch, verdicts, strict=True) if verdict.kind != "rejected"]
        )
        if batch:
            self._db.execute(sql.POSITION, (max(decoded.id for decoded in batch),))
        return verdicts, revised

    def _rows(self, decoded: Decoded, offsets: dict[tuple[str, int], int], words: dict[str, int]) -> list[Row]:
        """Return a frame's rows as sql.INSERT takes them; `words` remembers ids from one frame to the next."""
        if not decoded.observations:
            return []
        node, offset = self._node(decoded.node), offsets.get((decoded.node, decoded.boot))
        properties: dict[str, int] = {}
        rows: list[Row] = []
        for seen in decoded.observations:
            if (number := properties.get(seen.property)) is None:
                number = properties[seen.property] = self._property(seen.property, seen.unit)
            for text in (seen.reason, seen.tests, seen.station):
                if text is not None and text not in words:
                    words[text] = self._word(text)
            observed_at, later = seen.observed_at_ms, 0
            if observed_at is None and seen.uptime_ms is not None and offset is not None:
                observed_at, later = seen.uptime_ms + offset, 1
            rows.append((
                node, seen.boot, seen.seq, seen.index, number, seen.value, seen.quality, words[seen.reason], observed_at,
                seen.uptime_ms, seen.clock, seen.received_ms, None if seen.station is None else words[seen.station], later,
                words[seen.tests],
            ))  # fmt: skip
        return rows

    def _insert(self, batch: Sequence[Decoded], rows: list[list[Row]]) -> list[Verdict]:
        """Insert all rows at once; only a batch with a row that is known or bad is gone through frame by frame."""
        flat = [row for frame in rows for row in frame]
        refused = any(decoded.error for decoded in batch) or _not_a_number(flat)
        before = self._db.total_changes
        if not refused:
            self._db.execute("SAVEPOINT fast")
            try:
                self._db.executemany(sql.INSERT, flat)
                whole = self._db.total_changes - before == len(flat)
            except _ROW_ERRORS:
                whole = False
            if whole:
                self._db.execute("RELEASE fast")
                return [Verdict("stored")] * len(batch)
            self._db.execute("ROLLBACK TO fast")
            self._db.execute("RELEASE fast")
        return [self._insert_frame(decoded, frame) for decoded, frame in zip(batch, rows, strict=True)]

    def _insert_frame(self, decoded: Decoded, rows: list[Row]) -> Verdict:
        if decoded.error:
            return Verdict("rejected", decoded.error)
        if _not_a_number(rows):
            return Verdict("rejected", "city store cannot hold a row of this frame: its value is not a number (NaN)")
        before = self._db.total_changes
        self._db.execute("SAVEPOINT one")
        try:
            self._db.executemany(sql.INSERT, rows)
        except _ROW_ERRORS as error:
            self._db.execute("ROLLBACK TO one")
            return Verdict("rejected", f"city store cannot hold a row of this frame: {error}")
        finally:
            self._db.execute("RELEASE one")
        return Verdict("duplicate" if rows and self._db.total_changes == before else "stored")

    def _raise_latest(self, frames: list[list[Row]]) -> None:
        # A date that its own receipt contradicts comes last.
        best: dict[tuple[int, int], tuple[tuple[bool, int], Row]] = {}
        for rows in frames:
            for row in rows:
                if (at := row[_OBSERVED]) is None:
                    continue
                rank, key = (at <= row[_RECEIVED] + FUTURE_TOLERANCE_MS, at), (row[_NODE], row[_PROPERTY])
                held = best.get(key)
                if held is None or rank > held[0]:
                    best[key] = (rank, row)
        tolerance = (FUTURE_TOLERANCE_MS, FUTURE_TOLERANCE_MS)
        columns = (_VALUE, _QUALITY, _REASON, _OBSERVED, _RECEIVED, _CLOCK, _LATER, _TESTS)
        picked = [(*key, *(row[i] for i in columns), *tolerance) for key, (_, row) in best.items()]
        self._db.executemany(sql.LATEST, picked)

    def _apply_clock_maps(self, batch: Sequence[Decoded]) -> dict[tuple[int, int], int]:
        """Keep the best mapping per boot and return those that changed: {(node id, boot): utc_minus_uptime_ms}."""
        changed: dict[tuple[int, int], int] = {}
        for decoded in batch:
            mapping = decoded.clock_map
            if mapping is None or abs(mapping.utc_minus_uptime_ms) > _MAX_INT // 2:
                continue
            node, before = self._node(decoded.node), self._db.total_changes
            self._db.execute(sql.MAP, (node, *mapping))
            if self._db.total_changes > before:
                changed[node, mapping.boot] = mapping.utc_minus_uptime_ms
        return changed

    def _offsets(self, batch: Sequence[Decoded]) -> dict[tuple[str, int], int]:
        undated = {(d.node, d.boot) for d in batch if d.observations and d.observations[0].observed_at_ms is None}
        found = {}
        for node, boot in undated:
            query = "SELECT utc_minus_uptime_ms FROM clock_maps WHERE node = ? AND boot = ?"
            if row := self._db.execute(query, (self._node(node), boot)).fetchone():
                found[node, boot] = row[0]
        return found

    def _redate(self, node: int, boot: int, offset_ms: int) -> None:
        """Date the boot's records that were taken before its clock was set, and let the latest values follow."""
        where = "WHERE node = ? AND boot = ? AND uptime IS NOT NULL"
        change = f"UPDATE observations SET observed_at = uptime + ?, dated_later = 1 {where}"  # noqa: S608  fixed text
        self._db.execute(change, (offset_ms, node, boot))
        touched = self._db.execute(f"SELECT DISTINCT property FROM observations {where}", (node, boot)).fetchall()  # noqa: S608
        for (number,) in touched:
            self._refresh_latest(node, number)

    def _refresh_latest(self, node: int, number: int) -> None:
        """Take the latest value of one property of a node from its history again."""
        # Where all dates contradict their receipt, the tolerance has no end: the latest of them is still the latest.
        for tolerance in (FUTURE_TOLERANCE_MS, _MAX_INT // 2):
            if self._db.execute(sql.REFRESH_LATEST, (node, number, tolerance)).rowcount > 0:
                break

    def _revise(self, revisions: Sequence[Revision]) -> set[str]:
        """Change what became known later about stored observations, in the order of the log; return their nodes.

        Delivered again in that order they end in the same rows. What the store does not hold is left out: it was rejected,
        or has aged away.
        """
        nodes: set[str] = set()
        stale: set[tuple[int, int]] = set()
        for revision in revisions:
            node = self._held("nodes", "node", revision.key[0])
            property_id = self._held("properties", "name", revision.key[4])
            at_ms = revision.observed_at_ms
            if node is None or property_id is None or (at_ms is not None and abs(at_ms) > _MAX_INT):
                continue
            key = (node, *revision.key[1:4], property_id)
            held = self._db.execute(sql.DATE_OF, key).fetchone()
            if held is None:
                continue
            date = held[0] if at_ms is None else at_ms
            words = (self._word(revision.reason), self._word(revision.tests))
            self._db.execute(sql.REVISE, (revision.quality, *words, date, int(date != held[0]), *key))
            nodes.add(revision.key[0])
            query = "SELECT observed_at FROM latest WHERE node = ? AND property = ?"
            shown = self._db.execute(query, (node, property_id))
            if date is not None and (date != held[0] or shown.fetchone() == (date,)):
                stale.add((node, property_id))
        for node, property_id in sorted(stale):
            self._refresh_latest(node, property_id)
        return nodes

    def _touch_nodes(self, batch: Sequence[Decoded]) -> None:
        """Bring each node's row up to its newest frame; frames may come in any order."""
        seen: dict[int, tuple[int, int]] = {}
        newest: dict[tuple[int, bool], Decoded] = {}
        for decoded in batch:
            node = self._node(decoded.node)
            first, last = seen.get(node, (decoded.received_ms, decoded.received_ms))
            seen[node] = (min(first, decoded.received_ms), max(last, decoded.received_ms))
            if decoded.health is not None or decoded.alarm is not None:
                key = (node, decoded.health is not None)
                held = newest.get(key)
                if held is None or (decoded.boot, decoded.seq) > (held.boot, held.seq):
                    newest[key] = decoded
        self._db.executemany(sql.SEEN, [(first, last, node) for node, (first, last) in seen.items()])
        for (node, _), decoded in newest.items():
            head = (decoded.boot, decoded.seq)
            if decoded.health is None:
                self._db.execute(sql.RECORDS, (*head, decoded.clock, int(bool(decoded.alarm)), node))
                continue
            utc_ms = decoded.health.get("utc_ms")
            offset = utc_ms - decoded.received_ms if utc_ms and utc_ms <= _MAX_INT else None
            text = json.dumps(decoded.health, separators=(",", ":"))
            values = (decoded.received_ms, text, decoded.health.get("firmware"), offset, node)
            self._db.execute(sql.HEALTH, (*head, *values))

    def _node(self, node: str) -> int:
        return self._id("nodes", "node", node)

    def _word(self, text: str) -> int:
        return self._id("words", "text", text)

    def _property(self, name: str, unit: str) -> int:
        return self._id("properties", "name", name, unit)

    def _id(self, table: str, column: str, text: str, unit: str | None = None) -> int:
        """Return the interned id of `text`; table and column are this module's own words."""
        if (known := self._ids.get((table, text))) is not None:
            return known
        if (held := self._held(table, column, text)) is not None:
            return held
        if unit is None:
            row = self._db.execute(f"INSERT INTO {table} ({column}) VALUES (?) RETURNING id", (text,)).fetchone()  # noqa: S608
        else:
            insert = "INSERT INTO properties (name, unit) VALUES (?,?) RETURNING id"
            row = self._db.execute(insert, (text, unit)).fetchone()
        self._ids[table, text] = number = int(row[0])
        return number

    def _held(self, table: str, column: str, text: str) -> int | None:
        """Return the id of a text that the store knows already, None of another."""
        if (known := self._ids.get((table, text))) is not None:
            return known
        row = self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,)).fetchone()  # noqa: S608
        if row is None:
            return None
        if len(self._ids) >= _MAX_IDS:
            self._ids.clear()
        self._ids[table, text] = number = int(row[0])
        return number


def _not_a_number(rows: list[Row]) -> bool:
    """Return whether one of `rows` has NaN for a value, which SQLite would take for a missing one."""
    return any(row[_VALUE] != row[_VALUE] for row in rows)

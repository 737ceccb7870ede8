"""The embedded city store: history, latest values, nodes and stations in one SQLite file.

One delivery is one transaction with the spool position in it, and the primary key is the observation's identity: a
batch that is delivered again after a crash changes nothing. WAL with NORMAL sync: a power cut may take back the last
deliveries whole, position included, and the follower delivers them again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.sinks import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.model import Observation

    Row = tuple[Any, ...]
    Listener = Callable[[frozenset[str]], None]

SCHEMA_VERSION = 1
# A node's clock may run ahead of the bridge's by transit and drift. A date beyond that is in the future: such a reading
# must not hold the latest value against all that arrives after it.
FUTURE_TOLERANCE_MS = 300_000
_BUSY_TIMEOUT_S = 5.0  # readers never block a WAL writer; this is for a person's own sqlite3 shell
_MAX_INT = 2**63 - 1

# What SQLite raises for one bad row. Anything else is trouble of the file and concerns the whole batch.
_ROW_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    OverflowError,
)

_INSERT = """INSERT OR IGNORE INTO observations
    (node, boot, seq, idx, property, value, quality, reason, observed_at, uptime, clock, received, station, dated_later)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_NODE, _PROPERTY, _VALUE, _QUALITY, _REASON, _OBSERVED, _CLOCK, _RECEIVED, _LATER = 0, 4, 5, 6, 7, 8, 10, 11, 13

_LATEST = """INSERT INTO latest (node, property, value, quality, reason, observed_at, received, clock, dated_later)
    VALUES (?,?,?,?,?,?,?,?,?)
    ON CONFLICT (node, property) DO UPDATE SET value = excluded.value, quality = excluded.quality,
        reason = excluded.reason, observed_at = excluded.observed_at, received = excluded.received,
        clock = excluded.clock, dated_later = excluded.dated_later
    WHERE (excluded.observed_at <= excluded.received + ?, excluded.observed_at)
        > (latest.observed_at <= latest.received + ?, latest.observed_at)"""
_REFRESH_LATEST = """INSERT OR REPLACE INTO latest
    (node, property, value, quality, reason, observed_at, received, clock, dated_later)
    SELECT node, property, value, quality, reason, observed_at, received, clock, dated_later FROM observations
    WHERE node = ? AND property = ? AND observed_at <= received + ? ORDER BY observed_at DESC LIMIT 1"""

_SEEN = """UPDATE nodes SET first_seen = min(coalesce(first_seen, ?1), ?1), last_seen = max(coalesce(last_seen, ?2), ?2)
    WHERE id = ?3"""
_RECORDS = """UPDATE nodes SET records_boot = ?1, records_seq = ?2, clock = ?3, alarm = ?4
    WHERE id = ?5 AND (records_boot, records_seq) < (?1, ?2)"""
_HEALTH = """UPDATE nodes SET health_boot = ?1, health_seq = ?2, health_at = ?3, health = ?4,
        firmware = coalesce(?5, firmware), clock_offset_ms = coalesce(?6, clock_offset_ms)
    WHERE id = ?7 AND (health_boot, health_seq) < (?1, ?2)"""
_MAP = """INSERT INTO clock_maps (node, boot, utc_minus_uptime_ms, quality) VALUES (?,?,?,?)
    ON CONFLICT (node, boot) DO UPDATE SET utc_minus_uptime_ms = excluded.utc_minus_uptime_ms, quality = excluded.quality
    WHERE excluded.quality > clock_maps.quality"""

# A replay delivers old frames again: the position never goes back.
_POSITION = """INSERT INTO meta VALUES ('position', ?)
    ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)"""


class StationRow(NamedTuple):
    """A place for the page and the GIS: WGS 84 degrees (None when not surveyed), how often it reports, who stands there."""

    id: str
    name: str
    domain: str
    lon: float | None
    lat: float | None
    report_interval_s: int
    nodes: tuple[str, ...]


class CityStore:
    """The `sqlite` sink. One writer; readers open their own connection on `path`."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open or create the store. Raises sqlite3.Error, and RuntimeError for a file of another schema version."""
        self.path = path
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        # Interned ids. Bounded by the registry: frames of unknown nodes never pass the bridge's ingest.
        self._ids: dict[tuple[str, str], int] = {}
        self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            schema = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
            self._db.executescript(f"BEGIN; {schema} COMMIT;")
        elif version != SCHEMA_VERSION:
            self._db.close()
            msg = f"{path} has store version {version}, this Pantau writes {SCHEMA_VERSION}: install the Pantau that wrote it"
            raise RuntimeError(msg)

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

    def put_stations(self, stations: Iterable[StationRow]) -> None:
        """Replace stations and placements by the registry's. Observations keep the station they were made at."""
        rows = list(stations)
        placed = [(node, row.id) for row in rows for node in row.nodes]
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("DELETE FROM placements")
                self._db.execute("DELETE FROM stations")
                self._db.executemany("INSERT INTO stations VALUES (?,?,?,?,?,?)", [row[:6] for row in rows])
                self._db.executemany("INSERT INTO placements VALUES (?,?)", placed)
                for node, _ in placed:
                    self._node(node)
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
        self._announce(frozenset(node for node, _ in placed))

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply one batch in one transaction and return a verdict per frame. Trouble of the file is `retry` for all."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                verdicts = self._apply(batch)
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._undo()
                reason = f"city store {self.path}: {error}; nothing of the batch was applied"
                return [Verdict("retry", reason)] * len(batch)
            except BaseException:  # a bug, or the thread's end: never leave the transaction open behind it
                self._undo()
                raise
        pairs = zip(batch, verdicts, strict=True)
        self._announce(frozenset(decoded.node for decoded, verdict in pairs if verdict.kind == "stored"))
        return verdicts

    def _announce(self, nodes: frozenset[str]) -> None:
        if nodes:
            for listener in tuple(self._listeners):
                listener(nodes)

    def _undo(self) -> None:
        self._ids.clear()  # ids handed out in this transaction are gone with it
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _apply(self, batch: Sequence[Decoded]) -> list[Verdict]:
        remapped = self._apply_clock_maps(batch)
        offsets = self._offsets(batch)
        rows = [[self._row(seen, offsets) for seen in decoded.observations] for decoded in batch]
        verdicts = self._insert(batch, rows)
        good = [rows[i] for i, verdict in enumerate(verdicts) if verdict.kind != "rejected"]
        self._raise_latest(good)
        for (node, boot), offset in remapped.items():
            self._redate(node, boot, offset)
        self._touch_nodes(
            [decoded for decoded, verdict in zip(batch, verdicts, strict=True) if verdict.kind != "rejected"]
        )
        if batch:
            position = max(decoded.id for decoded in batch)
            self._db.execute(_POSITION, (position,))
        return verdicts

    def _row(self, seen: Observation, offsets: dict[tuple[str, int], int]) -> Row:
        observed_at, later = seen.observed_at_ms, 0
        if (
            observed_at is None
            and seen.uptime_ms is not None
            and (offset := offsets.get((seen.node, seen.boot))) is not None
        ):
            observed_at, later = seen.uptime_ms + offset, 1
        station = self._word(seen.station) if seen.station is not None else None
        return (
            self._node(seen.node), seen.boot, seen.seq, seen.index, self._property(seen.property, seen.unit),
            seen.value, seen.quality, self._word(seen.reason), observed_at, seen.uptime_ms, seen.clock,
            seen.received_ms, station, later,
        )  # fmt: skip

    def _insert(self, batch: Sequence[Decoded], rows: list[list[Row]]) -> list[Verdict]:
        """Insert all rows at once; only a batch with a row that is known or bad is gone through frame by frame."""
        flat = [row for frame in rows for row in frame]
        refused = any(decoded.error for decoded in batch)
        before = self._db.total_changes
        if not refused:
            self._db.execute("SAVEPOINT fast")
            try:
                self._db.executemany(_INSERT, flat)
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
        before = self._db.total_changes
        self._db.execute("SAVEPOINT one")
        try:
            self._db.executemany(_INSERT, rows)
        except _ROW_ERRORS as error:
            self._db.execute("ROLLBACK TO one")
            return Verdict("rejected", f"city store cannot hold a row of this frame: {error}")
        finally:
            self._db.execute("RELEASE one")
        return Verdict("duplicate" if rows and self._db.total_changes == before else "stored")

    def _raise_latest(self, frames: list[list[Row]]) -> None:
        best: dict[tuple[int, int], Row] = {}
        for rows in frames:
            for row in rows:
                if row[_OBSERVED] is None:
                    continue
                key = (row[_NODE], row[_PROPERTY])
                held = best.get(key)
                if held is None or _rank(row) > _rank(held):
                    best[key] = row
        tolerance = (FUTURE_TOLERANCE_MS, FUTURE_TOLERANCE_MS)
        columns = (_VALUE, _QUALITY, _REASON, _OBSERVED, _RECEIVED, _CLOCK, _LATER)
        picked = [(*key, *(row[i] for i in columns), *tolerance) for key, row in best.items()]
        self._db.executemany(_LATEST, picked)

    def _apply_clock_maps(self, batch: Sequence[Decoded]) -> dict[tuple[int, int], int]:
        """Keep the best mapping per boot and return those that changed: {(node id, boot): utc_minus_uptime_ms}."""
        changed: dict[tuple[int, int], int] = {}
        for decoded in batch:
            mapping = decoded.clock_map
            if mapping is None or abs(mapping.utc_minus_uptime_ms) > _MAX_INT // 2:
                continue
            node, before = self._node(decoded.node), self._db.total_changes
            self._db.execute(_MAP, (node, *mapping))
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
            # Where all dates contradict their receipt, the tolerance has no end: the latest of them is still the latest.
            for tolerance in (FUTURE_TOLERANCE_MS, _MAX_INT // 2):
                if self._db.execute(_REFRESH_LATEST, (node, number, tolerance)).rowcount > 0:
                    break

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
        self._db.executemany(_SEEN, [(first, last, node) for node, (first, last) in seen.items()])
        for (node, _), decoded in newest.items():
            head = (decoded.boot, decoded.seq)
            if decoded.health is None:
                self._db.execute(_RECORDS, (*head, decoded.clock, int(bool(decoded.alarm)), node))
                continue
            utc_ms = decoded.health.get("utc_ms")
            offset = utc_ms - decoded.received_ms if utc_ms and utc_ms <= _MAX_INT else None
            text = json.dumps(decoded.health, separators=(",", ":"))
            values = (decoded.received_ms, text, decoded.health.get("firmware"), offset, node)
            self._db.execute(_HEALTH, (*head, *values))

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
        row = self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,)).fetchone()  # noqa: S608
        if row is None and unit is None:
            row = self._db.execute(f"INSERT INTO {table} ({column}) VALUES (?) RETURNING id", (text,)).fetchone()  # noqa: S608
        elif row is None:
            insert = "INSERT INTO properties (name, unit) VALUES (?,?) RETURNING id"
            row = self._db.execute(insert, (text, unit)).fetchone()
        number = int(row[0])
        self._ids[table, text] = number
        return number


def _rank(row: Row) -> tuple[bool, int]:
    """Order candidates for the latest value: a date that its own receipt contradicts comes last."""
    return row[_OBSERVED] <= row[_RECEIVED] + FUTURE_TOLERANCE_MS, row[_OBSERVED]

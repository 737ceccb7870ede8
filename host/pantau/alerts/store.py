"""The alerts' own sink: the fold and its file, alerts.sqlite3.

One delivery, tick or order of a person is one transaction: state of the fold, position in the log, alerts and decisions.
So a kill at any moment leaves the file before it or after it, and what comes again is known. FULL sync, unlike the city
store's: listeners tell people, and what was told must not be decided once more after a power cut.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.desk import CITY
from pantau.alerts.engine import LEDGER, Engine
from pantau.alerts.ledger import Ledger
from pantau.alerts.rules import SEVERITIES
from pantau.alerts.schema import MIGRATIONS, VERSION
from pantau.alerts.standing import BadOrderError, NotOpenError
from pantau.alerts.track import Alert
from pantau.log import event
from pantau.sinks import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pantau.alerts.desk import Decision
    from pantau.alerts.rules import RuleSet
    from pantau.decode import Decoded
    from pantau.registry.model import Registry

_log = logging.getLogger("pantau.alerts")
_BUSY_TIMEOUT_S = 5.0
_PRUNE_EVERY_MS = 3_600_000
_PRUNED = 2000  # rows of each table at a time: a short transaction
_DAY_MS = 86_400_000

_COLUMNS = (*Alert._fields, "english", "indonesian")
_PUT = f"INSERT OR REPLACE INTO alerts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_LOG = """INSERT INTO decisions
    (alert, action, severity, confirmed, muted, past, at_ms, decided_ms, by, english, indonesian, explanation)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?) RETURNING number"""
_STATE = "INSERT INTO state VALUES (?,?) ON CONFLICT (key) DO UPDATE SET text = excluded.text"
_OLD = """DELETE FROM decisions WHERE number IN (
    SELECT d.number FROM decisions AS d LEFT JOIN alerts AS a ON a.id = d.alert
    WHERE d.decided_ms < ? AND (a.id IS NULL OR a.closed_ms IS NOT NULL) ORDER BY d.decided_ms LIMIT ?)"""
_OLD_ALERTS = """DELETE FROM alerts WHERE id IN (
    SELECT id FROM alerts WHERE closed_ms < ?1 AND decided_ms < ?1
    AND NOT EXISTS (SELECT 1 FROM decisions WHERE alert = alerts.id) LIMIT ?2)"""


class Recorded(NamedTuple):
    """A decision with its number in the log. Numbers grow without end: whoever tells people remembers the last."""

    number: int
    decision: Decision


class AlertStore:
    """The `alerts` sink. One writer; readers use reads.py on `path`."""

    name = "alerts"

    def __init__(self, path: Path, rules: RuleSet, registry: Registry, *, start: int = 0) -> None:
        """Open or create the store; a new one judges the log from behind `start` on.

        Raises sqlite3.Error, and RuntimeError for the file of a newer Pantau.
        """
        self.path = path
        self._rules, self._registry = rules, registry
        self._lock = threading.Lock()
        self._listeners: list[Callable[[tuple[Recorded, ...]], None]] = []
        self._raised: Counter[int] = Counter()
        self._pruned_ms = 0
        self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            self._migrate(start)  # first: a file that is refused keeps the journal that it has
            self._db.execute("PRAGMA journal_mode = WAL")
            self._engine: Engine | None = self._load()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; what was returned as stored stays."""
        with self._lock:
            self._db.close()

    def position(self) -> int:
        """Return the highest spool id that was judged and committed."""
        with self._lock:
            row = self._db.execute("SELECT text FROM state WHERE key = ?", (LEDGER,)).fetchone()
        return Ledger.load(row[0]).position if row else 0

    def subscribe(self, listener: Callable[[tuple[Recorded, ...]], None]) -> Callable[[], None]:
        """Call `listener` with the decisions of each commit, in the committing thread; returns the way to stop it.

        For pages. Who must not miss one reads on from its last number with reads.decisions_after: it may have been away.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def figures(self) -> dict[str, float]:
        """Return the numbers for the metrics: alerts that stand, and since this start those that were raised."""
        with self._lock:
            rows = self._db.execute("SELECT severity, count(*) FROM alerts WHERE closed_ms IS NULL GROUP BY severity")
            standing = dict(rows.fetchall())
        figures: dict[str, float] = {}
        for rank, name in enumerate(SEVERITIES[1:], 1):
            figures[f'alerts_open{{severity="{name}"}}'] = standing.get(rank, 0)
            figures[f'alerts_raised_total{{severity="{name}"}}'] = self._raised[rank]
        return figures

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on."""
        self.use_rules(self._rules, registry)

    def use_rules(self, rules: RuleSet, registry: Registry) -> None:
        """Judge by these from now on. Alerts that have lost their ground are withdrawn at the next tick."""
        with self._lock:
            self._rules, self._registry = rules, registry
            if self._engine is not None:
                self._engine.use(rules, registry)

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Judge one batch and commit what came of it. Trouble of the file is `retry` for all."""
        poison: dict[int, str] = {}  # place in the batch: the defect of ours that the frame brings out
        while True:
            with self._lock:
                outcome = self._try(batch, poison)
            if outcome is not None:
                verdicts, recorded = outcome
                self._announce(recorded)
                return verdicts

    def express(self, frames: Sequence[Decoded]) -> tuple[Recorded, ...]:
        """Judge alarm frames that wait far behind in the log. Raises sqlite3.Error; they come to their turn anyway."""
        return self._commit(lambda engine: [made for frame in frames for made in engine.express(frame)])

    def tick(self, now_ms: int) -> tuple[Recorded, ...]:
        """Judge silence and what time ends. Call it about once a second, only while nothing waits in the spool.

        Raises sqlite3.Error; then nothing was applied, and the next tick does it.
        """
        return self._commit(lambda engine: engine.tick(now_ms), prune_ms=now_ms)

    def acknowledge(self, alert: int, by: str, at_ms: int | None = None) -> tuple[Recorded, ...]:
        """Note that `by` has seen an open alert. NotOpenError, BadOrderError for a bad name."""
        return self._commit(lambda engine: engine.acknowledge(alert, by, _now(at_ms)))

    def shelve(self, alert: int, until_ms: int, by: str, at_ms: int | None = None) -> tuple[Recorded, ...]:
        """Put an open alert aside until `until_ms`, seven days at most. Errors as `acknowledge`."""
        return self._commit(lambda engine: engine.shelve(alert, until_ms, by, _now(at_ms)))

    def _try(
        self, batch: Sequence[Decoded], poison: dict[int, str]
    ) -> tuple[list[Verdict], tuple[Recorded, ...]] | None:
        """Judge and commit without the frames in `poison`; None when one more belongs there."""
        index = -1
        try:
            with self._transaction() as engine:
                before = engine.position
                decisions: list[Decision] = []
                for index, frame in enumerate(batch):
                    if index in poison:
                        engine.ledger.skip(frame.id)
                    else:
                        decisions += engine.observe(frame)
                index = -1
                recorded = self._write(engine, decisions)
        except sqlite3.Error as error:
            reason = f"alert store {self.path}: {error}; nothing of the batch was applied"
            return [Verdict("retry", reason)] * len(batch), ()
        except Exception as error:
            if index < 0:
                raise
            poison[index] = f"internal: {type(error).__name__}: {error}"
            frame = batch[index]
            event(
                _log, logging.ERROR, "alerts.defect", node=frame.node, boot=frame.boot, seq=frame.seq,
                defect=poison[index], meaning="this frame is not judged; report it with the frame",
            )  # fmt: skip
            return None
        return [_verdict(frame, before, poison.get(place)) for place, frame in enumerate(batch)], recorded

    def _commit(self, act: Callable[[Engine], list[Decision]], prune_ms: int | None = None) -> tuple[Recorded, ...]:
        with self._lock, self._transaction() as engine:
            recorded = self._write(engine, act(engine))
            if prune_ms is not None and prune_ms - self._pruned_ms >= _PRUNE_EVERY_MS:
                self._prune(prune_ms)
        self._announce(recorded)
        return recorded

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Engine]:
        """Everything or nothing, of the file and of the fold in memory."""
        if self._engine is None:
            self._engine = self._load()
        engine = self._engine
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield engine
            self._db.execute("COMMIT")
        except BaseException as error:
            if not isinstance(error, NotOpenError | BadOrderError):  # these change nothing
                self._engine = None  # it is ahead of the file: read anew what is committed
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write(self, engine: Engine, decisions: list[Decision]) -> tuple[Recorded, ...]:
        recorded = []
        for made in decisions:
            alert = made.alert
            self._db.execute(_PUT, (*alert, made.english, made.indonesian))
            row = (
                alert.id, made.action, alert.severity, alert.confirmed, alert.muted, alert.past, made.at_ms,
                made.decided_ms, made.by, made.english, made.indonesian, _explanation(made),
            )  # fmt: skip
            recorded.append(Recorded(int(self._db.execute(_LOG, row).fetchone()[0]), made))
        changed = engine.changed()
        self._db.executemany(_STATE, [item for item in changed.items() if item[1]])
        self._db.executemany("DELETE FROM state WHERE key = ?", [(key,) for key, text in changed.items() if not text])
        return tuple(recorded)

    def _prune(self, now_ms: int) -> None:
        """Take away decisions older than they are kept, of alerts that have ended; a bounded number at a time."""
        horizon = now_ms - self._rules.settings.keep_days * _DAY_MS
        gone = self._db.execute(_OLD, (horizon, _PRUNED)).rowcount
        self._db.execute(_OLD_ALERTS, (horizon, _PRUNED))
        if gone < _PRUNED:
            self._pruned_ms = now_ms

    def _announce(self, recorded: tuple[Recorded, ...]) -> None:
        raised = {"open", "reopen", "escalate"}
        self._raised.update(one.decision.alert.severity for one in recorded if one.decision.action in raised)
        for listener in tuple(self._listeners) if recorded else ():
            listener(recorded)

    def _load(self) -> Engine:
        return Engine(self._rules, self._registry, dict(self._db.execute("SELECT key, text FROM state")))

    def _migrate(self, start: int) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            msg = f"{self.path} has store version {version}, this Pantau writes {VERSION}: install the Pantau that wrote it"
            raise RuntimeError(msg)
        for number in range(version, VERSION):
            stamp = f"INSERT INTO migrations VALUES ({number + 1}, {_now(None)});"  # noqa: S608  two numbers
            self._db.executescript(f"BEGIN; {MIGRATIONS[number]} {stamp} PRAGMA user_version = {number + 1}; COMMIT;")
        if version == 0 and start:
            ledger = json.dumps(Ledger(position=start).dump())
            self._db.execute(_STATE, (LEDGER, ledger))


def _verdict(frame: Decoded, before: int, defect: str | None) -> Verdict:
    if frame.error or defect:
        return Verdict("rejected", frame.error or defect or "")
    return Verdict("duplicate" if frame.id <= before else "stored")


def _explanation(made: Decision) -> str:
    figures = [
        {
            "at_ms": r.at_ms, "value": r.value, "quality": r.quality, "reason": r.reason, "node": r.key[0],
            "boot": r.key[1], "seq": r.key[2], "index": r.key[3],
        }
        for r in made.figures
    ]  # fmt: skip
    place = "city" if made.alert.station == CITY else made.alert.station
    return json.dumps({"station": place, "figures": figures, "limits": made.limits}, separators=(",", ":"))


def _now(at_ms: int | None) -> int:
    return time.time_ns() // 1_000_000 if at_ms is None else at_ms

"""notices.sqlite3: how far the decisions were read, what each channel's people believe, what waits to be told, every attempt.

One writer, one thread. What was decided and the place in the log are one transaction, with FULL sync: a kill at any moment
neither loses a notice nor makes one twice. An attempt is written down before it is made: one that a kill cut off is made
again under the same key, and the log says that its outcome is not known.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.alerts.reads import Entry
from pantau.alerts.track import Alert
from pantau.notify import Place
from pantau.notify.plan import Belief, News
from pantau.ops.migrate import Schema, bring_up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from pantau.notify import Outcome
    from pantau.notify.plan import Order

FILE = "notices.sqlite3"  # in the data folder
MOST_WAITING = 10_000  # of one channel; beyond, the least severe and oldest go, and the log says so
MOST_GATHERED = 200
_MOST_ATTEMPTS = 100_000  # rows of the log
_BUSY_S = 5.0
_DAY_MS = 86_400_000
_SHORT = 500  # characters of a reason

SCHEMA = Schema(
    "notices",
    1,
    create="""
CREATE TABLE state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE beliefs (channel TEXT NOT NULL, alert INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (channel, alert)) WITHOUT ROWID;

-- What is to be told. Times are Unix milliseconds UTC; `next_ms` is the next try, `gathered` the key of what it is told within.
CREATE TABLE notices (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    alert INTEGER NOT NULL,
    action TEXT NOT NULL,
    severity INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    held INTEGER NOT NULL,
    reminder INTEGER NOT NULL,
    news TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    done TEXT NOT NULL DEFAULT '[]',
    gathered TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting',
    ended_ms INTEGER,
    UNIQUE (channel, key)
);
CREATE INDEX notices_waiting ON notices (channel, alert, number) WHERE state = 'waiting';
CREATE INDEX notices_ended ON notices (ended_ms) WHERE ended_ms IS NOT NULL;

-- Every attempt, and what ended without one. `outcome` is '' while it is being made.
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    alert INTEGER NOT NULL,
    action TEXT NOT NULL,
    severity INTEGER NOT NULL,
    notices INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attempts_by_channel ON attempts (channel, number);
""",
    steps={},
)

_READY = """SELECT number, key, action, severity, due_ms, held, reminder, attempts, done, gathered, news,
    EXISTS (SELECT 1 FROM notices AS l WHERE l.channel = n.channel AND l.alert = n.alert AND l.state = 'waiting'
            AND l.number > n.number) AS superseded
    FROM notices AS n WHERE channel = :channel AND state = 'waiting' AND (next_ms <= :now OR next_ms > :now + 86400000)"""
# The oldest news of an alert first: an end never overtakes its beginning.
_FIRST = """ AND NOT EXISTS (SELECT 1 FROM notices AS e WHERE e.channel = n.channel AND e.alert = n.alert
    AND e.state = 'waiting' AND e.number < n.number) ORDER BY severity DESC, number LIMIT 1"""


class Waiting(NamedTuple):
    """A notice that is to be told now."""

    number: int
    key: str
    action: str
    severity: int
    due_ms: int
    held: bool
    reminder: int
    attempts: int
    done: tuple[str, ...]
    gathered: str
    news: News
    superseded: bool


class Load(NamedTuple):
    """What waits for a channel."""

    waiting: int
    oldest_ms: int | None
    next_ms: int | None


class Outbox:
    """The file. Raises StoreError for one of another version, sqlite3.Error for trouble of the disk."""

    def __init__(self, path: Path, city: str) -> None:
        self.path = path
        self._city = city
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            bring_up(self._db, path, SCHEMA)  # first: a file that is refused keeps the journal that it has
            self._db.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def cursor(self) -> int | None:
        """Return the number of the last decision that was looked at, None for a new file."""
        row = self._db.execute("SELECT value FROM state WHERE key = 'cursor'").fetchone()
        return None if row is None else int(row[0])

    def fresh(self, channels: Iterable[str]) -> list[str]:
        """Return the channels that have not been told yet what stands."""
        met = {row[0] for row in self._db.execute("SELECT key FROM state WHERE key LIKE 'channel %'")}
        return [name for name in channels if f"channel {name}" not in met]

    def beliefs(self) -> dict[tuple[str, int], Belief]:
        """Return what is remembered, by channel and alert."""
        rows = self._db.execute("SELECT channel, alert, text FROM beliefs")
        return {(channel, alert): _belief(text) for channel, alert, text in rows}

    def commit(
        self,
        cursor: int,
        changed: Mapping[tuple[str, int], Belief | None],
        orders: Iterable[tuple[str, Order]],
        now_ms: int,
        met: Collection[str] = (),
    ) -> None:
        """Note all that follows from the decisions up to `cursor`, or nothing; `met` are channels that now know what stands.

        Raises sqlite3.Error.
        """
        with _Transaction(self._db):
            state = [("cursor", cursor), *((f"channel {name}", now_ms) for name in met)]
            self._db.executemany("INSERT OR REPLACE INTO state VALUES (?,?)", state)
            for (channel, alert), belief in changed.items():
                if belief is None:
                    self._db.execute("DELETE FROM beliefs WHERE channel = ? AND alert = ?", (channel, alert))
                else:
                    row = (channel, alert, _text(belief))
                    self._db.execute("INSERT OR REPLACE INTO beliefs VALUES (?,?,?)", row)
            touched = {channel for channel, order in orders if self._queue(channel, order, now_ms)}
            for channel in touched:
                self._bound(channel, now_ms)

    def ready(self, channel: str, now_ms: int, gather_above: int) -> list[Waiting]:
        """Return what to tell next: one notice, or many to be told as one."""
        values: dict[str, object] = {"channel": channel, "now": now_ms}
        begun = self._rows(f"{_READY} AND gathered <> '' ORDER BY number LIMIT 1", values)
        if begun:  # what was gathered once is told together for ever, under its one key
            together = f"{_READY} AND gathered = :gathered ORDER BY number"
            return self._rows(together, values | {"gathered": begun[0].gathered})
        first = self._rows(_READY + _FIRST, values)
        if not gather_above or not first:
            return first
        rows = self._rows(f"{_READY} ORDER BY number LIMIT {MOST_GATHERED}", values)
        # None of an alert whose earlier news waits for its next try.
        barred = self._later(channel, now_ms)
        rows = [row for row in rows if barred.get(row.news.entry.alert, row.number) >= row.number]
        many = len(rows) > gather_above or (len(rows) > 1 and any(row.held for row in rows))
        return rows if many else first

    def begin(self, channel: str, rows: Sequence[Waiting], now_ms: int) -> tuple[int, str]:
        """Note that these are about to be told; return the number of the attempt and the key that they go under."""
        first = rows[0]
        key = first.gathered or first.key
        if len(rows) > 1 and not first.gathered:
            key = f"{first.key}-and-{len(rows) - 1}-to-{rows[-1].number}"
        worst = max(row.severity for row in rows)
        alert, action = (first.news.entry.alert, first.action) if len(rows) == 1 else (0, "gathered")
        with _Transaction(self._db):
            self._db.executemany(
                "UPDATE notices SET attempts = attempts + 1, gathered = ? WHERE number = ?",
                [(key if len(rows) > 1 else "", row.number) for row in rows],
            )
            attempt = self._log(channel, key, alert, action, worst, len(rows), now_ms)
        return attempt, key

    def end(self, attempt: int, rows: Sequence[Waiting], outcome: Outcome, next_ms: int, now_ms: int) -> None:
        """Note what became of an attempt; after `retry` the next is made at `next_ms`."""
        numbers = [row.number for row in rows]
        with _Transaction(self._db):
            values = (now_ms, outcome.kind, outcome.reason[:_SHORT], attempt)
            self._db.execute("UPDATE attempts SET ended_ms = ?, outcome = ?, reason = ? WHERE number = ?", values)
            if outcome.kind == "retry":
                query = "UPDATE notices SET next_ms = ?, done = ? WHERE number = ?"
                done = json.dumps(outcome.done)
                self._db.executemany(query, [(next_ms, done, number) for number in numbers])
            else:
                self._settle(numbers, outcome.kind, now_ms)

    def expire(self, channel: str, before_ms: int, now_ms: int) -> int:
        """Give up what was due before then and could not be told; return how many. Everything is tried once, whatever the clock."""
        where = "channel = ? AND due_ms < ? AND attempts > 0"
        return self._give_up(where, (channel, before_ms), "expired", "not told in time", now_ms)

    def drop_others(self, channels: Collection[str], now_ms: int) -> int:
        """Give up and forget what belongs to channels that are no more."""
        names = json.dumps(sorted(channels))
        where = "channel NOT IN (SELECT value FROM json_each(?))"
        with _Transaction(self._db):
            self._db.execute(f"DELETE FROM beliefs WHERE {where}", (names,))  # noqa: S608  our own words
            gone = "DELETE FROM state WHERE key LIKE 'channel %' AND substr(key, 9) NOT IN (SELECT value FROM json_each(?))"
            self._db.execute(gone, (names,))
        return self._give_up(where, (names,), "dropped", "the channel was taken out of pantau.toml", now_ms)

    def forget_alerts(self) -> None:
        """Begin anew: the store of alerts was, and its numbers mean other alerts."""
        with _Transaction(self._db):
            self._db.execute("DELETE FROM beliefs")
            self._db.execute("INSERT OR REPLACE INTO state VALUES ('cursor', 0)")

    def recover(self, now_ms: int) -> int:
        """Note of attempts that a kill cut off that nobody knows their outcome; return how many there were."""
        reason = "the bridge ended meanwhile: it may have been told, and is told again under the same key"
        query = "UPDATE attempts SET ended_ms = ?, outcome = 'unknown', reason = ? WHERE outcome = ''"
        return self._db.execute(query, (now_ms, reason)).rowcount

    def load(self, channel: str) -> Load:
        """Return what waits."""
        query = "SELECT count(*), min(due_ms), min(next_ms) FROM notices WHERE channel = ? AND state = 'waiting'"
        return Load(*self._db.execute(query, (channel,)).fetchone())

    def prune(self, keep_days: int, now_ms: int) -> None:
        """Take away what is older than it is kept, and of the log what is beyond its bound."""
        before_ms = now_ms - keep_days * _DAY_MS
        with _Transaction(self._db):
            self._db.execute("DELETE FROM notices WHERE ended_ms < ?", (before_ms,))
            query = "DELETE FROM attempts WHERE began_ms < ? OR number <= (SELECT max(number) FROM attempts) - ?"
            self._db.execute(query, (before_ms, _MOST_ATTEMPTS))

    def note(self, channel: str, key: str, outcome: Outcome, began_ms: int, now_ms: int) -> None:
        """Note a test that somebody made."""
        with _Transaction(self._db):
            attempt = self._log(channel, key, 0, "test", 0, 1, began_ms)
            values = (now_ms, outcome.kind, outcome.reason[:_SHORT], attempt)
            self._db.execute("UPDATE attempts SET ended_ms = ?, outcome = ?, reason = ? WHERE number = ?", values)

    def _queue(self, channel: str, order: Order, now_ms: int) -> bool:
        news, entry = order.news, order.news.entry
        if order.breaks:
            held = "SELECT number FROM notices WHERE channel = ? AND alert = ? AND state = 'waiting' AND held"
            rows = self._db.execute(f"{held} AND due_ms > ?", (channel, entry.alert, now_ms)).fetchall()
            self._settle([row[0] for row in rows], "superseded", now_ms)
        row = (
            channel, key_of(self._city, order), entry.alert, order.action, entry.severity, entry.decided_ms, now_ms,
            order.due_ms, order.due_ms, order.held, order.number, _news_text(news),
        )  # fmt: skip
        columns = "channel, key, alert, action, severity, decided_ms, queued_ms, due_ms, next_ms, held, reminder, news"
        query = f"INSERT OR IGNORE INTO notices ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
        return self._db.execute(query, row).rowcount > 0

    def _bound(self, channel: str, now_ms: int) -> None:
        """Keep what waits within its bound."""
        beyond = self.load(channel).waiting - MOST_WAITING
        if beyond > 0:
            query = (
                "SELECT number FROM notices WHERE channel = ? AND state = 'waiting' ORDER BY severity, number LIMIT ?"
            )
            numbers = [row[0] for row in self._db.execute(query, (channel, beyond))]
            self._settle(numbers, "dropped", now_ms)
            attempt = self._log(channel, "", 0, "gathered", 0, beyond, now_ms)
            reason = f"more than {MOST_WAITING} waited: the least severe and oldest were given up"
            query = "UPDATE attempts SET ended_ms = ?, outcome = 'dropped', reason = ? WHERE number = ?"
            self._db.execute(query, (now_ms, reason, attempt))

    def _give_up(self, where: str, values: tuple[Any, ...], state: str, reason: str, now_ms: int) -> int:
        query = f"SELECT number, channel, key, alert, action, severity FROM notices WHERE state = 'waiting' AND {where}"  # noqa: S608
        if self._db.execute(f"{query} LIMIT 1", values).fetchone() is None:
            return 0
        with _Transaction(self._db):
            rows = self._db.execute(query, values).fetchall()
            self._settle([row[0] for row in rows], state, now_ms)
            for _, *row in rows:
                attempt = self._log(*row, 1, now_ms)
                query = "UPDATE attempts SET ended_ms = ?, outcome = ?, reason = ? WHERE number = ?"
                self._db.execute(query, (now_ms, state, reason, attempt))
        return len(rows)

    def _settle(self, numbers: Iterable[int], state: str, now_ms: int) -> None:
        query = "UPDATE notices SET state = ?, ended_ms = ? WHERE number = ?"
        self._db.executemany(query, [(state, now_ms, number) for number in numbers])

    def _log(self, *values: object) -> int:
        """Note an attempt that begins: channel, key, alert, action, severity, notices, began_ms."""
        columns = "channel, key, alert, action, severity, notices, began_ms, outcome"
        query = f"INSERT INTO attempts ({columns}) VALUES (?,?,?,?,?,?,?,'') RETURNING number"  # noqa: S608
        return int(self._db.execute(query, values).fetchone()[0])

    def _later(self, channel: str, now_ms: int) -> dict[int, int]:
        """Return by alert the first notice of it that waits for its next try."""
        query = "SELECT alert, min(number) FROM notices WHERE channel = ? AND state = 'waiting' AND next_ms > ? GROUP BY alert"
        return dict(self._db.execute(query, (channel, now_ms)).fetchall())

    def _rows(self, query: str, values: Mapping[str, object]) -> list[Waiting]:
        return [_waiting(row) for row in self._db.execute(query, values).fetchall()]


class _Transaction:
    """Everything or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def key_of(city: str, order: Order) -> str:
    """Return the name of a notice for ever: the same decision has the same, whatever became of our file."""
    entry = order.news.entry
    again = f"-r{order.number}" if order.number else ""
    return f"{city}-{entry.alert}-{entry.number}-{entry.decided_ms}{again}"


def _news_text(news: News) -> str:
    return json.dumps([list(news.entry), list(news.alert), list(news.place)], separators=(",", ":"))


def _news(values: list[list[Any]]) -> News:
    entry, alert, place = values
    return News(Entry(*entry), Alert(*alert), Place(*place))


def _text(belief: Belief) -> str:
    return json.dumps([_news_text(belief.news), *belief[1:]], separators=(",", ":"))


def _belief(text: str) -> Belief:
    news, *rest = json.loads(text)
    return Belief(_news(json.loads(news)), *rest)


def _waiting(row: tuple[Any, ...]) -> Waiting:
    number, key, action, severity, due_ms, held, reminder, attempts, done, gathered, news, superseded = row
    return Waiting(
        number, key, action, severity, due_ms, bool(held), reminder, attempts, tuple(json.loads(done)), gathered,
        _news(json.loads(news)), bool(superseded),
    )  # fmt: skip

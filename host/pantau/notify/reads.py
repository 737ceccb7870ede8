"""What page and command read of notices.sqlite3, on a connection of their own; readers never hold up the writer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from pantau.notify.outbox import SCHEMA
from pantau.ops.migrate import version_of

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_S = 5.0


class Attempt(NamedTuple):
    """One attempt, or the end of what was never told. Times are Unix ms UTC.

    `outcome` is sent, skipped, retry, refused, unknown (the bridge ended meanwhile), expired, dropped, or "" while it is being made.
    `notices` is how many it carried; of several `alert` is 0.
    """

    number: int
    channel: str
    key: str
    alert: int
    action: str
    severity: int
    notices: int
    began_ms: int
    ended_ms: int | None
    outcome: str
    reason: str


class ChannelState(NamedTuple):
    """How one channel is: what waits and since when, when it last told something, and its last attempt."""

    channel: str
    waiting: int
    oldest_ms: int | None
    sent_ms: int | None
    last: Attempt | None

    @property
    def working(self) -> bool:
        """Return whether the last attempt succeeded; a channel that never had one is not in doubt."""
        return self.last is None or self.last.outcome in {"sent", "skipped", ""}


class NoticeReader:
    """Reads one file. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        """Open an existing file read-only. Raises sqlite3.Error, and RuntimeError for another version's file."""
        self._db = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, check_same_thread=False
        )
        if (version := version_of(self._db)) != SCHEMA.version:
            self._db.close()
            msg = f"{path} has version {version}, this Pantau reads {SCHEMA.version}; start its bridge once"
            raise RuntimeError(msg)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def log(
        self, *, channel: str | None = None, alert: int | None = None, before: int | None = None, limit: int = 100
    ) -> list[Attempt]:
        """Return attempts, the newest first; `before` is the last number of the page before.

        Those of an alert include the ones that it was gathered in.
        """
        query = f"""SELECT {", ".join(Attempt._fields)} FROM attempts WHERE (:channel IS NULL OR channel = :channel)
            AND (:alert IS NULL OR alert = :alert OR (notices > 1 AND EXISTS (
                SELECT 1 FROM notices AS n WHERE n.channel = attempts.channel AND n.gathered = attempts.key AND n.alert = :alert)))
            AND (:before IS NULL OR number < :before) ORDER BY number DESC LIMIT :limit"""  # noqa: S608  our own words
        values = {"channel": channel, "alert": alert, "before": before, "limit": limit}
        return [Attempt._make(row) for row in self._db.execute(query, values).fetchall()]

    def channels(self) -> list[ChannelState]:
        """Return the channels that have ever had something to tell, or know what stands, in order of name."""
        query = "SELECT substr(key, 9) FROM state WHERE key LIKE 'channel %' UNION SELECT DISTINCT channel FROM notices ORDER BY 1"
        return [self.channel(row[0]) for row in self._db.execute(query).fetchall()]

    def channel(self, name: str) -> ChannelState:
        """Return how one channel is."""
        query = "SELECT count(*), min(due_ms) FROM notices WHERE channel = ? AND state = 'waiting'"
        waiting, oldest_ms = self._db.execute(query, (name,)).fetchone()
        query = "SELECT ended_ms FROM attempts WHERE channel = ? AND outcome = 'sent' ORDER BY number DESC LIMIT 1"
        sent = self._db.execute(query, (name,)).fetchone()
        last = self.log(channel=name, limit=1)
        return ChannelState(name, waiting, oldest_ms, sent[0] if sent else None, last[0] if last else None)

"""fleet.sqlite3: what each node runs and was told, releases and their bundles, rollouts, and who did what when.

The bridge's desk and the commands of `pantau fleet` write it; each from one thread. What `transaction` has left is on the disk.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from pantau.fleet.book_schema import SCHEMA
from pantau.fleet.rows import Entry, NodeState, Order, Release
from pantau.ops.migrate import bring_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BUSY_S = 5.0
_HISTORY = 100_000  # entries that are kept
_ENDED = 200_000  # orders that have ended and are kept
_SAVE_NODE = "INSERT OR REPLACE INTO nodes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_SAVE_ORDER = "INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


class Book:
    """One open file. Raises StoreError for one that it cannot use, sqlite3.Error for trouble of the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self.db.execute("PRAGMA synchronous = FULL")
            bring_up(self.db, path, SCHEMA)
            self.db.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is written inside durable at its end, or nothing of it. One inside another is part of that."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled back already
                self.db.execute("ROLLBACK")
            raise

    @property
    def version(self) -> int:
        """Return a number that is another one when somebody else has written since."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def note(self, key: str, value: str) -> None:
        """Remember a fact."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def noted(self, key: str) -> str | None:
        """Return what `note` remembered."""
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    # -- nodes

    def nodes(self) -> list[NodeState]:
        """Return every node that was heard, by name."""
        return [NodeState(*row) for row in self.db.execute("SELECT * FROM nodes ORDER BY node")]

    def node(self, node: str) -> NodeState | None:
        """Return what is known of a node."""
        row = self.db.execute("SELECT * FROM nodes WHERE node = ?", (node,)).fetchone()
        return NodeState(*row) if row else None

    def save_node(self, state: NodeState) -> None:
        """Write down what a node said."""
        self.db.execute(_SAVE_NODE, state)

    def save_heard(self, heard: Sequence[tuple[int, str]]) -> None:
        """Note when nodes were heard last: (Unix ms, node)."""
        self.db.executemany("UPDATE nodes SET heard_ms = ? WHERE node = ?", heard)

    def commissioned(self, node: str, boot: int, seq: int, received_ms: int, order: int, body: str) -> None:
        """Keep a commissioning record."""
        row = (node, boot, seq, received_ms, order, body)
        self.db.execute("INSERT OR IGNORE INTO commissionings VALUES (?,?,?,?,?,?)", row)

    def commissionings(self, node: str) -> list[dict[str, Any]]:
        """Return a node's commissioning records, the newest first, each with `received_ms`."""
        query = "SELECT received_ms, body FROM commissionings WHERE node = ? ORDER BY boot DESC, seq DESC"
        return [{"received_ms": at_ms, "body": body} for at_ms, body in self.db.execute(query, (node,))]

    # -- orders

    def add_order(self, node: str, kind: str, what: dict[str, Any], by: str, now_ms: int, expires_ms: int) -> int:
        """Queue an order; return its id, which no other has: a technician's laptop numbers its own by the time, too."""
        last = self.db.execute("SELECT coalesce(max(id), 0) FROM orders").fetchone()[0]
        order = Order(max(last + 1, now_ms), node, kind, what, by, now_ms, expires_ms)
        self.save_order(order)
        return order.id

    def save_order(self, order: Order) -> None:
        """Write an order as it stands."""
        row = order._replace(what=json.dumps(order.what))  # type: ignore[arg-type]
        self.db.execute(_SAVE_ORDER, row)

    def order(self, number: int) -> Order | None:
        """Return one order."""
        return next(self._orders("id = ?", number), None)

    def open_orders(self) -> list[Order]:
        """Return the orders that have not ended, in the order of each node."""
        return list(self._orders("ended_ms IS NULL ORDER BY node, id"))

    def orders_of(self, node: str, limit: int = 100) -> list[Order]:
        """Return the newest orders of a node, the newest first."""
        return list(self._orders("node = ? ORDER BY id DESC LIMIT ?", node, limit))

    def orders_in(self, rollout: int) -> list[Order]:
        """Return the update of each node that a rollout ordered last."""
        return list(self._orders("id IN (SELECT order_id FROM places WHERE rollout = ?)", rollout))

    def highest_counter(self, node: str) -> int:
        """Return the counter that no order to this node may fall below."""
        return int(
            self.db.execute("SELECT coalesce(max(counter), 0) FROM orders WHERE node = ?", (node,)).fetchone()[0]
        )

    def prune(self) -> None:
        """Let go of the oldest orders that have ended, and of the oldest history."""
        ended = "SELECT id FROM orders WHERE ended_ms IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ?"
        self.db.executemany("DELETE FROM orders WHERE id = ?", self.db.execute(ended, (_ENDED,)).fetchall())
        self.db.execute("DELETE FROM history WHERE number <= (SELECT max(number) FROM history) - ?", (_HISTORY,))

    def _orders(self, where: str, *values: object) -> Iterator[Order]:
        for row in self.db.execute("SELECT * FROM orders WHERE " + where, values).fetchall():  # noqa: S608  ours, above
            order = Order(*row)
            yield order._replace(what=json.loads(row[3]))

    # -- releases

    def add_release(self, release: Release, bundle: tuple[int, bytes], back: tuple[int, bytes]) -> None:
        """Record a release with its bundle and its way back, as (ident, bytes); sqlite3.IntegrityError if it is there."""
        with self.transaction():
            self.db.execute("INSERT INTO releases VALUES (?,?,?,?,?)", release)
            for number, (ident, data) in enumerate((bundle, back)):
                self.db.execute("INSERT INTO bundles VALUES (?,?,?,?)", (ident, release.release, number, data))
            self.record(release.made_ms, release.by, f"release {release.release}", f"made, version {release.version}")

    def releases(self) -> list[Release]:
        """Return all releases, the newest first."""
        return [Release(*row) for row in self.db.execute("SELECT * FROM releases ORDER BY release DESC")]

    def bundle_of(self, release: int, *, back: bool = False) -> int | None:
        """Return the ident of a release's bundle, or of the one that is its way back."""
        query = "SELECT ident FROM bundles WHERE release = ? AND back = ?"
        row = self.db.execute(query, (release, back)).fetchone()
        return row[0] if row else None

    def bundle(self, ident: int) -> bytes | None:
        """Return the bytes of a bundle."""
        row = self.db.execute("SELECT data FROM bundles WHERE ident = ?", (ident,)).fetchone()
        return row[0] if row else None

    # -- pins and history

    def pins(self) -> dict[str, str]:
        """Return why each pinned node stays on its release."""
        return dict(self.db.execute("SELECT node, why FROM pins ORDER BY node"))

    def pin(self, node: str, by: str, at_ms: int, why: str) -> None:
        """Keep a node on its release."""
        self.db.execute("INSERT OR REPLACE INTO pins VALUES (?,?,?,?)", (node, by, at_ms, why))
        self.record(at_ms, by, f"node {node}", f"pinned: {why}" if why else "pinned")

    def unpin(self, node: str, by: str, at_ms: int) -> bool:
        """Let a node take part in rollouts again; False when it was not pinned."""
        gone = self.db.execute("DELETE FROM pins WHERE node = ?", (node,)).rowcount > 0
        if gone:
            self.record(at_ms, by, f"node {node}", "no longer pinned")
        return gone

    def record(self, at_ms: int, by: str, subject: str, what: str) -> None:
        """Add a line to the history."""
        self.db.execute("INSERT INTO history (at_ms, by, subject, what) VALUES (?,?,?,?)", (at_ms, by, subject, what))

    def history(self, limit: int = 100, subject: str | None = None) -> list[Entry]:
        """Return the newest lines, the newest first."""
        query = "SELECT * FROM history WHERE ?1 IS NULL OR subject = ?1 ORDER BY number DESC LIMIT ?2"
        return [Entry(*row) for row in self.db.execute(query, (subject, limit))]

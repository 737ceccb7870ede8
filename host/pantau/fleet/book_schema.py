"""The tables of fleet.sqlite3. All times are Unix milliseconds UTC."""

from __future__ import annotations

from pantau.ops.migrate import Schema

SCHEMA = Schema(
    "fleet book",
    1,
    create="""
-- What each node said last of itself; `boot` and `seq` are of that health frame, `answered` of its last word on an update.
CREATE TABLE nodes (
    node TEXT PRIMARY KEY, heard_ms INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, health_ms INTEGER NOT NULL,
    version TEXT NOT NULL, release INTEGER NOT NULL, slot TEXT NOT NULL, setup INTEGER NOT NULL,
    update_id INTEGER NOT NULL, update_have INTEGER NOT NULL, update_state INTEGER NOT NULL,
    restarts INTEGER NOT NULL, safe INTEGER NOT NULL, defect TEXT NOT NULL, health TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each order; `counter` is the one it was signed with, 0 before the first try; `have` is of an update.
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, by TEXT NOT NULL,
    made_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, state TEXT NOT NULL, counter INTEGER NOT NULL,
    tries INTEGER NOT NULL, sent_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL, have INTEGER NOT NULL,
    result TEXT NOT NULL, ended_ms INTEGER
);
CREATE INDEX orders_open ON orders (node, id) WHERE ended_ms IS NULL;
CREATE INDEX orders_by_node ON orders (node, id);

CREATE TABLE commissionings (
    node TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, received_ms INTEGER NOT NULL, order_id INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (node, boot, seq)
) WITHOUT ROWID;

CREATE TABLE releases (
    release INTEGER PRIMARY KEY, version TEXT NOT NULL, by TEXT NOT NULL, made_ms INTEGER NOT NULL, note TEXT NOT NULL
);
-- Of each release the bundle, and the same files signed as a way back: nodes take it in place of a later release.
CREATE TABLE bundles (
    ident INTEGER PRIMARY KEY, release INTEGER NOT NULL, back INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (release, back)
);

CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY, release INTEGER NOT NULL, state TEXT NOT NULL, stage INTEGER NOT NULL, plan TEXT NOT NULL,
    by TEXT NOT NULL, made_ms INTEGER NOT NULL, soak_ms INTEGER NOT NULL, halted_after TEXT NOT NULL, reason TEXT NOT NULL,
    ended_ms INTEGER
);
-- Where each node stands in a rollout. `before` is the release that it ran when it was offered the new one.
CREATE TABLE places (
    rollout INTEGER NOT NULL, node TEXT NOT NULL, stage INTEGER NOT NULL, state TEXT NOT NULL, before INTEGER NOT NULL,
    since_ms INTEGER NOT NULL, why TEXT NOT NULL, order_id INTEGER NOT NULL, tries INTEGER NOT NULL,
    boot INTEGER NOT NULL, PRIMARY KEY (rollout, node)
) WITHOUT ROWID;

CREATE TABLE pins (node TEXT PRIMARY KEY, by TEXT NOT NULL, at_ms INTEGER NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, by TEXT NOT NULL, subject TEXT NOT NULL, what TEXT NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
""",
    steps={},
)

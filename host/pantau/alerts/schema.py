"""The tables of alerts.sqlite3, one script per version: an older file is brought up step by step, a newer one refused."""

from __future__ import annotations

# MIGRATIONS[n] brings a file of version n to n + 1. A script that was released is never edited.
MIGRATIONS = (
    """
CREATE TABLE state (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;

-- Alerts as they stand; `severity` of a closed one is its last. Times are Unix milliseconds UTC.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    station TEXT NOT NULL,
    part TEXT NOT NULL,
    severity INTEGER NOT NULL,
    worst INTEGER NOT NULL,
    level TEXT NOT NULL,
    level_id TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    muted INTEGER NOT NULL,
    past INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL,
    closed_ms INTEGER,
    acknowledged_by TEXT NOT NULL,
    acknowledged_ms INTEGER,
    shelved_by TEXT NOT NULL,
    shelved_until_ms INTEGER,
    english TEXT NOT NULL,
    indonesian TEXT NOT NULL
);
CREATE INDEX open_alerts ON alerts (severity DESC, opened_ms DESC) WHERE closed_ms IS NULL;
CREATE INDEX alerts_by_station ON alerts (station, opened_ms);
CREATE INDEX alerts_by_time ON alerts (opened_ms);

-- The log. Written once; only retention takes rows away, oldest first, of alerts that have ended.
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    alert INTEGER NOT NULL,
    action TEXT NOT NULL,
    severity INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    muted INTEGER NOT NULL,
    past INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL,
    by TEXT NOT NULL,
    english TEXT NOT NULL,
    indonesian TEXT NOT NULL,
    explanation TEXT NOT NULL      -- JSON: figures with times, qualities and identities, and the rule's limits
);
CREATE INDEX decisions_by_alert ON decisions (alert, number);
CREATE INDEX decisions_by_time ON decisions (decided_ms);
CREATE TRIGGER decisions_are_final BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are written once'); END;

CREATE TABLE migrations (version INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);
""",
)
VERSION = len(MIGRATIONS)

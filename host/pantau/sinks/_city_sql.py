"""What the city store says to SQLite, and of itself. The columns are those of schema.sql."""

from __future__ import annotations

from pantau.sinks.about import About

ABOUT = About(
    title="SQLite, embedded",
    key="identity",
    late="a row like any other; the latest value stays the newest",
    undated="a row without a date, which gets it when the boot's clock is known",
    missing="a row whose value is NULL",
    revisions="change the row; a date that changes moves the latest value with it",
    receipt="the commit, which has the log's position in it",
    holds_undated=True,
    holds_null=True,
)

INSERT = """INSERT OR IGNORE INTO observations
    (node, boot, seq, idx, property, value, quality, reason, observed_at, uptime, clock, received, station, dated_later,
     tests) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""

LATEST = """INSERT INTO latest (node, property, value, quality, reason, observed_at, received, clock, dated_later, tests)
    VALUES (?,?,?,?,?,?,?,?,?,?)
    ON CONFLICT (node, property) DO UPDATE SET value = excluded.value, quality = excluded.quality,
        reason = excluded.reason, observed_at = excluded.observed_at, received = excluded.received,
        clock = excluded.clock, dated_later = excluded.dated_later, tests = excluded.tests
    WHERE (excluded.observed_at <= excluded.received + ?, excluded.observed_at)
        > (latest.observed_at <= latest.received + ?, latest.observed_at)"""
REFRESH_LATEST = """INSERT OR REPLACE INTO latest
    (node, property, value, quality, reason, observed_at, received, clock, dated_later, tests)
    SELECT node, property, value, quality, reason, observed_at, received, clock, dated_later, tests FROM observations
    WHERE node = ? AND property = ? AND observed_at <= received + ? ORDER BY observed_at DESC LIMIT 1"""

FIND = """SELECT value, unit, quality FROM readings
    WHERE node = ? AND boot = ? AND seq = ? AND idx = ? AND property = ?"""
_KEY = "node = ? AND boot = ? AND seq = ? AND idx = ? AND property = ?"
DATE_OF = f"SELECT observed_at FROM observations WHERE {_KEY}"  # noqa: S608  fixed text
REVISE = f"""UPDATE observations SET quality = ?, reason = ?, tests = ?, observed_at = ?,
    dated_later = max(dated_later, ?) WHERE {_KEY}"""  # noqa: S608  fixed text

SEEN = """UPDATE nodes SET first_seen = min(coalesce(first_seen, ?1), ?1), last_seen = max(coalesce(last_seen, ?2), ?2)
    WHERE id = ?3"""
RECORDS = """UPDATE nodes SET records_boot = ?1, records_seq = ?2, clock = ?3, alarm = ?4
    WHERE id = ?5 AND (records_boot, records_seq) < (?1, ?2)"""
HEALTH = """UPDATE nodes SET health_boot = ?1, health_seq = ?2, health_at = ?3, health = ?4,
        firmware = coalesce(?5, firmware), clock_offset_ms = coalesce(?6, clock_offset_ms)
    WHERE id = ?7 AND (health_boot, health_seq) < (?1, ?2)"""
MAP = """INSERT INTO clock_maps (node, boot, utc_minus_uptime_ms, quality) VALUES (?,?,?,?)
    ON CONFLICT (node, boot) DO UPDATE SET utc_minus_uptime_ms = excluded.utc_minus_uptime_ms, quality = excluded.quality
    WHERE excluded.quality > clock_maps.quality"""

# A replay delivers old frames again: the position never goes back.
POSITION = """INSERT INTO meta VALUES ('position', ?)
    ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)"""

_NUMBER = "(SELECT id FROM nodes WHERE node = ?1)"
FORGET = (
    f"DELETE FROM observations WHERE node = {_NUMBER}",  # noqa: S608  fixed text, as below
    f"DELETE FROM latest WHERE node = {_NUMBER}",  # noqa: S608
    "DELETE FROM nodes WHERE node = ?1",
)

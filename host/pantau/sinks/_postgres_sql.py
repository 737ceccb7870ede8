"""What the sink says to PostgreSQL. `{s}` is the schema: tables are named with it, so nothing of another one can be meant."""

# ruff: noqa: S608  fixed texts of this module, made of each other
from __future__ import annotations

from pantau.sinks._postgres_rows import COLUMNS, FUTURE_TOLERANCE_MS, REVISED

_TOLERANCE = f"interval '{FUTURE_TOLERANCE_MS // 1000} seconds'"
_NEWEST = (
    "node, property, frame, idx, quality, clock, value, observed_at, received_at, uptime_ms, station, reason, tests"
)
_TAKE = ", ".join(f"{name} = excluded.{name}" for name in _NEWEST.split(", ")[2:])


def _rank(row: str) -> str:
    """Order candidates for the latest value: a date that its own receipt contradicts comes last."""
    return f"({row}.observed_at <= {row}.received_at + {_TOLERANCE}, {row}.observed_at)"


# A delivery's own tables, empty outside of it.
TEMPORARY = """CREATE TEMPORARY TABLE IF NOT EXISTS told (LIKE {s}.observations) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS revised (node integer, boot bigint, seq bigint, idx smallint, property smallint,
        quality smallint, reason integer, tests integer, observed_at timestamptz) ON COMMIT DELETE ROWS"""

ABOUT = "SELECT a.made, p.position FROM {s}.about AS a LEFT JOIN {s}.positions AS p ON p.log = %s"
# A replay delivers old frames again: the position never goes back.
POSITION = """INSERT INTO {s}.positions AS p (log, position) VALUES (%s, %s)
    ON CONFLICT (log) DO UPDATE SET position = greatest(p.position, excluded.position), delivered_at = now()"""

FRAMES = """INSERT INTO {s}.frames (node, boot, seq, received_at)
    SELECT node, boot, seq, timestamptz '2000-01-01 00:00:00+00' + received_us * interval '1 microsecond'
    FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::bigint[]) AS t (node, boot, seq, received_us)
    ON CONFLICT DO NOTHING RETURNING node, boot, seq, frame"""
KNOWN = """SELECT f.node, f.boot, f.seq, f.frame,
        (extract(epoch FROM f.received_at - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint
    FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS t (node, boot, seq)
    JOIN {s}.frames AS f ON f.node = t.node AND f.boot = t.boot AND f.seq = t.seq"""

COPY_NEW = f"COPY {{s}}.observations ({COLUMNS}) FROM STDIN (FORMAT binary)"
COPY_TOLD = f"COPY pg_temp.told ({COLUMNS}) FROM STDIN (FORMAT binary)"
COPY_REVISED = f"COPY pg_temp.revised ({REVISED}) FROM STDIN (FORMAT binary)"

_IF_NEWER = f"ON CONFLICT (node, property) DO UPDATE SET {_TAKE} WHERE {_rank('excluded')} > {_rank('n')}"
LATEST = f"INSERT INTO {{s}}.newest AS n ({_NEWEST}) SELECT {_NEWEST} FROM pg_temp.told {_IF_NEWER}"


def _best(of: str) -> str:
    return f"""INSERT INTO {{s}}.newest AS n ({_NEWEST}) SELECT DISTINCT ON (node, property) {_NEWEST} FROM {of}
        WHERE observed_at IS NOT NULL ORDER BY node, property, {_rank(of)} DESC {_IF_NEWER}"""


# Of a frame that is there already only what it did not say before is taken: a property, a date.
AGAIN = f"""WITH taken AS (
        INSERT INTO {{s}}.observations AS o ({COLUMNS}) SELECT {COLUMNS} FROM pg_temp.told
        ON CONFLICT (frame, idx, property, received_at) DO UPDATE SET observed_at = excluded.observed_at,
            quality = excluded.quality, reason = excluded.reason, tests = excluded.tests, station = excluded.station,
            uptime_ms = excluded.uptime_ms, clock = excluded.clock
        WHERE o.observed_at IS NULL AND excluded.observed_at IS NOT NULL
        RETURNING {_NEWEST}),
    shown AS ({_best("taken")})
    SELECT DISTINCT frame FROM taken"""
CLEAR = {"told": "DELETE FROM pg_temp.told", "revised": "DELETE FROM pg_temp.revised"}

_REVISED_FRAMES = """pg_temp.revised AS r
    JOIN {s}.frames AS f ON f.node = r.node AND f.boot = r.boot AND f.seq = r.seq"""
# Latest values whose own date changes: the next best may stand before them then.
MOVED = f"""SELECT n.node, n.property FROM {_REVISED_FRAMES}
    JOIN {{s}}.newest AS n ON n.node = r.node AND n.property = r.property AND n.frame = f.frame AND n.idx = r.idx
    WHERE r.observed_at <> n.observed_at"""
REVISE = f"""WITH changed AS (
        UPDATE {{s}}.observations AS o SET quality = r.quality, reason = r.reason, tests = r.tests,
            observed_at = coalesce(r.observed_at, o.observed_at)
        FROM {_REVISED_FRAMES}
        WHERE o.frame = f.frame AND o.idx = r.idx AND o.property = r.property AND o.received_at = f.received_at
            AND (o.quality, o.reason, o.tests, o.observed_at)
                IS DISTINCT FROM (r.quality, r.reason, r.tests, coalesce(r.observed_at, o.observed_at))
        RETURNING o.*)
    {_best("changed")} OR (excluded.frame, excluded.idx) = (n.frame, n.idx)"""
REFRESH = f"""INSERT INTO {{s}}.newest AS n ({_NEWEST})
    SELECT {", ".join(f"b.{name}" for name in _NEWEST.split(", "))}
    FROM unnest(%s::integer[], %s::smallint[]) AS k (node, property) CROSS JOIN LATERAL (
        SELECT o.* FROM {{s}}.observations AS o
        WHERE o.node = k.node AND o.property = k.property AND o.observed_at IS NOT NULL
            AND o.observed_at <= o.received_at + {_TOLERANCE}
        ORDER BY o.observed_at DESC LIMIT 1) AS b
    ON CONFLICT (node, property) DO UPDATE SET {_TAKE}"""

# Late frames come in any order: each fact says which frame it is from.
NODES = """UPDATE {s}.nodes AS n SET
        first_seen = least(n.first_seen, to_timestamp(t.first_ms / 1000.0)),
        last_seen = greatest(n.last_seen, to_timestamp(t.last_ms / 1000.0)),
        alarm = CASE WHEN newer.records THEN t.alarm ELSE n.alarm END,
        clock = CASE WHEN newer.records THEN t.clock ELSE n.clock END,
        records_boot = CASE WHEN newer.records THEN t.records_boot ELSE n.records_boot END,
        records_seq = CASE WHEN newer.records THEN t.records_seq ELSE n.records_seq END,
        firmware = CASE WHEN newer.health THEN coalesce(t.health ->> 'firmware', n.firmware) ELSE n.firmware END,
        health = CASE WHEN newer.health THEN t.health ELSE n.health END,
        health_at = CASE WHEN newer.health THEN to_timestamp(t.health_ms / 1000.0) ELSE n.health_at END,
        health_boot = CASE WHEN newer.health THEN t.health_boot ELSE n.health_boot END,
        health_seq = CASE WHEN newer.health THEN t.health_seq ELSE n.health_seq END
    FROM jsonb_to_recordset(%s::jsonb) AS t (node integer, first_ms bigint, last_ms bigint, alarm boolean, clock smallint,
            records_boot bigint, records_seq bigint, health jsonb, health_ms bigint, health_boot bigint, health_seq bigint)
        JOIN {s}.nodes AS was ON was.id = t.node,
        LATERAL (SELECT (t.records_boot, t.records_seq) > (was.records_boot, was.records_seq) IS TRUE AS records,
            (t.health_boot, t.health_seq) > (was.health_boot, was.health_seq) IS TRUE AS health) AS newer
    WHERE n.id = t.node"""

# Interned texts, by the table that holds them.
ADD = {
    "words": "INSERT INTO {s}.words (text) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
    "nodes": "INSERT INTO {s}.nodes (node) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
    "stations": "INSERT INTO {s}.stations (station) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
}
FIND = {
    "words": "SELECT text, id FROM {s}.words WHERE text = ANY(%s)",
    "nodes": "SELECT node, id FROM {s}.nodes WHERE node = ANY(%s)",
    "stations": "SELECT station, id FROM {s}.stations WHERE station = ANY(%s)",
}
ADD_PROPERTY = "INSERT INTO {s}.properties (property, unit) VALUES (%s, %s) ON CONFLICT DO NOTHING"
FIND_PROPERTY = "SELECT id, unit FROM {s}.properties WHERE property = %s"

# The registry. Stations are never deleted: older observations were made there.
STATION = """INSERT INTO {s}.stations AS s (station, name, domain, kemendagri, owner, datum, datum_height_m, report_interval_s, geom)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326))
    ON CONFLICT (station) DO UPDATE SET name = excluded.name, domain = excluded.domain, kemendagri = excluded.kemendagri,
        owner = excluded.owner, datum = excluded.datum, datum_height_m = excluded.datum_height_m,
        report_interval_s = excluded.report_interval_s, geom = excluded.geom"""
UNPLACE = "DELETE FROM {s}.placements WHERE node = ANY(%s)"
PLACE = """INSERT INTO {s}.placements (node, station, valid_from, valid_until)
    VALUES (%s, %s, coalesce(to_timestamp(%s / 1000.0), '-infinity'), to_timestamp(%s / 1000.0))"""

SHOWN = """SELECT format('%%s %%s %%s of %%s [%%s], quality %%s (%%s), observed %%s, received %%s',
        property, coalesce(value::text, 'nothing'), unit, node, station, quality, reason,
        coalesce(observed_at::text, 'at an unknown time'), received_at)
    FROM {s}.readings WHERE node = %s AND boot = %s AND seq = %s AND idx = %s AND property = %s"""

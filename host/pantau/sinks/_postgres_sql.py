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

FRAMES = """INSERT INTO {s}.frames (node, boot, seq, received_at, interval_s)
    SELECT node, boot, seq, timestamptz '2000-01-01 00:00:00+00' + received_us * interval '1 microsecond', interval_s
    FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::bigint[], %s::integer[])
        AS t (node, boot, seq, received_us, interval_s)
    ON CONFLICT DO NOTHING RETURNING node, boot, seq, frame"""
KNOWN = """SELECT f.node, f.boot, f.seq, f.frame,
        (extract(epoch FROM f.received_at - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint
    FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS t (node, boot, seq) CROSS JOIN LATERAL (
        SELECT * FROM {s}.frames AS x WHERE x.node = t.node AND x.boot = t.boot AND x.seq = t.seq LIMIT 1) AS f"""

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
        ON CONFLICT (frame, property, idx, received_at) DO UPDATE SET observed_at = excluded.observed_at,
            quality = excluded.quality, reason = excluded.reason, tests = excluded.tests, station = excluded.station,
            uptime_ms = excluded.uptime_ms, clock = excluded.clock
        WHERE o.observed_at IS NULL AND excluded.observed_at IS NOT NULL
        RETURNING {_NEWEST}),
    shown AS ({_best("taken")})
    SELECT DISTINCT frame FROM taken"""
CLEAR = {"told": "DELETE FROM pg_temp.told", "revised": "DELETE FROM pg_temp.revised"}

REVISE = "SELECT {s}.revise()"

# Late frames come in any order: each fact says which frame it is from.
_NEWER = "(excluded.{of}_boot, excluded.{of}_seq) > (n.{of}_boot, n.{of}_seq)"
_FACTS = {
    "records": ("alarm", "clock", "records_boot", "records_seq"),
    "health": ("health", "health_at", "health_boot", "health_seq"),
}
_TAKE_NEWER = ", ".join(
    f"{name} = CASE WHEN {_NEWER.format(of=of)} THEN excluded.{name} ELSE n.{name} END"
    for of in _FACTS
    for name in _FACTS[of]
)
NODES = f"""INSERT INTO {{s}}.nodes AS n (id, node, first_seen, last_seen, firmware, {", ".join(sum(_FACTS.values(), ()))})
    SELECT t.id, t.node, to_timestamp(t.first_ms / 1000.0), to_timestamp(t.last_ms / 1000.0), t.health ->> 'firmware',
        t.alarm, t.clock, coalesce(t.records_boot, -1), coalesce(t.records_seq, -1),
        t.health, to_timestamp(t.health_ms / 1000.0), coalesce(t.health_boot, -1), coalesce(t.health_seq, -1)
    FROM jsonb_to_recordset(%s::jsonb) AS t (id integer, node text, first_ms bigint, last_ms bigint,
        alarm boolean, clock smallint, records_boot bigint, records_seq bigint,
        health jsonb, health_ms bigint, health_boot bigint, health_seq bigint)
    ON CONFLICT (id) DO UPDATE SET first_seen = least(n.first_seen, excluded.first_seen),
        last_seen = greatest(n.last_seen, excluded.last_seen),
        firmware = CASE WHEN {_NEWER.format(of="health")} THEN coalesce(excluded.firmware, n.firmware) ELSE n.firmware END,
        {_TAKE_NEWER}"""

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

SHOWN = """SELECT format('%%s %%s %%s of %%s%%s, quality %%s (%%s), observed %%s, received %%s',
        property, coalesce(value::text, 'nothing'), unit, node, coalesce(' at ' || station, ''), quality, reason,
        coalesce(observed_at::text, 'at an unknown time'), received_at)
    FROM {s}.readings WHERE node = %s AND boot = %s AND seq = %s AND idx = %s AND property = %s"""

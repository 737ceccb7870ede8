"""How the network is: what reports, how complete, how far the sinks are, what each node needs, and what to do."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from pantau.access.model import Role, Who
from pantau.ops import snapshot
from pantau.ops.snapshot import Rates
from pantau.web import network, network_tiles
from pantau.web.gate import needs
from pantau.web.geojson import DEFAULT_REPORT_INTERVAL_S, STALE_REPORTS, iso
from pantau.web.network import Count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pantau.web.parts import Parts

_BUSY_S = 1.0
_COUNT_S = 60.0  # completeness of a thousand nodes takes a second to count
_LOOK_S = 5.0
_FORGET_S = 300.0  # rates are of now: what nobody has looked at for so long is not compared with
_COLUMNS = "p.node, n.first_seen, n.last_seen, coalesce(n.alarm, 0) AS alarm, n.clock, n.firmware, n.clock_offset_ms, n.health, n.health_at"
_PLACES = f"""SELECT s.id AS station, s.name, s.domain, s.report_interval_s, {_COLUMNS}
    FROM stations AS s LEFT JOIN placements AS p ON p.station = s.id LEFT JOIN nodes AS n ON n.node = p.node
    UNION ALL SELECT NULL, NULL, NULL, NULL, {_COLUMNS.replace("p.node", "n.node")} FROM nodes AS n
    WHERE n.node NOT IN (SELECT node FROM placements)
    ORDER BY 1, 5"""  # noqa: S608  this module's own words
_FAULTS = """SELECT n.node, l.quality, r.text AS reason FROM latest AS l JOIN nodes AS n ON n.id = l.node
    JOIN words AS r ON r.id = l.reason WHERE l.quality IN (4, 9)
        OR (r.text = 'maintenance' AND l.observed_at > n.last_seen - 7200000)"""
# Reports that came, by the slots of the node's own rhythm: a slot is as long as its report interval and lies around the instants
# at which it reports, so that seconds of jitter neither miss nor double one. One property stands for a record: the one that came
# last, of several the first that the node ever sent. Counting them all would read five times as much.
_COUNTS = """WITH told AS (
        SELECT l.node, l.property, l.observed_at AS newest, n.node AS name,
            coalesce(s.report_interval_s, :usual) * 1000 AS interval_ms,
            coalesce(n.first_seen, 0) AS first_seen,
            row_number() OVER (PARTITION BY l.node ORDER BY l.observed_at DESC, l.property) AS place
        FROM latest AS l JOIN nodes AS n ON n.id = l.node JOIN placements AS p ON p.node = n.node
        JOIN stations AS s ON s.id = p.station)
    SELECT t.name, count(DISTINCT CASE WHEN o.observed_at >= :now - :stale * t.interval_ms - :hour
            THEN (t.newest - o.observed_at + t.interval_ms / 2) / t.interval_ms END) AS hour,
        count(DISTINCT (t.newest - o.observed_at + t.interval_ms / 2) / t.interval_ms) AS day, count(DISTINCT o.boot) AS boots
    FROM told AS t JOIN observations AS o INDEXED BY series ON o.node = t.node AND o.property = t.property
    WHERE t.place = 1 AND o.observed_at >= max(:now - :stale * t.interval_ms - :day, t.first_seen)
        AND o.observed_at < :now - :stale * t.interval_ms
    GROUP BY t.node"""

Level = Literal["bad", "watch", "unknown", "good"]
Number = float | None


class Figure(BaseModel):
    """A number with its unit; `of` is the whole it is a part of, `about` the node, sink or channel that it is of."""

    name: str
    value: Number
    unit: str
    of: Number
    about: str | None


class Tile(BaseModel):
    """One judgement: `advice` names the words of what to do; `at` is when it was true, null for now."""

    id: str
    level: Level
    advice: str
    at: str | None
    figures: list[Figure]


class Reports(BaseModel):
    """Reports that came of those that should have come by now."""

    received: int
    expected: int


class Spans(BaseModel):
    """Reports of the last hour and day."""

    hour: Reports
    day: Reports


class Node(BaseModel):
    """A node and where it stands. `node` is null for a station where none stands, `station` for a node that stands nowhere."""

    node: str | None
    station: str | None
    name: str
    domain: str | None
    state: str
    report_interval_s: int
    last_seen: str | None
    health_at: str | None
    reports: Spans
    firmware: str | None
    release: int | None
    battery_mv: int | None
    rssi: int | None
    clock: int | None
    clock_source: str | None
    clock_offset_ms: int | None
    outbox_records: int | None
    overwritten_records: int | None
    restarts: int | None = Field(description="In the last day")
    uptime_s: int | None
    worries: list[str]


class Totals(BaseModel):
    """What the city adds up to; expected is what the registry says."""

    expected: int
    reporting: int
    never: int
    states: dict[str, int]
    reports: Spans
    waiting_records: int
    overwritten_records: int


class Sink(BaseModel):
    """How far a sink has come; `trouble` in the bridge's words."""

    name: str
    lag_frames: float
    lag_s: Number
    delivered: Number
    rejected: Number
    working: bool
    trouble: str | None


class Channel(BaseModel):
    """A way to people."""

    channel: str
    working: bool
    waiting: Number
    oldest_s: Number = Field(description="For how long the oldest is due")
    sent: Number
    failed: Number


class Version(BaseModel):
    """How many nodes run a firmware."""

    version: str
    nodes: int
    behind: int


class Certificate(BaseModel):
    """When a certificate ends."""

    of: str
    left_s: int
    ends_at: str | None


class NetworkHealth(BaseModel):
    """How the network is; times are UTC."""

    now: str
    counted_at: str = Field(description="When completeness was counted")
    problems: list[str] = Field(
        description="What is wrong, each with what to do; the public is not told hosts and paths"
    )
    tiles: list[Tile] = Field(description="Worst first")
    totals: Totals
    nodes: list[Node]
    sinks: list[Sink]
    quarantine: dict[str, float] = Field(description="Messages refused since the start, by reason")
    notices: list[Channel]
    firmware: list[Version]
    certificates: list[Certificate]
    alerts: dict[str, float] = Field(description="Alerts that stand, by severity")


def router(parts: Parts) -> APIRouter:
    """Return the route."""
    api = APIRouter(tags=["network"])
    watch = _Watch(parts)

    @api.get("/network")
    async def health(who: Annotated[Who, Depends(needs(Role.PUBLIC))]) -> NetworkHealth:
        """Return how the network is."""
        figures, problems = watch.figures()
        return await run_in_threadpool(watch.health, figures, problems, who.role)

    return api


class _Watch:
    """What is remembered between two requests: the rates, and the counts that cost much."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rates = Rates()
        self._looked: tuple[float, Mapping[str, float]] | None = None
        self._counts: tuple[float, int, dict[str, Count]] | None = None
        self._counting = threading.Lock()

    def figures(self) -> tuple[dict[str, float], list[str]]:
        """Ask the bridge, in its own thread."""
        figures, at_s = dict(self._parts.status.figures()), time.monotonic()
        if self._looked is None or at_s - self._looked[0] >= _LOOK_S:
            if self._looked is not None and at_s - self._looked[0] > _FORGET_S:
                self._rates = Rates()
            self._looked = at_s, figures
            self._rates.look(figures, at_s)
        return figures, list(self._parts.status.problems())

    def health(self, figures: Mapping[str, float], problems: list[str], role: Role) -> NetworkHealth:
        """Return what the page shows. Raises sqlite3.Error."""
        now_ms = self._parts.now_ms()
        said = problems if role > Role.PUBLIC else [network.redacted(one) for one in problems]
        state = snapshot.build(figures, said, city=self._parts.city, now_ms=now_ms, rates=self._rates.now())
        seen = snapshot.Figures(figures)
        with closing(_open(self._parts.store.path)) as db:
            counted_ms, counts = self._count(db, now_ms)
            faults: dict[str, list[dict[str, Any]]] = {}
            for one in db.execute(_FAULTS):
                faults.setdefault(one["node"], []).append(dict(one))
            places = [dict(one) for one in db.execute(_PLACES)]
        none = Count()
        found = (
            network.row(one, faults.get(one["node"], []), counts.get(one["node"], none), counted_ms, now_ms)
            for one in places
        )
        rows = network.with_behind(list(found))
        totals = network.totals(rows)
        return NetworkHealth.model_validate(
            {
                "now": iso(now_ms),
                "counted_at": iso(counted_ms),
                "problems": said,
                "tiles": network_tiles.tiles(seen, state, rows, totals, iso(counted_ms), now_ms),
                "totals": totals,
                "nodes": rows,
                "sinks": network_tiles.sinks(seen, state["sinks"], said),
                "quarantine": state["quarantine"]["refused"],
                "notices": network_tiles.notices(seen),
                "firmware": network.firmware(rows),
                "certificates": network_tiles.certificates(seen, now_ms),
                "alerts": seen.by("alerts_open", "severity"),
            }
        )

    def _count(self, db: sqlite3.Connection, now_ms: int) -> tuple[int, dict[str, Count]]:
        """Return (when, counts by node), at most a minute old."""
        with self._counting:
            at_s = time.monotonic()
            if self._counts is None or at_s - self._counts[0] > _COUNT_S:
                values = {
                    "now": now_ms, "stale": STALE_REPORTS, "hour": network.HOUR_MS, "day": network.DAY_MS,
                    "usual": DEFAULT_REPORT_INTERVAL_S,
                }  # fmt: skip
                rows = db.execute(_COUNTS, values).fetchall()
                self._counts = at_s, now_ms, {row["name"]: Count(row["hour"], row["day"], row["boots"]) for row in rows}
            return self._counts[1], self._counts[2]


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
    db.row_factory = sqlite3.Row
    return db

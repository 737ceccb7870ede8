"""The registry in PostgreSQL: stations as points, and where which node stood when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.registry.model import EVER_MS, NEVER_MS
from pantau.sinks import _postgres_sql as sql

if TYPE_CHECKING:
    from pantau.registry import Registry
    from pantau.sinks._postgres_link import Connection
    from pantau.sinks._postgres_words import Say


def put_places(db: Connection, say: Say, registry: Registry) -> None:
    """Write stations and placements, in one transaction. What other registries or older ones told stays."""
    stations = [
        (s.id, s.name, s.domain, s.kemendagri, s.owner, s.datum, s.datum_height_m, s.report_interval_s, s.longitude, s.latitude)
        for s in registry.stations.values()
    ]  # fmt: skip
    nodes = list(registry.nodes)
    placed = [
        (stay.id, stay.station, None if stay.start_ms == EVER_MS else stay.start_ms, None if stay.end_ms == NEVER_MS else stay.end_ms)
        for node in nodes
        for stay in registry.placements(node)
    ]  # fmt: skip
    with db.transaction(), db.cursor() as cursor:
        cursor.executemany(say(sql.STATION), stations)
        cursor.execute(say(sql.UNPLACE), (nodes,))
        cursor.executemany(say(sql.PLACE), placed)

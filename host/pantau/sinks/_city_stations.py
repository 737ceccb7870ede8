"""Stations as the city store keeps them, for the page and the GIS."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pantau.registry import Registry


class StationRow(NamedTuple):
    """A place for the page and the GIS: WGS 84 degrees (None when not surveyed), how often it reports, who stands there."""

    id: str
    name: str
    domain: str
    lon: float | None
    lat: float | None
    report_interval_s: int
    nodes: tuple[str, ...]


def station_rows(registry: Registry, at_ms: int) -> list[StationRow]:
    """Return the registry's stations with the nodes that stand there at `at_ms`, as the city store takes them."""
    return [
        StationRow(s.id, s.name, s.domain, s.longitude, s.latitude, s.report_interval_s, registry.nodes_at(s.id, at_ms))
        for s in registry.stations.values()
    ]

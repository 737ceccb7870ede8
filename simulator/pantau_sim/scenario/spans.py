"""When things happen: tables that say "again and again" become instants, by lot. Pure; each table and station has a lot of its own."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from pantau_sim.scenario.plan import Span
from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pantau_sim.scenario.tables import When

CITYWIDE = frozenset({"broker", "broker_wiped", "bridge", "bridge_crash", "spool_full"})
HOUR_US, _MINUTE_US, _MS = 3_600_000_000, 60_000_000, 1000
_BROWN_OUT_US = 1_000_000
_APART_US = 1_000_000  # between the end of one and the beginning of the next


def expand(
    tables: Sequence[tuple[When, Sequence[str] | None]], start_us: int, end_us: int, seed: int
) -> tuple[Span, ...]:
    """Return the spans of `tables`, each with its stations (None: it is the city's), by their beginning; none lasts past `end_us`."""
    found: list[Span] = []
    for index, (table, stations) in enumerate(tables):
        for station in [None] if stations is None else stations:
            drawn_for = "" if table.together or station is None else station
            rng = Prng(seed, zlib.crc32(f"{_kind(table)}/{index}/{drawn_for}".encode()))
            found += [_span(table, station, *times) for times in _times(table, start_us, end_us, rng)]
    return tuple(sorted(found, key=lambda span: (span.start_us, span.kind, span.station or "")))


def _kind(table: When) -> str:
    return str(getattr(table, "kind", ""))


def _span(table: Any, station: str | None, start_us: int, end_us: int) -> Span:
    return Span(
        kind=table.kind,
        start_us=start_us,
        end_us=min(end_us, start_us + _BROWN_OUT_US) if table.kind == "brown_out" else end_us,
        station=station,
        sensor=getattr(table, "sensor", None),
        what=getattr(table, "what", None),
        count=getattr(table, "count", 0),
        strength=getattr(table, "strength", 1.0),
        per_min=getattr(table, "per_min", 0.0),
    )


def _times(table: When, start_us: int, end_us: int, rng: Prng) -> Iterator[tuple[int, int]]:
    """Yield (beginning, end) in us, whole milliseconds: once, or as often as `every_h` gives, by lot between 0.4 and 1.6 of it."""
    at = start_us + _ms(table.at_h * HOUR_US)
    if table.every_h is None:
        if at < end_us:
            yield at, min(end_us, at + _lasts(table, rng))
        return
    every = table.every_h * HOUR_US
    until = end_us if table.until_h is None else min(end_us, start_us + _ms(table.until_h * HOUR_US))
    at += _ms(every * rng.unit())
    while at < until:
        end = at + _lasts(table, rng)
        yield at, min(end_us, end)
        at = max(end + _APART_US, at + _ms(every * (0.4 + 1.2 * rng.unit())))


def _lasts(table: When, rng: Prng) -> int:
    lasts = table.for_min
    minutes = lasts if isinstance(lasts, int | float) else lasts[0] + (lasts[1] - lasts[0]) * rng.unit()
    return max(_MS, _ms(minutes * _MINUTE_US))


def _ms(us: float) -> int:
    """Return microseconds as a whole number of milliseconds."""
    return round(us / _MS) * _MS

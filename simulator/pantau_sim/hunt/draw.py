"""A random small scenario from a seed: the tables of a scenario file. Pure; the same seed gives the same tables.

Every fault is one of its own with an instant of its own, never a rule with a lot: so a case can be made smaller without
moving what is left of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from pantau_sim.hunt.lot import HOUR_MS, Lot, hours, minutes
from pantau_sim.hunt.stations import stations
from pantau_sim.hunt.trouble import ailments, clients, faults, traps

if TYPE_CHECKING:
    from collections.abc import Sequence

Tables = dict[str, Any]

_WIB = timezone(timedelta(hours=7))
# Ordinary days, midnights, ends of years and of a leap day's month: what is dated by the hour, day or year has seams there.
_STARTS = (
    datetime(2027, 1, 12, 9, tzinfo=_WIB),
    datetime(2027, 6, 30, 22, 41, 3, tzinfo=_WIB),
    datetime(2027, 12, 31, 22, 30, tzinfo=_WIB),
    datetime(2027, 12, 31, 23, 59, 40, tzinfo=UTC),
    datetime(2028, 2, 28, 22, tzinfo=_WIB),
    datetime(2029, 10, 3, 4, 59, 59, tzinfo=_WIB),
)
_MOST_RECORDS = 2400  # of a case: seconds of work, not minutes
_CALM_MS = (HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, 5 * HOUR_MS // 4, 0, 0, 45_000)


def draw(seed: int) -> Tables:
    """Return the tables of the case of this seed."""
    lot = Lot(seed, "head")
    profile = _profile(Lot(seed, "profile"))
    places = stations(seed, Lot(seed, "stations"))
    calm_ms = lot.one(_CALM_MS)
    active_ms = min(lot.spread(HOUR_MS // 4, 5 * HOUR_MS), _affordable(places, profile) - calm_ms)
    active_ms = max(HOUR_MS // 4, active_ms)
    start = lot.one(_STARTS)
    strangers = clients(Lot(seed, "clients"), places, active_ms)
    tables: Tables = {
        "scenario": {
            "title": f"Hunt {seed}",
            "title_id": f"Perburuan {seed}",
            "about": f"Drawn by pantau sim hunt from seed {seed}.",
            "start": start,
            "hours": hours(active_ms + calm_ms),
            "calm_h": hours(calm_ms),
            "seed": seed,
            "seeded_rain": lot.chance(0.2),
        },
        "profile": profile,
        "shower": _showers(Lot(seed, "showers"), active_ms),
        "haze": _hazes(Lot(seed, "haze"), active_ms),
        "station": places,
        "fault": faults(seed, places, profile, active_ms) + traps(Lot(seed, "traps"), strangers),
        "ailment": ailments(Lot(seed, "ailments"), places, active_ms),
        "client": strangers,
        "expect": [{"name": "nothing-lost", "check": "nothing_lost"}],
    }
    if any("river" in place["site"] for place in places):
        tables["river"] = [_river(Lot(seed, "river"))]
    return {name: table for name, table in tables.items() if table}


def _profile(lot: Lot) -> Tables:
    return {
        "interval_s": lot.one((10, 15, 20, 30, 30, 60, 60, 60)),
        "batch": lot.one((1, 2, 3, 5, 5, 7, 10, 15)),
        "health_s": lot.one((60, 61, 300, 900, 900, 3600)),
        "latency_ms": lot.one((1, 7, 40, 40, 40, 200, 999, 2500, 5000)),
        "loss": lot.one((0.0, 0.0, 0.0, 0.01, 0.05, 0.2, 0.5)),
        "raw_flash": lot.chance(0.65),
    }


def _affordable(places: Sequence[Tables], profile: Tables) -> int:
    """Return for how long such stations may run, ms."""
    per_hour = sum(
        3600 / place.get("node", {}).get("interval_s", profile["interval_s"]) * place.get("node", {}).get("count", 1)
        for place in places
    )
    return int(_MOST_RECORDS / per_hour * HOUR_MS)


def _showers(lot: Lot, active_ms: int) -> list[Tables]:
    return [
        {
            "at_h": hours(lot.whole(0, active_ms)),
            "peak_mm_h": lot.one((5, 40, 90, 180, 300)),
            "width_min": minutes(lot.spread(60_000, HOUR_MS)),
        }
        for _ in range(lot.one((0, 0, 1, 1, 2, 3)))
    ]


def _hazes(lot: Lot, active_ms: int) -> list[Tables]:
    if not lot.chance(0.15):
        return []
    return [
        {
            "at_h": hours(lot.whole(0, active_ms)),
            "peak_ug_m3": lot.one((80, 300, 1900)),
            "width_h": lot.between(0.2, 3),
        }
    ]


def _river(lot: Lot) -> Tables:
    return {
        "name": "kali",
        "latitude": -6.25,
        "longitude": 106.6,
        "area_km2": lot.one((2, 20, 300)),
        "lag_h": lot.between(0.2, 2),
    }

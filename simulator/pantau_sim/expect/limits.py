"""At least and at most, and the words for both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect

_WIB_S = 7 * 3600


def within(value: float, expect: Expect) -> bool:
    """Return whether a value keeps the limits of an expectation."""
    return (expect.at_least is None or value >= expect.at_least) and (expect.at_most is None or value <= expect.at_most)


def limits(expect: Expect, unit: str = "") -> str:
    """Return the words for what was asked: "at least 3", "2 to 5 mm"."""
    if expect.at_least is not None and expect.at_most is not None:
        return f"{expect.at_least:g} to {expect.at_most:g}{unit}"
    if expect.at_least is not None:
        return f"at least {expect.at_least:g}{unit}"
    return f"at most {expect.at_most:g}{unit}" if expect.at_most is not None else "any"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of a hundred values do not exceed (nearest rank)."""
    return sorted(values)[max(0, -(-percent * len(values) // 100) - 1)]


def stations(plan: ScenarioPlan, expect: Expect) -> list[str]:
    """Return the stations that an expectation is about: those named, or all."""
    return list(expect.stations) if expect.stations is not None else [site.id for site in plan.world.sites]


def clock(t_s: float) -> str:
    """Return an instant as people in Tangerang say it (WIB)."""
    return f"{datetime.fromtimestamp(t_s + _WIB_S, UTC):%d %b %H:%M:%S}"


def after(seconds: float | None, what: str) -> str:
    """Return how long after something else, or before it, something was known; nothing where that cannot be said."""
    return "" if seconds is None else f", known {abs(seconds):.0f} s {'after' if seconds >= 0 else 'before'} {what}"


def share(part: float, whole: float) -> str:
    """Return a share as percent, never rounded up to a hundred."""
    percent = 100 * part / whole if whole else 0.0
    return "100 %" if part == whole else f"{min(percent, 99.99):.2f} %"

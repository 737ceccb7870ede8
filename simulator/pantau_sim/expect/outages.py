"""When nothing of a station can reach the platform, by the faults of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pantau_sim.scenario.plan import ScenarioPlan, Span

CITYWIDE = frozenset({"broker", "broker_wiped", "bridge", "bridge_crash", "spool_full"})
AT_STATION = frozenset({"power", "brown_out", "link"})


def cuts(plan: ScenarioPlan, station: str) -> list[Span]:
    """Return every fault that keeps the station's frames back while it lasts."""
    return [
        span
        for span in plan.faults
        if span.kind in CITYWIDE or (span.kind in AT_STATION and span.station in {None, station})
    ]


def outages(plan: ScenarioPlan, station: str) -> list[tuple[float, float]]:
    """Return when a station is cut off, (from, to) in Unix s, joined and in order."""
    joined: list[tuple[float, float]] = []
    for start_us, end_us in sorted((span.start_us, span.end_us) for span in cuts(plan, station)):
        start, end = start_us / 1e6, end_us / 1e6
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def cut_off(plan: ScenarioPlan, station: str, start_s: float, end_s: float) -> tuple[float, float] | None:
    """Return the outage that covers the whole of a time, None where there is none."""
    return next((o for o in outages(plan, station) if o[0] <= start_s and o[1] >= end_s), None)

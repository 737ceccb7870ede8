"""When something is wrong with what a station's sensors say of a property: ailments, and faults on their wires."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.ailments import KINDS
from pantau_sim.scenario.hardware import models

if TYPE_CHECKING:
    from pantau_sim.scenario.plan import ScenarioPlan

_OF_DISTANCE = frozenset({"water_distance", "water_distance_corrected", "water_level", "flood_depth", "siaga_state"})
_OF_RAIN = frozenset(
    {"rain_tips", "rain_amount", "rain_intensity_5min", "rain_intensity_15min", "rain_intensity_60min"}
)
_OF_TRAFFIC = ("vehicle_", "occupancy", "pulse_count", "radar_", "traffic_flow", "degree_of", "level_of")
_US = 1_000_000
# Properties of the platform, by what of the truth they come from; any other is its own.
_SEEN = {"water_distance": _OF_DISTANCE, "rain_accumulated": _OF_RAIN, "rain_rate": _OF_RAIN}


def spells(plan: ScenarioPlan, station: str, name: str) -> list[tuple[float, float]]:
    """Return when a property of a station may be wrong, (from, to) in Unix s, in order."""
    found = []
    for span in plan.ailments:
        kind = KINDS[span.kind]
        if span.station in {None, station} and any(_shows(change, name) for change in kind.CHANGES):
            found.append((span.start_us / _US, (plan.end_us if kind.LASTS else span.end_us) / _US))
    for span in plan.faults:
        model = models().get(span.sensor or "")
        if model is None or span.station not in {None, station}:
            continue
        if name in model.properties or (name in _OF_DISTANCE and "water_distance" in model.properties):
            found.append((span.start_us / _US, span.end_us / _US))
    return sorted(found)


def _shows(change: str, name: str) -> bool:
    if change == "passes":
        return name.startswith(_OF_TRAFFIC)
    return name in _SEEN.get(change, {change})


def sick(times: list[tuple[float, float]], t_s: float) -> bool:
    """Return whether an instant lies in one of the times."""
    return any(start <= t_s <= end for start, end in times)

"""What the world really does: when a figure of it first reaches a level, and how high it gets."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pantau.registry import file
from pantau_sim.expect.limits import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.registry.model import Registry, Station
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.world import World

STEP_S = 30
_DIGITS = 4  # what comes of exp and sin differs between machines in the last of sixteen


def registered(plan: ScenarioPlan, station: str) -> Station:
    """Return what the plan's registry says of a station."""
    found = _registry(plan.registry).station(station, plan.start_us // 1000)
    assert found is not None  # file.py has looked at the names
    return found


@lru_cache(maxsize=8)
def _registry(text: str) -> Registry:
    return file.read(tomllib.loads(text), Path("registry.toml"))


def siaga_level(plan: ScenarioPlan, station: str, state: int) -> float | None:
    """Return the water level in m from which a state holds at a station, None where it has no such level."""
    flood = registered(plan, station).flood
    if flood is None:
        return None
    level: float | None = {3: flood.siaga_3, 2: flood.siaga_2, 1: flood.siaga_1}[state]
    return level


def first_reach(figure: Callable[[float], float], level: float, start_s: float, end_s: float) -> float | None:
    """Return the second in which a figure is first at or above a level, None where it never is."""
    t = start_s
    while t <= end_s:
        if round(figure(t), _DIGITS) >= level:
            low, high = max(start_s, t - STEP_S), t
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if round(figure(middle), _DIGITS) >= level else (middle, high)
            return high
        t += STEP_S
    return None


def highest(figure: Callable[[float], float], start_s: float, end_s: float) -> tuple[float, float]:
    """Return (greatest value, when) of a figure."""
    best, when = figure(start_s), start_s
    t = start_s
    while t <= end_s:
        if (value := round(figure(t), _DIGITS)) > best:
            best, when = value, t
        t += STEP_S
    return best, when


def water(world: World, station: str) -> Callable[[float], float]:
    """Return the true water level at a station, m."""
    truth = world.station(station)
    return lambda t: truth("water_level", t)


def siaga_crossing(plan: ScenarioPlan, world: World, station: str, state: int) -> float | None:
    """Return when the true level first reaches that of a siaga state, None where it never does or there is no such level."""
    level = siaga_level(plan, station, state)
    if level is None:
        return None
    return first_reach(water(world, station), level, plan.start_us / 1e6, plan.end_us / 1e6)


def never(plan: ScenarioPlan, world: World, station: str, state: int) -> str | None:
    """Return why a station can never reach a siaga state, None where it does."""
    level = siaga_level(plan, station, state)
    if level is None:
        return f"{station} has no siaga_{state} in its flood table"
    if siaga_crossing(plan, world, station, state) is None:
        top, when = highest(water(world, station), plan.start_us / 1e6, plan.end_us / 1e6)
        return f"the water at {station} rises to {top:.2f} m at {clock(when)}, siaga_{state} is {level:g} m"
    return None

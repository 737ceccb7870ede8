"""The alert rules against the truth: what a rule looks at, when the truth first reaches its level, and how soon anybody can know."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts import rules as kinds
from pantau.alerts.files import defaults
from pantau_sim.expect.limits import clock
from pantau_sim.expect.outages import cut_off, outages
from pantau_sim.expect.sickness import spells
from pantau_sim.expect.truth import first_reach, highest, registered, siaga_level, water
from pantau_sim.scenario.hardware import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.world import World

EVENT_S = 10  # between a node's readings in an event (alarm.sample_s)
_INTENSITY = {"rain_intensity_5min": 300, "rain_intensity_15min": 900, "rain_intensity_60min": 3600}
_WATER = ("water_distance", "water_depth")
_SOURCES = {"siaga_state": _WATER, "water_level": _WATER, "flood_depth": _WATER}
_TIPS = ("rain_tips",)
_ROOM = 0.9  # a robust slope over noisy readings is not the mean slope of the truth


class Known(NamedTuple):
    """What the truth says of a rule at a station: `never` why it cannot apply, `at_s` when it first does if that is known."""

    never: str | None = None
    at_s: float | None = None
    readings: int = 1
    hold_s: int = 0


@cache
def rule_set() -> kinds.RuleSet:
    """Return the rules by which a run is judged: those that Pantau ships."""
    return defaults()


def rank(severity: str | None) -> int:
    """Return a severity as a number; none given is the least."""
    return 1 if severity is None else kinds.SEVERITIES.index(severity)


def known(plan: ScenarioPlan, world: World, station: str, rule_id: str, severity: str | None) -> Known:
    """Return what the truth says of a rule, from a severity on, at a station."""
    rule = rule_set().rules[rule_id]
    place = registered(plan, station)
    if not rule.where.admits(station, place.domain):
        return Known(f"rule {rule_id} does not look at {station}, a {place.domain} station")
    if isinstance(rule, kinds.NodeAlarm):
        return _node_alarm(plan, world, station, rule, severity)
    if isinstance(rule, kinds.Late):
        return _late(plan, station, rule, severity)
    if isinstance(rule, kinds.Series) and not _measured(plan, station, rule.property):
        return Known(f"no sensor at {station} measures what rule {rule_id} looks at ({rule.property})")
    level = _level(rule, severity)
    if level is None:
        return Known(f"rule {rule_id} has no level as bad as {severity}")
    if isinstance(rule, kinds.Fault):
        sick = any(spells(plan, station, name) for name in rule.properties)
        return Known() if sick else Known(f"nothing is wrong with a sensor of {station}")
    if isinstance(rule, kinds.Threshold) and rule.property == "siaga_state":
        return _siaga(plan, world, station, rule, int(level.value))
    figure = _figure(rule, world, station)
    if figure is None:
        return Known()
    room = _ROOM if isinstance(rule, kinds.Rise) else 1.0
    return _reach(plan, figure, level.value * room, f"{rule_id} at {station}", rule)


def _measured(plan: ScenarioPlan, station: str, name: str) -> bool:
    """Return whether a node at the station has a sensor for a property, or for what the platform makes it of."""
    sources = _SOURCES.get(name) or (_TIPS if name.startswith("rain_") else (name,))
    has = {sensor["model"] for node in plan.nodes if node.station == station for sensor in node.config["sensors"]}
    return any(source in models()[model].properties for model in has for source in sources)


def _level(rule: kinds.Leveled, severity: str | None) -> kinds.Level | None:
    """Return the least level that can become as bad: a neighbour that agrees may raise one by a step."""
    raised = 1 if getattr(getattr(rule, "neighbour", None), "effect", None) == "raise" else 0
    wanted = rank(severity)
    exact = next((level for level in rule.levels if level.rank >= wanted), None)
    return exact or next((level for level in rule.levels if level.rank >= wanted - raised), None)


def _figure(rule: kinds.Leveled, world: World, station: str) -> Callable[[float], float] | None:
    """Return what a rule looks at, as the truth has it, None where truth has no such thing."""
    truth = world.station(station)
    if isinstance(rule, kinds.Rise):
        level, window = water(world, station), rule.window_s
        return lambda t: (level(t) - level(t - window)) / window * 60
    if isinstance(rule, kinds.Rain):
        window = _INTENSITY.get(rule.property, 0)
        if not window:
            return None
        return lambda t: (truth("rain_accumulated", t) - truth("rain_accumulated", t - window)) * 3600 / window
    if isinstance(rule, kinds.Threshold) and rule.direction == "above":
        return lambda t: truth(rule.property, t)
    return None


def _reach(plan: ScenarioPlan, figure: Callable[[float], float], level: float, what: str, rule: kinds.Leveled) -> Known:
    start, end = plan.start_us / 1e6, plan.end_us / 1e6
    at = first_reach(figure, level, start, end)
    if at is None:
        top, when = highest(figure, start, end)
        return Known(f"{what}: the truth gets to {top:.4g} at {clock(when)}, the rule begins at {level:.4g}")
    return Known(None, at, rule.readings, rule.hold_s)


def _siaga(plan: ScenarioPlan, world: World, station: str, rule: kinds.Threshold, state: int) -> Known:
    """Return when the worst of the states that are as bad is reached; a station may have no level for the first of them."""
    for worse in range(state, 0, -1):
        level = siaga_level(plan, station, worse)
        if level is not None:
            flood = registered(plan, station).flood
            found = _reach(plan, water(world, station), level, f"siaga_{worse} at {station}", rule)
            return found._replace(readings=flood.siaga_readings if flood else 1)
    return Known(f"{station} has no siaga_{state} in its flood table")


def _node_alarm(plan: ScenarioPlan, world: World, station: str, rule: kinds.NodeAlarm, severity: str | None) -> Known:
    worst = max(rank(rule.severity), rank(rule.confirmed_severity))
    if rank(severity) > worst:
        return Known(f"rule {rule.id} is never as bad as {severity}")
    near = [node.config["alarm"]["distance_mm"] for node in plan.nodes if node.station == station]
    near_m = max(near, default=0) / 1000
    if not near_m:
        return Known(f"no node at {station} has an alarm distance")
    truth = world.station(station)
    figure = lambda t: -truth("water_distance", t)  # noqa: E731
    found = _reach(plan, figure, -near_m, f"the distance to the water at {station}, negative", rule.figure)
    return found._replace(readings=3)  # of four: firmware's watch.py


def _late(plan: ScenarioPlan, station: str, rule: kinds.Late, severity: str | None) -> Known:
    wanted = rank(severity)
    level = next((level for level in rule.levels if level.rank >= wanted), None)
    if level is None:
        return Known(f"rule {rule.id} has no level as bad as {severity}")
    silent_s = level.value * registered(plan, station).report_interval_s
    longest = max((end - start for start, end in outages(plan, station)), default=0.0)
    at = next((start + silent_s for start, end in outages(plan, station) if end - start >= silent_s), None)
    if at is None:
        return Known(f"{station} is cut off for {longest:.0f} s at most, and late only after {silent_s:.0f} s")
    return Known(None, at)


def too_soon(
    plan: ScenarioPlan, station: str, at_s: float, within_s: float | None, readings: int, hold_s: int
) -> str | None:
    """Return why nobody can know of something at `at_s` within `within_s`, None where one can."""
    if within_s is None:
        return None
    paces = [
        min(node.config["sampling"]["interval_s"], EVENT_S)
        if node.config["alarm"]["distance_mm"]
        else node.config["sampling"]["interval_s"]
        for node in plan.nodes
        if node.station == station
    ]
    least = hold_s + (readings - 1) * min(paces, default=0)
    if within_s < least:
        return f"{station}: {readings} readings take {least:.0f} s, more than within_s = {within_s:g}"
    gone = cut_off(plan, station, at_s, at_s + within_s)
    if gone is not None:
        return (
            f"{station} is cut off from {clock(gone[0])} to {clock(gone[1])}, over the whole of the {within_s:g} s "
            f"after the water gets there at {clock(at_s)}"
        )
    return None

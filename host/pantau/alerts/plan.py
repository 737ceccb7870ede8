"""Which rules look at a station and which stations can confirm it, worked out once per registry and set of rules."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.rules import Battery, Fault, Late, Leveled, NodeAlarm, Series

if TYPE_CHECKING:
    from pantau.alerts.rules import Neighbour, Rule, RuleSet, SeriesRule
    from pantau.registry.model import Registry, Station

_KM_PER_DEGREE = 111.2

_SIAGA = frozenset({"siaga_1", "siaga_2", "siaga_3"})


class Judged(NamedTuple):
    """A rule with what it comes down to, ready for use."""

    rule: SeriesRule
    flags: frozenset[int]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules of one station by what they look at."""

    place: Station
    series: dict[str, list[Judged]] = field(default_factory=lambda: defaultdict(list))
    batteries: list[Battery] = field(default_factory=list)
    alarms: list[tuple[NodeAlarm, Leveled]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)


class Plans:
    """Plans and neighbours, worked out when first asked for. Bounded by the registry."""

    def __init__(self, rules: RuleSet, registry: Registry) -> None:
        self.rules = rules
        self.registry = registry
        self._plans: dict[str, Plan] = {}
        self._near: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, station: str) -> Plan | None:
        """Return the plan of a station, None when the registry does not know it."""
        if (plan := self._plans.get(station)) is not None:
            return plan
        place = self.registry.stations.get(station)
        if place is None:
            return None
        plan = self._plans[station] = Plan(place)
        for rule in self.rules.at(station, place.domain):
            _add(plan, rule)
        return plan

    def watches(self, rule: str, station: str) -> bool:
        """Return whether a rule in force looks at a station that exists."""
        place, found = self.registry.stations.get(station), self.rules.rules.get(rule)
        return place is not None and found is not None and found.where.admits(station, place.domain)

    def near(self, rule: str, station: str, neighbour: Neighbour) -> tuple[str, ...]:
        """Return the stations whose agreement counts for a rule at `station`."""
        key = (rule, station)
        if (known := self._near.get(key)) is None:
            known = self._near[key] = tuple(o for o in self._candidates(station, neighbour) if self.watches(rule, o))
        return known

    def _candidates(self, station: str, neighbour: Neighbour) -> list[str]:
        if not neighbour.rivers and neighbour.within_km is None:
            return [other for other in self.registry.beside(station) if other != station]
        found = dict.fromkeys(
            other for river in neighbour.rivers if station in river for other in river if other != station
        )
        if neighbour.within_km is not None:
            here = self.registry.stations[station]
            for other in self.registry.stations.values():
                if other.id != station and _apart_km(here, other) <= neighbour.within_km:
                    found[other.id] = None
        return list(found)


def least_level(place: Station) -> float | None:
    """Return the water level from which a station is not normal, m; None where nobody has said."""
    levels = [one.value for one in place.thresholds if one.property == "water_level" and one.name in _SIAGA]
    if (flood := place.flood) is not None:
        levels += [level for level in (flood.siaga_3, flood.siaga_2, flood.siaga_1) if level is not None]
    return min(levels, default=None)


def normal_level(place: Station) -> float | None:
    """Return the water level that is usual at a station, m: its dry ground, or where siaga 4 ends; None where nobody has said."""
    flood = place.flood
    return None if flood is None else next((x for x in (flood.dry_level, flood.siaga_4) if x is not None), None)


def _add(plan: Plan, rule: Rule) -> None:
    if isinstance(rule, Series):
        plan.series[rule.property].append(Judged(rule, rule.flags))
    elif isinstance(rule, Battery):
        plan.batteries.append(rule)
    elif isinstance(rule, NodeAlarm):
        plan.alarms.append((rule, rule.figure))
    elif isinstance(rule, Fault):
        plan.faults.append(rule)
    else:
        plan.late.append(rule)


def _apart_km(a: Station, b: Station) -> float:
    """Return the distance on a plane: at a city's size that is as good as on a sphere."""
    north = (a.latitude - b.latitude) * _KM_PER_DEGREE
    east = (a.longitude - b.longitude) * _KM_PER_DEGREE * math.cos(math.radians(a.latitude))
    return math.hypot(north, east)

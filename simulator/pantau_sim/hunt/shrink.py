"""A failing case made smaller for as long as the same thing fails: fewer faults, strangers and stations, shorter, simpler figures. Pure.

What is asked is asked through `fails(tables)`, which plays a case; `over()` says when there is no time left.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pantau_sim.hunt.lot import HOUR_MS, hours
from pantau_sim.scenario.tables import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Tables = dict[str, Any]

_ROWS = ("client", "ailment", "fault", "shower", "haze", "river")
_TIMED = ("client", "ailment", "fault")
_PLAIN = {"interval_s", "batch", "health_s", "latency_ms", "loss", "raw_flash"}
_LEAST_H = 0.05
_ROUND_H = (2, 3, 4)  # decimals


class Shrinker:
    """One case on its way down. `tables` is the smallest that failed."""

    def __init__(self, tables: Tables, fails: Callable[[Tables], bool], over: Callable[[], bool]) -> None:
        self.tables = tables
        self.tries = 0
        self._fails, self._over = fails, over

    def run(self) -> Tables:
        """Return the smallest case that was found."""
        before: Tables | None = None
        while before != self.tables and not self._over():
            before = self.tables
            for name in _ROWS:
                self._fewer(name)
            for step in (_without_a_station, _shorter, _plainer, _fewer_sensors, _rounder):
                self._take(step)
        return self.tables

    def _try(self, tables: Tables) -> bool:
        if self._over():
            return False
        self.tries += 1
        if not self._fails(tables):
            return False
        self.tables = tables
        return True

    def _take(self, step: Callable[[Tables], Iterator[Tables]]) -> None:
        """Take each candidate of a step that still fails; then the step is asked again, of the smaller case."""
        while any(self._try(candidate) for candidate in step(self.tables)):
            pass

    def _fewer(self, name: str) -> None:
        """Leave out rows: halves of them first, then quarters, down to one by one (ddmin)."""
        size = len(self.tables.get(name, ()))
        while size and not self._over():
            at = 0
            while at < len(rows := self.tables.get(name, [])):
                if not self._try(_with(self.tables, name, rows[:at] + rows[at + size :])):
                    at += size
            size = size // 2 if size > 1 else 0


def _with(tables: Tables, name: str, value: Any) -> Tables:
    made = dict(tables)
    if value or value == 0:
        made[name] = value
    else:
        made.pop(name, None)
    return made


def _without_a_station(tables: Tables) -> Iterator[Tables]:
    """Yield the case without each of its stations, and without what befalls that alone."""
    for gone in tables["station"] if len(tables["station"]) > 1 else ():
        made = _with(tables, "station", [place for place in tables["station"] if place is not gone])
        for name in _TIMED:
            made = _with(made, name, [row for row in tables.get(name, ()) if row.get("stations") != [gone["id"]]])
        yield made


def _shorter(tables: Tables) -> Iterator[Tables]:
    """Yield the case ended sooner, and with less calm or none."""
    head = tables["scenario"]
    active = head["hours"] - head["calm_h"]
    ends = [row["at_h"] + row["for_min"] / 60 for name in _TIMED for row in tables.get(name, ())]
    for until in {active / 2, active * 0.8, min(active, max(ends, default=0) + 1e-6)}:
        if _LEAST_H <= until < active - _LEAST_H / 2:
            yield _until(tables, round(until, 6), head["calm_h"])
    for calm in (0.0, head["calm_h"] / 2):
        if calm < head["calm_h"] - _LEAST_H:
            yield _until(tables, active, calm)


def _until(tables: Tables, active_h: float, calm_h: float) -> Tables:
    ms = round(active_h * HOUR_MS)
    head = tables["scenario"] | {"hours": hours(ms + round(calm_h * HOUR_MS)), "calm_h": calm_h}
    made = _with(tables, "scenario", head)
    for name in (*_TIMED, "shower"):
        made = _with(made, name, [row for row in tables.get(name, ()) if row["at_h"] * HOUR_MS < ms - 1])
    return made


def _plainer(tables: Tables) -> Iterator[Tables]:
    """Yield the case with each figure of the profile as it usually is, and without what a station need not have."""
    usual = Profile()
    for name in sorted(_PLAIN & tables["profile"].keys()):
        if tables["profile"][name] != getattr(usual, name):
            yield _with(tables, "profile", tables["profile"] | {name: getattr(usual, name)})
    if tables["scenario"].get("seeded_rain"):
        yield _with(tables, "scenario", tables["scenario"] | {"seeded_rain": False})
    for at, place in enumerate(tables["station"]):
        for name in ("node", "flood"):
            if name in place:
                yield _station(tables, at, {key: value for key, value in place.items() if key != name})
        for name in sorted(place.get("node", {}).keys() - {"sensors"}):
            rest = {key: value for key, value in place["node"].items() if key != name}
            yield _station(tables, at, place | {"node": rest})


def _station(tables: Tables, at: int, place: Tables) -> Tables:
    return _with(tables, "station", [*tables["station"][:at], place, *tables["station"][at + 1 :]])


def _fewer_sensors(tables: Tables) -> Iterator[Tables]:
    for at, place in enumerate(tables["station"]):
        sensors = place.get("node", {}).get("sensors", ())
        for gone in sensors if len(sensors) > 1 else ():
            made = copy.deepcopy(place)
            made["node"]["sensors"].remove(gone)
            yield _station(tables, at, made)


def _rounder(tables: Tables) -> Iterator[Tables]:
    """Yield the case with rounder instants and durations, one figure at a time."""
    for name in _TIMED:
        rows = tables.get(name, [])
        for at, row in enumerate(rows):
            for key in ("at_h", "for_min", "per_min", "strength", "count"):
                for decimals in _ROUND_H if key in row else ():
                    rounded = round(row[key], decimals - 2) if key != "at_h" else round(row[key], decimals)
                    if rounded and len(str(rounded)) < len(str(row[key])):
                        yield _with(tables, name, [*rows[:at], row | {key: rounded}, *rows[at + 1 :]])
                        break

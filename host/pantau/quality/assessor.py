"""The fold over decoded frames: flags merged, derived observations appended, earlier ones revised.

The result depends on the sequence of frames alone: not on batches, restarts, the wall clock or the order of hashes.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pantau.model import Observation
from pantau.quality import air, columns, flood, known, rain, road
from pantau.quality.around import Around
from pantau.quality.flags import verdict
from pantau.quality.plans import Site, compile_site
from pantau.quality.states import States
from pantau.quality.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pantau.decode import Decoded, Registry
    from pantau.quality.site import RainFed
    from pantau.quality.states import State

_NODE, _STATION = "node/", "station/"
# What belongs to a place: a node that moves begins anew there, with the frames and dates that it is known by.
_OF_PLACE = ("series", "rain", "air", "road", "flood", "fed", "siaga")
_SITES = 500  # compiled stations kept; one is some 10 KB, and made in less time than a frame is judged


class Assessor:
    """Quality control of a city. `defects` counts, by part, what a bug of ours cost: flags, never a frame."""

    def __init__(self, registry: Registry, state: Mapping[str, str] | None = None) -> None:
        """`state` is all that `changed` ever returned, by key, the latest text of each; it may be a view of a file."""
        self._registry = registry
        self._states = States(state)
        self._around = Around(registry)
        self._sites: dict[str | None, Site] = {None: compile_site(None)}
        self.defects: Counter[str] = Counter()
        self.last_defect = ""

    def changed(self) -> dict[str, str]:
        """Return the state that changed and is not saved, by key; all of it given to a new Assessor goes on exactly."""
        return self._states.changed()

    def saved(self) -> None:
        """Note that what `changed` returned last was saved."""
        self._states.saved()

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on; what is known of nodes and stations stays."""
        self._registry = registry
        self._around = Around(registry)
        self._sites = {None: self._sites[None]}

    def assess(self, decoded: Decoded) -> Decoded:
        """Return the frame with its flags, what follows from it, and revisions of what was told before."""
        self._states.settle()
        # Read before anything is changed: what cannot be read now is for the caller to try again, whole.
        self._states.get(_NODE + decoded.node)
        try:
            if decoded.clock_map is not None:
                state = self._states.get(_NODE + decoded.node)
                dated = known.learn(state, decoded.clock_map, decoded.id)
                return replace(decoded, dated=dated) if dated else decoded
            return self._records(decoded) if decoded.observations else decoded
        except Exception as error:  # noqa: BLE001  a defect costs flags, never the frame: it was acknowledged
            self._defect("frame", error)
            return decoded

    def _defect(self, part: str, error: Exception) -> None:
        self.defects[part] += 1
        self.last_defect = f"{part}: {error!r}"

    def _try(self, part: str, judge: Callable[[], None]) -> None:
        try:
            judge()
        except Exception as error:  # noqa: BLE001  as in assess: the other tests go on
            self._defect(part, error)

    def _site(self, station: Any) -> Site:
        """Return the plans of a station, made anew when the registry gives it other figures."""
        if station is None:
            return self._sites[None]
        site = self._sites.get(station.id)
        if site is None or (site.station is not station and site.station != station):
            if len(self._sites) >= _SITES:
                self._sites = {None: self._sites[None]}
            site = self._sites[station.id] = compile_site(station)
        return site

    def _records(self, decoded: Decoded) -> Decoded:
        state = self._states.get(_NODE + decoded.node)
        rows = list(decoded.observations)
        first_ms = rows[0].observed_at_ms
        date = known.offset(state, decoded.boot) if first_ms is None else 0
        if date is None:
            known.hold(state, decoded.boot, decoded.id)
            return self._undated(decoded)
        gaps = known.gaps(state)  # what closes the last gap is late itself
        again = known.again(state, decoded.boot, decoded.seq)
        if first_ms is None:
            rows = self._dated(rows, date)
        station = self._registry.station_of(decoded.node, rows[0].observed_at_ms or 0)
        site = self._site(station)
        work = Work(
            decoded.node, rows, site, _of_place(state, site, rows, again), again=again, gaps=gaps or known.gaps(state)
        )
        self._judge(work)
        return replace(
            decoded,
            observations=_told(work),
            revisions=decoded.revisions + tuple(work.revisions),
        )

    def _judge(self, work: Work) -> None:
        self._try("level", lambda: flood.add_level(work))
        plans = work.site.plans
        for name in work.columns:
            if (plan := plans.get(name)) is not None:
                try:
                    columns.judge(work, name, plan)
                except Exception as error:  # noqa: BLE001  as in assess: the other columns go on
                    work.flags.pop(name, None)
                    self._defect(name, error)
        self._try("rain", lambda: rain.judge(work, lambda: self._station(work), lambda: self._neighbours(work)))
        self._try("contact", lambda: flood.cross(work))
        self._try("rain_fed", lambda: flood.fed(work, lambda site, at_ms: self._rained(work, site, at_ms)))
        self._try("flood", lambda: flood.derive(work))
        self._try("air", lambda: air.judge(work, lambda: self._station(work)))
        self._try("road", lambda: road.judge(work))

    def _station(self, work: Work) -> State:
        return self._states.get(f"{_STATION}{work.site.id}")

    def _rained(self, work: Work, site: RainFed, at_ms: int) -> bool | None:
        """Return whether one of the gauges that feed a station had enough rain before an instant, None where nobody can say."""
        near = site.gauges or [work.site.station.id, *self._around.of(work.site.station, work.site.rain.neighbour_km)]
        gauges = [state["rain"] for name in near if "rain" in (state := self._states.look(_STATION + name))]
        return rain.wet(gauges, at_ms - int(site.within_s * 1000), at_ms, site.mm)

    def _neighbours(self, work: Work) -> list[State]:
        near = self._around.of(work.site.station, work.site.rain.neighbour_km)
        states = [self._states.look(_STATION + name) for name in near]
        return [state for state in states if "rain" in state]

    def _dated(self, rows: list[Observation], date: int) -> list[Observation]:
        """Return readings that were taken before the clock was set with their dates, at the station of then."""
        station = self._registry.station_of(rows[0].node, (rows[0].uptime_ms or 0) + date)
        place = None if station is None else station.id
        return [replace(row, observed_at_ms=(row.uptime_ms or 0) + date, station=place) for row in rows]

    def _undated(self, decoded: Decoded) -> Decoded:
        """Judge readings that have no date yet by their value alone; they are judged anew when they have one."""
        site = self._site(self._registry.station_of(decoded.node, decoded.received_ms))
        rows = []
        for row in decoded.observations:
            plan = site.plans.get(row.property)
            if plan is not None and row.value is not None:
                flags = columns.ranges(plan, row.value)
                rows.append(_flagged(row, *verdict(plan.names, tuple(flags), row.quality, row.reason)))
            else:
                rows.append(row)
        return replace(decoded, observations=tuple(rows))


def _of_place(state: State, site: Site, rows: list[Observation], again: bool) -> State:
    """Return the state to judge a frame with: a copy where it must leave no trace.

    A node that moved begins anew; a late frame from where it stood before is judged by itself.
    """
    if again:
        return deepcopy(state)
    newest = rows[-1].observed_at_ms or 0
    if state.get("at") != site.id:
        if newest < state.get("newest", 0):
            return {}
        for part in _OF_PLACE:
            state.pop(part, None)
        state["at"] = site.id
    state["newest"] = max(newest, state.get("newest", 0))
    return state


def _flagged(row: Observation, quality: int, reason: str, tests: str) -> Observation:
    return Observation(
        row.node, row.boot, row.seq, row.index, row.property, row.value, row.unit, quality, reason, row.observed_at_ms,
        row.uptime_ms, row.clock, row.received_ms, row.station, tests,
    )  # fmt: skip


def _told(work: Work) -> tuple[Observation, ...]:
    """Return the observations with their verdicts, then what was derived."""
    told: list[Observation] = []
    for name, column in work.columns.items():
        flags = work.flags.get(name)
        if flags is None:
            told.extend(column)
            continue
        names, doubtful = work.site.plans[name].names, work.doubtful
        for at, row in enumerate(column):
            mine = flags[at]
            if mine is None:
                told.append(row)
            elif doubtful and (name, at) in doubtful:
                told.append(_flagged(row, *work.verdict(name, at)))
            else:
                told.append(_flagged(row, *verdict(names, tuple(mine), row.quality, row.reason)))
    told.extend(work.derived)
    return tuple(told)

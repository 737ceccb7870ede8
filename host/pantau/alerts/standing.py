"""What time alone does to alerts: silence, ends of mutes and shelves, rules and places that are no more, and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.alerts import words
from pantau.alerts.desk import CITY, Case, Moment
from pantau.alerts.rules import NodeAlarm
from pantau.alerts.track import GOOD, Reading

if TYPE_CHECKING:
    from pantau.alerts.desk import Desk
    from pantau.alerts.engine import Engine
    from pantau.alerts.plan import Plan
    from pantau.alerts.rules import Late, Rule
    from pantau.alerts.track import Alert, Spot
    from pantau.alerts.words import Both

_BACKLOG_IDLE_MS = 900_000  # a backlog that says nothing for so long is through
_LONGEST_SHELF_MS = 7 * 86_400_000
_LONGEST_NAME = 80
_SHORTEST = 2  # report intervals: no rule calls less than that a silence


class NotOpenError(LookupError):
    """An order concerns an alert that is not open."""


class BadOrderError(ValueError):
    """An order cannot be meant: nobody's name, or a time that is none."""


class Standing:
    """Looks after open alerts on behalf of the engine."""

    def __init__(self, engine: Engine, desk: Desk) -> None:
        self._engine = engine
        self._desk = desk
        self._told: dict[tuple[str, str], tuple[int, int, bool]] = {}  # see _listen_at
        self._checked = False  # stations without a plan are looked for once per registry

    def review(self, now_ms: int) -> None:
        """Bring every open alert up to what holds now."""
        for _, (station, name) in sorted(self._desk.open.items()):  # by number: a restart knows no other order
            case = self._case(station, name)
            alert = case.track.alert
            assert alert is not None
            if (why := self._groundless(case, alert, now_ms)) is not None:
                self.withdraw(station, name, why, now_ms)
                continue
            if alert.shelved_until_ms is not None and alert.shelved_until_ms <= now_ms:
                back = alert._replace(shelved_by="", shelved_until_ms=None)
                self._write(case, "unshelve", back, now_ms)
            if alert.past and now_ms - case.track.heard_ms > _BACKLOG_IDLE_MS:
                case.track.level = 0
                self._desk.close(case, "clear", Moment(case.track.at_ms, now_ms), words.BACKLOG_OVER)
                self._touch(station)
            elif station != CITY and (quiet := self._spot(station).muted(now_ms)) != alert.muted:
                self._desk.mute(case, Moment(now_ms, now_ms), muted=quiet)
                self._touch(station)
        self._prune()

    def listen(self, now_ms: int, since_ms: int) -> None:
        """Open and end alerts of stations that are silent."""
        engine = self._engine
        registry = engine.plans.registry
        for station in registry.stations:
            plan = engine.plans.of(station)
            if plan is None or not plan.late:
                continue
            heard_ms = max(engine.spots.heard.get(station, 0), since_ms)
            intervals = (now_ms - heard_ms) / (1000 * plan.place.report_interval_s)
            if intervals < _SHORTEST and station not in engine.spots.silent:
                continue
            if intervals >= _SHORTEST and not registry.nodes_at(station, now_ms):
                continue  # nobody stands there who could report
            for rule in plan.late:
                self._listen_at(rule, plan, intervals, heard_ms, now_ms)

    def acknowledge(self, number: int, by: str, at_ms: int) -> None:
        """Write an acknowledgement."""
        case, alert = self._open(number)
        self._write(case, "acknowledge", alert._replace(acknowledged_by=_name(by), acknowledged_ms=at_ms), at_ms, by)

    def shelve(self, number: int, until_ms: int, by: str, at_ms: int) -> None:
        """Write that an alert is put aside."""
        case, alert = self._open(number)
        if not at_ms < until_ms <= at_ms + _LONGEST_SHELF_MS:
            raise BadOrderError("an alert is shelved until a time in the future, seven days ahead at most")
        self._write(case, "shelve", alert._replace(shelved_by=_name(by), shelved_until_ms=until_ms), at_ms, by)

    def withdraw(self, station: str, name: str, why: Both, now_ms: int) -> None:
        """End an alert that has lost its ground, and forget its track."""
        case = self._case(station, name)
        self._desk.close(case, "withdraw", Moment(now_ms, now_ms), why)
        self._engine.spots.get(station).tracks.pop(name, None)

    def _listen_at(self, rule: Late, plan: Plan, intervals: float, heard_ms: int, now_ms: int) -> None:
        level = sum(intervals >= limit.value for limit in rule.levels)
        key = (rule.id, plan.place.id)
        told_ms, told, spilled = self._told.get(key, (-1, 0, False))
        if level and told == level and told_ms == heard_ms and not (spilled and self._desk.room(rule)):
            return  # a silent city is not gone through every second
        spot = self._engine.spots.look(plan.place.id)
        track = spot.tracks.get(f"{rule.id}//live") if spot is not None else None
        if not level and (track is None or not track.level):
            return
        case = self._engine.case(rule, plan.place, "")
        track = case.track
        self._told.pop(key, None)
        if level:
            track.under[0] = None  # a case is saved when it is asked for
            if level > track.level or (track.spilled and self._desk.room(rule)):
                self._fall_silent(case, max(level, track.level), intervals, now_ms)
            self._told[key] = (heard_ms, level, track.spilled)
            return
        track.under[0] = back_ms = track.under[0] or heard_ms
        if now_ms - back_ms >= 1000 * rule.clear_s:
            track.level = 0
            self._engine.settle(case, Moment(now_ms, now_ms), words.REPORTS)
            if not any(t.kind == "late" and t.level for t in self._spot(plan.place.id).tracks.values()):
                self._engine.spots.silent.discard(plan.place.id)

    def _fall_silent(self, case: Case, level: int, intervals: float, now_ms: int) -> None:
        case.track.level = level
        case.track.recent = [Reading(now_ms, round(intervals, 2), GOOD, "", ("", 0, 0, 0))]
        self._engine.spots.silent.add(case.station)
        self._engine.settle(case, Moment(now_ms, now_ms))

    def _groundless(self, case: Case, alert: Alert, now_ms: int) -> Both | None:
        plans = self._engine.plans
        rule = plans.rules.rules.get(alert.rule)
        if rule is None or rule.kind != alert.kind:
            return words.RULE_GONE
        if alert.station == CITY:
            for member in list(case.track.tally):
                if not plans.watches(rule.id, member.partition("/")[0]):
                    del case.track.tally[member]
                    self._touch(CITY)
            return None if case.track.tally else words.NOTHING_LEFT
        if not plans.watches(rule.id, alert.station):
            return words.STATION_GONE
        if alert.part and (there := plans.registry.station_of(alert.part, now_ms)) is not None:
            return None if there.id == alert.station else words.NODE_GONE
        return words.NODE_GONE if alert.part else None

    def _prune(self) -> None:
        """Forget stations that the registry no longer knows, once their alerts are withdrawn."""
        if self._checked:
            return
        self._checked = True
        spots = self._engine.spots
        for station in spots.stations():
            if station != CITY and self._engine.plans.of(station) is None:
                spots.forget(station)

    def _open(self, number: int) -> tuple[Case, Alert]:
        where = self._desk.open.get(number)
        if where is None:
            raise NotOpenError(f"alert {number} is not open: it has ended, or never was; see pantau alerts list --all")
        case = self._case(*where)
        assert case.track.alert is not None
        return case, case.track.alert

    def _case(self, station: str, name: str) -> Case:
        """Return the case of an open alert, also where its rule or place is gone."""
        track = self._spot(station).tracks[name]
        rule_id, part, lane = name.split("/")
        place = self._engine.plans.registry.stations.get(station)
        rule = self._engine.plans.rules.rules.get(rule_id)
        if rule is None or rule.kind != track.kind:
            rule = _former(rule_id)
        report_s = place.report_interval_s if place else 0
        return Case(rule, station, part, name, lane == "past", track, place.name if place else station, report_s)

    def _write(self, case: Case, action: str, alert: Alert, at_ms: int, by: str = "") -> None:
        self._desk.write(case, action, alert, Moment(at_ms, at_ms), by=_name(by) if by else "")
        self._touch(case.station)

    def _touch(self, station: str) -> None:
        self._engine.spots.get(station)

    def _spot(self, station: str) -> Spot:
        """Return the spot of a station that has an alert, to look at."""
        spot = self._engine.spots.look(station)
        assert spot is not None
        return spot


def _former(rule: str) -> Rule:
    """Return something to speak of a rule that was taken out of the file."""
    return NodeAlarm(kind="node_alarm", id=rule, name=rule, name_id=rule)


def _name(by: str) -> str:
    name = " ".join(by.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadOrderError(f"say who does it, in 1 to {_LONGEST_NAME} printable characters")
    return name

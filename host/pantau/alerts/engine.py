"""The alerts' fold: decoded frames and ticks in, decisions out. I/O-free and deterministic.

The time of the data decides where data decide; the wall clock, by `tick`, only what no data can: silence, and what a
person or a technician limited in time. Reading by reading: which rules look at it (plan.py), which figure it makes
(signals.py), which level that reaches (track.py), what is told (desk.py).

What is older than what was judged, or was old when it arrived, is judged in a lane of its own: it may tell of a past
event, and never opens or ends a live alert.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pantau.alerts import placing, signals, words
from pantau.alerts.desk import CITY, Case, Desk, Moment, levels_of
from pantau.alerts.ledger import Ledger
from pantau.alerts.plan import Plans, least_level, normal_level
from pantau.alerts.rules import EXTREME, SEVERITIES, Leveled, NodeAlarm, Series
from pantau.alerts.spots import Spots
from pantau.alerts.standing import Standing
from pantau.alerts.track import FAIL, GOOD, Reading, Track, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau.alerts.desk import Decision
    from pantau.alerts.placing import Placing
    from pantau.alerts.plan import Plan
    from pantau.alerts.rules import Rule, RuleSet
    from pantau.alerts.track import Spot
    from pantau.alerts.words import Both
    from pantau.decode import Decoded
    from pantau.model import Revision
    from pantau.registry.model import Registry, Station

LEDGER = "~"  # keys of the state that are no station's id: what the fold itself knows, and gathered alerts (CITY)
_ABOVE_M = 0.05  # normal: noise, and a roof that drips
_AT_LEAST_MS = 900_000  # a maintenance mark on a record holds for two reports, and for this long at least


class Engine:
    """Alerts of one city. Not for two threads at once: the store holds the lock."""

    def __init__(self, rules: RuleSet, registry: Registry, state: Mapping[str, str] | None = None) -> None:
        """Go on from `state`, all that `changed` ever gave, the newest text of each key."""
        saved = dict(state or {})
        self.ledger = Ledger.load(saved.pop(LEDGER, "{}"))
        self.spots = Spots(saved)
        self._desk = Desk(rules.settings.zone, self.ledger.next_id, self._gathered)
        for one in self.spots.standing():
            self._desk.adopt(*one)
        self.spots.on_taken_up = self._fit
        self.use(rules, registry)

    def use(self, rules: RuleSet, registry: Registry) -> None:
        """Judge by these rules and places from now on; alerts that they leave no ground for are withdrawn at the next tick."""
        self.plans = Plans(rules, registry)
        self._desk.zone = rules.settings.zone
        self._standing = Standing(self, self._desk)
        for station, spot in self.spots.live():
            self._fit(station, spot)

    @property
    def position(self) -> int:
        """Return the spool id up to which frames were judged."""
        return self.ledger.position

    def changed(self) -> dict[str, str]:
        """Return the state that changed since the last call, as JSON text by key; "" for a key that is no more."""
        texts = self.spots.changed()
        if self.ledger.next_id != self._desk.next_id:
            self.ledger.next_id, self.ledger.dirty = self._desk.next_id, True
        if self.ledger.dirty:
            texts[LEDGER] = json.dumps(self.ledger.dump(), separators=(",", ":"))
            self.ledger.dirty = False
        return texts

    def observe(self, frame: Decoded) -> list[Decision]:
        """Judge one frame. One that was judged before changes nothing."""
        if not self.ledger.admit(frame):
            return []
        for revision in frame.revisions:
            self._revise(revision, frame.received_ms)
        place, plan = self._place(frame)
        if plan is not None:
            self._judge(plan, frame, place)
        return self._take()

    def express(self, frame: Decoded) -> list[Decision]:
        """Judge what a node itself says is an alarm before the frame comes to its turn in the log. Its data wait for that."""
        place, plan = self._place(frame)
        if plan is not None and self.ledger.overtakes(frame):
            self._alarm(plan, frame, place, _fresh_ms(self.plans, plan), again=False)
        return self._take()

    def _place(self, frame: Decoded) -> tuple[Placing, Plan | None]:
        place = placing.of(frame)
        named = next((seen.station for seen in frame.observations), None)
        if named is None and (there := self.plans.registry.station_of(frame.node, place.newest_ms)) is not None:
            named = there.id
        return place, self.plans.of(named) if named is not None else None

    def tick(self, now_ms: int) -> list[Decision]:
        """Judge silence at `now_ms`, by the wall clock. Only when all that the spool holds has been observed."""
        if self.ledger.tick(now_ms):
            for station in [name for name, heard_ms in self.spots.heard.items() if heard_ms > now_ms]:
                self.spots.get(station).heard_ms = self.spots.heard[station] = now_ms  # the bridge's clock was set back
        self._standing.review(now_ms)
        self._standing.listen(now_ms, self.ledger.listening_ms)
        return self._take()

    def acknowledge(self, alert: int, by: str, at_ms: int) -> list[Decision]:
        """Note that `by` has seen an open alert. NotOpenError, BadOrderError without a name."""
        self._standing.acknowledge(alert, by, at_ms)
        return self._take()

    def shelve(self, alert: int, until_ms: int, by: str, at_ms: int) -> list[Decision]:
        """Put an open alert aside until `until_ms`; it comes back by itself, or when it gets worse. Errors as above."""
        self._standing.shelve(alert, until_ms, by, at_ms)
        return self._take()

    def case(self, rule: Rule, place: Station, part: str, *, past: bool = False) -> Case:
        """Return the track of a rule at a station (and node), made when it is new or of another kind."""
        spot, name = self.spots.get(place.id), f"{rule.id}/{part}/{'past' if past else 'live'}"
        track = spot.tracks.get(name)
        if track is not None and track.kind != rule.kind:
            if track.alert is not None:
                self._standing.withdraw(place.id, name, words.RULE_GONE, self.ledger.received_ms)
            track = None
        if track is None:
            track = spot.tracks[name] = Track(rule.kind)
            track.fit(len(levels_of(rule)))
        return Case(rule, place.id, part, name, past, track, place.name, place.report_interval_s)

    def settle(self, case: Case, moment: Moment, why: Both | None = None) -> None:
        """Let the alert of a track follow its level, with what neighbours and nodes add to it."""
        track, rule, spot = case.track, case.rule, self.spots.get(case.station)
        severity = levels_of(rule)[track.level - 1].rank if track.level else 0
        if not track.level:
            track.agreed = ""
        elif isinstance(rule, Series) and rule.neighbour is not None:
            track.agreed = track.agreed or self._agreeing(case, rule)
            if rule.neighbour.effect == "require" and not track.agreed:
                severity = 0
            elif rule.neighbour.effect == "raise" and track.agreed:
                severity = min(severity + 1, EXTREME)
        elif isinstance(rule, NodeAlarm) and track.alert is not None and track.alert.confirmed:
            severity = max(severity, SEVERITIES.index(rule.confirmed_severity))
        self._desk.move(case, severity, moment, muted=spot.muted(moment.decided_ms), why=why)

    def _fit(self, _station: str, spot: Spot) -> None:
        """Let go what rules left that are no longer in force; what has an open alert is withdrawn by the next tick."""
        known = self.plans.rules.rules
        for name in [n for n, t in spot.tracks.items() if t.alert is None and n.partition("/")[0] not in known]:
            del spot.tracks[name]

    def _take(self) -> list[Decision]:
        decisions, self._desk.out = self._desk.out, []
        return decisions

    def _gathered(self, rule: Rule) -> Case:
        spot, name = self.spots.get(CITY), f"{rule.id}//live"
        track = spot.tracks.setdefault(name, Track(rule.kind))
        return Case(rule, CITY, "", name, False, track, "+", 0)

    def _judge(self, plan: Plan, frame: Decoded, place: Placing) -> None:
        spot = self.spots.get(plan.place.id)
        spot.heard_ms = self.spots.heard[plan.place.id] = max(spot.heard_ms, frame.received_ms)
        if frame.health is not None:
            self._health(plan, spot, frame)
        if frame.alarm is None and not frame.observations:
            return
        again = _overtaken(spot, frame, place)
        fresh_ms = _fresh_ms(self.plans, plan)
        self._maintained(plan, spot, frame, place)
        if frame.alarm is not None and not self.ledger.overtook(frame.id):
            self._alarm(plan, frame, place, fresh_ms, again=again, judged=True)
        self._series(plan, frame, place, fresh_ms, again=again)
        if plan.faults and not again and frame.received_ms - place.newest_ms <= fresh_ms:
            self._faults(plan, frame, place)
        self._confirm(plan, spot, Moment(place.newest_ms, frame.received_ms))

    def _health(self, plan: Plan, spot: Spot, frame: Decoded) -> None:
        health = frame.health or {}
        utc_ms = health.get("utc_ms")
        at_ms = frame.received_ms
        if utc_ms is not None and placing.believable(utc_ms, at_ms):
            at_ms = min(utc_ms, at_ms)
        if at_ms < spot.health_ms.get(frame.node, 0):
            return
        spot.health_ms[frame.node] = at_ms
        seconds = health.get("maintenance_s") or 0
        spot.maintenance[frame.node] = at_ms + 1000 * seconds if seconds else 0
        millivolts = health.get("battery_mv")
        for rule in plan.batteries if millivolts else ():
            case = self.case(rule, plan.place, frame.node)
            key = (frame.node, frame.boot, frame.seq, -1)
            self._step(case, rule, Reading(at_ms, float(millivolts or 0), GOOD, "", key), frame.received_ms)

    def _maintained(self, plan: Plan, spot: Spot, frame: Decoded, place: Placing) -> None:
        """Believe records that say so, too: they may arrive before the health frame, or without it."""
        marked = [place.at(seen) for seen in frame.observations if seen.reason == "maintenance"]
        if marked and (at_ms := max(marked)) > spot.health_ms.get(frame.node, 0):
            until_ms = at_ms + max(2000 * plan.place.report_interval_s, _AT_LEAST_MS)
            spot.maintenance[frame.node] = max(until_ms, spot.maintenance.get(frame.node, 0))

    def _alarm(
        self, plan: Plan, frame: Decoded, place: Placing, fresh_ms: int, *, again: bool, judged: bool = False
    ) -> None:
        at_ms, old = place.newest_ms, frame.received_ms - place.newest_ms > fresh_ms
        if old and not place.trusted:
            at_ms, old = frame.received_ms, False  # an alarm is not put aside on the word of a clock that nobody set
        figure = Reading(at_ms, float(bool(frame.alarm)), GOOD, "", (frame.node, frame.boot, frame.seq, -1))
        for rule, leveled in plan.alarms:
            case = self._lane(rule, plan.place, frame.node, at_ms, frame.received_ms, late=again or old)
            if case is not None:
                seen = figure._replace(placed=place.by_receipt)
                if judged and rule.checked and _doubted(case.track, plan.place, frame):
                    seen = seen._replace(value=0.0, quality=FAIL)
                self._step(case, leveled, seen, frame.received_ms)

    def _series(self, plan: Plan, frame: Decoded, place: Placing, fresh_ms: int, *, again: bool) -> None:
        for seen in frame.observations:
            if (judged := plan.series.get(seen.property)) is None or seen.value is None:
                continue
            at_ms = place.at(seen)
            key = (seen.node, seen.boot, seen.seq, seen.index)
            reading = Reading(at_ms, seen.value, seen.quality, seen.reason, key, place.by_receipt)
            late = again or frame.received_ms - at_ms > fresh_ms
            for rule, flags in judged:
                if seen.quality not in flags:
                    continue
                case = self._lane(rule, plan.place, "", at_ms, frame.received_ms, late=late)
                if case is None:
                    continue
                figure = signals.figure(rule, case.track, reading, seen.unit)
                if figure is None:
                    case.track.at_ms = at_ms
                else:
                    self._step(case, rule, figure, frame.received_ms)

    def _faults(self, plan: Plan, frame: Decoded, place: Placing) -> None:
        key = (frame.node, frame.boot, frame.seq, -1)
        for rule in plan.faults:
            seen = [
                (o.property, place.at(o), o.quality, o.reason)
                for o in frame.observations
                if o.property in rule.properties
            ]
            if not seen:
                continue
            case = self.case(rule, plan.place, "")
            signals.count(rule, case.track, seen)
            figure = signals.share(rule, case.track, place.newest_ms, key)
            if figure is not None and figure.at_ms >= case.track.at_ms:
                self._step(case, rule, figure, frame.received_ms)

    def _lane(self, rule: Rule, place: Station, part: str, at_ms: int, received_ms: int, *, late: bool) -> Case | None:
        """Return the track that a reading belongs to, None when it tells nothing new."""
        live = self.case(rule, place, part)
        if not late and at_ms >= live.track.at_ms:
            return live
        if not rule.past:
            return None
        past = self.case(rule, place, part, past=True)
        alert, last = live.track.alert, live.track.last
        if alert is not None and at_ms >= alert.opened_ms:
            if past.track.alert is not None:
                past.track.level = 0
                self._desk.close(past, "clear", Moment(at_ms, received_ms), words.runs_into(alert.id))
            return None
        told = last is not None and last.alert.opened_ms <= at_ms <= last.closed_ms
        return None if told or at_ms < past.track.at_ms else past

    def _step(self, case: Case, leveled: Leveled, figure: Reading, received_ms: int) -> None:
        track = case.track
        track.heard_ms = received_ms
        moved = step(track, leveled, figure)
        moment = Moment(figure.at_ms, received_ms)
        if moved or track.level or track.alert is not None:
            self.settle(case, moment)
        if moved:
            self._tell_neighbours(case, moment)

    def _revise(self, revision: Revision, received_ms: int) -> None:
        """Take back a reading whose quality no longer counts, and what rested on it alone."""
        node, boot, seq, index, name = revision.key
        there = self.plans.registry.station_of(node, revision.observed_at_ms or received_ms)
        plan = self.plans.of(there.id) if there is not None else None
        spot = self.spots.look(plan.place.id) if plan is not None else None
        if plan is None or spot is None:
            return
        for rule, flags in plan.series.get(name, ()):
            for past in (False, True) if revision.quality not in flags else ():
                if f"{rule.id}//{'past' if past else 'live'}" not in spot.tracks:
                    continue
                case = self.case(rule, plan.place, "", past=past)
                if signals.refuse(rule, case.track, (node, boot, seq, index)):
                    self.settle(case, Moment(case.track.at_ms, received_ms), words.REVISED)

    def _agreeing(self, case: Case, rule: Series) -> str:
        assert rule.neighbour is not None
        for other in self.plans.near(rule.id, case.station, rule.neighbour):
            spot = self.spots.look(other)
            for lane in ("live", "past") if spot is not None else ():
                assert spot is not None
                track = spot.tracks.get(f"{rule.id}//{lane}")
                if track is not None and track.level and _close(track, case.track, rule.neighbour.window_s):
                    return self.plans.registry.stations[other].name
        return ""

    def _tell_neighbours(self, case: Case, moment: Moment) -> None:
        """Judge anew those that may have waited for this one."""
        rule = case.rule
        if not case.track.level or not isinstance(rule, Series) or rule.neighbour is None:
            return
        for other in self.plans.near(rule.id, case.station, rule.neighbour):
            spot = self.spots.look(other)
            waiting = spot.tracks.get(f"{rule.id}//live") if spot is not None else None
            if waiting is not None and waiting.level and not waiting.agreed:
                self.settle(self.case(rule, self.plans.registry.stations[other], ""), moment)

    def _confirm(self, plan: Plan, spot: Spot, moment: Moment) -> None:
        """Confirm a node's alarm by a rule that sees the same in the data."""
        for rule, _ in plan.alarms:
            agree = [name for name in rule.confirmed_by if (t := spot.tracks.get(f"{name}//live")) and t.level]
            for name, track in list(spot.tracks.items()) if agree else ():
                alert = track.alert
                if name.startswith(f"{rule.id}/") and alert is not None and not (alert.confirmed or alert.past):
                    rank = max(alert.severity, SEVERITIES.index(rule.confirmed_severity))
                    sure = alert._replace(confirmed=True, severity=rank, worst=max(rank, alert.worst))
                    case = self.case(rule, plan.place, alert.part)
                    self._desk.write(case, "confirm", sure, moment, words.confirmed_by(agree))


def _close(a: Track, b: Track, window_s: int) -> bool:
    return abs(a.at_ms - b.at_ms) <= 1000 * window_s


def _doubted(track: Track, place: Station, frame: Decoded) -> bool:
    """Return whether a node's alarm is not to be told: no level in its frame that counts bears it out.

    A node holds its alarm for minutes after what raised it, a car say, has gone, and its frames may come in any order. So a level must
    be high for the station, or a float switch wet; where nothing was refused, clearly above normal is enough: a node's own
    threshold may be lower.
    """
    levels = [seen for seen in frame.observations if seen.property == "water_level" and seen.value is not None]
    wet = any(seen.property == "water_contact" and seen.value and seen.quality != FAIL for seen in frame.observations)
    if not frame.alarm or track.level or wet or not levels:
        return False
    highest = max((seen.value or 0.0 for seen in levels if seen.quality != FAIL), default=None)
    high, normal = least_level(place), normal_level(place)
    if highest is None or high is None:
        return levels[-1].quality == FAIL
    if highest >= high:
        return False
    before = track.recent[-1:]
    if any(seen.quality == FAIL for seen in levels) or (before and before[0].quality == FAIL):
        return True
    return normal is not None and highest <= normal + _ABOVE_M


def _fresh_ms(plans: Plans, plan: Plan) -> int:
    """Return how old a reading may be to speak of now."""
    return 1000 * max(plans.rules.settings.fresh_s, 2 * plan.place.report_interval_s)


def _overtaken(spot: Spot, frame: Decoded, place: Placing) -> bool:
    """Return whether a later frame of this boot was placed by its receipt before; then this one is older than it looks."""
    if not place.by_receipt:
        return False
    newest, this = spot.undated.get(frame.node), (frame.boot, frame.seq)
    if newest is not None and newest[0] == frame.boot and newest[1] > frame.seq:
        return True
    spot.undated[frame.node] = this
    return False

"""From levels to alerts: one alert per event, told when it opens, changes and ends, each time with the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.alerts import words
from pantau.alerts.rules import EXTREME, Leveled, NodeAlarm, Rise, Series
from pantau.alerts.track import Alert, Closed, Track
from pantau.alerts.words import Both

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.alerts.rules import Level, Rule
    from pantau.alerts.track import Reading

CITY = "*"  # stands where a station's id stands, in alerts that gather many stations


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: the alert as it stands after it, the data time and the stream time at which it fell, and why.

    `figures` are the readings it rests on, newest last; `limits` the rule's own figures.
    """

    action: str
    alert: Alert
    at_ms: int
    decided_ms: int
    by: str
    figures: tuple[Reading, ...]
    limits: dict[str, Any]
    english: str
    indonesian: str


class Case(NamedTuple):
    """One track in its place. `name` is its key in the station's spot; `title` the station's name for people."""

    rule: Rule
    station: str
    part: str
    name: str
    past: bool
    track: Track
    title: str
    report_s: int


class Moment(NamedTuple):
    """`at_ms` is the time of the data that decide, `decided_ms` that of the receipt or the tick. Unix ms UTC."""

    at_ms: int
    decided_ms: int


def levels_of(rule: Rule) -> list[Level]:
    """Return the rule's levels, least first."""
    return rule.figure.levels if isinstance(rule, NodeAlarm) else list(rule.levels)


def limits_of(rule: Rule) -> dict[str, Any]:
    """Return the figures of a rule for its explanation, without its names and its selection of stations."""
    return rule.model_dump(exclude={"id", "name", "name_id", "enabled", "where"}, exclude_none=True)


class Desk:
    """Keeps which alerts are open and writes every decision. The caller says which severity a track has reached."""

    def __init__(self, zone: str, next_id: int, gathered: Callable[[Rule], Case]) -> None:
        """`gathered` returns the case in which a rule's alerts beyond `max_open` are gathered."""
        self.zone = zone
        self.next_id = next_id
        self.out: list[Decision] = []
        self.open: dict[int, tuple[str, str]] = {}  # alert: station, track
        self._count: Counter[str] = Counter()  # live alerts by rule
        self._gathered = gathered

    def room(self, rule: Rule) -> bool:
        """Return whether one more alert of a rule would stand for itself."""
        return self._count[rule.id] < rule.max_open

    def adopt(self, station: str, name: str, alert: Alert) -> None:
        """Take in an alert that was open before a restart."""
        self.open[alert.id] = (station, name)
        self._count[alert.rule] += _stands_for_itself(alert)

    def move(self, case: Case, severity: int, moment: Moment, *, muted: bool, why: Both | None = None) -> None:
        """Bring the alert of a track to `severity`, 0 for none. `why` tells of a cause that is not in the data."""
        alert = case.track.alert
        if alert is None:
            self._without_alert(case, severity, moment, muted=muted)
            return
        if not severity:
            self.close(case, "withdraw" if why in _WITHDRAWN else "clear", moment, why)
            return
        if severity != alert.severity:
            up = severity > alert.severity
            changed = self._named(case, alert)._replace(severity=severity, worst=max(severity, alert.worst))
            if up:  # a worse alert is a new one to whoever had seen the old
                changed = changed._replace(
                    acknowledged_by="", acknowledged_ms=None, shelved_by="", shelved_until_ms=None
                )
            self.write(case, "escalate" if up else "deescalate", changed, moment, why)
        self.mute(case, moment, muted=muted)

    def mute(self, case: Case, moment: Moment, *, muted: bool) -> None:
        """Mute or unmute the alert of a track; nothing when it is so already."""
        alert = case.track.alert
        if alert is not None and alert.muted != muted:
            self.write(case, "mute" if muted else "unmute", alert._replace(muted=muted), moment)

    def close(self, case: Case, action: str, moment: Moment, why: Both | None) -> None:
        """End the alert of a track."""
        alert = case.track.alert
        assert alert is not None
        if why is None:
            under = case.track.under
            why = words.ended(case.rule, under[0] if under else None, self.zone)
        closed = alert._replace(closed_ms=moment.at_ms, shelved_by="", shelved_until_ms=None)
        self.write(case, action, closed, moment, why)
        case.track.alert = None
        if action == "clear":  # what was never true does not go on later
            case.track.last = Closed(closed, moment.at_ms)
        self.open.pop(alert.id, None)
        self._count[alert.rule] -= _stands_for_itself(alert)

    def write(
        self, case: Case, action: str, alert: Alert, moment: Moment, why: Both | None = None, by: str = ""
    ) -> None:
        """Set the alert and say so."""
        track, rule = case.track, case.rule
        figures = tuple(track.evidence[track.level - 1]) if 0 < track.level <= len(track.evidence) else ()
        if track.recent and (not figures or track.recent[-1] not in figures):
            figures = (*figures, track.recent[-1])
        parts = self._parts(case, action, alert, figures, why)
        said = words.sentence(action, Both(rule.name, rule.name_id), case.title, alert, by, parts)
        limits = {} if why is words.RULE_GONE else limits_of(rule)
        if track.agreed:
            limits["agreed"] = track.agreed
        self.out.append(Decision(action, alert, moment.at_ms, moment.decided_ms, by, figures, limits, said.en, said.id))
        track.alert = alert

    def leave_gathered(self, case: Case, moment: Moment) -> None:
        """Take a track out of the gathered alert, which ends with the last."""
        case.track.spilled = False
        whole = self._gathered(case.rule)
        whole.track.tally.pop(f"{case.station}/{case.part}", None)
        if not whole.track.tally and whole.track.alert is not None:
            self.close(whole, "clear", moment, words.NOTHING_LEFT)

    def _without_alert(self, case: Case, severity: int, moment: Moment, *, muted: bool) -> None:
        track = case.track
        if severity and not case.past and severity < EXTREME and not self.room(case.rule):
            self._gather(case, severity, moment)
            return
        if track.spilled:
            self.leave_gathered(case, moment)
        if severity:
            self._open(case, severity, moment, muted=muted)

    def _open(self, case: Case, severity: int, moment: Moment, *, muted: bool) -> None:
        track = case.track
        # A silence began when it passed the limit; what readings tell of began with the first of them.
        began = track.evidence[0][0].at_ms if track.evidence and track.evidence[0] else moment.at_ms
        last = track.last
        if last is not None and moment.at_ms - last.closed_ms <= 1000 * case.rule.same_event_s:
            alert = last.alert._replace(
                severity=severity, worst=max(severity, last.alert.worst), closed_ms=None, muted=muted,
                acknowledged_by="", acknowledged_ms=None, decided_ms=moment.decided_ms,
            )  # fmt: skip
            action = "reopen"
        else:
            alert = Alert(
                self.next_id, case.rule.id, case.rule.kind, case.station, case.part, severity, severity, "", "",
                not isinstance(case.rule, NodeAlarm), muted, case.past, began, moment.decided_ms,
            )  # fmt: skip
            self.next_id += 1
            action = "open"
        self.adopt(case.station, case.name, alert)
        self.write(case, action, self._named(case, alert), moment)

    def _gather(self, case: Case, severity: int, moment: Moment) -> None:
        whole = self._gathered(case.rule)
        members = whole.track.tally  # "station/node": [[severity]]
        key = f"{case.station}/{case.part}"
        if members.get(key) == [[severity]]:
            return
        case.track.spilled, members[key] = True, [[severity]]
        alert, why = whole.track.alert, words.gathered(len(members))
        worst = max(severity, alert.severity) if alert is not None else severity
        if alert is None:
            last = Alert(
                self.next_id, case.rule.id, case.rule.kind, CITY, "", worst, worst, "", "", True, False, False,
                moment.at_ms, moment.decided_ms,
            )  # fmt: skip
            self.next_id += 1
            self.open[last.id] = (CITY, whole.name)
            self.write(whole, "open", last, moment, why)
        elif worst > alert.severity:
            changed = alert._replace(severity=worst, worst=worst, acknowledged_by="", acknowledged_ms=None)
            self.write(whole, "escalate", changed, moment, why)
        elif len(members) > 1 and not len(members) & (len(members) - 1):
            self.write(whole, "update", alert, moment, why)  # at 2, 4, 8, ...: a storm is counted, not narrated

    def _named(self, case: Case, alert: Alert) -> Alert:
        """Return the alert with the names of its track's level."""
        levels = levels_of(case.rule)
        level = levels[min(case.track.level, len(levels)) - 1] if case.track.level else None
        name = (level.name if level else "") or ""
        return alert._replace(level=name, level_id=(level.name_id if level else "") or name)

    def _parts(
        self, case: Case, action: str, alert: Alert, figures: tuple[Reading, ...], why: Both | None
    ) -> list[Both]:
        rule, unit = case.rule, words.unit_of(case.rule)
        parts = [why] if why else []
        if case.station == CITY:
            return parts
        if alert.closed_ms is None:
            parts.append(words.condition(rule, case.track.level, figures, case.report_s))
        elif not alert.confirmed:
            parts.append(words.NEVER_CONFIRMED)
        if isinstance(rule, Leveled) and figures and not (isinstance(rule, Rise) and action == "clear"):
            parts.append(words.readings(figures, unit, self.zone))
        if isinstance(rule, Series) and case.track.agreed:
            parts.append(Both(f"{case.track.agreed} agrees", f"{case.track.agreed} sependapat"))
        if alert.closed_ms is None and not alert.confirmed:
            parts.append(words.UNCONFIRMED)
        if figures and figures[-1].placed:
            parts.append(words.PLACED)
        if alert.past:
            parts.append(words.PAST)
        if alert.muted and action not in {"mute", "unmute"}:
            parts.append(words.MUTED)
        return parts


_WITHDRAWN = (words.REVISED, words.RULE_GONE, words.STATION_GONE, words.NODE_GONE)


def _stands_for_itself(alert: Alert) -> bool:
    return not alert.past and alert.station != CITY

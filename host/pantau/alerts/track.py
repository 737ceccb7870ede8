"""What is remembered of one rule at one station: figures lately judged, levels reached, the alert that stands.

A track steps from figure to figure in data time and knows nothing of clocks, people or other stations. It goes to JSON
and back without loss, so that a bridge that is killed continues as if it had not been.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pantau.alerts.rules import Leveled

EVIDENCE = 12  # readings kept for each level: what opened it and what bore it out since
GOOD, FAIL = 1, 4
_KIND, _LEVEL, _ALERT = 0, 3, 10  # places in what Track.dump returns

Key = tuple[str, int, int, int]  # node, boot, seq, record index; the property is the rule's


class Reading(NamedTuple):
    """One figure that was judged, and what it was made from: `key` is that of its (newest) observation."""

    at_ms: int
    value: float
    quality: int
    reason: str
    key: Key
    placed: bool = False  # without a date of its own: placed by the moment of its receipt


class Alert(NamedTuple):
    """An alert as it stands. `part` is the node where each is judged by itself. Times are Unix ms UTC.

    `severity` is the index in SEVERITIES, of a closed alert the last; `opened_ms` is the first reading's time,
    `decided_ms` that of the decision; `past` tells of a backlog, `muted` of a station under maintenance.
    """

    id: int
    rule: str
    kind: str
    station: str
    part: str
    severity: int
    worst: int
    level: str
    level_id: str
    confirmed: bool
    muted: bool
    past: bool
    opened_ms: int
    decided_ms: int
    closed_ms: int | None = None
    acknowledged_by: str = ""
    acknowledged_ms: int | None = None
    shelved_by: str = ""
    shelved_until_ms: int | None = None


class Closed(NamedTuple):
    """The last alert of a track that ended."""

    alert: Alert
    closed_ms: int


@dataclass(slots=True)
class Track:
    """One rule at one station (and node), live or past. The lists are one entry per level of the rule."""

    kind: str
    at_ms: int = 0  # the newest figure judged: what is older is late
    heard_ms: int = 0  # when it was received
    level: int = 0
    recent: list[Reading] = field(default_factory=list)
    series: list[Reading] = field(default_factory=list)
    tally: dict[str, list[list[int]]] = field(default_factory=dict)
    reached: list[int | None] = field(default_factory=list)  # since when enough figures are beyond
    under: list[int | None] = field(default_factory=list)  # since when all are back
    evidence: list[list[Reading]] = field(default_factory=list)
    alert: Alert | None = None
    last: Closed | None = None
    agreed: str = ""  # the neighbour that agreed in this event
    spilled: bool = False  # beyond the rule's max_open: counted in the gathered alert

    def fit(self, levels: int) -> None:
        """Have one place for each level: a rule may have got another number of them."""
        if len(self.reached) != levels:
            self.reached = (self.reached + [None] * levels)[:levels]
            self.under = (self.under + [None] * levels)[:levels]
            self.evidence = (self.evidence + [[] for _ in range(levels)])[:levels]
            self.level = min(self.level, levels)

    def dump(self) -> list[Any]:
        """Return JSON values."""
        last = [list(self.last.alert), self.last.closed_ms] if self.last else None
        return [
            self.kind, self.at_ms, self.heard_ms, self.level, self.recent, self.series, self.tally, self.reached,
            self.under, self.evidence, self.alert, last, self.agreed, self.spilled,
        ]  # fmt: skip

    @classmethod
    def load(cls, values: list[Any]) -> Track:
        """Return the track that `dump` returned, after its way through JSON."""
        kind, at, heard, level, recent, series, tally, reached, under, evidence, alert, last, agreed, spilled = values
        return cls(
            kind, at, heard, level, _readings(recent), _readings(series), tally, reached, under,
            [_readings(some) for some in evidence], Alert(*alert) if alert else None,
            Closed(Alert(*last[0]), last[1]) if last else None, agreed, spilled,
        )  # fmt: skip


def _readings(values: list[list[Any]]) -> list[Reading]:
    return [
        Reading(at, value, quality, reason, tuple(key), placed) for at, value, quality, reason, key, placed in values
    ]


@dataclass(slots=True)
class Spot:
    """All that is remembered of one station."""

    heard_ms: int = 0
    maintenance: dict[str, int] = field(default_factory=dict)  # node: Unix ms until when somebody works there
    health_ms: dict[str, int] = field(default_factory=dict)  # node: time of its newest health
    undated: dict[str, tuple[int, int]] = field(default_factory=dict)  # node: newest (boot, seq) placed by receipt
    tracks: dict[str, Track] = field(default_factory=dict)

    def muted(self, at_ms: int) -> bool:
        """Return whether somebody works at the station."""
        return any(until_ms > at_ms for until_ms in self.maintenance.values())

    def dump(self) -> str:
        """Return JSON text."""
        tracks = {name: track.dump() for name, track in self.tracks.items()}
        head = [self.heard_ms, self.maintenance, self.health_ms, self.undated]
        return json.dumps([*head, tracks], separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Spot:
        """Return the spot that `dump` wrote."""
        heard, maintenance, health, undated, tracks = json.loads(text)
        placed = {node: (boot, seq) for node, (boot, seq) in undated.items()}
        return cls(heard, maintenance, health, placed, {key: Track.load(value) for key, value in tracks.items()})


def standing(spot: list[Any]) -> tuple[int, bool, list[tuple[str, Alert]]]:
    """Return of a spot as JSON, without making objects of it: when it was heard, whether it is late, its open alerts."""
    heard_ms, tracks = spot[0], spot[-1]
    late = any(values[_KIND] == "late" and values[_LEVEL] for values in tracks.values())
    return heard_ms, late, [(name, Alert(*values[_ALERT])) for name, values in tracks.items() if values[_ALERT]]


def step(track: Track, rule: Leveled, figure: Reading) -> bool:
    """Judge one figure, newer than all before; return whether the level changed."""
    track.fit(len(rule.levels))
    if figure.at_ms - track.at_ms > 1000 * rule.within_s:
        track.recent, track.reached = [], [None] * len(rule.levels)
    track.at_ms = max(track.at_ms, figure.at_ms)
    horizon = figure.at_ms - 1000 * rule.within_s
    track.recent = [*(r for r in track.recent if r.at_ms >= horizon), figure][-rule.of :]
    before = track.level
    for index in range(len(rule.levels)):
        _step_level(track, rule, index, figure)
    if track.level == before:
        _leave(track, rule, figure.at_ms)
    return track.level != before


def _step_level(track: Track, rule: Leveled, index: int, figure: Reading) -> None:
    sign, limit = rule.sign, rule.levels[index].value
    beyond = [r for r in track.recent if sign * r.value >= sign * limit]
    enough = len(beyond) >= rule.readings
    if not enough:
        track.reached[index] = None
    elif track.reached[index] is None:
        track.reached[index] = beyond[0].at_ms
    if sign * figure.value >= sign * limit - rule.hysteresis:
        track.under[index] = None
    elif track.under[index] is None:
        track.under[index] = figure.at_ms
    since = track.reached[index]
    newest = bool(beyond) and beyond[-1] is figure
    if track.level > index:
        if newest:
            track.evidence[index] = [*track.evidence[index], figure][-EVIDENCE:]
    elif newest and since is not None and figure.at_ms - since >= 1000 * rule.hold_s:
        track.level, track.evidence[index] = index + 1, beyond


def _leave(track: Track, rule: Leveled, at_ms: int) -> None:
    while track.level:
        since = track.under[track.level - 1]
        if since is None or at_ms - since < 1000 * rule.clear_s:
            return
        drop(track)


def drop(track: Track) -> None:
    """Leave the highest level."""
    track.level -= 1
    track.evidence[track.level] = []
    track.reached[track.level] = None


def refuse(track: Track, rule: Leveled, key: Key) -> bool:
    """Take back a reading that turned out not to count; return whether a level fell with it.

    A level stands while as many readings bear it out as the rule asks for.
    """
    track.fit(len(rule.levels))
    track.recent = [r for r in track.recent if r.key != key]
    before = track.level
    track.evidence = [[r for r in some if r.key != key] for some in track.evidence]
    while track.level and len(track.evidence[track.level - 1]) < rule.readings:
        drop(track)
    return track.level != before

"""Rules as data: what is an alert, of which severity, and what must be true before anybody is told.

Every rule comes down to one shape: a figure in time (a reading, a slope, a sum, a share, a voltage, a silence) against
rising levels with hysteresis. How the figure is made is the kind. Reading files is files.py.
"""

from __future__ import annotations

import builtins
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pantau.problems import Table

# The words of CAP 1.2, least first, so that a feed needs no translation; the number is what is stored and compared.
SEVERITIES = ("none", "minor", "moderate", "severe", "extreme")
EXTREME = len(SEVERITIES) - 1
QUALITIES = {"good": 1, "unknown": 2, "suspect": 3}  # the QARTOD flags that may count; FAIL and MISSING never do
ZONES = {"WIB": 7, "WITA": 8, "WIT": 9, "UTC": 0}  # hours ahead of UTC, none with summer time
_DAY_S = 86_400

Severity = Literal["minor", "moderate", "severe", "extreme"]
Quality = Literal["good", "unknown", "suspect"]
RuleId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
Words = Annotated[str, Field(min_length=1, max_length=80)]
Seconds = Annotated[int, Field(ge=0, le=_DAY_S)]


class Where(Table):
    """Which stations a rule looks at; a list that is left out admits all."""

    domains: list[Literal["flood", "traffic", "air"]] | None = None
    stations: list[str] | None = None
    except_stations: list[str] = Field(default_factory=list)

    def admits(self, station: str, domain: str) -> bool:
        """Return whether the rule looks at this station."""
        named = self.stations is None or station in self.stations
        return named and (self.domains is None or domain in self.domains) and station not in self.except_stations


class Level(Table):
    """From `value` on the alert has `severity`; `name` and `name_id` are what the control room calls it."""

    value: float
    severity: Severity
    name: Words | None = None
    name_id: Words | None = None

    @property
    def rank(self) -> int:
        """Return the severity as a number."""
        return SEVERITIES.index(self.severity)


class Neighbour(Table):
    """Another station that agrees, when it is itself at a level of the same rule within `window_s` of data time.

    Who is a neighbour: the stations of one `rivers` list, those within `within_km`, and with neither the registry's
    neighbours. `raise` makes the alert one step more severe, `require` holds it back until one agrees; either once and
    for the whole event, so that a neighbour that wavers does not make the alert waver.
    """

    effect: Literal["raise", "require"]
    within_km: Annotated[float, Field(gt=0, le=200)] | None = None
    rivers: list[list[str]] = Field(default_factory=list)
    window_s: Annotated[int, Field(ge=60, le=_DAY_S)] = 3600


class Base(Table):
    """What all rules have. `max_open` alerts stand for themselves, what is more is gathered in one, save the extreme."""

    id: RuleId
    name: Words
    name_id: Words
    enabled: bool = True
    where: Where = Where()
    max_open: Annotated[int, Field(ge=1, le=10_000)] = 200
    same_event_s: Seconds = 600  # an alert that comes back within this is the same event, not a new one

    @property
    def past(self) -> bool:
        """Return whether what a backlog tells is worth an alert of its own, marked as past."""
        return False

    @property
    def by_node(self) -> bool:
        """Return whether the rule judges each node of a station by itself."""
        return False


def _ordered(levels: list[Level]) -> list[Level]:
    """Check that severity rises from level to level; which way values go is the rule's to know."""
    if any(after.rank <= before.rank for before, after in pairwise(levels)):
        msg = "severities must rise from level to level: minor, moderate, severe, extreme"
        raise ValueError(msg)
    return levels


Levels = Annotated[list[Level], Field(min_length=1, max_length=4), AfterValidator(_ordered)]


def _usual() -> list[Quality]:
    return ["good", "suspect"]


class Leveled(Base):
    """A figure against levels.

    A level is reached when `readings` of the last `of` counted figures, none older than `within_s`, are at or beyond its
    value, the newest among them, and that has been so for `hold_s`. It is left when every figure for `clear_s` was beyond
    `hysteresis` on the other side.
    """

    levels: Levels
    direction: Literal["above", "below"] = "above"
    hysteresis: Annotated[float, Field(ge=0)] = 0.0
    hold_s: Seconds = 0
    clear_s: Seconds = 600
    readings: Annotated[int, Field(ge=1, le=20)] = 1
    of: Annotated[int, Field(ge=1, le=20)] = 1
    within_s: Annotated[int, Field(ge=60, le=_DAY_S)] = 3600
    qualities: list[Quality] = Field(min_length=1, default_factory=_usual)

    @property
    def sign(self) -> int:
        """Return 1 where more is worse, -1 where less is."""
        return 1 if self.direction == "above" else -1

    @property
    def flags(self) -> frozenset[int]:
        """Return the QARTOD flags that count."""
        return frozenset(QUALITIES[name] for name in self.qualities)

    @model_validator(mode="after")
    def _consistent(self) -> Leveled:
        sign = self.sign
        if any(sign * after.value <= sign * before.value for before, after in pairwise(self.levels)):
            msg = f"level values must {'rise' if sign > 0 else 'fall'} from level to level with direction {self.direction}"
            raise ValueError(msg)
        if self.readings > self.of:
            msg = f"readings ({self.readings}) cannot be more than of ({self.of})"
            raise ValueError(msg)
        return self


class Series(Leveled):
    """A rule over one observed property."""

    property: Annotated[str, Field(min_length=1)]
    neighbour: Neighbour | None = None

    @builtins.property  # `property` is a field here
    def past(self) -> bool:
        """Return True: what the world did during an outage is worth knowing."""
        return True


class Threshold(Series):
    """The readings themselves. SUSPECT ones count only when others confirm them.

    `verdict` says that the property is a state which the host's quality control gave after looking at several readings.
    """

    kind: Literal["threshold"]
    verdict: bool = False
    readings: Annotated[int, Field(ge=1, le=20)] = 3
    of: Annotated[int, Field(ge=1, le=20)] = 4

    @model_validator(mode="after")
    def _confirmed(self) -> Threshold:
        if self.readings < 2 and not self.verdict and set(self.qualities) != {"good"}:
            msg = 'one reading is enough only where all are good: set readings to 2 or more, or qualities = ["good"]'
            raise ValueError(msg)
        return self


class Rise(Series):
    """The Theil-Sen slope over `window_s`, in the property's unit per minute; `below` with negative values: a fall."""

    kind: Literal["rise"]
    window_s: Annotated[int, Field(ge=120, le=7200)] = 900
    min_points: Annotated[int, Field(ge=4, le=20)] = 5


class Rain(Series):
    """Rain intensity in mm/h: the sum of amounts (unit mm) over `window_s`, or a property that is mm/h already."""

    kind: Literal["rain"]
    property: Annotated[str, Field(min_length=1)] = "rain_amount"
    window_s: Annotated[int, Field(ge=300, le=_DAY_S)] = 900


class Fault(Leveled):
    """Percent of readings over `window_s` that are FAIL or MISSING, of the worst property, or that have one of `reasons`."""

    kind: Literal["fault"]
    properties: Annotated[list[str], Field(min_length=1)]
    reasons: list[str] = Field(default_factory=list)
    window_s: Annotated[int, Field(ge=300, le=_DAY_S)] = 3600
    min_readings: Annotated[int, Field(ge=1, le=1000)] = 10


class Battery(Leveled):
    """Supply voltage of each node in mV, from its health frames."""

    kind: Literal["battery"]
    direction: Literal["below"] = "below"

    @property
    def by_node(self) -> bool:
        """Return True: each node has its own battery."""
        return True


class NodeAlarm(Base):
    """A node's own alarm: an alert at once, unconfirmed until a rule of `confirmed_by` is at a level at its station.

    `checked`: no alarm begins with a water level that quality control refused. One that overtakes the log is not judged yet,
    and told as it is.
    """

    kind: Literal["node_alarm"]
    severity: Severity = "severe"
    confirmed_severity: Severity = "extreme"
    confirmed_by: list[str] = Field(default_factory=list)
    checked: bool = False
    clear_s: Seconds = 300

    @property
    def past(self) -> bool:
        """Return True: an alarm that sounded while the network was dead is worth knowing."""
        return True

    @property
    def by_node(self) -> bool:
        """Return True: each node has its own siren."""
        return True

    @property
    def figure(self) -> Leveled:
        """Return the rule over the alarm bit, 1 or 0, that this comes down to."""
        level = Level(value=1, severity=self.severity)
        return Leveled(
            id=self.id, name=self.name, name_id=self.name_id, levels=[level], hysteresis=0.5, clear_s=self.clear_s
        )


class LateLevel(Level):
    """From `value` report intervals of silence on."""

    value: Annotated[float, Field(ge=2)]


class Late(Base):
    """Nothing received from a station for so many of its report intervals. It clears after `clear_s` in time again."""

    kind: Literal["late"]
    levels: Annotated[list[LateLevel], Field(min_length=1, max_length=4)]
    clear_s: Seconds = 300
    max_open: Annotated[int, Field(ge=1, le=10_000)] = 20  # when more are silent, the network is what failed

    @model_validator(mode="after")
    def _consistent(self) -> Late:
        _ordered(list(self.levels))
        if any(after.value <= before.value for before, after in pairwise(self.levels)):
            msg = "level values must rise from level to level"
            raise ValueError(msg)
        return self


SeriesRule = Threshold | Rise | Rain
Rule = Threshold | Rise | Rain | Fault | Battery | NodeAlarm | Late
KINDS: dict[str, type[Rule]] = {
    "threshold": Threshold,
    "rise": Rise,
    "rain": Rain,
    "fault": Fault,
    "battery": Battery,
    "node_alarm": NodeAlarm,
    "late": Late,
}


class Settings(Table):
    """What all rules share."""

    zone: Literal["WIB", "WITA", "WIT", "UTC"] = "WIB"
    fresh_s: Annotated[int, Field(ge=60, le=_DAY_S)] = 1800  # what is older when it arrives tells of the past
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 400


class RuleSet:
    """The rules in force, by id, in the order of the file."""

    def __init__(self, rules: list[Rule], settings: Settings | None = None) -> None:
        """Take rules that were checked (files.py); those not enabled are left out."""
        self.settings = settings or Settings()
        self.rules = {rule.id: rule for rule in rules if rule.enabled}

    def at(self, station: str, domain: str) -> list[Rule]:
        """Return the rules that look at a station."""
        return [rule for rule in self.rules.values() if rule.where.admits(station, domain)]

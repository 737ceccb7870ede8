"""What every channel may be told in pantau.toml: what it tells, when it is quiet, how long it tries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from pantau.alerts.rules import SEVERITIES, ZONES, RuleId, Severity
from pantau.problems import Table

if TYPE_CHECKING:
    from typing import Self

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")

Action = Literal[
    "open", "reopen", "escalate", "deescalate", "confirm", "clear", "withdraw", "mute", "unmute", "acknowledge",
    "shelve", "unshelve", "update",
]  # fmt: skip
EVERYTHING: frozenset[str] = frozenset(get_args(Action))
FOR_PEOPLE = EVERYTHING - {"acknowledge", "shelve", "mute", "unmute"}  # what staff do, staff know
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")]
Minutes = Annotated[int, Field(ge=0, le=1440)]


def _clock(value: str) -> str:
    if _CLOCK.fullmatch(value) is None:
        msg = "is no time of day; write it as 22:00"
        raise ValueError(msg)
    return value


Clock = Annotated[str, AfterValidator(_clock)]


class QuietTable(Table):
    """Hours in which nobody is told what is less than `break_at`; it is told when they end."""

    start: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="until")]
    zone: Literal["WIB", "WITA", "WIT", "UTC"] = "WIB"
    break_at: Severity = "severe"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.start == self.end:
            msg = "from and until are the same time; leave quiet out to be told always"
            raise ValueError(msg)
        return self

    @property
    def breaks(self) -> int:
        """Return the severity from which on people are told at any hour."""
        return SEVERITIES.index(self.break_at)

    def until_ms(self, at_ms: int) -> int | None:
        """Return when the quiet hours around `at_ms` end, None outside of them. Unix ms UTC."""
        zone_min, day = 60 * ZONES[self.zone], 1440
        minute = (at_ms // 60_000 + zone_min) % day
        start, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in (self.start, self.end))
        if (minute - start) % day >= (end - start) % day:
            return None
        return (at_ms // 60_000 + (end - minute) % day) * 60_000


class ChannelTable(Table):
    """One channel. A list that is left out admits all; an alert of the whole city passes every filter of places.

    Worse news goes at once, better news after `settle_s`: an alert that comes and goes meanwhile is told once.
    `unacknowledged_min` makes it a second line: it tells only what nobody has acknowledged for so long.
    """

    usual: ClassVar[frozenset[str]] = EVERYTHING  # what it tells unless `actions` says otherwise

    name: ChannelName
    enabled: bool = True
    min_severity: Severity = "minor"
    domains: list[Literal["flood", "traffic", "air"]] | None = None
    stations: list[str] | None = None
    rules: list[RuleId] | None = None
    actions: list[Action] | None = None
    quiet: QuietTable | None = None
    settle_s: Annotated[int, Field(ge=0, le=3600)] = 0
    unacknowledged_min: Minutes = 0
    remind_min: Minutes = 0  # 0: reminds nobody
    remind_most: Annotated[int, Field(ge=1, le=20)] = 3
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 600
    gather_above: Annotated[int, Field(ge=0, le=1000)] = 0  # when more than these wait they go as one; 0: never
    keep_trying_h: Annotated[int, Field(ge=1, le=168)] = 24

    @property
    def least(self) -> int:
        """Return the severity from which on an alert is told."""
        return SEVERITIES.index(self.min_severity)

    @property
    def tells(self) -> frozenset[str]:
        """Return the actions that are told."""
        return self.usual if self.actions is None else frozenset(self.actions)

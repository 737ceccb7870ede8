"""Alerts reach people: what is told to whom and when, kept in notices.sqlite3 until it is told or out of date.

One file per channel, with the table of its settings, which extends `settings.ChannelTable`, and
`open_channel(settings, context) -> Channel`, which reads secrets and connects to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.alerts.reads import Entry
    from pantau.alerts.track import Alert

# What a notice may be beside the action of a decision (alerts.words.ACTIONS).
REMIND, GATHERED, TEST = "remind", "gathered", "test"
ENDED = frozenset({"clear", "withdraw"})


class Place(NamedTuple):
    """Where an alert stands. An alert of the whole city has the id "*" and no coordinates, as has a station that is gone."""

    id: str
    name: str
    domain: str = ""
    latitude: float | None = None
    longitude: float | None = None
    kemendagri: str | None = None


class Notice(NamedTuple):
    """What one channel is to tell now.

    `key` names it for ever: what is told once more after a crash has the same, so that a receiver can drop it. `decision`
    is what it rests on and `alert` is as it stood then. `english` and `indonesian` are whole sentences, free of control characters.
    `late` says that it could not be told in time, `superseded` that newer news of this alert waits behind it. A gathered notice
    has `members` and the decision of the worst of them; only channels whose settings gather get one.
    """

    key: str
    action: str
    severity: int
    decision: Entry
    alert: Alert
    place: Place
    english: str
    indonesian: str
    zone: str = "WIB"
    link: str = ""
    test: bool = False
    late: bool = False
    superseded: bool = False
    done: tuple[str, ...] = ()  # receivers of the channel that have it: the others get it when it is told again
    members: tuple[Notice, ...] = ()

    @property
    def ended(self) -> bool:
        """Return whether the alert is over with this."""
        return self.action in ENDED


class Outcome(NamedTuple):
    """What became of an attempt.

    `sent`: done. `skipped`: rightly nothing was done, and `reason` says why. `retry`: told again later, not before `wait_s` where
    the receiver said so; up to the age that the channel allows. `refused`: never taken, told no more, and a problem of the
    bridge for an hour. `reason` says why, for people, without secrets; `done` as in Notice.
    """

    kind: Literal["sent", "skipped", "retry", "refused"]
    reason: str = ""
    wait_s: float = 0.0
    done: tuple[str, ...] = ()


class Channel(Protocol):
    """One way to people. All calls come from one thread of its own; they may block it for some seconds, never for ever."""

    name: str

    def send(self, notice: Notice) -> Outcome:
        """Tell it. Trouble is an outcome, not an exception."""

    def close(self) -> None:
        """Let go of connections."""


class Context(NamedTuple):
    """What every channel is told beside its own table. `book_path` is the file of orders to nodes."""

    city: str
    title: str
    public_url: str
    zone: str
    data_dir: Path
    book_path: Path

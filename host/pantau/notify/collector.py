"""Reads what was decided and queues what follows, for every channel. All calls come from one thread."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.desk import CITY
from pantau.alerts.reads import AlertReader
from pantau.notify import Place
from pantau.notify.plan import News, as_of, judge, pass_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pantau.alerts.reads import Entry
    from pantau.alerts.track import Alert
    from pantau.notify.outbox import Outbox
    from pantau.notify.plan import Belief, Order, Step
    from pantau.notify.settings import ChannelTable
    from pantau.registry import Registry

_AT_ONCE = 500
_STANDING = frozenset({"open", "reopen", "escalate", "deescalate"})


class Round(NamedTuple):
    """What one look found: whether there is more to read, and which channels have something to tell."""

    more: bool
    channels: frozenset[str]


class Collector:
    """From the log of decisions to the outbox."""

    def __init__(self, outbox: Outbox, alerts: Path, title: str, now_ms: Callable[[], int]) -> None:
        self._outbox, self._alerts, self._title = outbox, alerts, title
        self._now_ms = now_ms
        self._policies: dict[str, ChannelTable] = {}
        self._registry: Registry | None = None
        self._beliefs: dict[tuple[str, int], Belief] | None = None  # None: to be read anew

    def use(self, policies: Sequence[ChannelTable], registry: Registry) -> None:
        """Tell these channels from now on. Raises sqlite3.Error; then call it again."""
        self._policies = {policy.name: policy for policy in policies}
        self._registry = registry
        self._beliefs = None
        self._outbox.drop_others(self._policies, self._now_ms())

    def collect(self) -> Round:
        """Queue what follows from new decisions and from the time.

        Raises sqlite3.Error, and RuntimeError for a store of another version; then nothing was changed.
        """
        try:
            return self._collect(self._now_ms())
        except BaseException:
            self._beliefs = None  # they are ahead of the file
            raise

    def _collect(self, now_ms: int) -> Round:
        with closing(AlertReader(self._alerts)) as reader:
            cursor = self._cursor(reader)
            beliefs = self._known()
            work = _Work(beliefs, self._policies)
            fresh = self._outbox.fresh(self._policies)
            for news in self._standing(reader, cursor) if fresh else ():
                work.judge(news, now_ms, fresh)
            entries = reader.decisions_after(cursor, _AT_ONCE)
            alerts = {one.alert.id: one.alert for one in reader.some({entry.alert for entry in entries})}
        for entry in entries:
            if (alert := alerts.get(entry.alert)) is not None:
                work.judge(self._news(entry, alert), now_ms, self._policies)
        for (channel, number), belief in tuple(beliefs.items()):
            if belief.wait_ms is not None or belief.remind_ms is not None:
                work.take((channel, number), pass_time(self._policies[channel], belief, now_ms))
        cursor_now = entries[-1].number if entries else cursor
        if fresh or work.changed or entries:
            self._outbox.commit(cursor_now, work.changed, work.orders, now_ms, met=fresh)
        return Round(len(entries) == _AT_ONCE, frozenset(channel for channel, _ in work.orders))

    def _cursor(self, reader: AlertReader) -> int:
        """Return where to go on; at the end for a file that is new, for what stands is told as it stands."""
        cursor, last = self._outbox.cursor(), reader.last_number()
        if cursor is None:
            return last
        if cursor > last:
            self._outbox.forget_alerts()
            self._beliefs = None
            return 0
        return cursor

    def _known(self) -> dict[tuple[str, int], Belief]:
        if self._beliefs is None:
            found = self._outbox.beliefs()
            self._beliefs = {key: belief for key, belief in found.items() if key[0] in self._policies}
        return self._beliefs

    def _standing(self, reader: AlertReader, cursor: int) -> list[News]:
        """Return what stands, for a channel that has been told nothing yet: oldest first."""
        found = []
        for one in reader.open_alerts():
            told = [e for e in reader.explain(one.alert.id) if e.action in _STANDING and e.number <= cursor]
            if told:
                found.append(self._news(told[-1], one.alert))
        return sorted(found, key=lambda news: news.entry.number)

    def _news(self, entry: Entry, alert: Alert) -> News:
        return News(entry, as_of(entry, alert), self._place(alert.station))

    def _place(self, station: str) -> Place:
        if station == CITY:
            return Place(CITY, self._title)
        found = self._registry.stations.get(station) if self._registry is not None else None
        if found is None:
            return Place(station, station)
        return Place(found.id, found.name, found.domain, found.latitude, found.longitude, found.kemendagri)


class _Work:
    """One round: what changed and what is to be told."""

    def __init__(self, beliefs: dict[tuple[str, int], Belief], policies: dict[str, ChannelTable]) -> None:
        self._beliefs, self._policies = beliefs, policies
        self.changed: dict[tuple[str, int], Belief | None] = {}
        self.orders: list[tuple[str, Order]] = []

    def judge(self, news: News, now_ms: int, channels: Sequence[str] | dict[str, ChannelTable]) -> None:
        """Let each of the channels take note of a decision."""
        for name in channels:
            key = (name, news.entry.alert)
            self.take(key, judge(self._policies[name], self._beliefs.get(key), news, now_ms))

    def take(self, key: tuple[str, int], step: Step) -> None:
        """Note what follows."""
        if step.order is not None:
            self.orders.append((key[0], step.order))
        if step.belief == self._beliefs.get(key):
            return
        self.changed[key] = step.belief
        if step.belief is None:
            self._beliefs.pop(key, None)
        else:
            self._beliefs[key] = step.belief

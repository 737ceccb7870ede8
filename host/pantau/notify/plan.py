"""What one channel is to be told of one alert, and when. I/O-free.

What its people believe is compared with what is so, rather than each decision passed on: worse than they believe goes at
once, better waits whether it lasts, the same is nothing to tell. So what comes twice, flaps or was missed is told once,
and bad news never waits behind the question whether something flaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau.alerts.desk import CITY
from pantau.notify import ENDED, REMIND

if TYPE_CHECKING:
    from pantau.alerts.reads import Entry
    from pantau.alerts.track import Alert
    from pantau.notify import Place
    from pantau.notify.settings import ChannelTable

_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_LEVELS = frozenset({"open", "reopen", "escalate", "deescalate"})  # what they say is the severity, nothing else


class News(NamedTuple):
    """A decision, its alert as it stood then, and its place."""

    entry: Entry
    alert: Alert
    place: Place

    @property
    def severity(self) -> int:
        """Return what is so now: 0 when the alert has ended."""
        return 0 if self.entry.action in ENDED else self.entry.severity


class Belief(NamedTuple):
    """What the people of one channel know of one alert. Times are Unix ms UTC.

    `told` is the severity that they were last told, 0 when they know of none; `news` the newest decision. `wait_ms` is when
    that is to be told unless it changes again, `remind_ms` when they are reminded next.
    """

    news: News
    told: int = 0
    wait_ms: int | None = None
    remind_ms: int | None = None
    reminders: int = 0

    @property
    def over(self) -> bool:
        """Return whether there is nothing to remember: they know of none, and none waits to be told."""
        return not self.told and self.wait_ms is None


class Order(NamedTuple):
    """To be told from `due_ms` on. `breaks` says that it replaces what was held back of this alert."""

    news: News
    action: str
    due_ms: int
    number: int = 0  # of the reminder
    held: bool = False
    breaks: bool = False


class Step(NamedTuple):
    """What follows: the belief to remember and what to tell, if anything."""

    belief: Belief | None
    order: Order | None = None


def as_of(entry: Entry, alert: Alert) -> Alert:
    """Return the alert as it stood after `entry`; it may have moved on since."""
    closed = alert.closed_ms if entry.action in ENDED else None
    return alert._replace(
        severity=entry.severity, confirmed=entry.confirmed, muted=entry.muted, past=entry.past, closed_ms=closed
    )


def admits(policy: ChannelTable, place: Place, rule: str) -> bool:
    """Return whether the channel is for this place and rule. What concerns the whole city concerns everybody."""
    if policy.rules is not None and rule not in policy.rules:
        return False
    if place.id == CITY:
        return True
    return (policy.domains is None or place.domain in policy.domains) and (
        policy.stations is None or place.id in policy.stations
    )


def judge(policy: ChannelTable, belief: Belief | None, news: News, now_ms: int) -> Step:
    """Return what follows from one more decision. One that is known already, or of the past, changes nothing."""
    entry = news.entry
    if belief is not None and entry.number <= belief.news.entry.number:
        return Step(belief)
    if entry.past or not admits(policy, news.place, news.alert.rule):
        return Step(belief)
    before = belief or Belief(news)
    after = before._replace(news=news)
    if _put_aside(news, now_ms) or news.alert.acknowledged_ms is not None:
        after = after._replace(remind_ms=None)
    severity = news.severity
    if severity > before.told:
        return _kept(_worse(policy, after, now_ms))
    if severity < before.told:
        return _kept(_better(policy, after, now_ms))
    after = after._replace(wait_ms=None)  # it is as they believe: what waited to be told is no longer so
    if not severity or entry.action in _LEVELS:
        return _kept(Step(after))
    if entry.action in {"unmute", "unshelve"}:
        after = _reminding(policy, after, now_ms)
    return _kept(_tell(policy, after, now_ms) if entry.action in policy.tells else Step(after))


def pass_time(policy: ChannelTable, belief: Belief, now_ms: int) -> Step:
    """Return what follows from the time alone."""
    longest_ms = max(1000 * policy.settle_s, _MINUTE_MS * policy.unacknowledged_min)
    if belief.wait_ms is not None and not 0 < belief.wait_ms - now_ms <= longest_ms:  # also when the clock went back
        return _kept(_tell(policy, belief._replace(wait_ms=None), now_ms, belief.wait_ms))
    if belief.remind_ms is None or 0 < belief.remind_ms - now_ms <= _DAY_MS + _MINUTE_MS * policy.remind_min:
        return Step(belief)
    if belief.reminders >= policy.remind_most:
        return Step(belief._replace(remind_ms=None))
    quiet_ms = _quiet_until(policy, belief, now_ms)
    if quiet_ms is not None:  # a reminder is of no use to somebody who sleeps, nor many of them in the morning
        return Step(belief._replace(remind_ms=quiet_ms))
    number = belief.reminders + 1
    again = belief._replace(reminders=number, remind_ms=now_ms + _MINUTE_MS * policy.remind_min)
    return Step(again, Order(belief.news, REMIND, min(now_ms, belief.remind_ms), number))


def _worse(policy: ChannelTable, after: Belief, now_ms: int) -> Step:
    news = after.news
    if news.severity < policy.least or _put_aside(news, now_ms):
        return Step(after._replace(wait_ms=None))
    action = news.entry.action
    said = "open" if not after.told else action if action in _LEVELS else "escalate"
    if said not in policy.tells:
        return Step(after)
    if policy.unacknowledged_min and not after.told:
        if news.alert.acknowledged_ms is not None:
            return Step(after._replace(wait_ms=None))
        # Never twice the wait: that it became worse meanwhile is no reason to wait longer.
        due_ms = after.wait_ms or news.entry.decided_ms + _MINUTE_MS * policy.unacknowledged_min
        if due_ms > now_ms:
            return Step(after._replace(wait_ms=due_ms))
    return _tell(policy, after._replace(wait_ms=None), now_ms)


def _better(policy: ChannelTable, after: Belief, now_ms: int) -> Step:
    if after.news.severity and "deescalate" not in policy.tells:
        return Step(after)
    if policy.settle_s:
        return Step(after._replace(wait_ms=after.wait_ms or now_ms + 1000 * policy.settle_s))
    return _tell(policy, after, now_ms)


def _tell(policy: ChannelTable, belief: Belief, now_ms: int, due_ms: int | None = None) -> Step:
    """Tell the newest. News of an alert that was told as severe is severe news: who was woken is told the end too.

    It is due since `due_ms`, or since its decision: what we come to late, after a stop of ours, is to be told as late.
    """
    news = belief.news
    due_ms = min(now_ms, due_ms or news.entry.decided_ms)
    until_ms = _quiet_until(policy, belief, now_ms)
    after = belief._replace(told=news.severity)
    if not news.severity:
        after = after._replace(remind_ms=None)
        if "clear" not in policy.tells:
            return Step(after)
    if news.severity > belief.told:
        after = _reminding(policy, after, until_ms or now_ms)
    breaks = policy.quiet is not None and until_ms is None
    return Step(after, Order(news, news.entry.action, until_ms or due_ms, held=until_ms is not None, breaks=breaks))


def _reminding(policy: ChannelTable, belief: Belief, now_ms: int) -> Belief:
    """Begin to count the time until somebody acknowledges it."""
    news = belief.news
    if not policy.remind_min or news.alert.acknowledged_ms is not None or not news.severity:
        return belief
    return belief._replace(remind_ms=now_ms + _MINUTE_MS * policy.remind_min, reminders=0)


def _quiet_until(policy: ChannelTable, belief: Belief, now_ms: int) -> int | None:
    if policy.quiet is None or max(belief.told, belief.news.severity) >= policy.quiet.breaks:
        return None
    return policy.quiet.until_ms(now_ms)


def _put_aside(news: News, now_ms: int) -> bool:
    """Return whether nobody is to be called: somebody works at the station, or has shelved the alert."""
    shelved_ms = news.alert.shelved_until_ms
    return news.entry.muted or (shelved_ms is not None and shelved_ms > now_ms)


def _kept(step: Step) -> Step:
    """Forget what need not be remembered."""
    return step._replace(belief=None) if step.belief is not None and step.belief.over else step

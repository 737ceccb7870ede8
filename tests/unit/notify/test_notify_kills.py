"""A kill before or after any commit: everything is told, at most one notice twice, and that under its key."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest

from pantau.alerts.store import AlertStore
from pantau.notify import Outcome
from pantau.notify import outbox as outboxes
from pantau.notify.collector import Collector
from pantau.notify.outbox import Outbox
from unit.alerts import alert_kit
from unit.alerts.alert_kit import MINUTE, T0
from unit.notify.notify_kit import policy


class Killed(BaseException):
    """The process is no more."""


class Fuse:
    """Ends everything at one moment: before (even) or after (odd) a commit of the outbox."""

    def __init__(self, at: int) -> None:
        self.left = at

    def pass_(self) -> None:
        self.left -= 1
        if self.left == -1:
            raise Killed


@pytest.fixture
def fuse(monkeypatch):
    held = Fuse(1 << 30)
    plain = outboxes._Transaction

    class Fused(plain):
        def __exit__(self, kind, *more):
            if kind is None:
                try:
                    held.pass_()
                except Killed as killed:
                    plain.__exit__(self, Killed, killed, None)
                    raise
            plain.__exit__(self, kind, *more)
            if kind is None:
                held.pass_()

    monkeypatch.setattr(outboxes, "_Transaction", Fused)
    return held


def decided(folder):
    """A store of alerts in which two stations rose and fell."""
    registry, rules, feed = alert_kit.city("a", "b"), alert_kit.rules(alert_kit.LEVEL), alert_kit.Feed()
    with closing(AlertStore(folder / "alerts.sqlite3", rules, registry)) as alerts:
        for minute, (a, b) in enumerate([(1.2, 0.5), (1.6, 2.2), (0.2, 2.2), (0.2, 0.1), (0.2, 0.1), (0.2, 0.1)]):
            at = T0 + minute * MINUTE
            alerts.deliver([feed.frame("a", at=at, values=[a]), feed.frame("b", at=at, values=[b])])
    return registry


def tell(folder, registry, desk, got):
    """One life of the process: read, queue and tell until nothing waits."""
    now_ms = T0 + 30 * MINUTE
    with closing(Outbox(folder / "notices.sqlite3", "tng")) as box:
        box.recover(now_ms)
        collector = Collector(box, folder / "alerts.sqlite3", "Kota Tangerang", lambda: now_ms)
        collector.use([desk], registry)
        collector.collect()
        while rows := box.ready("desk", now_ms, desk.gather_above):
            attempt, key = box.begin("desk", rows, now_ms)
            got.append((key, tuple(row.key for row in rows)))
            box.end(attempt, rows, Outcome("sent"), now_ms, now_ms)


@pytest.mark.parametrize("gather_above", [0, 2])
def test_a_kill_at_any_commit_loses_nothing_and_tells_at_most_one_notice_again(tmp_path, fuse, gather_above):
    registry, desk = decided(tmp_path), policy(gather_above=gather_above)
    box = tmp_path / "notices.sqlite3"

    def lives(at):
        for path in tmp_path.glob("notices.sqlite3*"):
            path.unlink()
        with closing(Outbox(box, "tng")) as begun:  # it has run before: what stands now is news
            begun.commit(0, {}, [], T0, met=["desk"])
        fuse.left, got, killed = at, [], False
        try:
            tell(tmp_path, registry, desk, got)
        except Killed:
            killed = True
            fuse.left = 1 << 30
            tell(tmp_path, registry, desk, got)
        return got, killed

    whole, killed = lives(1 << 30)
    assert not killed and sum(len(keys) for _, keys in whole) == 5  # a: open, escalate, clear; b: open, clear
    at = 0
    while True:
        got, killed = lives(at)
        if not killed:
            break
        told = Counter(got)
        assert set(told) == set(whole), at
        assert sum(told.values()) - len(told) <= 1, at
        # of one alert in order of time, but for what is told again
        assert list(dict.fromkeys(got)) == whole, at
        at += 1
    assert at >= 2 + 4 * len(whole)

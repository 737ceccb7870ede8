"""What waits to be told survives, in order, under one name, within bounds."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from pantau.notify import Outcome
from pantau.notify import outbox as outboxes
from pantau.notify.outbox import Outbox
from pantau.notify.plan import Belief, Order
from pantau.notify.reads import NoticeReader
from pantau.ops.migrate import StoreError
from unit.notify.notify_kit import MINUTE, T0, news

SENT = Outcome("sent")


@pytest.fixture
def box(tmp_path):
    with closing(Outbox(tmp_path / "notices.sqlite3", "tng")) as found:
        yield found


def order(number: int, action: str = "open", severity: int = 2, *, alert: int = 1, due_ms: int = T0, **more) -> Order:
    return Order(news(number, action, severity, alert=alert), action, due_ms, **more)


def queue(box: Outbox, *orders: Order, channel: str = "desk", cursor: int = 9, now_ms: int = T0) -> None:
    box.commit(cursor, {}, [(channel, one) for one in orders], now_ms)


def keys(rows) -> list[str]:
    return [row.key for row in rows]


def tell(box: Outbox, rows, outcome: Outcome = SENT, *, next_ms: int = T0, now_ms: int = T0) -> str:
    attempt, key = box.begin("desk", rows, now_ms)
    box.end(attempt, rows, outcome, next_ms, now_ms)
    return key


def test_cursor_beliefs_and_notices_are_one_transaction(box, tmp_path):
    belief = Belief(news(7), 2, T0, None, 1)
    box.commit(7, {("desk", 1): belief}, [("desk", order(7))], T0)
    with closing(sqlite3.connect(tmp_path / "notices.sqlite3")) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON notices BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        other.commit()
    with pytest.raises(sqlite3.Error, match="disk full"):
        box.commit(8, {("desk", 1): None}, [("desk", order(8, "clear"))], T0)
    with closing(Outbox(tmp_path / "notices.sqlite3", "tng")) as again:
        assert again.cursor() == 7 and again.beliefs() == {("desk", 1): belief}
        assert keys(again.ready("desk", T0, 0)) == [f"tng-1-7-{T0}"]


def test_the_worst_goes_first_and_an_end_never_overtakes_its_beginning(box):
    queue(box, order(1), order(2, alert=2, severity=4), order(3, "clear", 4, alert=1))
    first = box.ready("desk", T0, 0)
    assert [row.news.entry.number for row in first] == [2]
    tell(box, first)
    (opened,) = box.ready("desk", T0, 0)
    assert opened.news.entry.number == 1 and opened.superseded
    tell(box, [opened], Outcome("retry", "away"), next_ms=T0 + MINUTE)
    assert box.ready("desk", T0, 0) == []  # the end waits for its beginning
    (opened,) = box.ready("desk", T0 + MINUTE, 0)
    tell(box, [opened])
    assert [row.action for row in box.ready("desk", T0 + MINUTE, 0)] == ["clear"]


def test_what_a_kill_cut_off_is_told_again_under_the_same_key_and_the_log_says_so(box, tmp_path):
    queue(box, order(1))
    _, key = box.begin("desk", box.ready("desk", T0, 0), T0)
    with closing(Outbox(tmp_path / "notices.sqlite3", "tng")) as again:
        assert again.recover(T0) == 1 and again.recover(T0) == 0
        assert tell(again, again.ready("desk", T0, 0)) == key
        assert again.ready("desk", T0, 0) == []
    with closing(NoticeReader(tmp_path / "notices.sqlite3")) as reader:
        assert [(one.outcome, one.key) for one in reader.log()] == [("sent", key), ("unknown", key)]
        assert reader.channel("desk").working and reader.channel("desk").waiting == 0


def test_what_was_gathered_stays_together_under_its_key(box, tmp_path):
    queue(box, *(order(number, alert=number) for number in range(1, 5)))
    assert len(box.ready("desk", T0, 4)) == 1
    rows = box.ready("desk", T0, 3)
    assert len(rows) == 4
    _, key = box.begin("desk", rows, T0)
    with closing(Outbox(tmp_path / "notices.sqlite3", "tng")) as again:  # killed; meanwhile more has come
        queue(again, *(order(number, alert=number) for number in range(5, 12)))
        assert keys(again.ready("desk", T0, 3)) == keys(rows)
        assert tell(again, again.ready("desk", T0, 3)) == key
        assert len(again.ready("desk", T0, 3)) == 7
    with closing(NoticeReader(tmp_path / "notices.sqlite3")) as reader:
        assert [one.notices for one in reader.log(alert=3)] == [4, 4]
        assert reader.log(alert=9) == []


def test_packings_that_wait_beside_each_other_stay_whole(box):
    queue(box, *(order(number, alert=number) for number in range(1, 4)))
    tell(box, [box.ready("desk", T0, 0)[0]], Outcome("retry", "away"), next_ms=T0 + MINUTE)
    queue(box, order(4))  # behind the first, which waits
    first = box.ready("desk", T0, 1)
    assert [row.number for row in first] == [2, 3]
    tell(box, first, Outcome("retry", "away"), next_ms=T0 + 2 * MINUTE)
    second = box.ready("desk", T0 + MINUTE, 1)
    assert [row.number for row in second] == [1, 4]
    tell(box, second, Outcome("retry", "away"), next_ms=T0 + 2 * MINUTE)
    again = box.ready("desk", T0 + 2 * MINUTE, 1)
    assert keys(again) == keys(second)
    tell(box, again)
    assert keys(box.ready("desk", T0 + 2 * MINUTE, 1)) == keys(first)


def test_what_was_held_back_is_one_digest_and_gives_way_to_what_breaks_the_quiet(box):
    morning = T0 + 60 * MINUTE
    queue(box, order(1, due_ms=morning, held=True), order(2, alert=2, due_ms=morning, held=True))
    assert box.ready("desk", T0, 5) == []
    assert len(box.ready("desk", morning, 5)) == 2  # few, but of the night
    queue(box, order(3, "escalate", 3, breaks=True))
    assert [row.action for row in box.ready("desk", T0, 5)] == ["escalate"]
    tell(box, box.ready("desk", T0, 5))
    assert [row.news.entry.number for row in box.ready("desk", morning, 5)] == [2]


def test_a_gathered_notice_leaves_out_what_must_wait_for_earlier_news(box):
    queue(box, order(1), order(2, alert=2), order(3, alert=3))
    tell(box, box.ready("desk", T0, 0), Outcome("retry", "away"), next_ms=T0 + MINUTE)
    queue(box, order(4, "clear"))
    assert [row.news.entry.number for row in box.ready("desk", T0, 1)] == [2, 3]


def test_a_decision_is_queued_once_whatever_happens(box):
    queue(box, order(1))
    queue(box, order(1))
    queue(box, order(1), channel="other")
    assert box.load("desk").waiting == 1 and box.load("other").waiting == 1
    queue(box, Order(news(1), "remind", T0, 1), Order(news(1), "remind", T0, 2))
    assert box.load("desk").waiting == 3


def test_nothing_waits_for_ever_but_all_is_tried_once_whatever_the_clock(box):
    queue(box, order(1), order(2, alert=2))
    late = T0 + 25 * 3_600_000
    assert box.expire("desk", late - 24 * 3_600_000, late) == 0
    first = box.ready("desk", late, 0)
    tell(box, first, Outcome("retry", "away"), next_ms=late + MINUTE, now_ms=late)
    assert box.expire("desk", late - 24 * 3_600_000, late) == 1
    assert box.load("desk").waiting == 1
    # a clock that was far ahead when it was queued holds nothing back
    queue(box, order(3, alert=3, due_ms=late * 2), channel="ahead")
    assert len(box.ready("ahead", T0, 0)) == 1


def test_what_waits_and_what_is_kept_have_bounds(box, monkeypatch, tmp_path):
    monkeypatch.setattr(outboxes, "MOST_WAITING", 3)
    queue(box, order(1, severity=4), *(order(number, alert=number, severity=1) for number in range(2, 7)))
    assert box.load("desk").waiting == 3
    assert box.ready("desk", T0, 0)[0].severity == 4
    tell(box, box.ready("desk", T0, 0))
    box.prune(30, T0 + 31 * 86_400_000)
    with closing(NoticeReader(tmp_path / "notices.sqlite3")) as reader:
        assert reader.log() == []
    assert box.load("desk").waiting == 2  # what waits is not old


def test_a_channel_that_is_taken_out_leaves_nothing_behind(box):
    box.commit(1, {("desk", 1): Belief(news())}, [("desk", order(1))], T0, met=["desk"])
    assert box.drop_others(["other"], T0) == 1 and box.beliefs() == {}
    assert box.fresh(["desk"]) == ["desk"] and box.load("desk").waiting == 0


def test_the_file_of_a_newer_pantau_is_refused(tmp_path):
    path = tmp_path / "notices.sqlite3"
    Outbox(path, "tng").close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="99"):
        Outbox(path, "tng")
    with pytest.raises(RuntimeError, match="99"):
        NoticeReader(path)

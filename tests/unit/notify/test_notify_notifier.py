"""From a committed decision to every channel: at once, each for itself, once, and again after trouble."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from pantau.notify import Outcome
from pantau.notify import notifier as notifying
from pantau.notify import sender as sending
from pantau.notify.outbox import Outbox
from pantau.notify.reads import NoticeReader
from pantau.notify.sender import Rate
from pantau.ops.figures import undocumented
from unit.notify.notify_kit import MINUTE, Room, until

AWAY = Outcome("retry", "nothing listens")


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Make a room whose channels have these tables; tries follow each other at once."""
    monkeypatch.setattr(sending, "_NOTICE_BASE_S", 0.0)
    monkeypatch.setattr(sending.Backoff, "next", lambda _self: 0.01)
    rooms = []

    def made(tables=None, **more):
        rooms.append(Room(tmp_path, monkeypatch, tables or {"one": {}, "two": {}}, **more))
        return rooms[-1]

    yield made
    for one in rooms:
        one.alerts.close()


def test_a_decision_goes_out_at_once_on_every_channel(room, monkeypatch):
    monkeypatch.setattr(notifying, "_TICK_S", 3600.0)  # the commit itself wakes it
    city = room()

    async def run():
        async with city.telling() as notifier:
            await until(notifier.figures)
            await asyncio.to_thread(city.level, "s0", 1.6)
            await until(lambda: city.channels["one"].said == city.channels["two"].said == ["open 1"])
            await until(lambda: notifier.figures()['notices_sent_total{channel="two"}'] == 1)
            assert undocumented(notifier.figures()) == [] and notifier.problems() == []

    asyncio.run(run())
    (notice,) = city.channels["one"].got
    assert notice.place.name == "Kali s0" and notice.severity == 2 and not notice.late
    assert "Kali s0: moderate, Siaga" in notice.english and "WIB" in notice.indonesian
    assert all(channel.closed for channel in city.channels.values())


def test_a_channel_that_hangs_delays_no_other(room):
    city = room()
    city.channels["one"].gate = threading.Event()

    async def run():
        async with city.telling():
            city.level("s0", 1.6)
            await until(lambda: city.channels["two"].said == ["open 1"])
            city.level("s1", 2.5)
            await until(lambda: city.channels["two"].said == ["open 1", "open 2"])
            assert city.channels["one"].said == []
            city.channels["one"].gate.set()
            await until(lambda: len(city.channels["one"].got) == 2)

    asyncio.run(run())


def test_a_channel_that_was_down_for_hours_tells_all_in_order_and_that_it_is_late(room):
    city = room({"one": {}})
    one = city.channels["one"]
    one.answer = lambda _: AWAY

    async def run():
        async with city.telling() as notifier:
            city.level("s0", 1.6)
            await until(lambda: one.got)
            city.level("s0", 2.5, after_min=60)
            city.level("s0", 0.1, after_min=60)
            city.level("s0", 0.1, after_min=5)
            city.ms += 5 * MINUTE
            await until(lambda: notifier._senders["one"][0].trouble)
            assert notifier.figures()['notice_channel_working{channel="one"}'] == 0
            one.got.clear()
            one.answer = lambda _: Outcome("sent")
            await until(lambda: len(one.got) == 3)

    asyncio.run(run())
    assert one.said == ["open 1", "escalate 1", "clear 1"]
    assert [n.late for n in one.got[:2]] == [True, True]
    assert one.got[0].superseded and "LATE: this was decided at" in one.got[0].english
    assert len({n.key for n in one.got}) == 3


def test_what_is_refused_is_told_no_more_and_is_said_of_the_channel(room):
    city = room({"one": {}})
    one = city.channels["one"]
    one.answer = lambda n: Outcome("refused", "the form is wrong") if n.alert.id == 1 else Outcome("sent")

    async def run():
        async with city.telling() as notifier:
            city.level("s0", 1.6)
            city.level("s1", 1.6)
            await until(lambda: len(one.got) == 2)
            await until(notifier.problems)
            assert "refused a notice within the hour: the form is wrong" in notifier.problems()[0]
            assert notifier.figures()['notices_failed_total{channel="one"}'] == 1

    asyncio.run(run())


def test_a_defect_in_a_channel_is_trouble_of_that_channel(room):
    city = room()

    def broken(_notice):
        raise KeyError("place")

    city.channels["one"].answer = broken

    async def run():
        async with city.telling() as notifier:
            city.level("s0", 1.6)
            await until(lambda: city.channels["two"].got and notifier._senders["one"][0].trouble)
            assert "internal: KeyError" in notifier._senders["one"][0].trouble
            city.channels["one"].answer = lambda _: Outcome("sent")
            await until(lambda: not notifier._senders["one"][0].trouble)

    asyncio.run(run())


def test_a_thousand_at_once_are_gathered(room):
    city = room({"one": {"gather_above": 5, "per_minute": 60}}, stations=150)

    async def run():
        async with city.telling():
            gate = city.channels["one"].gate = threading.Event()
            city.level("s0", 1.6)
            for name in city.names[1:]:
                city.level(name, 1.6)
            gate.set()
            await until(lambda: sum(max(1, len(n.members)) for n in city.channels["one"].got) == 150)

    asyncio.run(run())
    assert len(city.channels["one"].got) <= 4
    whole = max(city.channels["one"].got, key=lambda n: len(n.members))
    assert whole.action == "gathered" and "notices in one" in whole.english and whole.link == ""


def test_a_night_is_told_in_the_morning_as_one_and_what_is_severe_at_once(room):
    city = room({"one": {"gather_above": 5, "quiet": {"from": "22:00", "until": "05:00"}}})
    one = city.channels["one"]
    city.ms += 500 * MINUTE  # 23:20 WIB

    async def run():
        async with city.telling() as notifier:
            await until(notifier.figures)
            city.level("s0", 1.2)
            city.level("s1", 1.6)
            city.level("s2", 2.6)
            await until(lambda: one.said == ["open 3"])
            assert notifier.figures()['notices_oldest_seconds{channel="one"}'] == 0
            city.level("s0", 0.2, after_min=10)
            city.level("s0", 0.2, after_min=5)
            await until(lambda: notifier._senders["one"][0].load.waiting == 3)
            city.ms += 325 * MINUTE
            notifier._senders["one"][0].wake()
            await until(lambda: len(one.got) == 2)

    asyncio.run(run())
    night = one.got[1]
    assert [(n.action, n.alert.id) for n in night.members] == [("open", 1), ("open", 2), ("clear", 1)]
    assert "Held back during the quiet hours" in night.english and not night.late


def test_after_a_restart_nothing_is_told_twice_and_nothing_is_missed(room):
    city = room({"one": {}})

    async def first():
        async with city.telling():
            city.level("s0", 1.6)
            await until(lambda: city.channels["one"].said == ["open 1"])

    async def second():
        async with city.telling() as notifier:
            await until(lambda: len(city.channels["one"].got) == 2)
            await until(lambda: notifier._senders["one"][0].sent == 1)

    asyncio.run(first())
    city.level("s1", 1.6)  # nobody listens
    city.ms += 10 * MINUTE
    asyncio.run(second())
    assert city.channels["one"].said == ["open 1", "open 2"]
    assert [n.late for n in city.channels["one"].got] == [False, True]


def test_a_new_channel_hears_what_stands_and_a_changed_one_goes_on(room):
    city = room({"one": {}})

    async def run():
        async with city.telling() as notifier:
            city.level("s0", 1.6)
            await until(lambda: city.channels["one"].got)
            city.alerts.acknowledge(1, "operator-1", city.ms)
            first = city.channels["one"]
            await until(lambda: len(first.got) == 2)
            city.tables = {"one": {"min_severity": "severe"}, "new": {}}
            city.channels["new"] = type(first)("new")
            notifier.use(city.setup())
            await until(lambda: city.channels["new"].said == ["open 1"])
            assert first.closed and len(first.got) == 2
            city.level("s1", 1.6)
            city.level("s2", 2.6)
            await until(lambda: sorted(city.channels["new"].said) == ["open 1", "open 2", "open 3"])
            await until(lambda: first.said[2:] == ["open 3"])

    asyncio.run(run())


def test_a_store_of_alerts_that_was_begun_anew_is_told_from_its_beginning(room, tmp_path):
    city = room({"one": {}})
    with closing(Outbox(tmp_path / "notices.sqlite3", "tng")) as box:
        box.commit(5000, {}, [], city.ms, met=["one"])
    city.level("s0", 1.6)

    async def run():
        async with city.telling():
            await until(lambda: city.channels["one"].said == ["open 1"])

    asyncio.run(run())


def test_a_full_disk_loses_nothing(room, tmp_path):
    city = room({"one": {}})
    path = tmp_path / "notices.sqlite3"

    def full(name, table):
        with closing(sqlite3.connect(path, timeout=5)) as db:
            db.execute(
                f"CREATE TRIGGER {name} BEFORE {table} BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            )
            db.commit()

    def room_again(name):
        with closing(sqlite3.connect(path, timeout=5)) as db:
            db.execute(f"DROP TRIGGER {name}")
            db.commit()

    async def run():
        async with city.telling() as notifier:
            await until(notifier.figures)
            full("a", "INSERT ON notices")
            city.level("s0", 1.6)
            await until(notifier.problems)
            assert "alerts do not go out: database or disk is full" in notifier.problems()[0]
            room_again("a")
            await until(lambda: city.channels["one"].said == ["open 1"])
            assert notifier.problems() == []

    asyncio.run(run())


def test_what_was_told_and_could_not_be_noted_is_not_told_again(room, tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "_DISK_S", 0.02)
    city = room({"one": {}})
    fails = [sqlite3.OperationalError("disk full")] * 3
    end = Outbox.end

    def ends(self, *values):
        if fails:
            raise fails.pop()
        end(self, *values)

    monkeypatch.setattr(Outbox, "end", ends)

    async def run():
        async with city.telling() as notifier:
            city.level("s0", 1.6)
            await until(lambda: not fails)
            await until(lambda: not notifier._senders["one"][0].trouble)
            city.level("s1", 1.6)
            await until(lambda: city.channels["one"].said == ["open 1", "open 2"])

    asyncio.run(run())
    with closing(NoticeReader(tmp_path / "notices.sqlite3")) as reader:
        assert [one.outcome for one in reader.log()] == ["sent", "sent"]


def test_the_rate_is_a_burst_and_then_one_after_another():
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    for _ in range(60):
        assert rate.wait_s() == 0
        rate.take()
    assert rate.wait_s() == pytest.approx(1.0)
    now[0] = 1.0
    assert rate.wait_s() == 0
    now[0] = 1e6
    rate.take()
    assert rate.wait_s() == 0

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from pantau.decode import Decoder
from pantau.followers import FollowerStore
from pantau.sinks import Verdict
from pantau.spool import Spool, SpoolUnavailable
from pantau.worker import Worker
from unit.host import bridge_kit as kit
from unit.host.follower_kit import Books, Plain, Target, fill, follow, to_the_end


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    yield made
    made.close()


def test_it_delivers_in_order_from_its_cursor_and_remembers(tmp_path, spool):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 6)))
    sink = Target()
    books = Books(spool)
    asyncio.run(to_the_end(follow(tmp_path, spool, sink, 2, books)))
    assert sink.got == [3, 4, 5]
    assert sink.closed
    assert books.saved == {"target": 5}


def test_position_and_quality_state_are_one_and_survive(tmp_path, spool):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 6)))
    path = tmp_path / "followers.sqlite3"
    store = FollowerStore(path)
    answers = iter([Verdict("retry", "away")] * 15)
    sink = Target(lambda _: next(answers, Verdict("stored")))

    async def run():
        follower = follow(tmp_path, spool, sink, 0, Books(spool, store))
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: len(sink.got) == 5)
        await follower.stop(5, task)

    asyncio.run(run())
    store.close()
    again = FollowerStore(path)
    # asked to retry three times, and yet each frame was folded once
    assert (again.position("target"), dict(again.state("target"))) == (5, {"seen": "5"})
    assert (again.position("other"), dict(again.state("other"))) == (None, {})
    assert again.state("target").get("unseen") is None
    again.close()


def test_a_replay_does_not_come_between_a_folded_batch_and_its_sink(tmp_path, spool):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 4)))
    answers = iter([Verdict("retry", "away")] * 4)
    sink, quality = Target(lambda _: next(answers, Verdict("stored"))), Plain()

    async def run():
        follower = follow(tmp_path, spool, sink, 1, quality=quality)
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.trouble)
        follower.deliver_again({1: 0})
        await kit.until(lambda: len(sink.got) == 3)
        await follower.stop(5, task)

    asyncio.run(run())
    assert (sink.got, quality.seen) == ([2, 3, 1], 3)


def test_a_state_that_cannot_be_read_is_waited_for_and_no_frame_goes_unjudged(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1), kit.records(2))
    fails = iter([SpoolUnavailable("I/O")] * 2)

    class Unread(Plain):
        def assess(self, decoded):
            for error in fails:
                raise error
            return super().assess(decoded)

    sink, quality = Target(), Unread()

    async def run():
        follower = follow(tmp_path, spool, sink, quality=quality)
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.position == 2)
        await follower.stop(5, task)

    asyncio.run(run())
    assert (sink.got, quality.seen) == ([1, 2], 2)


def test_marks_that_cannot_be_written_are_tried_again_without_the_batch(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1), kit.records(2))
    sink = Target(lambda item: Verdict("rejected", "no") if item.seq == 1 else Verdict("stored"))
    fails = iter([SpoolUnavailable("full")] * 2)

    class Full(Books):
        async def mark(self, marks):
            for error in fails:
                raise error
            await super().mark(marks)

    async def run():
        follower = follow(tmp_path, spool, sink, 0, Full(spool))
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.position == 2)
        await follower.stop(5, task)

    asyncio.run(run())
    assert sink.asked == 1
    assert [entry.seq for entry in spool.entries(None, None)] == [1]


def test_a_defect_of_the_quality_control_costs_flags_and_no_reading(tmp_path, spool, caplog):
    fill(tmp_path, spool, kit.records(1))

    class Broken(Plain):
        def assess(self, decoded):
            raise ZeroDivisionError("a defect")

    sink = Target()
    asyncio.run(to_the_end(follow(tmp_path, spool, sink, quality=Broken())))
    assert sink.got == [1]
    assert "quality.failed" in caplog.text


def test_a_frame_that_the_log_no_longer_holds_stays_in_quarantine(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1))
    choosy = Target(lambda _: Verdict("rejected", "no room"))
    asyncio.run(to_the_end(follow(tmp_path, spool, choosy)))
    assert spool.prune(1) == 1
    (entry,) = spool.entries(None, None)
    assert entry.payload == kit.records(1)
    follower = follow(tmp_path, spool, Target(), position=1)
    follower.deliver_again({entry.frame_id: entry.id})
    asyncio.run(to_the_end(follower))
    assert len(spool.entries(None, None)) == 1


def test_what_cannot_be_decoded_is_quarantined_and_the_rest_goes_on(tmp_path, spool):
    broken = kit.resign(kit.records(2)[:-12])
    fill(tmp_path, spool, kit.records(1), broken, kit.records(3))
    sink = Target(lambda item: Verdict("rejected", item.error) if item.error else Verdict("stored"))
    asyncio.run(to_the_end(follow(tmp_path, spool, sink)))
    (entry,) = spool.entries(None, None)
    assert (entry.reason, entry.seq, entry.frame_id) == ("undecodable", 2, 2)
    assert sink.got == [1, 2, 3]


def test_a_defect_of_the_decoder_marks_one_frame_and_ends_nothing(tmp_path, spool, monkeypatch):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 4)))
    decode = Decoder.decode

    def defective(self, frame):
        if frame.seq == 2:
            raise ZeroDivisionError("a defect")
        return decode(self, frame)

    monkeypatch.setattr(Decoder, "decode", defective)
    sink = Target(lambda item: Verdict("rejected", item.error) if item.error else Verdict("stored"))
    asyncio.run(to_the_end(follow(tmp_path, spool, sink)))
    (entry,) = spool.entries(None, None)
    assert (entry.reason, entry.seq) == ("undecodable", 2)
    assert "ZeroDivisionError" in entry.detail
    assert sink.got == [1, 2, 3]


def test_a_replayed_frame_leaves_the_quarantine_when_the_sink_takes_it(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1), kit.records(2))
    choosy = Target(lambda item: Verdict("rejected", "no room") if item.seq == 1 else Verdict("stored"))
    asyncio.run(to_the_end(follow(tmp_path, spool, choosy)))
    (entry,) = spool.entries("sink_rejected", kit.NODE)
    assert entry.detail == "target: no room"
    follower = follow(tmp_path, spool, Target(), position=2)
    follower.deliver_again({entry.frame_id: entry.id})
    asyncio.run(to_the_end(follower))
    assert spool.entries(None, None) == []
    assert follower.position == 2


def test_a_sink_in_trouble_is_asked_again_and_nothing_is_skipped(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1), kit.records(2))
    answers = iter([Verdict("retry", "server away")] * 4)
    sink = Target(lambda _: next(answers, Verdict("stored")))

    async def run():
        follower = follow(tmp_path, spool, sink)
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.trouble)
        assert follower.problems() == ["sink target: server away"]
        await kit.until(lambda: sink.got == [1, 2])
        await follower.stop(5, task)
        assert follower.problems() == []

    asyncio.run(run())


def test_a_sink_that_breaks_its_contract_harms_only_itself(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1))

    def broken(_):
        raise KeyError("oops")

    async def run():
        follower = follow(tmp_path, spool, Target(broken))
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.trouble)
        assert "KeyError" in follower.problems()[0]
        await follower.stop(5, task)

    asyncio.run(run())


def test_a_sink_that_answers_for_fewer_frames_or_does_not_close_harms_only_itself(tmp_path, spool, caplog):
    fill(tmp_path, spool, kit.records(1))

    class Short(Target):
        def deliver(self, batch):
            return []

        def close(self):
            raise OSError("disk full")

    async def run():
        follower = follow(tmp_path, spool, Short())
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.trouble or task.done())
        assert "ValueError" in follower.problems()[0]
        await follower.stop(5, task)

    asyncio.run(run())
    assert "sink.not_closed" in caplog.text


def test_a_sink_that_hangs_holds_up_neither_another_nor_the_stop(tmp_path, spool):
    fill(tmp_path, spool, kit.records(1))
    release = threading.Event()

    def hang(_):
        release.wait(30)
        return Verdict("stored")

    async def run():
        hung, well = follow(tmp_path, spool, Target(hang)), Target()
        other = follow(tmp_path, spool, well)
        tasks = [asyncio.create_task(f.run()) for f in (hung, other)]
        await kit.until(lambda: well.got == [1])
        hung._busy_since = time.monotonic() - 31
        assert "has not answered for 31 s" in hung.problems()[0]
        await other.stop(5, tasks[1])
        await hung.stop(0.05, tasks[0])
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[0].cancelled()

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 10
    release.set()


def test_a_worker_carries_results_and_errors_in_order():
    async def run():
        worker, order = Worker("test"), []
        results = await asyncio.gather(*(worker.call(order.append, n) for n in range(5)))
        assert (results, order) == ([None] * 5, [0, 1, 2, 3, 4])
        with pytest.raises(ZeroDivisionError):
            await worker.call(lambda: 1 // 0)
        worker.stop()

    asyncio.run(run())

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pantau.decode import Decoder
from pantau.sinks import Verdict
from pantau.spool import Spool, SpoolReader
from unit.host import bridge_kit as kit
from unit.host.follower_kit import Books, Plain, Target, fill, follow, to_the_end


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    yield made
    made.close()


def test_it_starts_where_the_target_is_when_that_holds_less(tmp_path, spool):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 6)))
    for holds, noted, first in ((2, 4, 3), (4, 2, 3), (3, None, 4), (None, None, 1), (None, 4, 5)):
        sink = Target()
        sink.holds = holds
        asyncio.run(to_the_end(follow(tmp_path, spool, sink, noted)))
        assert sink.got == list(range(first, 6)), (holds, noted)


def test_a_target_that_lost_its_data_in_an_outage_gets_it_again(tmp_path, spool):
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 6)))
    sink, books = Target(), Books(spool)
    sink.holds = 3
    answers = iter([Verdict("retry", "database gone")])

    def answer(_item):
        sink.holds = max(sink.got, default=0)
        return next(answers, Verdict("stored"))

    sink.answer = answer

    async def run():
        follower = follow(tmp_path, spool, sink, 3, books)
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: len(sink.got) == 5)
        await follower.stop(5, task)

    asyncio.run(run())
    assert (sink.got, books.saved[sink.name]) == ([1, 2, 3, 4, 5], 5)


def test_frames_are_told_again_when_their_boot_gets_its_date(tmp_path, spool):
    class Dates(Plain):
        def assess(self, decoded):
            return replace(decoded, dated=(1, 2)) if decoded.id == 3 else super().assess(decoded)

    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 5)))
    sink = Target()
    told = []
    sink.answer = lambda item: told.append((item.seq, len(item.revisions))) or Verdict("stored")
    asyncio.run(to_the_end(follow(tmp_path, spool, sink, 2, quality=Dates())))
    count = len(Decoder(kit.registry(tmp_path)).decode(SpoolReader(spool.path).get([1])[0]).observations)
    assert told == [(3, 0), (1, count), (2, count), (4, 0)]


def test_a_frame_and_its_date_in_one_delivery_are_judged_apart(tmp_path, spool):
    """A sink that asks for a retry between gets the same: each of the two tellings is folded once."""

    class Dates(Plain):
        def assess(self, decoded):
            said = super().assess(decoded)
            return replace(said, dated=(1,) if decoded.id == 3 else (), clock=self.seen)

    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 4)))
    told = []
    verdicts = iter([Verdict("retry", "later")])
    sink = Target(lambda item: told.append((item.seq, item.clock)) or next(verdicts, Verdict("stored")))

    async def run():
        follower = follow(tmp_path, spool, sink, quality=Dates())
        task = asyncio.create_task(follower.run())
        await kit.until(lambda: follower.position == 3)
        await follower.stop(5, task)
        return follower

    follower = asyncio.run(run())
    assert told == 2 * [(1, 1), (2, 2), (3, 3), (1, 4)]
    assert not follower._delivery.waiting


def test_what_is_asked_for_again_before_its_turn_waits_for_it(tmp_path, spool):
    """Else a target that keeps a position would say that it holds the frames between."""
    fill(tmp_path, spool, *(kit.records(n) for n in range(1, 6)))
    sink = Target()
    follower = follow(tmp_path, spool, sink, 1)
    follower.deliver_again({1: 0, 4: 0})
    asyncio.run(to_the_end(follower))
    assert (sink.got, follower.waiting_again) == ([1, 2, 3, 4, 5, 4], 0)

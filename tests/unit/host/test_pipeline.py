from __future__ import annotations

import asyncio
import json
import logging
import random

import pytest

from pantau import log
from pantau.batch import Ack
from pantau.downlink import Downlink
from pantau.ingest import Ingest
from pantau.pipeline import Pipeline
from pantau.reconnect import Backoff
from pantau.sources import Chunk
from pantau.spool import Spool, SpoolUnavailable
from pantau.worker import Worker
from pantau_wire import frame as wire
from pantau_wire import names as T
from unit.host import bridge_kit as kit


class Far:
    """Broker and nodes: notes in which order things became known to them."""

    def __init__(self, events):
        self.events = events
        self.up = True
        self.sent = []

    def confirm(self, pids):
        self.events.append(("pubacks", *pids))

    def publish(self, node, what, payload):
        if self.up:
            assert wire.verify(payload, node, kit.KEY)
            self.sent.append((what, wire.decode(payload)))
            self.events.append((what,))
        return self.up


class Failing(Spool):
    """A spool whose disk is full for the first few commits."""

    fail = 0
    events: list[tuple[object, ...]]

    def commit(self, batch):
        if self.fail:
            self.fail -= 1
            raise SpoolUnavailable("disk full; free space")
        super().commit(batch)
        if batch.payloads:
            self.events.append(("commit", len(batch.payloads)))


@pytest.fixture
def made(tmp_path):
    events = []
    spool = Failing(tmp_path / "s.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    spool.events = events
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    clock = iter(range(5_000, 10**9))
    pipeline = Pipeline(
        gate,
        spool,
        Downlink(kit.KEYS, lambda: next(clock) // 10),
        Worker("spool"),
        max_batch=100,
        ack_interval_s=0,
        on_stored=lambda: events.append(("stored",)),
    )
    far = Far(events)
    pipeline.source = far
    yield pipeline, spool, far, events
    spool.close()


def arrive(pipeline, far, *payloads):
    pids = [b"\0%c" % pid for pid in range(1, len(payloads) + 1)]
    topics = [kit.up().encode()] * len(payloads)
    pipeline.inbox.put(Chunk(far, kit.NOW_MS, topics, list(payloads), pids, sum(map(len, payloads))))


async def run_out(pipeline):
    task = asyncio.create_task(pipeline.run())
    await kit.until(lambda: not len(pipeline.inbox))
    pipeline.stop()
    await task


def test_first_durable_then_confirmed_in_order_with_one_write_then_acknowledged(made):
    pipeline, _, far, events = made
    arrive(pipeline, far, kit.records(1), b"junk", kit.records(2), kit.records(1))
    asyncio.run(run_out(pipeline))
    assert events == [("commit", 2), ("pubacks", b"\0\1", b"\0\2", b"\0\3", b"\0\4"), ("stored",), ("ack",)]
    assert far.sent[0][1].fields == {"boot": 1, "through": 2, "map": 0}
    figures = pipeline.figures()
    assert (figures["frames_stored_total"], figures["frames_redelivered_total"]) == (2, 1)
    assert figures['frames_refused_total{reason="truncated"}'] == 1
    assert figures['commit_seconds{quantile="0.99"}'] > 0


def test_while_the_disk_is_full_nothing_is_confirmed_and_then_everything_is(made):
    pipeline, spool, far, events = made
    spool.fail = 2
    arrive(pipeline, far, kit.records(1))

    async def run():
        task = asyncio.create_task(pipeline.run())
        await kit.until(lambda: pipeline.trouble)
        assert events == []
        await kit.until(lambda: events)
        pipeline.stop()
        await task

    asyncio.run(run())
    assert events[:2] == [("commit", 1), ("pubacks", b"\0\1")]
    assert pipeline.trouble == ""
    assert pipeline.counts["commit_failures"] == 2
    assert pipeline.counts["new"] == 1


def test_a_stop_while_the_disk_is_full_confirms_nothing(made):
    pipeline, spool, far, events = made
    spool.fail = 10**9
    arrive(pipeline, far, kit.records(1))

    async def run():
        task = asyncio.create_task(pipeline.run())
        await kit.until(lambda: pipeline.trouble)
        pipeline.stop()
        await task

    asyncio.run(run())
    assert events == []


def test_an_acknowledgement_that_cannot_be_sent_stays_due_and_only_the_newest_goes(made):
    pipeline, _, far, _ = made
    far.up = False
    arrive(pipeline, far, kit.records(1))

    async def run():
        task = asyncio.create_task(pipeline.run())
        await kit.until(lambda: pipeline.counts["new"] == 1)
        arrive(pipeline, far, kit.records(2))
        await kit.until(lambda: pipeline.counts["new"] == 2)
        await kit.until(lambda: pipeline.figures()["acks_due"] == 1)
        far.up = True
        await pipeline.send_acks()
        pipeline.stop()
        await task

    asyncio.run(run())
    assert [(what, f.fields["through"]) for what, f in far.sent] == [("ack", 2)]


def test_a_fresh_question_about_the_time_is_answered(made):
    pipeline, _, far, _ = made
    arrive(pipeline, far, kit.health(1, time_nonce=5), kit.health(1, time_nonce=5))
    asyncio.run(run_out(pipeline))
    assert [f.fields["nonce"] for what, f in far.sent if f.kind == T.K_TIME] == [5]


def test_counters_rise_strictly_even_when_the_clock_does_not():
    down = Downlink(kit.KEYS, lambda: 1000)
    counters = [wire.decode(down.ack(Ack(kit.NODE, 1, 1, 0))).counter for _ in range(3)]
    assert counters == [1000, 1001, 1002]
    assert down.ack(Ack("gone-1", 1, 1, 0)) is None
    answer = down.time(kit.OTHER, 1)
    assert wire.verify(answer, kit.OTHER, kit.KEY)
    assert wire.decode(answer).key_id == 1


def test_backoff_is_jittered_capped_and_reset_only_by_lasting_success():
    waits = Backoff(rng=random.Random(1))
    first = [waits.next() for _ in range(200)]
    assert len(set(first)) > 20
    assert max(first) == 30.0
    assert min(first) >= 0.5
    waits.worked(2.0)
    assert waits.next() > 1.5
    waits.worked(60.0)
    assert waits.next() <= 1.5


@pytest.mark.parametrize("formatter", [log.Lines(), log.JsonLines()])
def test_one_event_is_one_line_whatever_a_stranger_sent(formatter):
    record = logging.makeLogRecord({
        "msg": "frame.refused", "levelno": 30, "levelname": "WARNING", "pantau_fields": {"topic": "a\nb \u2028c", "n": 3},
    })  # fmt: skip
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert "frame.refused" in line
    if isinstance(formatter, log.JsonLines):
        assert json.loads(line)["n"] == 3
    else:
        assert "n=3" in line

"""A pipeline that shares partitions with other bridges: what is not its own it leaves alone."""

from __future__ import annotations

import asyncio
import json

import pytest

from pantau import quarantine
from pantau.downlink import Downlink
from pantau.ingest import Ingest
from pantau.pipeline import Pipeline
from pantau.sources import Chunk, replay
from pantau.spool import Spool, SpoolReader
from pantau.worker import Worker
from pantau_wire import topics
from unit.host import bridge_kit as kit

OURS = topics.partition(kit.NODE)


class Connection:
    ended = False

    def confirm(self, pids):
        pass

    def publish(self, *_):
        return True


@pytest.fixture
def made(tmp_path):
    spool = Spool(tmp_path / "s.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    gate = Ingest(kit.CITY, kit.registry(tmp_path), kit.KEYS, spool)
    pipeline = Pipeline(
        gate, spool, Downlink(kit.KEYS, lambda: 1), Worker("spool"), max_batch=1, ack_interval_s=0, on_stored=lambda: None,
        replays=replay.Replays(tmp_path / "replay", kit.CITY), holds=lambda partition: partition == OURS,
    )  # fmt: skip
    yield pipeline, spool, gate
    spool.close()


async def run_out(pipeline, until=lambda: True):
    task = asyncio.create_task(pipeline.run())
    await kit.until(lambda: not len(pipeline.inbox) and until())
    pipeline.stop()
    await task


def stored(spool):
    return [(frame.node, frame.seq) for frame in SpoolReader(spool.path).read(0, 99)]


def test_what_an_ended_connection_left_behind_is_not_stored_before_what_comes_again(made):
    pipeline, spool, _ = made
    old, new = Connection(), Connection()
    old.ended = True  # it brought 1 and 2; the partition was lost when 1 had its turn, and is ours again when 2 has
    for connection, seq in ((old, 2), (new, 1), (new, 2)):
        payload = kit.records(seq)
        pipeline.inbox.put(Chunk(connection, kit.NOW_MS, [kit.up().encode()], [payload], [b"\0\1"], len(payload)))
    asyncio.run(run_out(pipeline))
    assert stored(spool) == [(kit.NODE, 1), (kit.NODE, 2)]


def test_a_file_with_frames_of_others_is_worked_through_and_says_which(made, tmp_path):
    pipeline, spool, _ = made
    other = kit.records(1, node=kit.OTHER, key=kit.OTHER_KEY)
    messages = [replay.Message(kit.up(kit.OTHER), other), replay.Message(kit.up(), kit.records(1))]
    request = replay.hand_over(tmp_path / "replay", messages)
    asyncio.run(run_out(pipeline, lambda: (request.state() or {}).get("done")))
    found = request.state()
    assert (found["new"], found["refused"], found["reasons"]) == (1, 1, {"elsewhere": 1}), json.dumps(found)
    assert stored(spool) == [(kit.NODE, 1)]
    assert spool.entries(None, None) == []


def test_what_was_refused_of_others_waits_until_it_is_ours(made):
    _, spool, gate = made
    gate.offer(kit.up(), b"junk", kit.NOW_MS)
    gate.offer(kit.up(kit.OTHER), b"junk", kit.NOW_MS)
    batch = gate.take()
    spool.commit(batch)
    gate.settle(batch)
    spool.want_replay([entry.id for entry in spool.entries(None, None)])
    done = quarantine.replay(spool, gate, holds=lambda partition: partition == OURS)
    assert done.tried == 1
    assert [entry.node or entry.topic for entry in spool.replay_wanted(9, stored_too=True)] == [kit.OTHER]

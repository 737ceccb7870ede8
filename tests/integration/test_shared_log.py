"""The log that bridges share, on a real nats-server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from needs import missing
from pantau import natslink
from pantau.cluster import message
from pantau.cluster.log import FencedError, SharedLog
from pantau.cluster.reader import SharedReaders
from pantau.cluster.settings import ClusterTable
from pantau.cluster.spool import SharedSpool, adopt
from pantau.ingest import Ingest
from pantau.spool import SpoolReader, SpoolUnavailable
from pantau.worker import Worker
from pantau_sim.servers import Missing
from pantau_sim.servers import nats as server
from pantau_wire import topics
from unit.host import bridge_kit as kit

PART = topics.partition(kit.NODE)


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    try:
        with server.running(tmp_path_factory.mktemp("nats")) as running:
            yield running
    except Missing as error:
        missing(error.what, error.package)


class Half:
    """A bridge's spool, gate and end of the shared log."""

    def __init__(self, folder, settings, city):
        folder.mkdir()
        self.spool = SharedSpool(folder / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
        self.gate = Ingest(kit.CITY, kit.registry(folder), kit.KEYS, self.spool)
        self.worker = Worker("spool")
        self.settings = settings
        self.log = SharedLog(
            settings.stream(city), settings, noted=self.spool.through, adopt=self.adopt, in_spool=self.worker.call
        )
        self.spool.attach(self.log)

    def adopt(self, *what):
        adopt(self.spool, self.gate, kit.CITY, *what)

    async def offer(self, *payloads):
        return await self.worker.call(self._store, payloads)

    def _store(self, payloads):
        self.gate.offer_many([kit.up().encode()] * len(payloads), list(payloads), kit.NOW_MS)
        batch = self.gate.take()
        try:
            self.spool.commit(batch)
        except BaseException:
            self.gate.abandon(batch)
            raise
        self.gate.settle(batch)
        return dict(+batch.counts)

    def close(self):
        self.worker.stop()
        self.spool.close()


@pytest.fixture
def halves(nats, tmp_path, request):
    city = f"tng-{abs(hash(request.node.name)) % 10**8}"
    settings = ClusterTable(servers=[nats.url], lab_plain=True, name="b1", replicas=1, max_mib=16, timeout_s=10.0)

    @asynccontextmanager
    async def opened(*names):
        made, clients = [], []
        for name in names:
            half = Half(tmp_path / name, settings, city)
            client = await natslink.connect(settings, "cluster", name)
            await half.log.connect(client)
            made.append(half)
            clients.append(client)
        try:
            yield made
        finally:
            for half in made:
                half.close()
            for client in clients:
                await natslink.close(client)

    opened.settings, opened.city = settings, city
    return opened


async def whole(halves):
    """All that the stream holds, read as a follower reads it: [(id, seq)]."""
    shared = await SharedReaders.connect(halves.city, halves.settings)
    reader = shared.reader()
    try:
        found, after = [], 0
        while some := await asyncio.to_thread(reader.read, after, 2):
            found += some
            after = some[-1].id
        again = await asyncio.to_thread(reader.get, [frame.id for frame in found])
        assert again == found
        await asyncio.to_thread(reader.close)
    finally:
        await natslink.close(shared.client)
    assert [frame.id for frame in found] == sorted(frame.id for frame in found)
    return [frame.seq for frame in found]


def test_a_commit_is_in_both_logs_and_followers_read_it(halves):
    async def run():
        async with halves("one") as (one,):
            with pytest.raises(SpoolUnavailable, match="another bridge's"):
                await one.offer(kit.records(1))
            await one.log.take(PART, 1)
            assert await one.offer(kit.records(1), kit.records(2)) == {"new": 2}
            assert await one.offer(kit.records(2), kit.records(3)) == {"new": 1, "redelivered": 1}
            return await whole(halves), [f.seq for f in SpoolReader(one.spool.path).read(0, 9)]

    assert asyncio.run(run()) == ([1, 2, 3], [1, 2, 3])


def test_an_heir_knows_what_its_predecessor_stored_and_fences_it(halves):
    async def run():
        async with halves("one", "two") as (one, two):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1), kit.records(2))
            await two.log.take(PART, 2)
            # What came to the old holder meanwhile is durable nowhere, so nobody acknowledges it.
            with pytest.raises(SpoolUnavailable, match="moved on"):
                await one.offer(kit.records(3))
            assert await one.log.catch_up() == [PART]
            with pytest.raises(SpoolUnavailable, match="another bridge's"):
                await one.offer(kit.records(3))
            with pytest.raises(FencedError):
                await one.log.take(PART, 1)
            assert await two.offer(kit.records(2), kit.records(3)) == {"new": 1, "redelivered": 1}
            return await whole(halves)

    assert asyncio.run(run()) == [1, 2, 3]


def test_what_was_appended_though_its_answer_was_lost_is_not_appended_twice(halves, monkeypatch):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            real, lost = one.log._publish, iter([True])

            async def publish(*what):
                sequence = await real(*what)
                if next(lost, False):
                    raise SpoolUnavailable("no answer")
                return sequence

            monkeypatch.setattr(one.log, "_publish", publish)
            with pytest.raises(SpoolUnavailable, match="0 of 1"):
                await one.offer(kit.records(1))
            assert await one.offer(kit.records(1)) == {"new": 1}
            return await whole(halves)

    assert asyncio.run(run()) == [1]


def test_a_kill_between_both_logs_leaves_nothing_that_a_start_does_not_find(halves, monkeypatch):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1))
            monkeypatch.setattr(one.spool, "_save_frames", lambda _: (_ for _ in ()).throw(SpoolUnavailable("killed")))
            with pytest.raises(SpoolUnavailable, match="killed"):
                await one.offer(kit.records(2))
            monkeypatch.undo()
            await one.log.take(PART, 2)  # as after a start
            assert await one.offer(kit.records(2)) == {"redelivered": 1}
            assert await one.offer(kit.records(3)) == {"new": 1}
            return await whole(halves), [f.seq for f in SpoolReader(one.spool.path).read(0, 9)]

    assert asyncio.run(run()) == ([1, 2, 3], [1, 2, 3])


def test_other_frames_after_a_failed_commit_wait_until_it_is_cleared_up(halves, monkeypatch):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            monkeypatch.setattr(one.spool, "_save_frames", lambda _: (_ for _ in ()).throw(SpoolUnavailable("full")))
            with pytest.raises(SpoolUnavailable, match="full"):
                await one.offer(kit.records(1))
            monkeypatch.undo()
            with pytest.raises(SpoolUnavailable, match="moved on"):
                await one.offer(kit.records(2))
            assert await one.log.catch_up() == []
            assert await one.offer(kit.records(1), kit.records(2)) == {"redelivered": 1, "new": 1}
            return await whole(halves)

    assert asyncio.run(run()) == [1, 2]


def test_a_reader_goes_back_and_starts_in_the_middle_of_a_message(halves):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            await one.offer(*(kit.records(n) for n in range(1, 6)))
            await one.offer(*(kit.records(n) for n in range(6, 9)))
            shared = await SharedReaders.connect(halves.city, halves.settings)
            reader = shared.reader()
            seqs = []
            try:
                first = await asyncio.to_thread(reader.read, 0, 8)
                for at in (1, 4, 3, 7):
                    found = await asyncio.to_thread(reader.read, first[at].id, 3)
                    seqs += [[frame.seq for frame in found]]
                assert await shared.last_id() >= first[-1].id
                assert await shared.held_at(0) == 0
                await shared.js.delete_consumer(shared.stream.name, (await reader._consumer.consumer_info()).name)
                reader._idle = 2
                await one.offer(kit.records(9))
                while not (found := await asyncio.to_thread(_patient, reader, first[-1].id)):
                    pass
                seqs.append([f.seq for f in found])
                await asyncio.to_thread(reader.close)
            finally:
                await natslink.close(shared.client)
            return [f.seq for f in first], seqs

    first, seqs = asyncio.run(run())
    assert first == list(range(1, 9)) or first == list(range(1, 6))
    assert seqs == [[3, 4, 5], [6, 7, 8], [5, 6, 7], [], [9]]


def _patient(reader, after):
    try:
        return reader.read(after, 3)
    except SpoolUnavailable:
        return []


def test_a_stream_that_was_made_anew_is_another_log(halves):
    async def run():
        async with halves("one") as (one,):
            before = one.log.identity
            client = await natslink.connect(halves.settings, "cluster", "admin")
            await client.jetstream().delete_stream(halves.settings.stream(halves.city).name)
            await one.log.connect(client)
            after = one.log.identity
            await natslink.close(client)
            return before, after

    before, after = asyncio.run(run())
    assert before != after


def test_what_the_stream_does_not_answer_is_not_durable(tmp_path):
    settings = ClusterTable(servers=["nats://127.0.0.1:1"], lab_plain=True, name="b1", timeout_s=0.3)
    with pytest.raises(OSError, match=r"nats://127.0.0.1:1: .*check the server and \[cluster\]"):
        asyncio.run(natslink.connect(settings, "cluster", "b1"))
    assert message.unpack(message.pack(3, [])).frames == []

"""The shared log when something goes wrong: on its way, in the server, in our own spool. On a real nats-server."""

from __future__ import annotations

import asyncio

import pytest

from integration import test_shared_log as shared_log
from integration.test_shared_log import PART, whole
from needs import missing
from pantau import natslink
from pantau.cluster import log as log_module
from pantau.cluster import reader as reader_module
from pantau.cluster.log import messages
from pantau.cluster.reader import SharedReaders
from pantau.spool import SpoolBroken, SpoolUnavailable
from pantau_sim.servers import Missing
from pantau_sim.servers import nats as server
from pantau_wire import topics
from unit.host import bridge_kit as kit

halves = shared_log.halves  # on the server of this file
SMALL = 4096  # what this server takes in one message


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    try:
        with server.running(tmp_path_factory.mktemp("nats"), config={"max_payload": SMALL}) as running:
            yield running
    except Missing as error:
        missing(error.what, error.package)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing here needs a second's patience."""
    monkeypatch.setattr(reader_module, "_WAIT_S", 0.2)
    monkeypatch.setattr(natslink, "_LOOK_S", 0.05)


async def steal(js, stream):
    """Take the next message from the newest consumer, as a connection that breaks does."""
    consumer = max(await js.consumers_info(stream), key=lambda info: info.created)
    inbox = await js._nc.subscribe(js._nc.new_inbox())
    await js._nc.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer.name}", b'{"batch": 1}', reply=inbox.subject)
    await inbox.next_msg(timeout=5)
    await inbox.unsubscribe()


def test_a_commit_larger_than_a_message_may_be_is_cut(halves):
    async def run():
        async with halves("one", "two") as (one, two):
            await one.log.take(PART, 1)
            assert await one.offer(*(kit.records(n) for n in range(1, 201))) == {"new": 200}
            await two.log.take(PART, 2)
            assert await two.offer(kit.records(200), kit.records(201)) == {"redelivered": 1, "new": 1}
            return await whole(halves), two.log.adopted

    seqs, adopted = asyncio.run(run())
    assert seqs == list(range(1, 202))
    assert adopted > 3


def test_of_a_commit_that_broke_off_only_the_rest_is_appended(halves, monkeypatch):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            real, count = one.log._publish, iter(range(99))

            async def publish(*what):
                if next(count) == 2:
                    raise SpoolUnavailable("no answer")
                return await real(*what)

            monkeypatch.setattr(one.log, "_publish", publish)
            frames = [kit.records(n) for n in range(1, 201)]
            with pytest.raises(SpoolUnavailable, match="0 of 1"):
                await one.offer(*frames)
            assert await one.offer(*frames) == {"new": 200}
            return await whole(halves)

    assert asyncio.run(run()) == list(range(1, 201))


def test_what_was_lost_on_its_way_to_a_follower_is_read_again(halves, monkeypatch):
    monkeypatch.setattr(reader_module, "_MESSAGES", 2)

    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            for n in range(1, 9):
                await one.offer(kit.records(n))
            shared = await SharedReaders.connect(halves.city, halves.settings)
            reader = shared.reader()
            found = await asyncio.to_thread(reader.read, 0, 1)
            await steal(shared.js, shared.stream.name)
            while len(found) < 8:
                found += await asyncio.to_thread(reader.read, found[-1].id, 3)
            await asyncio.to_thread(reader.close)
            await natslink.close(shared.client)
            return [f.seq for f in found]

    assert asyncio.run(run()) == list(range(1, 9))


def test_a_catch_up_ends_before_what_was_lost_on_its_way(halves, monkeypatch):
    monkeypatch.setattr(log_module, "_FETCH", 2)

    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            for n in range(1, 6):
                await one.offer(kit.records(n))
            seen = []
            async for message in messages(one.log._js, halves.settings.stream(halves.city), 0, PART):
                seen.append(message.sequence)
                if len(seen) == 1:
                    await steal(one.log._js, halves.settings.stream(halves.city).name)
            return seen

    assert asyncio.run(run()) == [1, 2]


def test_a_part_of_what_could_not_be_adopted_whole_is_not_in_the_way(halves, monkeypatch):
    async def run():
        async with halves("one", "two") as (one, two):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1))
            await one.offer(kit.records(2))
            await two.log.take(topics.partition(kit.OTHER), 1)
            real, count = two.gate.offer_many, iter(range(99))

            def offer_many(*what):
                if next(count) == 1:
                    raise SpoolUnavailable("the disk is away")
                real(*what)

            monkeypatch.setattr(two.gate, "offer_many", offer_many)
            with pytest.raises(SpoolUnavailable, match="away"):
                await two.log.take(PART, 2)
            other = kit.up(kit.OTHER).encode(), kit.records(7, node=kit.OTHER, key=kit.OTHER_KEY)
            monkeypatch.setattr(kit, "up", other[0].decode)
            assert await two.offer(other[1]) == {"new": 1}
            return sorted(await whole(halves))

    assert asyncio.run(run()) == [1, 2, 7]


def test_an_adoption_is_stored_in_parts(halves, monkeypatch):
    monkeypatch.setattr(log_module, "_ADOPTED", 50)

    async def run():
        async with halves("one", "two") as (one, two):
            await one.log.take(PART, 1)
            await one.offer(*(kit.records(n) for n in range(1, 201)))
            await two.log.take(PART, 2)
            return [row[0] for row in two.spool._db.execute("SELECT frames FROM blocks")]

    assert max(counts := asyncio.run(run())) < 120
    assert sum(counts) == 200


def test_a_log_made_anew_under_a_bridge_is_appended_to_from_its_start(halves):
    async def run():
        async with halves("one", "two") as (one, two):
            name = halves.settings.stream(halves.city).name
            await one.log.take(PART, 1)
            await one.offer(kit.records(1), kit.records(2))
            before = one.log.identity
            await one.log._js.delete_stream(name)
            with pytest.raises(SpoolUnavailable, match="moved on"):
                await one.offer(kit.records(3))
            assert await one.log.catch_up() == []
            assert await one.offer(kit.records(3)) == {"new": 1}
            assert one.log.identity != before
            await asyncio.wait_for(two.log.take(PART, 2), 5)
            assert await two.offer(kit.records(3)) == {"redelivered": 1}
            return await whole(halves)

    assert asyncio.run(run()) == [3]


def test_a_log_that_lost_its_end_is_read_anew(halves, monkeypatch):
    monkeypatch.setattr(reader_module, "_SHORT_S", 0.1)

    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1), kit.records(2))
            one.spool.note(f"{one.log.identity} p{PART:02d}", "1000")  # as it was before the servers lost power
            await asyncio.wait_for(one.log.take(PART, 2), 5)
            assert await one.offer(kit.records(2), kit.records(3)) == {"redelivered": 1, "new": 1}
            shared = await SharedReaders.connect(halves.city, halves.settings)
            reader = shared.reader()
            with pytest.raises(SpoolUnavailable, match="and 1000 was delivered"):
                await asyncio.to_thread(reader.read, 1000 << 16, 9)
            await asyncio.sleep(0.1)
            found = await asyncio.to_thread(reader.read, 1000 << 16, 9)
            while len(found) < 3:
                found += await asyncio.to_thread(reader.read, found[-1].id, 9)
            await asyncio.to_thread(reader.close)
            await natslink.close(shared.client)
            return [f.seq for f in found]

    assert asyncio.run(run()) == [1, 2, 3]


def test_a_follower_does_not_go_on_in_a_log_made_anew(halves):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1))
            shared = await SharedReaders.connect(halves.city, halves.settings)
            reader = shared.reader()
            first = await asyncio.to_thread(reader.read, 0, 9)
            await one.log._js.delete_stream(shared.stream.name)
            await log_module.ensure(one.log._js, shared.stream)
            await asyncio.to_thread(reader._drop)  # as when its consumer's server ended
            with pytest.raises(SpoolBroken, match="made anew"):
                await asyncio.to_thread(reader.read, first[-1].id, 9)
            await asyncio.to_thread(reader.close)
            await natslink.close(shared.client)

    asyncio.run(run())


def test_trouble_of_the_servers_is_told_in_words_to_whoever_asks_in_the_loop(halves):
    async def run():
        async with halves():
            shared = await SharedReaders.connect(halves.city, halves.settings)
            # A word of the server's after which the package gives up: it does not come back by itself.
            await shared.client._process_err("'user authentication expired'")
            with pytest.raises(OSError, match="authentication expired"):
                await asyncio.wait_for(natslink.ended(shared.client), 10)
            for asked in (shared.last_id(), shared.held_at(0)):
                with pytest.raises(SpoolUnavailable, match="check the NATS servers"):
                    await asked
            await natslink.close(shared.client)

    asyncio.run(run())


def test_a_full_log_refuses_and_takes_again_when_there_is_room(halves):
    async def run():
        async with halves("one") as (one,):
            js, stream = one.log._js, halves.settings.stream(halves.city)
            config = (await js.stream_info(stream.name)).config
            config.max_bytes = 2000
            await js.update_stream(config)
            await one.log.take(PART, 1)
            while (await js.stream_info(stream.name)).state.bytes < 1800:
                await one.offer(kit.records(one.spool.last_id + 1))
            with pytest.raises(SpoolUnavailable, match=r"refuses: .*maximum bytes"):
                await one.offer(*(kit.records(one.spool.last_id + 1 + n) for n in range(3)))
            had = one.spool.last_id
            await js.purge_stream(stream.name)  # as when its messages have had their days
            with pytest.raises(SpoolUnavailable, match="moved on"):
                await one.offer(kit.records(had + 1))
            assert await one.log.catch_up() == []
            assert await one.offer(kit.records(had), kit.records(had + 1)) == {"redelivered": 1, "new": 1}
            return had, await whole(halves)

    had, seqs = asyncio.run(run())
    assert 3 < had < 30
    assert seqs == [had + 1]


def test_a_message_that_nobody_can_read_keeps_a_bridge_from_the_partition_and_nothing_else(halves):
    async def run():
        async with halves("one") as (one,):
            await one.log.take(PART, 1)
            await one.offer(kit.records(1))
            await one.log._js.publish(halves.settings.stream(halves.city).subject(PART), b"hello")
            with pytest.raises(SpoolUnavailable, match="moved on"):
                await one.offer(kit.records(2))
            with pytest.raises(SpoolUnavailable, match=r"message 3 of the shared log.*delete the message"):
                await one.log.catch_up()
            await one.log._js.delete_msg(halves.settings.stream(halves.city).name, 3)
            await one.log.take(PART, 2)
            assert await one.offer(kit.records(2)) == {"new": 1}
            return await whole(halves)

    assert asyncio.run(run()) == [1, 2]

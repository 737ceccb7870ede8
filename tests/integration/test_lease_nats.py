"""Leases in the bucket of a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import time

import pytest

from needs import missing
from pantau import natslink
from pantau.cluster.keeper import Keeper, identify
from pantau.cluster.settings import ClusterTable
from pantau_sim.servers import Missing, nats

LEASE_S = 1.5
PATIENCE_S = 15.0
ALL = frozenset(range(64))
_cities = (f"lease{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    try:
        with nats.running(tmp_path_factory.mktemp("nats")) as made:
            yield made
    except Missing as error:
        missing(error.what, error.package)


def in_loop(test):
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Bridge:
    """What a keeper tells, and whether it keeps its word."""

    def __init__(self, server: nats.Server, city: str, name: str) -> None:
        self.server, self.city = server, city
        self.settings = ClusterTable(
            servers=[server.url], lab_plain=True, name=name, replicas=1, lease_s=LEASE_S, timeout_s=2.0
        )
        self.working: set[int] = set()
        self.releasing = 0
        self.epochs: dict[int, int] = {}
        self.fenced: list[int] = []
        self.refuses: set[int] = set()
        self.keeper: Keeper | None = None
        self._task: asyncio.Task[None] | None = None
        self._client = None

    async def start(self, who=None) -> Bridge:
        self._client = await natslink.connect(self.settings, "cluster", self.settings.name)
        self.keeper = Keeper(
            self._client, self.city, self.settings, on_take=self.take, on_release=self.release, on_fenced=self.fence, who=who
        )  # fmt: skip
        self._task = asyncio.create_task(self.keeper.run())
        return self

    async def crash(self) -> None:
        """Nothing more is said to the store; what it believed is over."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await natslink.close(self._client)

    async def take(self, partition: int, epoch: int) -> None:
        if partition in self.refuses:
            raise OSError("not now")
        assert partition not in self.working
        assert epoch > self.epochs.get(partition, 0)
        self.epochs[partition] = epoch
        self.working.add(partition)

    async def release(self, partition: int) -> None:
        self.releasing += 1
        await asyncio.sleep(0.02)
        assert partition in self.keeper.held()
        self.working.remove(partition)
        self.releasing -= 1

    def fence(self, partitions) -> None:
        self.fenced += partitions
        self.working -= set(partitions)


async def until(what, why: str) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < PATIENCE_S, why
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def halves(*bridges: Bridge):
    def shared() -> bool:
        working = [bridge.working for bridge in bridges]
        assert sum(map(len, working)) == len(set().union(*working)), "one partition, two bridges"
        return set().union(*working) == ALL and max(map(len, working)) == -(-64 // len(bridges))

    return shared


@in_loop
async def test_bridges_share_hand_over_and_inherit(server, tmp_path):
    city = next(_cities)
    one = await Bridge(server, city, "one").start(identify(tmp_path, "one"))
    await until(halves(one), "the first alone holds all")
    two = await Bridge(server, city, "two").start()
    await until(halves(one, two), "each holds half")
    assert not one.fenced and not two.fenced
    assert all(two.epochs[p] > one.epochs[p] for p in two.working)

    before = frozenset(one.working)  # a restart keeps them, without waiting for the lease
    await one.crash()
    one.epochs.clear()
    await one.start(identify(tmp_path, "one"))
    took_s = await until(lambda: one.working == before, "it has back what it held")
    assert took_s < LEASE_S and len(two.working) == 32

    await two.crash()  # nobody hands over: the lease has to end
    took_s = await until(halves(one), "the heir holds all")
    assert took_s > LEASE_S * 0.8
    three = await Bridge(server, city, "three").start()
    await until(halves(one, three), "shared again")
    await asyncio.wait_for(one.keeper.leave(), PATIENCE_S)
    assert not one.working and not one.keeper.held()
    await until(halves(three), "all are with the one that stays")
    assert three.keeper.figures()["lease_bridges_live"] == 1
    for bridge in (one, three):
        assert bridge.keeper.problems() == []
        await bridge.crash()


@in_loop
async def test_without_nats_nothing_is_held_and_it_comes_back_by_itself(server):
    city = next(_cities)
    bridges = [await Bridge(server, city, name).start() for name in ("one", "two")]
    await until(halves(*bridges), "each holds half")
    before = [frozenset(bridge.working) for bridge in bridges]
    server.hang()
    try:
        took_s = await until(lambda: not any(bridge.keeper.held() for bridge in bridges), "beliefs end")
        assert took_s <= LEASE_S * 2 / 3 + 0.1
        await until(lambda: not any(bridge.working for bridge in bridges), "and work does")
        assert "no lease is confirmed" in bridges[0].keeper.problems()[0]
        await asyncio.sleep(LEASE_S)
    finally:
        server.resume()
    await until(halves(*bridges), "all is as before")
    assert [frozenset(bridge.working) for bridge in bridges] == before

    server.kill()  # and its connections
    await until(lambda: not any(bridge.working for bridge in bridges), "work ends")
    await asyncio.to_thread(server.start)
    await until(halves(*bridges), "all is as before")
    assert [frozenset(bridge.working) for bridge in bridges] == before
    for bridge in bridges:
        await bridge.crash()


@in_loop
async def test_a_lost_bucket_is_made_anew_and_epochs_still_rise(server):
    city = next(_cities)
    bridge = await Bridge(server, city, "one").start()
    await until(halves(bridge), "it holds all")
    client = await natslink.connect(bridge.settings, "cluster", "test")
    await client.jetstream().delete_key_value(bridge.keeper.bucket)
    await until(lambda: bridge.fenced, "beliefs end")
    await until(halves(bridge), "it holds all again")  # take() asserts that epochs rise
    await natslink.close(client)
    await bridge.crash()


@in_loop
async def test_what_cannot_be_begun_is_given_back_and_tried_again_and_a_namesake_waits(server):
    city = next(_cities)
    bridge = Bridge(server, city, "one")
    bridge.refuses = {5}
    await bridge.start()
    await until(lambda: bridge.working == ALL - {5}, "the others are held")
    other = await Bridge(server, city, "one").start()
    await until(other.keeper.problems, "it says why it holds nothing")
    assert "give each its own" in other.keeper.problems()[0] and not other.working
    bridge.refuses.clear()
    await until(halves(bridge), "and that one too")
    bridge.working.remove(9)
    bridge.keeper.give_back([9])  # its log was another's
    await until(halves(bridge), "and it is taken once more, in a later epoch")
    for one in (bridge, other):
        await one.crash()


class Deaf(Bridge):
    """One whose beginning does not hear that it is cancelled, as Python 3.11's wait_for may not."""

    async def take(self, partition: int, epoch: int) -> None:
        if partition == 5 and 5 not in self.epochs:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE_S)
        await super().take(partition, epoch)


@in_loop
async def test_what_is_begun_after_its_lease_has_ended_is_ended_at_once(server):
    bridge = await Deaf(server, next(_cities), "one").start()
    await until(lambda: bridge.working == ALL - {5}, "the others are held")
    server.hang()
    try:
        await until(lambda: 5 in bridge.epochs, "it begins all the same")
        await until(lambda: not bridge.working, "and ends again")
    finally:
        server.resume()
    await until(halves(bridge), "all are held again")
    await bridge.crash()

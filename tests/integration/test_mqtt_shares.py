"""Two MQTT sources share the partition sessions of a real broker, and hand one over while messages flow."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest

from integration.bridge_env import Broker, free_port
from needs import missing
from pantau.config import MqttTable
from pantau.sources import Inbox, confirm
from pantau.sources.mqtt import MqttSource
from pantau_sim.servers import Missing, nats
from pantau_wire import topics

CITY = "tangerang"
PATIENCE_S = 15.0
PARTITION = 7
NODES = [name for name in (f"n-{k}" for k in range(1000)) if topics.partition(name) == PARTITION][:3]
HERE, THERE = range(8), range(8, 16)  # enough of the 64 to tell


def in_loop(test):
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class At(NamedTuple):
    """A broker that runs. nats-server brings what is not confirmed only after its ack_wait, behind what came later."""

    name: str
    port: int

    def expects(self, store: list[tuple[str, bytes]], count: int, *, once: bool) -> None:
        """All of `count` messages of each node are there, in order where the broker keeps it."""
        assert {topic.split("/")[4] for topic, _ in store} == set(NODES)
        for node in NODES:
            numbers = [int(payload) for topic, payload in store if topic.split("/")[4] == node]
            if not once:
                numbers = list(dict.fromkeys(numbers))
            assert (numbers if self.name == "mosquitto" else sorted(numbers)) == list(range(count))


@pytest.fixture(scope="module", params=["mosquitto", "nats"])
def broker(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "mosquitto":
        made = Broker(folder).start()
        yield At("mosquitto", made.port)
        made.stop()
        return
    try:
        mqtt = {"listen": f"127.0.0.1:{(port := free_port())}", "max_ack_pending": 2000, "ack_wait": "1s"}
        with nats.running(folder, config={"mqtt": mqtt}):
            yield At("nats", port)
    except Missing as error:
        missing(error.what, error.package)


class Bridge:
    """A source, and somebody behind it who stores and then confirms, unless frozen."""

    def __init__(self, broker: At, prefix: str, version: str, store: list[tuple[str, bytes]]) -> None:
        settings = MqttTable(
            host="127.0.0.1", port=broker.port, tls=False, lab_plain=True, client_prefix=prefix, version=version
        )
        self.source = MqttSource(CITY, settings, expect_session=False, on_settled=self._settled)
        self.source.hold(())
        self.settled = 0
        self.store = store
        self.mine: list[bytes] = []
        self.inbox = Inbox()
        self.frozen = False
        self._tasks: list[asyncio.Task[None]] = []

    def _settled(self) -> None:
        self.settled += 1

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self.source.run(self.inbox)), asyncio.create_task(self._work())]

    async def stop(self) -> None:
        await self.source.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self.inbox.wait(0.05)
            if self.frozen:
                await asyncio.sleep(0.02)
                continue
            chunks = self.inbox.take(20)
            await asyncio.sleep(0.005)  # a commit
            for chunk in chunks:
                got = [(topic.decode(), payload) for topic, payload in zip(chunk.topics, chunk.payloads, strict=True)]
                self.store += got
                self.mine += [payload for _, payload in got]
            confirm(chunks)


class Nodes:
    """Publishes numbered messages for the nodes of one partition, each confirmed by the broker before the next."""

    def __init__(self, broker: At, prefix: str) -> None:
        settings = MqttTable(host="127.0.0.1", port=broker.port, tls=False, lab_plain=True, client_prefix=prefix)
        self.source = MqttSource(CITY, settings, expect_session=False, on_settled=lambda: None)
        self.source.hold([PARTITION])
        self.sent = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.source.run(Inbox()))
        await until(lambda: self.source.connected == 1)

    async def send(self, count: int) -> None:
        for _ in range(count):
            for node in NODES:
                await until(functools.partial(self.source.publish, node, "up", b"%d" % self.sent))
            self.sent += 1
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        await self.source.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def two(broker: At, prefix: str, version: str = "3.1.1") -> AsyncIterator[tuple[Bridge, Bridge, Nodes]]:
    store: list[tuple[str, bytes]] = []
    one, other = (Bridge(broker, prefix, version, store) for _ in range(2))
    nodes = Nodes(broker, f"{prefix}-nodes")
    one.source.hold(HERE)
    other.source.hold(THERE)
    try:
        for bridge in (one, other):
            bridge.start()
        await until(lambda: one.source.connected == other.source.connected == 8)
        await nodes.start()
        yield one, other, nodes
    finally:
        for part in (one, other, nodes):
            await part.stop()


@in_loop
async def test_a_partition_moves_while_messages_flow_and_nothing_is_lost_doubled_or_out_of_order(broker):
    async with two(broker, "moves") as (one, other, nodes):
        assert one.settled and one.source.problems() == []
        assert one.source.publish(NODES[0], "ack", b"") and not other.source.publish(NODES[0], "ack", b"")
        sending = asyncio.create_task(nodes.send(400))
        for giver, taker in ((one, other), (other, one)):
            before = len(giver.mine)
            await until(lambda giver=giver, before=before: len(giver.mine) > before + 100)
            await giver.source.release([PARTITION])
            assert PARTITION not in giver.source.held and not giver.source.publish(NODES[0], "ack", b"")
            taker.source.hold(taker.source.held | {PARTITION})
            taker.source.hold(taker.source.held)  # again is the same
        await sending
        await until(lambda: len(one.store) >= 1200)
        broker.expects(one.store, 400, once=True)
        assert one.source.figures()["partitions_held"] == 8
        assert other.source.figures()["broker_sessions_forgotten_total"] == 0


@pytest.mark.parametrize(
    "broker, version", [("mosquitto", "3.1.1"), ("mosquitto", "5"), ("nats", "3.1.1")], indirect=["broker"]
)
@in_loop
async def test_an_heir_gets_what_a_frozen_bridge_did_not_confirm_and_is_not_fought(broker, version):
    async with two(broker, f"frozen{version[0]}", version) as (one, other, nodes):
        await nodes.send(30)
        await until(lambda: len(one.store) >= 90)
        ours, asked = True, 0

        def is_ours(number: int) -> bool:
            nonlocal asked
            asked += not ours and number == PARTITION
            return ours or number != PARTITION

        one.source.ours = is_ours
        one.frozen = True
        await nodes.send(10)
        await until(lambda: len(one.inbox) >= 30)  # received and not confirmed

        ours = False  # its lease is over; it does not know that yet
        other.source.hold([*THERE, PARTITION])
        await until(lambda: len(other.mine) >= 30)
        await until(lambda: one.source.connected == 7)  # the broker has put it out
        assert "7 of 8 partition sessions are connected" in one.source.problems()[0]
        one.frozen = False  # what it stores now, it confirms into nothing: its log has to refuse it
        await until(lambda: not len(one.inbox) and asked >= 2)
        await nodes.send(10)
        await until(lambda: len(other.mine) >= 60)
        assert other.source.connected == 9 and other.source.figures()["broker_reconnects_total"] == 0
        broker.expects(one.store, 50, once=False)
        one.source.drop([PARTITION])
        assert one.source.problems() == [] and len(one.source.held) == 7


@in_loop
async def test_a_release_is_bounded_and_the_heir_gets_the_rest(broker):
    async with two(broker, "bounded") as (one, other, nodes):
        one.frozen = True
        await nodes.send(5)
        await until(lambda: len(one.inbox) >= 15)
        began = time.monotonic()
        await one.source.release([PARTITION], within_s=0.2)
        assert time.monotonic() - began < 2.0
        other.source.hold([*THERE, PARTITION])
        await until(lambda: len(other.mine) >= 15)
        broker.expects(other.store, 5, once=True)

"""Two MQTT sources share the partition sessions of one real Mosquitto, and hand one over while messages flow."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable

import pytest

from integration.bridge_env import Broker
from pantau.config import MqttTable
from pantau.sources import Inbox, confirm
from pantau.sources.mqtt import MqttSource
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


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    made = Broker(tmp_path_factory.mktemp("broker")).start()
    yield made
    made.stop()


class Bridge:
    """A source, and somebody behind it who stores and then confirms, unless frozen."""

    def __init__(self, broker: Broker, prefix: str, version: str, store: list[tuple[str, bytes]]) -> None:
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

    def __init__(self, broker: Broker, prefix: str) -> None:
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


def by_node(store: list[tuple[str, bytes]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for topic, payload in store:
        found.setdefault(topic.split("/")[4], []).append(int(payload))
    return found


async def two(broker: Broker, prefix: str, version: str = "3.1.1") -> tuple[Bridge, Bridge, Nodes]:
    store: list[tuple[str, bytes]] = []
    one, other = (Bridge(broker, prefix, version, store) for _ in range(2))
    one.source.hold(HERE)
    other.source.hold(THERE)
    for bridge in (one, other):
        bridge.start()
    await until(lambda: one.source.connected == other.source.connected == 8)
    nodes = Nodes(broker, f"{prefix}-nodes")
    await nodes.start()
    return one, other, nodes


@in_loop
async def test_a_partition_moves_while_messages_flow_and_nothing_is_lost_doubled_or_out_of_order(broker):
    one, other, nodes = await two(broker, "moves")
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
    assert by_node(one.store) == {node: list(range(400)) for node in NODES}
    assert (
        one.source.figures()["partitions_held"] == 8 and other.source.figures()["broker_sessions_forgotten_total"] == 0
    )
    for part in (one, other, nodes):
        await part.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@in_loop
async def test_an_heir_gets_what_a_frozen_bridge_did_not_confirm_and_is_not_fought(broker, version):
    one, other, nodes = await two(broker, f"frozen{version[0]}", version)
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
    stored = by_node(one.store)
    assert stored.keys() == set(NODES)
    assert all(list(dict.fromkeys(numbers)) == list(range(50)) for numbers in stored.values()), (
        "in order, less what came twice"
    )
    one.source.drop([PARTITION])
    assert one.source.problems() == [] and len(one.source.held) == 7
    for part in (one, other, nodes):
        await part.stop()


@in_loop
async def test_a_release_is_bounded_and_the_heir_gets_the_rest(broker):
    one, other, nodes = await two(broker, "bounded")
    one.frozen = True
    await nodes.send(5)
    await until(lambda: len(one.inbox) >= 15)
    began = time.monotonic()
    await one.source.release([PARTITION], within_s=0.2)
    assert time.monotonic() - began < 2.0
    other.source.hold([*THERE, PARTITION])
    await until(lambda: len(other.mine) >= 15)
    assert by_node(other.store) == {node: list(range(5)) for node in NODES}
    for part in (one, other, nodes):
        await part.stop()

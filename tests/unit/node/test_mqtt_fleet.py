"""A thousand nodes and one broker in virtual time: nobody stampedes. Shares are of the fleet, so they hold for ten thousand."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pantau_node import rare
from pantau_wire import mqtt_more
from unit.node.mqtt_rig import Loop, Peer, Rig, end, now_s

FLEET = 1000


@pytest.fixture(autouse=True)
def _no_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand nodes in one heap: each collection, which costs a node a millisecond, would look at all of them."""
    monkeypatch.setattr(rare, "gc", SimpleNamespace(collect=lambda: None))


class Broker:
    """Accepts while it is `open`, answers at most `rate` logins a second, first come first served, with `code`."""

    def __init__(self, rate: float = 1e6) -> None:
        self.rate = rate
        self.open = True
        self.code = 0
        self.free_s = 0.0  # when the logins taken so far are answered
        self.came: list[float] = []
        self.live: set[Peer] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def connect(self, _address: Any, _port: int) -> tuple[asyncio.StreamReader, Any]:
        self.came.append(now_s())
        if not self.open:
            raise OSError(111, "connection refused")
        peer = Peer()
        task = asyncio.create_task(self._serve(peer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return peer.to_node, peer

    async def _serve(self, peer: Peer) -> None:
        await peer.take(mqtt_more.CONNECT)
        self.free_s = max(self.free_s, now_s()) + 1 / self.rate
        await asyncio.sleep(self.free_s - now_s())
        peer.say(mqtt_more.connack(True, self.code))
        if self.code:
            peer.to_node.feed_eof()
            return
        self.live.add(peer)
        await peer.serve()
        self.live.discard(peer)

    def die(self) -> None:
        """All sessions end at one moment."""
        self.open = False
        for peer in self.live:
            peer.to_node.feed_eof()
        self.live.clear()


def fleet(script: Callable[[Broker, list[Rig]], Awaitable[None]], rate: float = 1e6, code: int = 0) -> None:
    """Run the script with a fleet that has been up for a minute, or that is refused from the start."""
    draw = random.Random(3)

    async def run() -> None:
        broker = Broker(rate=1e6)
        broker.code = code
        rigs = [
            Rig(draw.getrandbits, broker.connect, backoff_min_ms=1000, backoff_max_s=300, keepalive_s=3600)
            for _ in range(FLEET)
        ]
        await asyncio.sleep(60)
        broker.rate = rate
        try:
            await script(broker, rigs)
        finally:
            for task in [*(rig.task for rig in rigs), *broker.tasks]:
                await end(task)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(run())


def peak(times: list[float], since: float) -> float:
    """Return the largest share of the fleet that connected within one second of the clock."""
    return max(Counter(int(at - since) for at in times if at >= since).values()) / FLEET


async def all_up(rigs: list[Rig]) -> float:
    """Return the instant at which the last of them was up."""
    while not all(rig.link.up for rig in rigs):  # noqa: ASYNC110  virtual time: polling costs nothing
        await asyncio.sleep(0.25)
    return now_s()


def test_a_quick_restart_of_the_broker_is_answered_over_ten_seconds() -> None:
    async def script(broker: Broker, rigs: list[Rig]) -> None:
        at = now_s()
        broker.die()
        await asyncio.sleep(0.5)
        broker.open = True
        assert await all_up(rigs) - at <= 11
        assert peak(broker.came, at) <= 0.15

    fleet(script)


def test_after_a_long_outage_they_come_back_over_the_longest_wait() -> None:
    async def script(broker: Broker, rigs: list[Rig]) -> None:
        at = now_s()
        broker.die()
        await asyncio.sleep(1800)
        back = now_s()
        broker.open = True
        assert await all_up(rigs) - back <= 301
        assert peak(broker.came, back) <= 0.025
        assert sum(at <= came < back for came in broker.came) / FLEET <= 35, "attempts a node in half an hour"

    fleet(script)


def test_a_broker_that_takes_five_in_a_hundred_a_second_is_not_trodden_down() -> None:
    async def script(broker: Broker, rigs: list[Rig]) -> None:
        at = now_s()
        broker.die()
        await asyncio.sleep(0.5)
        broker.open = True
        assert await all_up(rigs) - at <= 120
        assert len([came for came in broker.came if came >= at]) <= 2 * FLEET, "work that the broker does in vain"

    fleet(script, rate=FLEET * 0.05)


def test_a_broker_that_refuses_logins_is_not_hammered() -> None:
    async def script(broker: Broker, _rigs: list[Rig]) -> None:
        at = now_s()
        await asyncio.sleep(3600)
        assert peak(broker.came, at) <= 0.04
        assert sum(came >= at for came in broker.came) / FLEET <= 36, "attempts a node in an hour"

    fleet(script, code=3)

"""The nodes' links: one MQTT connection each, through the proxy; and how messages are doubled and disordered on their way."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from pantau_sim.chaos.node import Held, Identity, Node
from pantau_wire import mqtt, topics
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.load.frames import Fleet as Keys

_TICK_S = 0.02
_HEALTH_S = 8.0
_REBOOT_SHARE = 0.004  # of the frames a node makes
_ALARM_SHARE = 0.03
_MAX_PACKET = 4096
_RECENT = 500  # acknowledged frames that may be sent once more
_RECORDS_BIT = 0x20  # of a frame's first byte (FORMAT.md, "Header")
_WORKS_SHARE = 0.5  # of the nodes that must have had an acknowledgement, for the whole to work again


class Link(asyncio.Protocol):
    """One connection of a node."""

    def __init__(self, client: str, filters: list[tuple[str, int]], on_down: Callable[[bytes, bytes], None]) -> None:
        self._client, self._filters, self._on_down = client, filters, on_down
        self._reader = mqtt.Reader(_MAX_PACKET)
        self._transport: asyncio.Transport | None = None
        self._pid = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(mqtt.connect(self._client, keepalive=0, clean=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits."""
        del exc
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take packets."""
        self._reader.feed(data)
        try:
            while (packet := self._reader.next()) is not None:
                self._packet(*packet)
        except WireError:
            self.close()

    def _packet(self, kind: int, flags: int, body: bytes) -> None:
        assert self._transport is not None
        if kind == mqtt.CONNACK:
            if not self._filters:
                self.ready.set_result(None)
            else:
                self._transport.write(mqtt.subscribe(1, self._filters))
        elif kind == mqtt.SUBACK and not self.ready.done():
            self.ready.set_result(None)
        elif kind == mqtt.PUBLISH:
            topic, payload, qos, pid = mqtt.split_publish(flags, body)
            if qos:
                self._transport.write(mqtt.puback(pid))
            self._on_down(topic, payload)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1. Whether the broker has it is not asked: only the bridge's word counts."""
        if self._transport is not None and not self.lost.done():
            self._pid = self._pid % 65_535 + 1
            self._transport.write(mqtt.publish(topic, payload, 1, self._pid))

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()


async def connect(
    port: int, client: str, filters: list[tuple[str, int]], on_down: Callable[[bytes, bytes], None]
) -> Link:
    """Return a connected and subscribed link. Raises OSError or TimeoutError."""
    link = Link(client, filters, on_down)
    try:
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().create_connection(lambda: link, "127.0.0.1", port)
            ends: set[asyncio.Future[Any]] = {link.ready, link.lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        link.close()
        raise
    if not link.ready.done():
        raise ConnectionResetError("the broker left")
    return link


class Fleet:
    """All nodes. Produces until `stop_producing`, delivers until closed."""

    def __init__(self, keys: Keys, rate: float, seed: int) -> None:
        """`rate`: frames a second, of all nodes."""
        self.port = 0  # of the broker as the nodes see it
        self.city = keys.city
        self.produced: dict[Identity, bytes] = {}
        self._rng = random.Random(f"fleet {seed}")
        self.nodes = [Node(n.id, n.key, random.Random(f"{seed} {n.id}"), self.produced) for n in keys.nodes]
        self._pause_s = len(self.nodes) / rate
        self._links: dict[str, Link] = {}
        self._topics = {n.name: topics.topic(self.city, n.name, "up") for n in self.nodes}
        self._producing = True
        self.doubled = self.disordered = False
        self._later: list[tuple[float, Link, str, bytes]] = []
        self.recent: deque[tuple[str, bytes]] = deque(maxlen=_RECENT)  # (node, frame) as acknowledged
        self._acked: dict[str, float] = {}  # node: when its latest acknowledged frame was sealed
        self.newest: tuple[float, Identity] | None = None  # the latest sealed frame of records that was acknowledged
        self.boots = len(self.nodes)
        self.paused = 0

    @property
    def held(self) -> int:
        """Return how many frames wait in outboxes."""
        return sum(node.held for node in self.nodes)

    async def run(self) -> None:
        """Produce and deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for node in self.nodes:
                group.create_task(self._keep(node))
                group.create_task(self._produce(node))
            group.create_task(self._pump())

    def stop_producing(self) -> None:
        """Make no more frames; what is there is still delivered."""
        self._producing = False

    def links(self) -> list[Link]:
        """Return the links that stand."""
        return list(self._links.values())

    def worked_since(self, since: float) -> bool:
        """Tell whether half of the nodes had something acknowledged that they sealed after `since`."""
        return sum(at >= since for at in self._acked.values()) >= _WORKS_SHARE * len(self.nodes)

    def all_worked_since(self, since: float) -> bool:
        """Tell whether every node had something acknowledged that it sealed after `since`."""
        return all(self._acked.get(node.name, 0.0) >= since for node in self.nodes)

    def send(self, node: str, payload: bytes) -> None:
        """Publish bytes on the node's topic, whatever they are."""
        if (link := self._links.get(node)) is not None:
            link.publish(self._topics[node], payload)

    async def _keep(self, node: Node) -> None:
        filters = [(topics.topic(self.city, node.name, what), 1) for what in ("ack", "cmd")]

        def down(topic: bytes, payload: bytes) -> None:
            if topic.endswith(b"/ack"):
                self._settle(node, node.on_ack(payload))

        while True:
            try:
                link = await connect(self.port, node.name, filters, down)
            except OSError:
                await asyncio.sleep(self._rng.uniform(0.05, 0.3))
                continue
            self._links[node.name] = link
            link.publish(topics.topic(self.city, node.name, "will"), b"online")
            self._report(node)
            try:
                await link.lost
            finally:
                link.close()
                self._links.pop(node.name, None)
                node.unlinked()

    async def _produce(self, node: Node) -> None:
        await asyncio.sleep(self._rng.uniform(0, self._pause_s))
        reported = time.monotonic()
        while self._producing:
            if self._rng.random() < _REBOOT_SHARE:
                node.reboot()
                self.boots += 1
                if (link := self._links.get(node.name)) is not None:
                    link.close()
            alarm = self._rng.random() < _ALARM_SHARE
            self.paused += not node.measure(time.monotonic(), int(time.time()), alarm=alarm)
            if time.monotonic() - reported > _HEALTH_S:
                reported = time.monotonic()
                self._report(node)
            await asyncio.sleep(self._pause_s * self._rng.uniform(0.5, 1.5))

    def _report(self, node: Node) -> None:
        if self._producing:
            node.report(time.monotonic(), int(time.time()), time.monotonic())

    async def _pump(self) -> None:
        while True:
            now = time.monotonic()
            for node in self.nodes:
                link = self._links.get(node.name)
                for _, _, payload in node.due(now) if link is not None else ():
                    self._out(link, self._topics[node.name], payload, now)
            ready = [item for item in self._later if item[0] <= now]
            if ready:
                self._later = [item for item in self._later if item[0] > now]
                self._rng.shuffle(ready)
                for _, link, topic, payload in ready:
                    link.publish(topic, payload)
            await asyncio.sleep(_TICK_S)

    def _out(self, link: Link | None, topic: str, payload: bytes, now: float) -> None:
        if link is None:
            return
        for _ in range(2 if self.doubled else 1):
            if self.disordered:
                self._later.append((now + self._rng.uniform(0, 0.4), link, topic, payload))
            else:
                link.publish(topic, payload)

    def _settle(self, node: Node, gone: list[tuple[Identity, Held]]) -> None:
        for identity, held in gone:
            if held.payload[0] & _RECORDS_BIT and (self.newest is None or held.sealed_s > self.newest[0]):
                self.newest = (held.sealed_s, identity)
            self._acked[node.name] = max(self._acked.get(node.name, 0.0), held.sealed_s)
            self.recent.append((node.name, held.payload))

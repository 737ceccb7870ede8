"""A node's MQTT link against a broker's half spoken over memory, in virtual time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from pantau_node import config
from pantau_node.identity import Identity
from pantau_node.links.mqtt import MqttLink
from pantau_wire import mqtt, mqtt_more

TOPICS = {"up": "t/up", "ack": "t/ack", "cmd": "t/cmd", "will": "t/will"}


class _Jump(selectors.DefaultSelector):
    """Waiting takes no time: it moves the clock."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for something that never comes"
        self.now_s += max(timeout, 0)
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while all of its tasks wait."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s


def now_s() -> float:
    return asyncio.get_running_loop().time()


class Clock:
    """The node's uptime is the loop's time."""

    def uptime_ms(self) -> int:
        return round(now_s() * 1000)


class Net:
    """A network that is always there and counts how often it was switched off and on."""

    def __init__(self) -> None:
        self.cycles: list[float] = []

    async def up(self) -> None:
        pass

    def cycle(self) -> None:
        self.cycles.append(now_s())


class Peer:
    """The broker's end of one connection."""

    def __init__(self) -> None:
        self.to_node = asyncio.StreamReader()
        self.packets = mqtt.Reader(4096)
        self.arrived = asyncio.Event()
        self.closed = False
        self.began_s = now_s()
        self.writes = 0
        self.stuck: BaseException | bool = False  # True: nothing is sent any more; an error: sending fails

    def write(self, data: bytes) -> None:
        self.writes += 1
        if not self.stuck:
            self.packets.feed(data)
            self.arrived.set()

    async def drain(self) -> None:
        if isinstance(self.stuck, BaseException):
            raise self.stuck
        if self.stuck:
            await asyncio.sleep(1e9)

    def close(self) -> None:
        self.closed = True
        self.arrived.set()

    async def wait_closed(self) -> None:
        pass

    async def take(self, kind: int) -> tuple[int, bytes]:
        """Return (flags, body) of the node's next packet, which must be of this kind."""
        while True:
            packet = self.packets.next()
            if packet is not None:
                assert packet[0] == kind, packet
                return packet[1], packet[2]
            self.arrived.clear()
            await self.arrived.wait()

    def say(self, data: bytes) -> None:
        self.to_node.feed_data(data)

    async def welcome(self, session: bool = False) -> None:
        await self.take(mqtt_more.CONNECT)
        self.say(mqtt_more.connack(session, 0))
        _, body = await self.take(mqtt_more.SUBSCRIBE)
        pid, filters = mqtt_more.parse_subscribe(body)
        assert filters == [("t/ack", 1), ("t/cmd", 1)]
        self.say(mqtt_more.suback(pid, [1, 1]))
        flags, body = await self.take(mqtt.PUBLISH)
        topic, payload, qos, pid, retain, _ = mqtt_more.parse_publish(flags, body)
        assert (topic, payload, qos, retain) == ("t/will", b"online", 1, True)
        self.say(mqtt.puback(pid))

    async def serve(self) -> None:
        """Answer as a broker does that is well, until the node closes."""
        while not self.closed:
            packet = self.packets.next()
            if packet is None:
                self.arrived.clear()
                await self.arrived.wait()
            elif packet[0] == mqtt_more.CONNECT:
                self.say(mqtt_more.connack(True, 0))
            elif packet[0] == mqtt_more.SUBSCRIBE:
                self.say(mqtt_more.suback(mqtt_more.parse_subscribe(packet[2])[0], [1, 1]))
            elif packet[0] == mqtt.PUBLISH:
                self.say(mqtt.puback(mqtt_more.parse_publish(packet[1], packet[2])[3]))
            elif packet[0] == mqtt_more.PINGREQ:
                self.say(mqtt_more.pingresp())


class Rig:
    """One link, its broker's ends one after the other, and what the link told."""

    def __init__(self, rand: Callable[[int], int] = lambda _bits: 0, opens: Any = None, **broker: Any) -> None:
        plain = {"host": "127.0.0.1", "backoff_min_ms": 50, "tls": False, "lab_plain": True}
        conf, problems = config.build({"broker": plain | broker})
        assert not problems
        who = Identity("n-1", 1, {}, 0, "user", "word")
        self.peers: list[Peer] = []
        self.addresses: list[Any] = []
        self.connected = asyncio.Event()
        self.down = asyncio.Event()
        self.ups: list[bool] = []
        self.messages: list[bytes] = []
        self.frames: list[bytes] = []
        self.waiting_since_s: float | None = None
        self.stuck: list[float] = []
        self.net = Net()
        self.link = MqttLink(conf, who, TOPICS, Clock(), self.net, self, rand, opens or self.open)
        self.task = asyncio.create_task(self.link.run())

    async def open(self, address: Any, _port: int) -> tuple[asyncio.StreamReader, Any]:
        peer = Peer()
        self.peers.append(peer)
        self.addresses.append(address)
        self.connected.set()
        return peer.to_node, peer

    async def peer(self) -> Peer:
        await self.connected.wait()
        self.connected.clear()
        return self.peers[-1]

    def on_up(self, up: bool) -> None:
        self.ups.append(up)
        if not up:
            self.down.set()

    def on_message(self, payload: bytes) -> None:
        self.messages.append(payload)

    def next_send(self) -> bytes | None:
        return self.frames.pop(0) if self.frames else None

    def due_ms(self) -> int:
        return 60000

    def ack_age_ms(self) -> int | None:
        return None if self.waiting_since_s is None else round((now_s() - self.waiting_since_s) * 1000)

    def on_stuck(self) -> None:
        self.stuck.append(now_s())


async def end(task: asyncio.Task[None]) -> None:
    """Cancel until it is over: Python 3.11's wait_for swallows a cancellation that meets its result."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


def play(script: Callable[[Rig], Awaitable[None]], **options: Any) -> Rig:
    """Run the script against a fresh link in virtual time."""

    async def run() -> Rig:
        rig = Rig(**options)
        try:
            await script(rig)
        finally:
            await end(rig.task)
        return rig

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(run())

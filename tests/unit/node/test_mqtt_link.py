"""The MQTT link against a broker's half spoken over memory: order, bounds, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pantau_node import config
from pantau_node.clock import Clock
from pantau_node.links.mqtt import MqttLink
from pantau_node.links.wifi import NoNet
from pantau_wire import mqtt

TOPICS = {"up": "t/up", "ack": "t/ack", "cmd": "t/cmd", "will": "t/will"}


class Peer:
    """The broker's end of one connection."""

    def __init__(self) -> None:
        self.to_node = asyncio.StreamReader()
        self.packets = mqtt.Reader(4096)
        self.arrived = asyncio.Event()
        self.closed = False

    def write(self, data: bytes) -> None:
        self.packets.feed(data)
        self.arrived.set()

    async def drain(self) -> None:
        pass

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
        await self.take(mqtt.CONNECT)
        self.say(mqtt.connack(session, 0))
        _, body = await self.take(mqtt.SUBSCRIBE)
        pid, filters = mqtt.parse_subscribe(body)
        assert filters == [("t/ack", 1), ("t/cmd", 1)]
        self.say(mqtt.suback(pid, [1, 1]))
        flags, body = await self.take(mqtt.PUBLISH)
        topic, payload, qos, pid, retain, _ = mqtt.parse_publish(flags, body)
        assert (topic, payload, qos, retain) == ("t/will", b"online", 1, True)
        self.say(mqtt.puback(pid))


class Rig:
    def __init__(self) -> None:
        conf, _ = config.build({"broker": {"host": "broker.city", "backoff_min_ms": 50}})
        conf.broker_tls = False
        self.peers: list[Peer] = []
        self.connected = asyncio.Event()
        self.ups: list[bool] = []
        self.messages: list[bytes] = []
        self.frames: list[bytes] = []
        loop = asyncio.get_running_loop()
        self.link = MqttLink(
            conf, ("user", "word"), "n-1", TOPICS, Clock(lambda: int(loop.time() * 1000), 0), NoNet(), self,
            lambda _bits: 0, self._open,
        )  # fmt: skip
        self.task = asyncio.create_task(self.link.run())

    async def _open(self, *_where: Any) -> tuple[asyncio.StreamReader, Any]:
        peer = Peer()
        self.peers.append(peer)
        self.connected.set()
        return peer.to_node, peer

    async def peer(self) -> Peer:
        await self.connected.wait()
        self.connected.clear()
        return self.peers[-1]

    def on_up(self, up: bool) -> None:
        self.ups.append(up)

    def on_message(self, payload: bytes) -> None:
        self.messages.append(payload)

    def next_send(self) -> bytes | None:
        return self.frames.pop(0) if self.frames else None

    def due_ms(self) -> int:
        return 60000


def play(script: Callable[[Rig], Awaitable[None]]) -> Rig:
    """Run the script against a fresh link; it must end within seconds."""

    async def run() -> Rig:
        rig = Rig()
        try:
            await asyncio.wait_for(script(rig), 10)
        finally:
            while not rig.task.done():  # Python 3.11's wait_for swallows a cancellation that meets its result
                rig.task.cancel()
                await asyncio.sleep(0)
        return rig

    return asyncio.run(run())


def test_it_logs_in_with_will_and_kept_session_then_publishes_and_acknowledges() -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        _, body = await peer.take(mqtt.CONNECT)
        said = mqtt.parse_connect(body)
        assert (said.client_id, said.user, said.password, said.clean) == ("n-1", "user", "word", False)
        assert said.will == ("t/will", b"offline", 1, True)
        peer.say(mqtt.connack(True, 0) + mqtt.publish("t/cmd", b"kept", 1, 77))
        pid = mqtt.parse_subscribe((await peer.take(mqtt.SUBSCRIBE))[1])[0]
        peer.say(mqtt.suback(pid, [1, 1]))
        assert mqtt.parse_pid((await peer.take(mqtt.PUBACK))[1]) == 77
        await peer.take(mqtt.PUBLISH)
        rig.frames += [b"one", b"two"]
        rig.link.wake()
        for payload in (b"one", b"two"):
            flags, body = await peer.take(mqtt.PUBLISH)
            topic, got, qos, pid, retain, _ = mqtt.parse_publish(flags, body)
            assert (topic, got, qos, retain) == ("t/up", payload, 1, False)
        data = mqtt.publish("t/ack", b"ack", 1, 9)
        for at in range(len(data)):  # byte by byte
            peer.say(data[at : at + 1])
        assert mqtt.parse_pid((await peer.take(mqtt.PUBACK))[1]) == 9

    rig = play(script)
    assert rig.messages == [b"kept", b"ack"] and rig.ups == [True, False]


def test_messages_without_puback_are_bounded() -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        await peer.welcome()
        rig.frames += [b"%d" % i for i in range(40)]
        rig.link.wake()
        pids = []
        for _ in range(16):
            flags, body = await peer.take(mqtt.PUBLISH)
            pids.append(mqtt.parse_publish(flags, body)[3])
        assert len(set(pids)) == 16 and len(rig.frames) == 24
        peer.say(mqtt.puback(pids[3]))
        await peer.take(mqtt.PUBLISH)
        assert len(rig.frames) == 23

    play(script)


def test_a_refusal_says_why_and_it_comes_back_after_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    async def script(rig: Rig) -> None:
        for _ in range(2):
            peer = await rig.peer()
            await peer.take(mqtt.CONNECT)
            peer.say(mqtt.connack(False, 4))
        peer = await rig.peer()
        await peer.welcome()

    rig = play(script)
    said = capsys.readouterr().err
    assert said.count("warn mqtt: broker.city:8883: refused: bad user name or password") == 1
    assert "word\n" not in said.replace("password\n", "") and rig.link.attempts == 3
    assert all(peer.closed for peer in rig.peers)


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xff\xff\xff\xff",
        b"\x30\xff\xff\x7f",
        mqtt.publish("t/ack", bytes(4000), 1, 1),
        b"\x00\x00",
        b"\x90\x01\x00",
    ],
)
def test_garbage_and_giants_end_the_connection_not_the_link(junk: bytes) -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        await peer.welcome()
        peer.say(junk)
        if junk[0] in (0x00, 0x90):
            peer.to_node.feed_eof()  # well framed: of no use, and ignored
        peer = await rig.peer()
        await peer.welcome(True)

    assert play(script).ups[:3] == [True, False, True]


def test_a_refused_subscription_is_no_session(capsys: pytest.CaptureFixture[str]) -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        await peer.take(mqtt.CONNECT)
        peer.say(mqtt.connack(False, 0))
        pid = mqtt.parse_subscribe((await peer.take(mqtt.SUBSCRIBE))[1])[0]
        peer.say(mqtt.suback(pid, [1, 128]))
        await rig.peer()

    assert play(script).ups == []
    assert "access list" in capsys.readouterr().err

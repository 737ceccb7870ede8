"""The MQTT link against a broker's half spoken over memory: order, bounds, refusals, what ends a session."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from pantau_wire import mqtt, mqtt_more
from unit.node.mqtt_rig import Rig, now_s, play


def test_it_logs_in_with_will_and_kept_session_then_publishes_and_acknowledges() -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        _, body = await peer.take(mqtt_more.CONNECT)
        said = mqtt_more.parse_connect(body)
        assert (said.client_id, said.user, said.password, said.clean) == ("n-1", "user", "word", False)
        assert said.will == ("t/will", b"offline", 1, True)
        peer.say(mqtt_more.connack(True, 0) + mqtt.publish("t/cmd", b"kept", 1, 77))
        assert mqtt.parse_pid((await peer.take(mqtt.PUBACK))[1]) == 77
        pid = mqtt_more.parse_subscribe((await peer.take(mqtt_more.SUBSCRIBE))[1])[0]
        peer.say(mqtt_more.suback(pid, [1, 1]))
        await peer.take(mqtt.PUBLISH)
        rig.frames += [b"one", b"two"]
        rig.link.wake()
        for payload in (b"one", b"two"):
            flags, body = await peer.take(mqtt.PUBLISH)
            topic, got, qos, pid, retain, _ = mqtt_more.parse_publish(flags, body)
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
            pids.append(mqtt_more.parse_publish(flags, body)[3])
        assert len(set(pids)) == 16 and len(rig.frames) == 24
        peer.say(mqtt.puback(pids[3]))
        await peer.take(mqtt.PUBLISH)
        assert len(rig.frames) == 23

    play(script)


def test_a_refusal_says_why_and_it_comes_back_after_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    async def script(rig: Rig) -> None:
        for _ in range(2):
            peer = await rig.peer()
            await peer.take(mqtt_more.CONNECT)
            peer.say(mqtt_more.connack(False, 4))
        peer = await rig.peer()
        await peer.welcome()

    rig = play(script)
    said = capsys.readouterr().err
    assert said.count("warn mqtt: 127.0.0.1:8883: refused: bad user name or password") == 1
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
        await peer.take(mqtt_more.CONNECT)
        peer.say(mqtt_more.connack(False, 0))
        pid = mqtt_more.parse_subscribe((await peer.take(mqtt_more.SUBSCRIBE))[1])[0]
        peer.say(mqtt_more.suback(pid, [1, 128]))
        await rig.peer()

    assert play(script).ups == []
    assert "access list" in capsys.readouterr().err


def test_messages_are_acknowledged_together_and_reading_waits_for_the_writing() -> None:
    async def script(rig: Rig) -> None:
        peer = await rig.peer()
        await peer.welcome()
        await asyncio.sleep(1)
        before = peer.writes
        peer.say(b"".join(mqtt.publish("t/ack", b"a", 1, pid) for pid in range(1, 41)))
        pids = [mqtt.parse_pid((await peer.take(mqtt.PUBACK))[1]) for _ in range(40)]
        assert pids == list(range(1, 41)) and peer.writes - before <= 2
        peer.stuck = True
        rig.frames.append(b"frame")
        rig.link.wake()
        peer.say(b"".join(mqtt.publish("t/ack", b"b", 1, pid) for pid in range(1, 1001)))
        await asyncio.sleep(15)
        assert 64 <= rig.messages.count(b"b") < 64 + 512 // 12, "it reads on although it cannot acknowledge"

    play(script)


def ended(script: Any, **options: Any) -> tuple[Rig, float]:
    """Play the script with a session that is up; return the rig and how long the session lasted on, in s."""
    lasted = []

    async def run(rig: Rig) -> None:
        peer = await rig.peer()
        await peer.welcome()
        await asyncio.sleep(1)
        began = now_s()
        await script(rig, peer)
        await rig.down.wait()
        lasted.append(now_s() - began)
        await (await rig.peer()).welcome(True)

    return play(run, **options), lasted[0]


def test_a_ping_without_answer_ends_the_session_by_its_own_deadline() -> None:
    async def script(_rig: Rig, peer: Any) -> None:
        await peer.take(mqtt_more.PINGREQ)
        peer.say(mqtt_more.pingresp())
        await peer.take(mqtt_more.PINGREQ)

    rig, lasted = ended(script)
    assert rig.link.causes == {8: 1} and 89 + 10 <= lasted <= 90 + 10.1


def test_a_keepalive_beyond_the_report_interval_pings_that_rarely() -> None:
    async def script(rig: Rig, peer: Any) -> None:
        began = now_s()
        await peer.take(mqtt_more.PINGREQ)
        assert 2690 < now_s() - began < 2701
        peer.say(mqtt_more.pingresp())
        for _ in range(5):
            await asyncio.sleep(900)
            rig.frames.append(b"report")
            rig.link.wake()
            flags, body = await peer.take(mqtt.PUBLISH)
            peer.say(mqtt.puback(mqtt_more.parse_publish(flags, body)[3]))
        peer.to_node.feed_eof()

    rig, _ = ended(script, keepalive_s=3600)
    assert rig.link.causes == {9: 1}


def test_a_puback_held_back_ends_the_session() -> None:
    async def script(rig: Rig, peer: Any) -> None:
        rig.frames.append(b"frame")
        rig.link.wake()
        await peer.take(mqtt.PUBLISH)
        while rig.link.up:
            peer.say(mqtt_more.pingresp())
            await asyncio.sleep(5)

    rig, lasted = ended(script)
    assert rig.link.causes == {10: 1} and 60 <= lasted <= 95


@pytest.mark.parametrize("stuck,within_s", [(OSError(32, "broken pipe"), 0.1), (True, 20.1)])
def test_a_sender_that_fails_ends_the_session_at_once(stuck: Any, within_s: float) -> None:
    async def script(rig: Rig, peer: Any) -> None:
        peer.stuck = stuck
        rig.frames.append(b"frame")
        rig.link.wake()

    rig, lasted = ended(script)
    assert rig.link.causes == {13: 1} and lasted <= within_s


@pytest.mark.parametrize("name", ["on_message", "next_send"])
def test_no_memory_ends_the_session_not_the_link(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def script(rig: Rig, peer: Any) -> None:
        def scarce(*_: Any) -> None:
            setattr(rig, name, kept)
            raise MemoryError("memory allocation failed, allocating 600 bytes")

        kept = getattr(rig, name)
        setattr(rig, name, scarce)
        peer.say(mqtt.publish("t/ack", b"ack", 1, 1))

    rig, lasted = ended(script)
    assert rig.link.causes == {9: 1} and lasted < 0.1 and "allocating 600 bytes" in capsys.readouterr().err


def test_three_handshakes_without_memory_ask_for_a_restart(capsys: pytest.CaptureFixture[str]) -> None:
    tried = []

    async def opens(_address: Any, _port: int) -> Any:
        tried.append(now_s())
        raise OSError(-0x7F00, "MBEDTLS_ERR_SSL_ALLOC_FAILED")

    async def script(_rig: Rig) -> None:
        await asyncio.sleep(0.26)  # five attempts, 50 ms apart

    rig = play(script, opens=opens)
    assert len(rig.stuck) == len(tried) - 2 > 0 and rig.stuck[0] == tried[2]


def test_the_last_address_serves_while_no_name_server_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[str] = ["10.0.0.1", "", "", "10.0.0.2"]
    asked = []

    def resolve(host: str, port: int, *_: Any) -> list[Any]:
        asked.append(host)
        answer = answers.pop(0)
        if not answer:
            raise OSError(-2, "no answer")
        return [(2, 1, 6, "", (answer, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def script(rig: Rig) -> None:
        for _ in range(4):
            peer = await rig.peer()
            await peer.welcome()
            peer.to_node.feed_eof()

    rig = play(script, host="broker.city")
    assert rig.addresses == ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"] and asked == ["broker.city"] * 4
    assert rig.link.causes[2] == 2
    assert "name not resolved: at its last address 10.0.0.1" in capsys.readouterr().err


def test_a_session_without_acknowledgements_is_torn_down_ever_more_rarely_and_then_the_node_asks_to_restart() -> None:
    """The broker is well, the bridge is not: PUBACK and PINGRESP flow, acknowledgements do not."""
    hour = 3600

    async def script(rig: Rig) -> None:
        rig.waiting_since_s = now_s()
        while now_s() < 50 * hour:
            await asyncio.wait_for((await rig.peer()).serve(), 200 * hour)

    rig = play(script, backoff_min_ms=1000)
    assert set(rig.link.causes) == {11} and rig.link.causes[11] <= 12
    minutes = [round(peer.began_s / 60) for peer in rig.peers[1:9]]
    assert minutes == pytest.approx([5, 10, 20, 40, 80, 160, 320, 640], abs=1.5)
    assert [round(at / 60) for at in rig.net.cycles[:7]] == pytest.approx([10, 20, 40, 80, 160, 320, 640], abs=1.5)
    assert [round(at / hour) for at in rig.stuck] == [24, 48], "at most once a day"


def test_an_acknowledgement_starts_the_ladder_anew() -> None:
    async def script(rig: Rig) -> None:
        rig.waiting_since_s = now_s()
        await (await rig.peer()).serve()
        peer = await rig.peer()
        serving = asyncio.create_task(peer.serve())
        await asyncio.sleep(100)
        rig.waiting_since_s = None
        await asyncio.sleep(4 * 3600)
        assert rig.link.up and not peer.closed
        rig.waiting_since_s = now_s()
        await serving

    rig = play(script)
    assert rig.link.causes == {11: 2} and rig.net.cycles == []

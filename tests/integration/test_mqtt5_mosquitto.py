"""Both dialects against a real Mosquitto, over a raw socket: what is golden in the unit tests is understood there too."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Self

import pytest

from integration.bridge_env import Broker
from pantau.sources.dialect import DISCONNECT, PINGREQ, Dialect, Login, Mqtt5, Mqtt311, pubacks
from pantau_wire import mqtt, mqtt_more

BOTH = pytest.mark.parametrize("dialect", [Mqtt311(), Mqtt5()], ids=lambda dialect: dialect.name)
ACL = "listener {port} 127.0.0.1\nallow_anonymous true\nacl_file acl\n"


@pytest.fixture
def broker(tmp_path: Path):
    (tmp_path / "acl").write_text("topic readwrite in/#\n")
    broker = Broker(tmp_path, ACL.replace("acl_file acl", f"acl_file {tmp_path}/acl")).start()
    yield broker
    broker.stop()


class Line:
    """One connection by a dialect."""

    def __init__(self, broker: Broker, dialect: Dialect, client: str, *, keep: bool = True) -> None:
        self.dialect = dialect
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
        self.reader = mqtt.Reader(1 << 20)
        self.socket.sendall(dialect.connect(Login(client, keep=keep)))
        self.connack = dialect.connack(self.packet(mqtt.CONNACK)[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def packet(self, kind: int) -> tuple[int, bytes]:
        while (packet := self.reader.next()) is None:
            data = self.socket.recv(4096)
            assert data, "the broker closed the connection"
            self.reader.feed(data)
        assert packet[0] == kind, packet
        return packet[1], packet[2]

    def subscribe(self, *filters: str) -> list[str]:
        self.socket.sendall(self.dialect.subscribe(3, [(name, 1) for name in filters]))
        pid, refused = self.dialect.suback(self.packet(mqtt.SUBACK)[1])
        assert pid == 3
        return refused

    def publish(self, topic: str, payload: bytes) -> str:
        self.socket.sendall(self.dialect.publish(topic, payload, 9))
        pid, refused = self.dialect.puback(self.packet(mqtt.PUBACK)[1])
        assert pid == 9
        return refused

    def message(self) -> tuple[bytes, bytes, bytes]:
        return self.dialect.split_publish(*self.packet(mqtt.PUBLISH))

    def closed(self) -> bool:
        return self.socket.recv(1) == b""


@BOTH
def test_a_session_is_kept_and_brings_again_what_was_not_confirmed(broker, dialect):
    with Line(broker, dialect, "bridge") as line:
        assert not line.connack.refused and not line.connack.session_present and not line.connack.warnings
        assert line.subscribe("in/+/up") == [""]
        with Line(broker, dialect, "node", keep=False) as node:
            for payload in (b"one", b"two"):
                assert node.publish("in/a/up", payload) == ""
            first, second = line.message(), line.message()
            assert [first[:2], second[:2]] == [(b"in/a/up", b"one"), (b"in/a/up", b"two")]
            line.socket.sendall(pubacks([first[2]]) + PINGREQ)
            line.packet(mqtt_more.PINGRESP)  # so the broker has read the confirmation
            line.socket.sendall(DISCONNECT)
            assert line.closed()
            assert node.publish("in/a/up", b"three") == ""
    with Line(broker, dialect, "bridge") as line:
        assert line.connack.session_present
        assert [line.message()[1] for _ in range(2)] == [b"two", b"three"]
        line.socket.sendall(dialect.unsubscribe(4, ["in/+/up"]))
        line.packet(mqtt_more.UNSUBACK)


def test_a_session_is_taken_over_and_its_old_owner_is_out(broker):
    with Line(broker, Mqtt5(), "bridge") as line:
        assert line.subscribe("in/#") == [""]
        with Line(broker, Mqtt5(), "bridge") as other, Line(broker, Mqtt5(), "node") as node:
            assert other.connack.session_present
            said = line.socket.recv(100)
            assert said in (b"", b"\xe0\x01\x8e", b"\xe0\x02\x8e\x00")  # Mosquitto 2.0.11 closes without a word
            node.publish("in/a", b"x")
            assert other.message()[1] == b"x"


def test_the_broker_says_why_it_ends_the_connection(broker):
    with Line(broker, Mqtt5(), "bridge") as line:
        line.socket.sendall(line.dialect.publish("in/#", b"", 1))
        assert "protocol error" in line.dialect.disconnected(line.packet(mqtt_more.DISCONNECT)[1])
        assert line.closed()


def test_what_the_acl_forbids_is_told(broker):
    with Line(broker, Mqtt5(), "bridge") as line:
        assert "not authorised" in line.publish("out/a", b"x")
    with Line(broker, Mqtt311(), "old") as line:
        assert line.publish("out/a", b"x") == ""  # all that this version can say


def test_the_receive_maximum_is_the_window(broker):
    with Line(broker, Mqtt5(receive_maximum=2), "bridge") as line, Line(broker, Mqtt5(), "node") as node:
        assert line.subscribe("in/#") == [""]
        for payload in (b"1", b"2", b"3"):
            node.publish("in/a", payload)
        first, second = line.message(), line.message()
        line.socket.sendall(PINGREQ)
        line.packet(mqtt_more.PINGRESP)  # and not the third
        line.socket.sendall(pubacks([first[2], second[2]]))
        assert line.message()[1] == b"3"


def test_properties_of_the_sender_do_not_reach_the_payload(broker):
    with Line(broker, Mqtt5(), "bridge") as line, Line(broker, Mqtt5(), "node") as node:
        assert line.subscribe("in/#") == [""]
        topic = mqtt.binary("in/a")
        long = b"\x26" + mqtt.binary("k") + mqtt.binary("v" * 150)
        node.socket.sendall(mqtt.packet(0x32, topic + b"\x00\x01" + b"\x9c\x01" + long + b"frame"))
        assert line.message()[:2] == (b"in/a", b"frame")

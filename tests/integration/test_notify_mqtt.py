"""Alerts as retained messages of a real Mosquitto: whoever comes later sees what stands, and nothing that has ended."""

from __future__ import annotations

import json
import uuid
from contextlib import closing

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from needs import need
from pantau.notify import compose
from pantau.notify.mqtt import MqttNoticeTable, open_channel
from pantau_sim.servers import free_port
from pantau_sim.servers.mosquitto import Server
from unit.notify.notify_kit import CONTEXT, T0, notice
from unit.notify.test_notify_text import JUDGE


@pytest.fixture
def broker(tmp_path):
    need("mosquitto", "mosquitto")
    server = Server(tmp_path / "broker", config="persistence false")
    server.start()
    yield server
    server.stop()


def channel(port: int, **more):
    table = {
        "name": "room",
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "lab_plain": True,
        "timeout_s": 5.0,
    } | more
    return closing(open_channel(MqttNoticeTable.model_validate(table), CONTEXT))


class Screen:
    """A subscriber that tells what came, up to a mark that it sets itself."""

    def __init__(self, broker: Server) -> None:
        self.got: list = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=f"screen-{uuid.uuid4().hex[:8]}")
        self.client.on_message = lambda _client, _data, message: self.got.append(message)
        self.client.connect(broker.host, broker.port)
        self.mark = f"mark/{uuid.uuid4().hex}"
        self.client.subscribe([("pantau/1/tng/alerts/#", 1), (self.mark, 1)])

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_misc()
        if self.client.socket() is not None:
            self.client.socket().close()

    def seen(self) -> list:
        mark = uuid.uuid4().hex.encode()
        self.client.publish(self.mark, mark, qos=1)
        for _ in range(500):
            if self.got and self.got[-1].payload == mark:
                break
            self.client.loop(0.1)
        found, self.got = self.got[:-1], []
        return found


def standing(broker: Server) -> dict[str, dict]:
    """What somebody who subscribes now is given."""
    with closing(Screen(broker)) as screen:
        seen = screen.seen()
    assert all(message.retain and message.qos == 1 for message in seen)
    return {message.topic: json.loads(message.payload) for message in seen}


def test_what_stands_is_retained_and_gone_when_it_ends(broker):
    with channel(broker.port) as room, closing(Screen(broker)) as screen:
        assert screen.seen() == []
        assert room.send(notice(1)).kind == room.send(notice(2, alert=2, severity=4)).kind == "sent"
        assert room.send(notice(3, "escalate", 4)).kind == "sent"
        found = standing(broker)
        assert {topic: one["severity"] for topic, one in found.items()} == {
            "pantau/1/tng/alerts/1": "extreme", "pantau/1/tng/alerts/2": "extreme",
        }  # fmt: skip
        for one in found.values():
            JUDGE.validate(one)
        assert len(screen.seen()) == 3
        assert room.send(notice(4, "clear", 4, closed_ms=T0)).kind == "sent"
        assert list(standing(broker)) == ["pantau/1/tng/alerts/2"]
        told, gone = screen.seen()  # who listens is told how it ended
        assert json.loads(told.payload)["alert"]["state"] == "ended" and gone.payload == b""


def test_a_broker_that_forgot_everything_gets_it_again_and_no_names_of_staff(broker):
    with channel(broker.port) as room:
        seen = {"acknowledged_by": "operator-1", "acknowledged_ms": T0}
        room.send(notice(1))
        room.send(notice(2, "acknowledge", **seen))
        assert "operator-1" not in json.dumps(standing(broker))
        broker.stop()
        found = room.send(notice(3, alert=2))
        assert found.kind == "retry" and "nothing listens" in found.reason and "notify.mqtt room" in found.reason
        broker.start()
        assert room.send(notice(3, alert=2)).kind == "sent"
        assert sorted(standing(broker)) == ["pantau/1/tng/alerts/1", "pantau/1/tng/alerts/2"]


def test_a_test_is_not_kept_and_throws_nobody_out(broker):
    with channel(broker.port) as room, channel(broker.port) as command, closing(Screen(broker)) as screen:
        room.send(notice(1))
        assert command.send(compose.trial(CONTEXT, "room", "duty", T0)).kind == "sent"
        assert room._link.ready() is False  # still the first connection
        assert [message.topic for message in screen.seen()][-1] == "pantau/1/tng/alerts/test"
        assert list(standing(broker)) == ["pantau/1/tng/alerts/1"]


def test_a_broker_that_is_not_there_is_tried_again():
    with channel(free_port()) as room:
        assert "nothing listens" in room.send(notice()).reason


@pytest.mark.parametrize("wrong", [{"lab_plain": False}, {"password_file": "x"}, {"prefix": "a/#"}, {"prefix": "/a"}])
def test_a_wrong_table_is_refused(wrong):
    with pytest.raises(ValidationError):
        channel(1883, **wrong)

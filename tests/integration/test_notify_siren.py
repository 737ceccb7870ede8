"""From a decision to a sounding siren: the bridge as it ships, a real Mosquitto, and the real firmware that carries it out."""

from __future__ import annotations

import json
import time

import pytest

from integration.bridge_env import Client
from integration.test_sim_alarm import River
from pantau_wire import frame as wire
from pantau_wire import mqtt, topics
from pantau_wire import names as T
from unit.host import bridge_kit as kit

CHANNEL = """
[[notify.siren]]
name = "siren-angke"
nodes = ["flood-01"]
seconds = 60
answer_s = 20.0
unconfirmed = true
[[notify.siren]]
name = "siren-strict"
nodes = ["air-02"]
"""


def alarm(seq: int, *, on: bool = True) -> bytes:
    """A record of now with a float switch that is closed, or not."""
    f = wire.Frame(T.K_RECORDS)
    f.boot, f.seq, f.clock, f.alarm, f.base_s = 1, seq, 3, on, int(time.time())
    f.count, f.interval_s = 1, 60
    f.columns = {T.WATER_DISTANCE: ([1500], None), T.WATER_CONTACT: ([int(on)], None)}
    return bytes(wire.encode(f, kit.NODE, kit.KEY))


@pytest.fixture
def node(broker):
    made = Client(broker.port)
    yield made
    made.close()


def order_to(node: Client) -> tuple[bytes, wire.Frame]:
    """The bytes of the next order to the node at the broker, and what they say."""
    while True:
        message = node.downs.get(timeout=20)
        f = wire.decode(message.payload)
        if f.kind not in {T.K_ACK, T.K_TIME}:
            return message.payload, f


@pytest.mark.usefixtures("vm")
def test_an_alert_sounds_the_siren_of_a_real_node_and_the_log_says_so(bridge, node, tmp_path):
    bridge.config.write_text(bridge.config.read_text() + CHANNEL)
    bridge.start().ready()
    node.send(alarm(1))
    payload, f = order_to(node)
    assert wire.verify(payload, kit.NODE, kit.KEY), "the node's own key is what authorises it"
    assert (f.fields["name"], json.loads(f.fields["args"])) == ("siren", {"do": "hold", "s": 60})
    assert 100 < f.fields["expires_s"] - time.time() < 121
    folder = tmp_path / "node"
    folder.mkdir()
    river = River(folder)
    try:
        river.on()
        assert not river.sounding
        # The same bytes, at the broker of the simulation. Its node is of this name, city and key.
        river.bridge._send(mqtt.publish(topics.topic(kit.CITY, kit.NODE, "cmd"), payload, 1, 9))
        river.simulation.run(5)
        assert river.sounding
        result = next(one for one in river.bridge.frames.values() if wire.decode(one).kind == T.K_RESULT)
        river.simulation.run(60)
        assert not river.sounding, "bounded, also when nobody ends it"
    finally:
        river.simulation.close()
    node.send(result)
    bridge.until("notify.sent", "channel=siren-angke")
    said = [json.loads(line) for line in bridge.call("notify", "log", "--json").stdout.splitlines()]
    outcomes = {attempt["channel"]: (attempt["outcome"], attempt["reason"]) for attempt in said}
    assert outcomes["siren-angke"] == ("sent", "flood-01: hold for 60 s; sounding")
    assert "unconfirmed = true" in outcomes["siren-strict"][1]
    listed = json.loads(bridge.call("fleet", "order", kit.NODE, "--json").stdout)["orders"]
    assert len(listed) == 1
    assert listed[0]["by"].startswith(f"alert {said[0]['alert']} ") and listed[0]["state"] == "done"
    assert json.loads(bridge.call("fleet", "order", "air-02", "--json").stdout)["orders"] == []
    assert bridge.stop() == 0

from __future__ import annotations

import asyncio

import pytest

from integration.bridge_env import Broker
from pantau.config import MqttTable
from pantau.sources.granted import ENOUGH, Law, granted
from unit.host import bridge_kit as kit


# To a client of MQTT 5 Mosquitto grants what the client asks for, whatever its own setting says.
@pytest.mark.parametrize("window, version, found", [(20, "3.1.1", 20), (150, "5", ENOUGH), (5000, "3.1.1", ENOUGH)])
def test_the_window_is_what_the_broker_was_told(tmp_path, window, version, found):
    broker = Broker(tmp_path)
    broker.conf.write_text(
        broker.conf.read_text().replace("max_inflight_messages 1000", f"max_inflight_messages {window}")
    )
    broker.start()
    settings = MqttTable(host="127.0.0.1", port=broker.port, tls=False, lab_plain=True, version=version)
    try:
        assert asyncio.run(granted(kit.CITY, settings)) == found
    finally:
        broker.stop()


def test_a_broker_that_lets_us_hear_no_commands_leaves_it_unknown(tmp_path):
    broker = Broker(tmp_path)
    (tmp_path / "acl").write_text("topic read pantau/v1/+/+/+/up\n")
    broker.conf.write_text(broker.conf.read_text() + f"acl_file {tmp_path}/acl\n")
    broker.start()
    settings = MqttTable(host="127.0.0.1", port=broker.port, tls=False, lab_plain=True)
    try:
        assert asyncio.run(granted(kit.CITY, settings)) is None
    finally:
        broker.stop()


def test_the_law_is_said_in_words():
    law = Law(20, 0.010, 11.1)
    assert round(law.allows) == 21_333
    said = "window 20 x 64 sessions / (50 ms + commit 10.00 ms) = 21,333 frames/s at most, 11.10 expected"
    assert str(law) == said

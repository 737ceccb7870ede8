"""The whole bridge with a real nats-server as its MQTT broker, as test_bridge_mosquitto.py has it with Mosquitto."""

from __future__ import annotations

import asyncio
import signal

import pytest

from integration.bridge_env import ROOT, BridgeProcess, Client, free_port
from integration.test_bridge_tls import certify
from needs import missing
from pantau import config
from pantau.sources import Inbox
from pantau.sources.mqtt import probe
from pantau.sources.session import SourceLost
from pantau_sim.servers import Missing, nats
from pantau_wire import names as T
from unit.host import bridge_kit as kit


@pytest.fixture
def server(tmp_path):
    try:
        with nats.running(tmp_path / "nats", mqtt_port=free_port()) as made:
            yield made
    except Missing as error:
        missing(error.what, error.package)


@pytest.fixture
def bridge(tmp_path, server):
    folder = tmp_path / "bridge"
    folder.mkdir()
    made = BridgeProcess(folder, server.mqtt_port)
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


def send(node: Client, *seqs: int) -> None:
    for seq in seqs:
        node.send(kit.records(seq))


def test_sessions_outlive_bridge_and_broker_and_nothing_is_lost_or_doubled(server, bridge):
    bridge.start().ready()
    node = Client(server.mqtt_port)
    send(node, *range(1, 21))
    node.until_through(20)
    node.send(kit.health(21, time_nonce=4711))
    while (answer := node.down()).kind != T.K_TIME:
        pass
    assert answer.fields["nonce"] == 4711

    bridge.stop(signal.SIGKILL)
    send(node, *range(22, 41))  # the broker keeps them
    bridge.start()
    node.until_through(40)
    bridge.ready()
    assert bridge.stop() == 0
    send(node, *range(41, 61))
    node.close()
    server.kill()  # with what it had confirmed to the node, and nobody else has
    server.start()
    bridge.start().ready()
    node = Client(server.mqtt_port)
    send(node, 61)
    node.until_through(61)
    node.close()

    server.stop()
    bridge.until("mqtt.sessions", "connected=0", "nothing listens")
    server.start()
    bridge.until("mqtt.sessions", "connected=64")
    node = Client(server.mqtt_port)
    send(node, *range(62, 81))
    node.until_through(80)
    node.close()
    bridge.until_metric("pantau_broker_sessions_forgotten_total 0.0")
    assert bridge.stop() == 0
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in range(1, 81)]
    assert not [line for line in bridge.log if "session_forgotten" in line]


def test_the_configuration_of_the_page_with_tls_and_a_password_and_a_wrong_one_is_named(tmp_path):
    page = (ROOT / "docs" / "targets" / "nats-as-broker.md").read_text()
    text = page.split("```conf\n")[1].split("```")[0]
    certify(tmp_path, "server", certify(tmp_path, "ca"))
    port = free_port()
    try:
        server = nats.Server(tmp_path / "nats")
    except Missing as error:
        missing(error.what, error.package)
    for there, here in {
        "127.0.0.1:4222": server.url.removeprefix("nats://"), "127.0.0.1:8222": server.monitor.removeprefix("http://"),
        "0.0.0.0:8883": f"127.0.0.1:{port}", "/var/lib/nats": f"{server.folder}/store", "/etc/pantau": f"{tmp_path}",
    }.items():  # fmt: skip
        assert there in text
        text = text.replace(there, here)
    (server.folder / "nats.conf").write_text(text)
    folder = tmp_path / "bridge"
    folder.mkdir()
    password = folder / "password"
    password.write_text("bridge-secret\n")
    password.chmod(0o600)
    bridge = BridgeProcess(folder, port, f'user = "bridge"\npassword_file = "password"\nca = "{tmp_path}/ca.pem"')
    try:
        server.start()
        bridge.start().ready()
        assert bridge.stop() == 0
        bridge.until("bridge.stopped")
        assert [line for line in bridge.log if "mqtt.window_unknown" in line]  # it may not hear its own commands
        broker = config.load(bridge.config).mqtt
        with pytest.raises(SourceLost, match=r"set \[mqtt\] version to the one that this broker speaks"):
            asyncio.run(probe(kit.CITY, broker.model_copy(update={"version": "5"}), Inbox()))
        password.write_text("wrong\n")
        with pytest.raises(SourceLost, match=r"correct \[mqtt\] user and password_file"):
            asyncio.run(probe(kit.CITY, broker, Inbox()))
    finally:
        if bridge.process is not None:
            bridge.stop(signal.SIGKILL)
        server.stop()

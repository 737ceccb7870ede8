"""A node that is revoked while its session stands, at real brokers."""

from __future__ import annotations

import signal
import subprocess

from integration.test_fleet_broker import WAIT_S, client, files_issued, fleet_of, mosquitto, run, wait_for_port
from pantau.fleet.ca import pem_of
from pantau_sim.servers import free_port
from pantau_sim.servers.nats import find
from pantau_wire.topics import topic


def shown(fleet, node, folder):
    """Write a node's certificate and key for a client that wants files; return both."""
    paths = folder / f"{node}.pem", folder / f"{node}.key"
    for path, data in zip(paths, pem_of(files_issued(fleet.store.secrets(node))), strict=True):
        path.write_bytes(data)
    return tuple(map(str, paths))


def test_a_session_that_stands_neither_speaks_nor_hears_once_its_node_is_revoked(tmp_path):
    fleet = fleet_of(tmp_path, certificates=True)
    bridge_shows = (str(fleet.folder / "bridge.pem"), str(fleet.folder / "bridge.key"))
    up, ack = topic("tng", "flood-01", "up"), topic("tng", "flood-01", "ack")
    other = topic("tng", "flood-02", "up")
    out, stays = shown(fleet, "flood-01", tmp_path), shown(fleet, "flood-02", tmp_path)
    with (
        mosquitto(fleet) as (port, process),
        client(fleet, port, "bridge", certificate=bridge_shows) as bridge,
        client(fleet, port, "flood-02", certificate=stays) as witness,
    ):
        assert not bridge.wait("connect") and not witness.wait("connect")
        bridge.subscribe("pantau/v1/tng/+/+/up")
        with client(fleet, port, "flood-01", certificate=out) as node:
            assert not node.wait("connect")
            node.subscribe(ack)
            node.say(up, b"before")
            assert bridge.got.get(timeout=WAIT_S) == (up, b"before")

            run("fleet", "revoke", "-d", str(fleet.folder), "flood-01", tmp_path=tmp_path)
            for path in (fleet.folder / "broker").iterdir():
                path.chmod(0o644)
            process.send_signal(signal.SIGHUP)
            witness.say(other, b"the files were read again")  # a broker reads them between two packets
            assert bridge.got.get(timeout=WAIT_S) == (other, b"the files were read again")
            node.say(
                up, b"after"
            )  # confirmed, and thrown away: only the bridge's own acknowledgement counts for a node
            bridge.say(ack, b"after")
            witness.say(other, b"end")
            assert bridge.got.get(timeout=WAIT_S) == (other, b"end")
            assert node.got.empty()
        with client(fleet, port, "flood-01", certificate=out) as again:  # on the list of what is revoked
            assert again.events.get(timeout=WAIT_S) == ("gone", True)


def test_nats_throws_away_what_is_forged_and_lets_a_revoked_node_go_and_nobody_else(tmp_path):
    fleet = fleet_of(tmp_path, "nats")
    up, other = topic("tng", "flood-01", "up"), topic("tng", "flood-02", "up")
    ports = free_port(), free_port()

    def adapt():
        text = (fleet.folder / "broker" / "nats.conf").read_text()
        for written, here in (("0.0.0.0:8883", ports[0]), ("127.0.0.1:4222", ports[1])):
            text = text.replace(written, f"127.0.0.1:{here}")
        (fleet.folder / "broker" / "test.conf").write_text(text)

    adapt()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([find(), "-c", str(fleet.folder / "broker" / "test.conf")], stdout=log, stderr=log)
    try:
        wait_for_port(ports[0], process)
        with (
            client(fleet, ports[0], "bridge") as bridge,
            client(fleet, ports[0], "flood-02") as witness,
            client(fleet, ports[0], "flood-01") as node,
        ):
            assert not bridge.wait("connect") and not witness.wait("connect") and not node.wait("connect")
            assert bridge.subscribe("pantau/v1/tng/+/+/up") == [False]
            for foreign in (other, "pantau/v1/tng/+/+/up", "#", up, "$MQTT/#", "$MQTT/sub/#", "$JS/#"):
                assert node.subscribe(foreign) == [True], foreign
            node.say(other, b"forged")
            node.say(up, b"mine")
            assert bridge.got.get(timeout=WAIT_S) == (up, b"mine")

            run("fleet", "revoke", "-d", str(fleet.folder), "flood-01", tmp_path=tmp_path)
            adapt()
            process.send_signal(signal.SIGHUP)
            assert node.wait("gone")
            witness.say(other, b"still here")
            assert bridge.got.get(timeout=WAIT_S) == (other, b"still here")
            assert ("gone", True) not in witness.events.queue and ("gone", True) not in bridge.events.queue
    finally:
        process.terminate()
        process.wait(WAIT_S)

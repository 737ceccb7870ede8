"""With certificates: a node that is revoked while its session stands, at a real Mosquitto."""

from __future__ import annotations

import signal

from integration.test_fleet_broker import WAIT_S, client, files_issued, fleet_of, mosquitto, run
from pantau.fleet.ca import pem_of
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

"""A bridge with the key store of a fleet, at a broker with the fleet's files: what it hears through a rotation and a revocation."""

from __future__ import annotations

import json
import signal

from integration.bridge_env import PATIENCE_S, BridgeProcess
from integration.test_fleet_broker import client, fleet_of, mosquitto, run
from pantau.fleet import files
from pantau_wire import frame as wire
from pantau_wire.topics import topic
from unit.host import bridge_kit as kit


class Unattended(BridgeProcess):
    """As systemd starts it: the key of the vault is a credential, from the folder that the unit loads."""

    def __init__(self, folder, port, fleet):
        fleet_of_it = fleet.folder
        super().__init__(
            folder,
            port,
            f'ca = "{fleet_of_it}/ca.pem"\nuser = "bridge"\npassword_file = "{fleet_of_it}/bridge.password"',
        )
        text = self.config.read_text()
        self.config.write_text(text.replace("[mqtt]", f'keys = "{fleet_of_it}/keys.vault"\n[mqtt]', 1))
        (folder / "keys.json").unlink()
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        secret = self.credentials / "pantau_keys.secret"
        secret.write_bytes((fleet_of_it / "keys.secret").read_bytes())
        secret.chmod(0o440)

    def environment(self):
        return super().environment() | {"CREDENTIALS_DIRECTORY": str(self.credentials)}


def test_a_bridge_hears_a_fleet_through_a_rotation_and_a_revocation(tmp_path):
    fleet = fleet_of(tmp_path)
    place = ("-d", str(fleet.folder))
    run("fleet", "enrol", *place, kit.OTHER, tmp_path=tmp_path)
    old = fleet.store.secrets(kit.NODE).key
    (tmp_path / "bridge").mkdir()
    with mosquitto(fleet) as (port, broker):
        bridge = Unattended(tmp_path / "bridge", port, fleet).start()
        try:
            bridge.until_all(("mqtt.sessions", "connected=64"), ("city.ready",), ("mqtt.window", "frames/s at most"))
            with client(fleet, port, kit.NODE) as node:
                assert not node.wait("connect")
                assert node.subscribe(topic(kit.CITY, kit.NODE, "ack")) == [False]

                def told(seq, key, key_id=0):
                    """Return the id of the key of the acknowledgement of one frame; its tag is right."""
                    node.say(kit.up(), kit.records(seq, key=key, key_id=key_id))
                    while True:
                        _, payload = node.got.get(timeout=PATIENCE_S)
                        signer = wire.header(payload).key_id
                        known = files.load(fleet.folder).store.secrets(kit.NODE).keys | {0: old}
                        assert wire.verify(payload, kit.NODE, known[signer])
                        if wire.decode(payload).fields["through"] >= seq:
                            return signer

                assert told(1, old) == 0
                run("fleet", "rotate", *place, kit.NODE, tmp_path=tmp_path)
                bridge.until("bridge.reconfigured", "key 1 added")
                new = files.load(fleet.folder).store.secrets(kit.NODE).key
                settle = ("fleet", "rotate", *place, kit.NODE, "--settle", "-c", str(bridge.config))
                assert "do not sign with their new key yet" in run(*settle, tmp_path=tmp_path, exit_code=1)
                assert told(2, old) == 0
                assert told(3, new, 1) == 0  # it may not know the new key yet, as far as we know
                assert json.loads(run(*settle, "--json", tmp_path=tmp_path))["settled"] == [kit.NODE]
                bridge.until("bridge.reconfigured", "key 0 removed", "we sign with key 1")
                assert told(4, new, 1) == 1

                run("fleet", "revoke", *place, kit.NODE, "--reload", str(broker.pid), tmp_path=tmp_path)
                for path in (fleet.folder / "broker").iterdir():
                    path.chmod(0o644)  # nobody copied them for the broker's user here
                broker.send_signal(signal.SIGHUP)
                bridge.until("bridge.reconfigured", "has no key any more")
                assert node.wait("gone")
            assert [seq for _, _, seq in bridge.stored()] == [1, 2, 3, 4]
            assert bridge.stop() == 0
        finally:
            bridge.stop(signal.SIGKILL)


def test_a_bridge_without_the_key_of_its_store_says_which_file_is_missing(tmp_path):
    fleet = fleet_of(tmp_path)
    (tmp_path / "bridge").mkdir()
    bridge = Unattended(tmp_path / "bridge", 1, fleet)
    (fleet.folder / "keys.secret").unlink()
    (bridge.credentials / "pantau_keys.secret").unlink()
    said = bridge.call("bridge", "check")
    assert said.returncode == 2 and "keys.secret: cannot be read" in said.stderr
    named = bridge.config.read_text().replace("[mqtt]", f'keys_secret = "{tmp_path}/elsewhere"\n[mqtt]', 1)
    bridge.config.write_text(named)
    assert f"{tmp_path}/elsewhere: cannot be read" in bridge.call("bridge", "check").stderr

"""The broker's files that `pantau fleet` writes, in real brokers: who may speak and listen, who may not, and who is out."""

from __future__ import annotations

import contextlib
import queue
import signal
import ssl
import subprocess
from datetime import UTC, datetime

import paho.mqtt.client as paho
from click.testing import CliRunner

from needs import need
from pantau.cli import pantau
from pantau.fleet import files
from pantau.fleet.ca import pem_of
from pantau_sim.servers import free_port
from pantau_wire.topics import topic
from unit.host import release_pair

WAIT_S = 10
PHRASE = "empat kata yang panjang"


class Client:
    """One MQTT client over TLS; it waits for what it asked for."""

    def __init__(self, fleet, port, user, *, certificate=None, wait=True):
        self.error = None
        self.got: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.events: queue.Queue[tuple[str, object]] = queue.Queue()
        self._mqtt = mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=user)
        context = ssl.create_default_context(cafile=str(fleet.folder / "ca.pem"))
        if certificate:
            context.load_cert_chain(*certificate)
        mqtt.tls_set_context(context)
        if not certificate:
            known = (
                fleet.store.secrets(user).mqtt_password
                if user in fleet.store
                else (fleet.folder / f"{user}.password").read_text().strip()
            )
            mqtt.username_pw_set(user, known)
        mqtt.on_connect = lambda *a: self.events.put(("connect", a[3].is_failure))
        mqtt.on_subscribe = lambda *a: self.events.put(("subscribe", [code.is_failure for code in a[3]]))
        mqtt.on_publish = lambda *_: self.events.put(("publish", False))
        mqtt.on_disconnect = lambda *_: self.events.put(("gone", True))
        mqtt.on_message = lambda _c, _u, m: self.got.put((m.topic, m.payload))
        try:
            mqtt.connect("localhost", port)
        except OSError as error:  # TLS 1.3 tells a refused certificate only with the first bytes read
            if wait:
                raise
            self.error = error
        mqtt.loop_start()

    def wait(self, what):
        while True:
            name, value = self.events.get(timeout=WAIT_S)
            if name == what:
                return value

    def subscribe(self, name):
        self._mqtt.subscribe(name, 1)
        return self.wait("subscribe")

    def say(self, name, payload):
        self._mqtt.publish(name, payload, 1)
        self.wait("publish")  # a broker confirms what it throws away, too

    def close(self):
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


@contextlib.contextmanager
def client(*args, **options):
    made = Client(*args, **options)
    try:
        yield made
    finally:
        made.close()


def fleet_of(tmp_path, broker="mosquitto", *, certificates=False):
    place = tmp_path / "fleet"
    (tmp_path / "phrase").write_text(PHRASE + "\n")
    (tmp_path / "phrase").chmod(0o600)
    command = [
        "fleet",
        "init",
        str(place),
        "--city",
        "tng",
        "--host",
        "localhost",
        "--broker",
        broker,
        "--at",
        str(place / "broker"),
    ]
    with release_pair.known():
        run(*command, *(["--certificates"] if certificates else []), tmp_path=tmp_path)
    fleet = files.load(place)
    now = datetime.now(UTC)
    authority = fleet.authority(files.vault.Secret(passphrase=PHRASE))
    for node in ("flood-01", "flood-02"):
        fleet.store.enrol(node, now, authority)
    files.publish(fleet, authority, now)
    return fleet


def run(*args, tmp_path, exit_code=0):
    done = CliRunner().invoke(pantau, [*args], env={"PANTAU_FLEET_PASSPHRASE_FILE": str(tmp_path / "phrase")})
    assert done.exit_code == exit_code, done.output
    assert PHRASE not in done.output
    return done.output


@contextlib.contextmanager
def mosquitto(fleet):
    """A real one on the files as they are; yields (port, process)."""
    binary = need("mosquitto", "mosquitto")
    folder, port = fleet.folder / "broker", free_port()
    conf = (folder / "mosquitto.conf").read_text().replace("listener 8883", f"listener {port} 127.0.0.1")
    (folder / "test.conf").write_text(
        conf.replace("persistence true\n", "persistence false\n")
        + "log_dest stderr\nlog_type all\nuser root\n"  # the folder is ours
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen([binary, "-c", str(folder / "test.conf")], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield port, process
    finally:
        process.terminate()
        process.wait(WAIT_S)
        log.close()


def wait_for_port(port, process):
    import socket
    import time

    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError("the broker does not listen")


def check_permissions(fleet, port):
    """Every user does its own, and nothing else."""
    mine, other = (lambda what: topic("tng", "flood-01", what)), (lambda what: topic("tng", "flood-02", what))
    with (
        client(fleet, port, "bridge") as bridge,
        client(fleet, port, "flood-01") as node,
        client(fleet, port, "flood-02") as third,
    ):
        assert not bridge.wait("connect") and not node.wait("connect") and not third.wait("connect")
        assert bridge.subscribe("pantau/v1/tng/+/+/up") == [False]
        for name in (mine("ack"), mine("cmd")):
            assert node.subscribe(name) == [False]
        third.subscribe(other("cmd"))
        node.say(mine("up"), b"mine")
        assert bridge.got.get(timeout=WAIT_S) == (mine("up"), b"mine")
        bridge.say(mine("ack"), b"ack")
        assert node.got.get(timeout=WAIT_S) == (mine("ack"), b"ack")
        return bridge, node, third, mine, other


def test_mosquitto_lets_everybody_do_their_own_and_nothing_else(tmp_path):
    fleet = fleet_of(tmp_path)
    with mosquitto(fleet) as (port, _):
        check_permissions(fleet, port)
        mine, other = (lambda what: topic("tng", "flood-01", what)), (lambda what: topic("tng", "flood-02", what))
        with client(fleet, port, "bridge") as bridge, client(fleet, port, "flood-01") as node:
            bridge.subscribe("pantau/v1/tng/+/+/up")
            for forbidden in (other("ack"), other("cmd"), mine("up"), "#", "pantau/v1/tng/+/+/up", "$SYS/#"):
                node.subscribe(forbidden)  # Mosquitto says yes, and then delivers nothing
            node.say(other("up"), b"forged")
            node.say(other("cmd"), b"forged")
            node.say(mine("cmd"), b"forged")
            bridge.say(other("cmd"), b"for the other")
            node.say(mine("up"), b"last")
            assert bridge.got.get(timeout=WAIT_S) == (mine("up"), b"last")
            bridge.say(mine("ack"), b"end")
            node.subscribe(mine("ack"))
            bridge.say(mine("ack"), b"end")
            assert {node.got.get(timeout=WAIT_S)} == {(mine("ack"), b"end")}


def test_a_revoked_node_is_out(tmp_path):
    fleet = fleet_of(tmp_path)
    with mosquitto(fleet) as (port, process):
        with client(fleet, port, "flood-01") as node:
            assert not node.wait("connect")
            password = fleet.store.secrets("flood-01").mqtt_password
            run("fleet", "revoke", "-d", str(fleet.folder), "flood-01", tmp_path=tmp_path)
            process.send_signal(signal.SIGHUP)
            assert node.wait("gone")  # the session that it had
        stranger = files.load(fleet.folder)
        assert "flood-01" not in stranger.store
        again = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="flood-01")
        again.tls_set_context(ssl.create_default_context(cafile=str(fleet.folder / "ca.pem")))
        again.username_pw_set("flood-01", password)
        refused: queue.Queue[bool] = queue.Queue()
        again.on_connect = lambda *a: refused.put(a[3].is_failure)
        again.connect("localhost", port)
        again.loop_start()
        assert refused.get(timeout=WAIT_S)
        again.loop_stop()


def test_with_certificates_the_name_in_it_is_the_user(tmp_path):
    fleet = fleet_of(tmp_path, certificates=True)
    shown = {}
    for node in ("flood-01", "flood-02"):
        known = fleet.store.secrets(node)
        certificate, key = pem_of(files_issued(known))
        for kind, data in (("pem", certificate), ("key", key)):
            (tmp_path / f"{node}.{kind}").write_bytes(data)
        shown[node] = (str(tmp_path / f"{node}.pem"), str(tmp_path / f"{node}.key"))
    bridge_files = (str(fleet.folder / "bridge.pem"), str(fleet.folder / "bridge.key"))
    run("fleet", "revoke", "-d", str(fleet.folder), "flood-02", tmp_path=tmp_path)
    with mosquitto(fleet) as (port, _):
        with (
            client(fleet, port, "bridge", certificate=bridge_files) as bridge,
            client(fleet, port, "flood-01", certificate=shown["flood-01"]) as node,
        ):
            assert not bridge.wait("connect") and not node.wait("connect")
            bridge.subscribe("pantau/v1/tng/+/+/up")
            node.say(topic("tng", "flood-02", "up"), b"forged")
            node.say(topic("tng", "flood-01", "up"), b"mine")
            assert bridge.got.get(timeout=WAIT_S)[1] == b"mine"
        refused = Client(fleet, port, "flood-02", certificate=shown["flood-02"], wait=False)
        assert refused.error or refused.wait("gone") or refused.wait("connect")
        refused.close()


def files_issued(known):
    from pantau.fleet.ca import Issued

    return Issued(known.cert_der, known.key_der)


def test_nats_with_its_mqtt_listener_lets_everybody_do_their_own(tmp_path):
    from pantau_sim.servers.nats import find

    fleet = fleet_of(tmp_path, "nats")
    port = free_port()
    text = (fleet.folder / "broker" / "nats.conf").read_text()
    assert fleet.store.secrets("flood-01").mqtt_password not in text
    (fleet.folder / "broker" / "test.conf").write_text(
        text.replace("0.0.0.0:8883", f"127.0.0.1:{port}").replace("127.0.0.1:4222", f"127.0.0.1:{free_port()}")
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([find(), "-c", str(fleet.folder / "broker" / "test.conf")], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        check_permissions(fleet, port)
        with client(fleet, port, "flood-01") as node:
            assert not node.wait("connect")
            assert node.subscribe(topic("tng", "flood-02", "ack")) == [True]
    finally:
        process.terminate()
        process.wait(WAIT_S)


def test_emqx_files_have_a_line_for_each_and_end_in_a_denial(tmp_path):
    fleet = fleet_of(tmp_path, "emqx")
    acl = (fleet.folder / "broker" / "acl.conf").read_text()
    assert '{allow, {user, "flood-01"}, publish, ["' + topic("tng", "flood-01", "up") in acl
    assert acl.rstrip().endswith("{deny, all}.")
    rows = (fleet.folder / "broker" / "users.csv").read_text().splitlines()
    assert rows[0] == "user_id,password_hash,salt,is_superuser" and len(rows) == 5


def test_the_commands_of_the_keys(tmp_path):
    fleet = fleet_of(tmp_path)
    place = str(fleet.folder)
    run("fleet", "rotate", "-d", place, "flood-01", tmp_path=tmp_path)
    assert files.load(fleet.folder).store.secrets("flood-01").key_id == 1
    run("fleet", "rotate", "-d", place, "flood-01", tmp_path=tmp_path, exit_code=1)
    run("fleet", "rotate", "-d", place, "flood-01", "--settle", "--unseen", tmp_path=tmp_path)
    run("fleet", "rotate", "-d", place, "--server", tmp_path=tmp_path)
    run("fleet", "rotate", "-d", place, tmp_path=tmp_path, exit_code=2)
    run("fleet", "export", "-d", place, str(tmp_path / "laptop.vault"), "--node", "flood-02", tmp_path=tmp_path)
    assert "0 nodes are new" in run("fleet", "import", "-d", place, str(tmp_path / "laptop.vault"), tmp_path=tmp_path)
    run("fleet", "init", place, "--city", "tng", "--host", "h", tmp_path=tmp_path, exit_code=1)
    run("fleet", "revoke", "-d", place, "nobody", tmp_path=tmp_path, exit_code=1)
    secrets = [fleet.store.secrets(node).mqtt_password for node in ("flood-01", "flood-02")]
    for path in (fleet.folder / "broker").iterdir():
        assert not any(secret in path.read_text() for secret in secrets), path

"""The node's link by itself in the real VM against Mosquitto over TLS: whom it trusts, how it logs in, what it says if not."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import vms
from integration.bridge_env import Broker, free_port
from needs import missing, need
from pantau_sim.demo.certificates import LIFETIME, Authority

NODE = "flood-01"
PASSWORD = "p4ssw0rd-never-shown"
PSK = "0123456789abcdef0123456789abcdef"
LONG_AGO = -LIFETIME - timedelta(days=1)
DAY = timedelta(days=1)

# What the node does with the link, without the rest of the node: one line of JSON with what came of it.
SCRIPT = """
import asyncio, gc, json, os, random, sys, time
plan = json.load(open(sys.argv[1]))
if plan["old"]:
    class Old:
        PROTOCOL_TLS_CLIENT = CERT_REQUIRED = 0
        class SSLContext:
            def __init__(self, _protocol):
                pass
    sys.modules["tls"] = Old
from pantau_node import config, identity
from pantau_node.links import mqtt
from pantau_node.links.none import NoNet

class Node:
    ups = []
    beats = worst_ms = 0
    uptime_ms = time.ticks_ms
    def on_up(self, up):
        self.ups.append(up)
    def on_message(self, payload):
        pass
    def next_send(self):
        return None
    def due_ms(self):
        return 60000
    def ack_age_ms(self):
        return None
    def on_stuck(self):
        pass
    async def beat(self):
        last = time.ticks_ms()
        while True:
            await asyncio.sleep_ms(10)
            now = time.ticks_ms()
            self.worst_ms = max(self.worst_ms, now - last)
            self.beats += 1
            last = now

def files():
    gc.collect()
    return len(list(os.ilistdir("/proc/self/fd")))

async def main():
    conf, problems = config.build(plan["config"])
    assert not problems, problems
    node = Node()
    names = {what: "t/" + what for what in ("up", "ack", "cmd", "will")}
    link = mqtt.MqttLink(conf, identity.parse(json.dumps(plan["identity"])), names, node, NoNet(), node, random.getrandbits)
    link.OPEN_S = 1
    opened = files()
    tasks = [asyncio.create_task(node.beat()), asyncio.create_task(link.run())]
    while not link.up and sum(link.causes.values()) < plan["attempts"]:
        await asyncio.sleep_ms(20)
    up = link.up
    print(json.dumps({"up": up, "causes": link.causes, "beats": node.beats, "worst_ms": node.worst_ms,
                      "files": files() - opened - up}))

asyncio.run(main())
"""


class Bench:
    """A folder with certificates, brokers on demand, and links to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.city = Authority()
        self.city.write(folder)
        self._brokers: list[Broker] = []

    def broker(self, *extra: str, authority: Authority | None = None, since: timedelta = -DAY / 24) -> int:
        """Start a Mosquitto with passwords and a server certificate of `authority`; return its port."""
        place = self.folder / f"broker{len(self._brokers)}"
        place.mkdir()
        (authority or self.city).write(place, since)
        tool = need("mosquitto_passwd", "mosquitto")
        subprocess.run([tool, "-b", "-c", place / "passwords", NODE, PASSWORD], check=True, capture_output=True)
        lines = extra or (f"certfile {place}/server.pem", f"keyfile {place}/server.key")
        users = "" if "use_identity_as_username true" in lines else f"password_file {place}/passwords\n"
        text = "listener {port} 127.0.0.1\nallow_anonymous false\n" + users + "\n".join(lines) + "\n"
        self._brokers.append(Broker(place, text).start())
        return self._brokers[-1].port

    def strict(self) -> int:
        """A broker that wants a client certificate of the city and takes its name for the user."""
        return self.broker(
            f"cafile {self.folder}/ca.pem",
            f"certfile {self.folder}/server.pem",
            f"keyfile {self.folder}/server.key",
            "require_certificate true",
            "use_identity_as_username true",
        )

    def link(self, port: int, attempts: int = 1, **change: Any) -> tuple[dict[str, Any], str]:
        """Run the link until it is up or has failed so often; return what came of it and its log."""
        identity = {"node": NODE, "keys": {"0": "00" * 32}, "mqtt_password": change.pop("password", PASSWORD)}
        identity |= change.pop("identity", {})
        old = change.pop("old", False)
        broker = {"host": "localhost", "port": port, "ca": str(self.folder / "ca.der")} | change
        broker |= {"backoff_min_ms": 50, "backoff_max_s": 1}
        plan = {"config": {"broker": broker}, "identity": identity, "attempts": attempts, "old": old}
        (self.folder / "plan.json").write_text(json.dumps(plan))
        (self.folder / "link.py").write_text(SCRIPT)
        done = vms.run("unix", self.folder / "link.py", str(self.folder / "plan.json"))
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stderr and PSK not in done.stderr and "Traceback" not in done.stderr
        return json.loads(done.stdout), done.stderr

    def close(self) -> None:
        for broker in self._brokers:
            broker.stop()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    try:
        vms.command("unix", tmp_path)
    except vms.MissingVmError as error:
        missing(str(error), error.package)
    made = Bench(tmp_path)
    yield made
    made.close()


def card(authority: Authority, name: str = NODE) -> dict[str, str]:
    """The client certificate and key of a node as its identity holds them."""
    certificate, key = authority.issue(name)
    private = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return {"tls_cert": certificate.public_bytes(Encoding.DER).hex(), "tls_key": private.hex()}


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Accept TCP and answer with these bytes and an end, or never (None)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                if answer is None:
                    kept.append(peer)
                    continue
                with peer:
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for peer in kept:
            peer.close()


def test_the_citys_ca_and_a_password(bench: Bench) -> None:
    came, log = bench.link(bench.broker())
    assert came["up"] and came["causes"] == {} and "connected to localhost" in log


def test_the_next_ca_stands_beside_the_present_one(bench: Bench) -> None:
    coming = Authority()
    both = bench.folder / "both.pem"
    both.write_bytes(bench.city.certificate.public_bytes(Encoding.PEM) + coming.certificate.public_bytes(Encoding.PEM))
    for port in (bench.broker(), bench.broker(authority=coming)):
        came, log = bench.link(port, ca=str(both))
        assert came["up"], log


def test_a_certificate_that_is_not_ours_is_refused_with_what_to_do(bench: Bench) -> None:
    stranger, past = Authority(), Authority(LONG_AGO)
    (bench.folder / "past.der").write_bytes(past.certificate.public_bytes(Encoding.DER))
    for port, change, said in (
        (bench.broker(authority=stranger), {}, "not signed by our CA: check the CA file"),
        (bench.broker(), {"server_name": "city.example"}, "made out to another name: check broker.host"),
        (bench.broker(since=LONG_AGO), {}, "its own validity or that of the CA expired: renew it"),
        (bench.broker(authority=past), {"ca": str(bench.folder / "past.der")}, "that of the CA expired"),
        (bench.broker(since=DAY), {}, "not valid yet: check the clock"),
    ):
        came, log = bench.link(port, 2, **change)
        assert not came["up"] and came["causes"] == {"4": 2}, (said, log)
        assert log.count("certificate is not trusted: ") == 1 and said in log


def test_a_ca_file_that_cannot_be_read_is_named(bench: Bench) -> None:
    (bench.folder / "junk").write_bytes(b"not a certificate")
    (bench.folder / "empty").write_bytes(b"")
    for name in ("none", "junk", "empty"):
        came, log = bench.link(1, ca=str(bench.folder / name))
        assert came["causes"] == {"4": 1}
        assert f"CA file {bench.folder}/{name}: " in log and "provision it anew" in log


def test_a_client_certificate(bench: Bench) -> None:
    port = bench.strict()
    came, log = bench.link(port, auth="certificate", identity=card(bench.city), password="")
    assert came["up"], log
    came, log = bench.link(port)
    assert came["causes"] == {"5": 1} and "the broker broke off the handshake: check this node's password" in log
    came, log = bench.link(port, auth="certificate", identity=card(Authority()))
    assert came["causes"] == {"5": 1} and "the broker broke off the handshake: check this node's certificate" in log
    came, log = bench.link(port, auth="certificate")
    assert came["causes"] == {"4": 1} and "client certificate of the identity: " in log


def test_a_wrong_password(bench: Bench) -> None:
    came, log = bench.link(bench.broker(), 2, password="other-secret")
    assert came["causes"] == {"6": 2} and "other-secret" not in log
    assert log.count("refused: not authorised: check this node's account at the broker") == 1


def test_tls_psk_where_the_build_has_it(bench: Bench) -> None:
    (bench.folder / "psk").write_text(f"{NODE}:{PSK}\n")
    port = bench.broker("psk_hint city", f"psk_file {bench.folder}/psk", "use_identity_as_username true")
    key = {"psk": {"identity": NODE, "key": PSK}}
    came, log = bench.link(port, auth="psk", identity=key, ca="/none", password="")
    assert came["up"], log
    for wrong in ({"psk": {"identity": NODE, "key": "ff" * 16}}, {"psk": {"identity": "other", "key": PSK}}):
        came, log = bench.link(port, auth="psk", identity=wrong)
        assert came["causes"] == {"5": 1} and "check this node's psk there" in log
    came, log = bench.link(bench.broker(), auth="psk", identity=key)
    assert came["causes"] == {"5": 1}, "a certificate, even the city's, is no answer to a key"
    came, log = bench.link(port, auth="psk")
    assert came["causes"] == {"4": 1} and "the identity has no psk" in log
    came, log = bench.link(port, auth="psk", identity=key, old=True)
    assert came["causes"] == {"4": 1} and "no TLS-PSK, 1.29 has: use password or certificate" in log


def test_what_is_not_there_or_does_not_speak_tls(bench: Bench) -> None:
    came, _ = bench.link(free_port())
    assert came["causes"] == {"3": 1}
    came, log = bench.link(8883, host="no-such-host.invalid")
    assert came["causes"] == {"2": 1} and "the name cannot be resolved: check broker.host" in log
    for answer in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        with server(answer) as port:
            came, log = bench.link(port, 3)
            assert came["causes"] == {"5": 3} and "handshake: " in log


def test_a_server_that_never_shakes_hands_stops_nobody_and_is_left_at_the_deadline(bench: Bench) -> None:
    with server(None) as port:
        came, log = bench.link(port, 2)
    assert came["causes"] == {"5": 2} and "handshake: not finished in time" in log
    assert came["beats"] >= 100 and came["worst_ms"] < 500, came  # two deadlines of 1 s, a beat each 10 ms


def test_failed_handshakes_leave_no_socket_behind(bench: Bench) -> None:
    came, _ = bench.link(bench.broker(authority=Authority()), 12)
    assert came["causes"] == {"4": 12} and came["files"] <= 2

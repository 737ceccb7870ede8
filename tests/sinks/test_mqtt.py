"""The MQTT JSON sink beyond the contract: sizes, names, who is introduced, brokers that refuse, hang or are none."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import needs
from pantau.model import Revision
from pantau.problems import ConfigError
from pantau.registry import Placement, Registry
from pantau.sinks import Context, _mqtt_text
from pantau.sinks.mqtt import MqttJsonTable, open_sink
from pantau_sim.demo import certificates
from pantau_sim.servers import Missing, mosquitto
from sinks import kit as kits
from sinks.frames import NOW_MS, frame
from sinks.kit import CITY, LOG, check, registry
from sinks.kit_mqtt import Kit, Platform

LEVEL = ("m", [1.25, None, 1.5])


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    try:
        kit = Kit(tmp_path_factory.mktemp("mqtt"))
    except Missing as missing:
        needs.missing(missing.what, missing.package)
    yield kit, kits.towns()
    kit.close()


@pytest.fixture
def kit(target):
    return target[0]


@pytest.fixture
def town(target):
    return next(target[1])


@contextmanager
def opened(kit, **given):
    sink = kit.open(**given)
    try:
        yield sink
    finally:
        sink.close()


def kinds(sink, batch):
    return [verdict.kind for verdict in sink.deliver(batch)]


def test_messages_stay_within_the_bound_and_say_everything(kit, town):
    log = [town.level(*range(1500, 1560), at_s=kits.T0_S + 3600 * n) for n in range(3)]
    log += town.day(at_s=kits.T0_S + 900_000)
    store = kit.platform.settled()
    before = len(store.messages)
    with opened(kit, max_bytes=1024) as sink:
        assert set(kinds(sink, log)) == {"stored"}
    check(kit, town)
    sizes = [size + len(topic) + 4 for topic, size in store.messages[before:]]
    assert max(sizes) <= 1024
    assert sum(size > 900 for size in sizes) > 0.6 * len(sizes)


values = st.dictionaries(st.sampled_from([f"property_{n}" for n in range(12)]), st.floats(-1e9, 1e9), min_size=1)
series = st.dictionaries(
    st.sampled_from(["flood-01", 'a "b" 水', "c\\d", "e" * 60]),
    st.dictionaries(st.integers(0, 4_000_000_000_000), values, max_size=8),
)


@given(series, st.integers(_mqtt_text.LEAST_BYTES, 3000))
def test_however_it_is_cut_nothing_is_lost_or_added(said, most):
    heard = {}
    for payload in _mqtt_text.messages(said, most):
        assert len(payload) <= most
        assert b"\n" not in payload
        for device, entries in json.loads(payload).items():
            for entry in entries:
                heard.setdefault(device, {}).setdefault(entry["ts"], {}).update(entry["values"])
    assert heard == {device: entries for device, entries in said.items() if entries}


def test_an_entry_larger_than_a_message_is_told_in_parts():
    said = {"d": {5: {f"property_{n}": n / 7 for n in range(100)}}}
    payloads = list(_mqtt_text.messages(said, 1024))
    assert len(payloads) > 1
    assert max(map(len, payloads)) <= 1024
    together = {}
    for payload in payloads:
        for entry in json.loads(payload)["d"]:
            together |= entry["values"]
    assert together == said["d"][5]


def test_the_form_of_messages():
    """What ThingsBoard's documents ask of a gateway; docs/targets/mqtt-json.md shows it."""
    told = frame(7, {"water_level": LEVEL, "rain_amount": ("mm", [0.2, 0.0, 0.4])}, quality=3)
    earlier = Revision(("flood-01", 1, 2, 0, "water_level"), 4, "spike", "", NOW_MS)
    silent = Revision(("flood-01", 1, 2, 1, "water_level"), 9, "timeout", "", NOW_MS)
    found = _mqtt_text.telemetry([replace(told, revisions=(earlier, silent))], "{city}/{node}", "tng")
    first = NOW_MS + 60_000 * 7 - 30_000
    (payload,) = _mqtt_text.messages(found.series, 65_536)
    ((device, entries),) = json.loads(payload).items()
    assert device == "tng/flood-01"
    assert sorted(entries, key=lambda entry: entry["ts"]) == [
        {"ts": NOW_MS, "values": {"water_level_quality": 4}},
        {"ts": first, "values": {"water_level": 1.25, "water_level_quality": 3, "rain_amount": 0.2, "rain_amount_quality": 3}},
        {"ts": first + 60_000, "values": {"rain_amount": 0.0, "rain_amount_quality": 3}},
        {"ts": first + 120_000, "values": {"water_level": 1.5, "water_level_quality": 3, "rain_amount": 0.4, "rain_amount_quality": 3}},
    ]  # fmt: skip


def test_nodes_are_introduced_once_a_connection_and_their_health_when_it_is_news(kit, town):
    store = kit.platform.settled()
    node = town.flood
    with opened(kit) as sink:
        older, newer = town.state(firmware="1.4.0"), town.state(firmware="1.5.0")
        kinds(sink, [town.level(1500), older])
        kinds(sink, [town.level(1501, at_s=kits.T0_S + 60), newer])
        assert kit.platform.settled().connected[node] == 1
        said = store.attributes[node]
        assert (said["station"], said["domain"], said["kemendagri"]) == ("angke", "flood", "36.71.10")
        assert (said["latitude"], said["longitude"], said["health_firmware"]) == (-6.1701, 106.6403, "1.5.0")
        kinds(sink, [older])  # on somebody's wish: it is history, and attributes are not
        assert kit.platform.settled().attributes[node]["health_firmware"] == "1.5.0"
        sink.use(Registry([kits.BENDUNG], [Placement(node, "bendung")]))
        kinds(sink, [town.level(1502, at_s=kits.T0_S + 120)])
        assert kit.platform.settled().attributes[node]["station"] == "bendung"
        assert store.connected[node] == 2
    check(kit, town)


def test_a_broker_that_was_started_anew_between_two_deliveries_is_not_noticed(kit, town):
    with opened(kit) as sink:
        assert kinds(sink, [town.level(1500)]) == ["stored"]
        kit.stop()
        kit.start()
        assert kinds(sink, [town.level(1501, at_s=kits.T0_S + 60)]) == ["stored"]
        assert kit.platform.settled().connected[town.flood] == 2
    check(kit, town)


@pytest.mark.parametrize("large", [False, True])
def test_a_broker_that_hangs_is_waited_for_within_bounds(kit, town, large):
    log = [town.level(1500)]
    # Large: more than the sockets between us hold.
    more = [frame(n, {"water_level": ("m", [k / 7 for k in range(900)])}) for n in range(1, 120 if large else 2)]
    sink = kit.open(timeout_s=0.5, in_flight=1000)
    assert kinds(sink, log) == ["stored"]
    kit.server.hang()
    try:
        began = time.monotonic()
        verdicts = sink.deliver(more)
        assert {verdict.kind for verdict in verdicts} == {"retry"}
        assert "no receipt" in verdicts[0].reason
        assert {verdict.kind for verdict in sink.deliver(more)} == {"retry"}
        sink.close()
        assert time.monotonic() - began < 10
    finally:
        kit.server.resume()
    with opened(kit) as sink:
        assert set(kinds(sink, more)) == {"stored"}
    check(kit, town)


def test_closing_while_the_broker_hangs_ends_soon(kit, town):
    sink = kit.open()
    kinds(sink, [town.level(1500)])
    kit.server.hang()
    try:
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < 4
    finally:
        kit.server.resume()


def test_a_plain_broker_with_names_of_its_own(kit):
    """Any consumer: other topics, other names, nothing but readings."""
    platform = Platform(kit.server.port, "readings/#", "other platform")
    platform.connect()
    told = {"topic": "readings/tng", "device": "{city}:{node}", "attributes_topic": "", "connect_topic": ""}
    with opened(kit, **told, client_id="other") as sink:
        assert kinds(sink, [frame(1, {"water_level": LEVEL})]) == ["stored"]
    store = platform.settled()
    platform.leave()
    assert {device for device, _, _ in store.values} == {"tng:flood-01"}
    assert {topic for topic, _ in store.messages} == {"readings/tng"}


def test_a_broker_that_takes_less_than_we_send_says_so_and_the_bound_is_the_cure(tmp_path):
    log = [frame(n, {"water_level": ("m", [float(k) for k in range(60)])}) for n in range(1, 4)]
    with mosquitto.running(tmp_path / "small", config="max_packet_size 1500") as small:
        told = {"host": "127.0.0.1", "port": small.port, "tls": False, "lab_plain": True, "timeout_s": 3.0}
        for most, kind, words in ((65_536, "retry", "lower max_bytes in [sinks.mqtt]"), (1400, "stored", "")):
            sink = open_sink(MqttJsonTable(**told, max_bytes=most), Context(CITY, LOG, tmp_path, registry()))
            verdict = sink.deliver(log)[0]
            sink.close()
            assert (verdict.kind, words in verdict.reason) == (kind, True), verdict


def test_tls_and_secrets(tmp_path):
    certificates.make(tmp_path)
    passwords = tmp_path / "passwords"
    for name, secret in (("password", "sesame"), ("wrong", "hush")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"{secret}\n")
    maker = mosquitto.find("mosquitto_passwd")
    passwords.write_text("city:sesame\n")
    passwords.chmod(0o600)
    subprocess.run([maker, "-U", str(passwords)], check=True, capture_output=True)
    listener = f"certfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\npassword_file {passwords}\nallow_anonymous false"
    log = [frame(1, {"water_level": LEVEL})]
    with mosquitto.running(tmp_path / "tls", listener=listener) as safe:
        by_password = {"user": "city", "password_file": tmp_path / "password", "ca": tmp_path / "ca.pem"}
        for given_, kind, words in (
            (by_password, "stored", ""),
            (by_password | {"password_file": tmp_path / "wrong"}, "retry", "refuses us: Not authorized; check user"),
            ({"ca": tmp_path / "ca.pem"}, "retry", "refuses us"),
            (by_password | {"ca": None}, "retry", "its certificate does not fit"),
            ({"tls": False, "lab_plain": True, "timeout_s": 1.0}, "retry", "closed the connection"),
        ):
            told = {"host": "localhost", "port": safe.port, "timeout_s": 3.0} | given_
            sink = open_sink(MqttJsonTable(**told), Context(CITY, LOG, tmp_path, registry()))
            verdict = sink.deliver(log)[0]
            sink.close()
            assert (verdict.kind, words in verdict.reason) == (kind, True), (given_, verdict)


def test_the_token_of_a_gateway_is_the_name_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("A1_TOKEN\n")
    said = []
    monkeypatch.setattr(paho.Client, "username_pw_set", lambda _self, *given_: said.append(given_))
    told = {"host": "127.0.0.1", "port": 1, "tls": False, "lab_plain": True, "token_file": tmp_path / "token"}
    sink = open_sink(MqttJsonTable(**told), Context(CITY, LOG, tmp_path, registry()))
    verdict = sink.deliver([frame(1, {"water_level": LEVEL})])[0]
    sink.close()
    assert said == [("A1_TOKEN", None)]
    assert verdict.reason == "nothing listens at 127.0.0.1:1: start the broker or correct [sinks.mqtt] host and port"
    (tmp_path / "token").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_sink(MqttJsonTable(**told), Context(CITY, LOG, tmp_path, registry()))


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_listens_there_is_no_broker(tmp_path, says):
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = {"host": "127.0.0.1", "port": server.getsockname()[1], "tls": False, "lab_plain": True, "timeout_s": 0.5}
        sink = open_sink(MqttJsonTable(**told), Context(CITY, LOG, tmp_path, registry()))
        if says:

            def answer():
                peer, _ = server.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(says)

            thread = threading.Thread(target=answer)
            thread.start()
        began = time.monotonic()
        verdict = sink.deliver([frame(1, {"water_level": LEVEL})])[0]
        sink.close()
        assert time.monotonic() - began < 3
        if says:
            thread.join()
        assert verdict.kind == "retry"
        assert "broker" in verdict.reason


def test_files_that_cannot_be_used_are_named_as_in_our_table(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"sinks\.mqtt\.ca"):
        open_sink(MqttJsonTable(host="h", ca=tmp_path / "ca.pem"), Context(CITY, LOG, tmp_path, registry()))


def test_the_table():
    for wrong, words in (
        ({"tls": False}, "lab_plain"),
        ({"device": "city"}, "{node}"),
        ({"password_file": "p"}, "without user"),
        ({"user": "u", "token_file": "t"}, "token_file"),
        ({"certificate": "c"}, "private_key"),
        ({"topic": "a/#"}, "topic"),
        ({"max_bytes": 100}, "max_bytes"),
    ):
        with pytest.raises(ValidationError, match=words):
            MqttJsonTable(host="h", **wrong)
    assert MqttJsonTable(host="h", attributes_topic="").attributes_topic == ""

import asyncio
import json
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from integration.bridge_env import Broker as Mosquitto
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.cli import pantau
from pantau_sim.demo import certificates
from pantau_sim.load import bodies, files, frames, offered, publisher, run, target
from pantau_sim.load.histogram import Histogram
from pantau_wire import frame as wire
from pantau_wire import mqtt, mqtt_more, topics
from pantau_wire import names as T

CITY = "tng"
BASE = 1_770_000_000


@pytest.fixture(scope="module")
def fleet():
    return frames.Fleet(CITY, 40, seed=5)


def reference(fleet, number, boot, seq, base_s, alarm=False):
    """The same frame as the wire codec makes it."""
    f = wire.Frame(T.K_RECORDS, 0)
    f.boot, f.seq, f.clock, f.base_s, f.profile, f.alarm = boot, seq, 3, base_s, 1, alarm
    f.count, f.interval_s, f.columns = bodies.RECORDS, bodies.INTERVAL_S, fleet.body(number, seq).columns
    return wire.encode(f, fleet.nodes[number].id, fleet.nodes[number].key)


def test_a_fast_frame_is_the_codecs_frame_byte_for_byte(fleet):
    rng = random.Random(1)
    edges = [1, 127, 128, 16_383, 16_384, (1 << 32) - 1]
    for turn in range(600):
        number = rng.randrange(len(fleet.nodes))
        boot, seq = (rng.choice([*edges, rng.randrange(1, 1 << 32)]) for _ in range(2))
        base_s, alarm = rng.randrange(1 << 32), turn % 5 == 0
        made = fleet.frame(number, boot, seq, base_s, alarm=alarm)
        assert made == reference(fleet, number, boot, seq, base_s, alarm)
        assert wire.verify(made, fleet.nodes[number].id, fleet.nodes[number].key)
        assert not wire.verify(made, fleet.nodes[number].id, fleet.nodes[number - 1].key)


def test_every_variant_says_after_decoding_what_it_was_made_of(fleet):
    missing = 0
    for domain in bodies.DOMAINS:
        for body in bodies.variants(domain, seed=5):
            number = bodies.DOMAINS.index(domain)
            head = fleet.frame(number, 1, 1, BASE)[: 2 + len(frames.header_tail(1, 1, BASE))]
            f = wire.decode(frames.sign(fleet.nodes[number], head + body.data))
            assert f.count == 15 and f.columns == body.columns
            missing += any(None in values for values, _ in f.columns.values())
    assert missing == 3 * bodies.VARIANTS // 8


def test_a_stream_of_frames_takes_the_nodes_in_turn_and_a_seed_repeats_it(fleet):
    made = list(fleet.frames(90, boot=3, first_seq=7, base_s=BASE))
    assert [(number, seq) for number, seq, _ in made] == [(i % 40, 7 + i // 40) for i in range(90)]
    assert all(data == reference(fleet, n, 3, s, BASE + 900 * (s - 7)) for n, s, data in made)
    assert made == list(frames.Fleet(CITY, 40, seed=5).frames(90, boot=3, first_seq=7, base_s=BASE))
    assert frames.Fleet(CITY, 40, seed=6).keys != fleet.keys


def test_the_bridge_reads_the_files_of_a_fleet(fleet, tmp_path):
    files.write_bridge(tmp_path, fleet, 'host = "localhost"\ntls = false\nlab_plain = true')
    registry = registry_file.load(tmp_path / "registry.toml")
    keys = key_file.load(tmp_path / "keys.json")
    assert set(registry.nodes) == {node.id for node in fleet.nodes}
    assert all(keys.signing(node.id) == (0, node.key) for node in fleet.nodes)


def test_packets_are_publishes_with_every_frame_of_a_node_on_one_connection(fleet):
    streams = frames.mqtt_packets(fleet, 100, connections=3, base_s=BASE)
    got = {}
    for index, packets in enumerate(streams):
        reader = mqtt.Reader(2000)
        reader.feed(packets.data)
        for pid in range(1, len(packets.ends) + 1):
            kind, flags, body = reader.next()
            topic, payload, qos, seen_pid, retain, dup = mqtt_more.parse_publish(flags, body)
            assert (kind, qos, seen_pid, retain, dup) == (mqtt.PUBLISH, 1, pid, False, False)
            _, _, node, what = topics.parse(topic)
            assert what == "up" and wire.verify(payload, node, fleet.keys[node])
            got.setdefault(node, []).append((index, wire.header(payload).seq))
        assert reader.next() is None and packets.ends[-1] == len(packets.data)
    assert sum(map(len, got.values())) == 100
    for name, seen in got.items():
        assert len({index for index, _ in seen}) == 1, name
        assert [seq for _, seq in seen] == list(range(1, len(seen) + 1))


class Broker:
    """Accepts, answers CONNECT, and confirms only what it is told to: so the window shows."""

    def __init__(self, deaf=False):
        self.deaf = deaf
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.most = self.seen = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        sock, _ = self.server.accept()
        reader, waiting = mqtt.Reader(2000), []
        sock.settimeout(0.2)
        with sock:
            while True:
                try:
                    data = sock.recv(65536)
                except TimeoutError:  # nothing more comes before something is confirmed: the window is full
                    data = None
                    self.most = max(self.most, len(waiting))
                    sock.sendall(b"" if self.deaf else b"".join(mqtt.puback(pid) for pid in waiting))
                    waiting = []
                if data == b"":
                    return
                reader.feed(data or b"")
                while (packet := reader.next()) is not None:
                    if packet[0] == mqtt_more.CONNECT:
                        sock.sendall(mqtt_more.connack(False, 0))
                    else:
                        self.seen += 1
                        waiting.append(mqtt.split_publish(packet[1], packet[2])[3])

    def close(self):
        self.server.close()
        self.thread.join(5)


@pytest.mark.parametrize("rate", [None, 400.0])
def test_the_publisher_keeps_its_window_and_counts_acknowledgements(capsys, rate):
    broker = Broker()
    words = ["--port", str(broker.port), "--frames", "50", "--nodes", "7", "--connections", "1", "--window", "12"]
    assert publisher.main(words + ([] if rate is None else ["--rate", str(rate)])) == 0
    broker.close()
    said = json.loads(capsys.readouterr().out)
    assert (said["sent"], said["acked"], broker.seen, broker.most) == (50, 50, 50, 12)


def test_the_publisher_says_that_nobody_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert publisher.main(["--port", str(port), "--frames", "1", "--nodes", "1"]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


# -- pantau sim load


def test_percentiles_are_near_and_never_told_too_low():
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(-5, 2) for _ in range(5000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for share in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0):
        exact = values[max(0, -int(-share * len(values) // 1) - 1)]
        assert exact <= histogram.quantile_s(share) <= exact * 1.0115, share
    assert histogram.figures_ms()["max"] == round(1000 * values[-1], 3)
    counts = [int(line.split(" ms")[1].split()[0]) for line in histogram.lines()]
    assert sum(counts) == 5000


def ack(fleet, number, boot, through, bits=0, key=None):
    f = wire.Frame(T.K_ACK)
    f.counter, f.fields = 1, {"boot": boot, "through": through, "map": bits}
    node = fleet.nodes[number]
    return topics.topic(CITY, node.id, "ack"), wire.encode(f, node.id, key or node.key)


def test_a_stall_is_charged_to_every_frame_that_was_due_in_it(fleet):
    """Closed loops lie here: they would count one slow frame, and not the ninety-nine that never got their turn."""
    account = offered.Offered(fleet, 1, rate=100.0, seconds=2.0, seed=1)
    for now in [i / 100 for i in range(101)]:
        for due in account.due(now):
            account.sent(due)
            account.on_puback(due, now)
    late = list(account.due(1.9999))  # nothing passed for a second
    for due in late:
        account.on_puback(due, 2.0)
    assert account.finished and account.pubacked == account.total == 200 and len(late) == 99
    assert account.behind_s == pytest.approx(0.99, abs=0.01)
    assert account.to_broker.quantile_s(0.75) == pytest.approx(0.49, abs=0.02)
    assert account.to_broker.quantile_s(0.4) < 0.001


def test_every_node_has_its_turn_once_in_a_round_and_seqs_rise(fleet):
    account = offered.Offered(fleet, 1, rate=40.0, seconds=3.0, seed=2)
    made = list(account.due(99.0))
    assert [due.seq for due in made] == [1] * 40 + [2] * 40 + [3] * 40
    assert sorted(due.number for due in made[40:80]) == list(range(40))
    assert [due.at_s for due in made] == [i / 40 for i in range(120)]


def test_only_an_authentic_acknowledgement_of_this_boot_counts_and_only_once(fleet):
    account = offered.Offered(fleet, 9, rate=40.0, seconds=4.0, seed=2)
    for due in account.due(99.0):
        account.sent(due)
    assert account.on_ack(*ack(fleet, 3, 9, 4, key=bytes(32)), 5.0) == 0 and account.forged == 1
    assert account.on_ack(*ack(fleet, 3, 8, 4), 5.0) == 0
    topic, data = ack(fleet, 3, 9, 4)
    assert account.on_ack(topic.replace(fleet.nodes[3].id, fleet.nodes[4].id), data, 5.0) == 0
    assert account.on_ack(*ack(fleet, 3, 9, 1, bits=0b10), 5.0) == 2
    assert account.on_ack(*ack(fleet, 3, 9, 4), 6.0) == 2 == account.on_ack(*ack(fleet, 5, 9, 2), 6.0)
    assert (account.acked, account.to_bridge.count) == (6, 6)


@pytest.mark.parametrize(
    "url, words",
    [("http://h", "--url"), ("mqtt://", "--url"), ("mqtt://h/topic", "--url"), ("mqtt://h", "--ca")],
)
def test_a_wrong_target_is_told(url, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        target.parse(url, tmp_path / "ca.pem" if words == "--ca" else None)


def test_a_target_carries_user_port_and_context():
    found = target.parse("mqtts://us%40er:p%3Aw@example:1234", None)
    assert found[:4] == ("example", 1234, "us@er", "p:w") and found.context is not None
    assert target.parse("mqtt://h", None) == ("h", 1883, None, None, None)


def test_connections_follow_the_limit_of_open_files(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: (_ for _ in ()).throw(ValueError))
    assert (target.connections_possible(500), target.connections_possible(10_000)) == (500, 960)


def load(*words):
    return CliRunner().invoke(pantau, ["sim", "load", "--nodes", "30", "--rate", "200", "--seconds", "1", *words])


@pytest.fixture
def mosquitto(tmp_path):
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()


def test_a_load_over_tls_is_confirmed_and_a_wrong_certificate_is_told(tmp_path):
    certificates.make(tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    lines = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n"
    broker = Mosquitto(tmp_path, extra="listener {port} 127.0.0.1\nallow_anonymous true\n" + lines).start()
    url = f"mqtts://localhost:{broker.port}"
    try:
        report = tmp_path / "report.json"
        done = load("--url", url, "--ca", str(tmp_path / "ca.pem"), "--broker-only", "--report", str(report))
        assert done.exit_code == 0, done.output
        said = json.loads(report.read_text())
        assert (said["connections"], said["offered"], said["pubacked"], said["shed"]) == (30, 200, 200, 0)
        assert 0 < said["latency_ms"]["broker"]["p50"] <= said["latency_ms"]["broker"]["max"]
        refused = load("--url", url, "--broker-only")
        assert refused.exit_code == 1 and "certificate" in refused.output
    finally:
        broker.stop()


def test_without_a_bridge_the_load_says_that_nothing_was_acknowledged(mosquitto):
    done = load("--url", f"mqtt://127.0.0.1:{mosquitto.port}", "--connections", "4")
    assert done.exit_code == 1 and "4 connections for 30 nodes" in done.output
    assert "200 not acknowledged by the bridge" in done.output and "--registry" in done.output


@pytest.mark.parametrize("connections", [30, 3])
def test_a_real_bridge_acknowledges_all_of_a_load(mosquitto, tmp_path, connections):
    fleet = frames.Fleet(CITY, 30, seed=1)
    plain = f'host = "127.0.0.1"\nport = {mosquitto.port}\ntls = false\nlab_plain = true'
    config = files.write_bridge(tmp_path / "bridge", fleet, plain)
    words = [sys.executable, "-m", "pantau", "bridge", "run", "-c", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as bridge:
        try:
            for line in bridge.stderr:
                if "connected=64" in line:
                    break
            report = tmp_path / "report.json"
            url = f"mqtt://127.0.0.1:{mosquitto.port}"
            done = load("--url", url, "--connections", str(connections), "--report", str(report))
            assert done.exit_code == 0, done.output
        finally:
            bridge.send_signal(signal.SIGTERM)
            bridge.communicate(timeout=20)
    said = json.loads(report.read_text())
    assert (said["pubacked"], said["acked"], said["unacked"], said["forged_acks"]) == (200, 200, 0, 0)
    assert said["latency_ms"]["bridge"]["p50"] >= said["latency_ms"]["broker"]["p50"] > 0


def test_what_finds_no_room_is_shed_and_said(tmp_path):
    """A broker that confirms nothing: the window fills, then the backlog, and the rest is counted as shed."""
    server = Broker(deaf=True)
    options = run.Options(
        target.parse(f"mqtt://127.0.0.1:{server.port}", None),
        CITY,
        30,
        4000.0,
        1.0,
        1,
        1,
        broker_only=True,
        backlog=1500,
    )
    run_s, run._DRAIN_S = run._DRAIN_S, 0.1
    try:
        said = asyncio.run(run.run(options, frames.Fleet(CITY, 30, 1), lambda _line: None))
    finally:
        run._DRAIN_S = run_s
        server.close()
    assert said["offered"] == 4000 == said["sent"] + said["shed"] and said["pubacked"] == 0
    assert 1500 <= said["sent"] <= 1510


def test_the_files_are_written_without_a_load_and_neither_is_an_error(tmp_path):
    folder = tmp_path / "files"
    assert load("--registry", str(folder)).exit_code == 0
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600
    assert len(re.findall(r"^\[\[node\]\]", (folder / "registry.toml").read_text(), re.MULTILINE)) == 30
    assert load().exit_code == 2

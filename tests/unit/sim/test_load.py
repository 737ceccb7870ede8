import json
import random
import socket
import threading

import pytest

from pantau import keys as key_file
from pantau import registry as registry_file
from pantau_sim.load import bodies, files, frames, publisher
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

    def __init__(self):
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
                    sock.sendall(b"".join(mqtt.puback(pid) for pid in waiting))
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

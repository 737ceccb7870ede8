import multiprocessing
from contextlib import closing

import pytest

from needs import need
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.ingest import Ingest
from pantau.spool import Spool, SpoolReader
from pantau_sim.ingestbench import clients, rig, run, slow, start
from pantau_sim.load import bodies, files
from pantau_sim.load.frames import Fleet
from pantau_wire import topics

NODES = 40
MANY = 1000  # boots, more than a commit saves: a kill leaves some to be read again
BASE_S = 1_700_000_000  # of the first frame that `start.fill` makes


@pytest.fixture
def mosquitto():
    need("mosquitto", "mosquitto")
    need("mosquitto_sub", "mosquitto-clients")


def test_the_ingest_benchmark_loses_nothing_and_reports_everything(mosquitto, tmp_path, monkeypatch):
    monkeypatch.setattr(slow, "SECONDS", 1.0)
    monkeypatch.setattr(run, "_BEHIND_S", 0.5)
    said = []
    found = run.measure(3000, NODES, 1, tmp_path, said.append)
    assert {name: found[name] for name in ("lost", "duplicates", "frames", "nodes", "rounds")} == {
        "lost": 0, "duplicates": 0, "frames": 3000, "nodes": NODES, "rounds": 1,
    }  # fmt: skip
    positive = (
        "frames_per_s", "reference_msgs_per_s", "ratio", "cpu_us_per_frame", "rss_mb", "rss_city_mb",
        "commit_p50_ms", "commit_p99_ms", "ack_p50_ms", "ack_p99_ms",
    )  # fmt: skip
    assert [name for name in positive if not found[name] > 0] == []
    assert found["sink_observations_per_s"] >= 0
    assert found["commit_p50_ms"] <= found["commit_p99_ms"]
    assert "goal < 50 ms" in said[-1]


def test_a_round_counts_what_is_missing_and_what_is_there_twice(tmp_path):
    fleet = Fleet(start.CITY, 3, 1)
    files.write_registry(tmp_path, fleet)
    spool, gate = opened(tmp_path, tmp_path / "spool.sqlite3")
    for _ in range(2):  # the same three frames under two numbers each, as a log without a gate would hold them
        for number in range(3):
            frame = fleet.frame(number, 1, 1, BASE_S)
            fresh = Ingest(start.CITY, gate._registry, gate._keys, Blank(spool.last_id))
            fresh.offer(topic(fleet, number), frame, 1)
            spool.commit(fresh.take())
    spool.close()
    assert run._count(tmp_path / "spool.sqlite3") == (6, 3)


class Blank:
    """A log that has forgotten all but its end."""

    def __init__(self, last_id):
        self.last_id = last_id

    def boot(self, *_):
        return None

    page = boot

    def tail(self):
        return iter(())


def test_each_client_gets_every_message_from_both_senders(mosquitto, tmp_path):
    found = clients.measure(1000, 1, tmp_path, lambda _line: None)
    for behind in clients.BEHIND:
        assert list(found[behind]) == clients.names()
        assert found[behind]["mosquitto_sub"]["ratio"] == 1
        assert all(each["messages_per_s"] > 0 for each in found[behind].values())
    assert {"ours, 1 connection", f"ours, {topics.PARTITIONS} connections", "paho"} <= set(clients.names())
    assert any("ours" in line for line in clients.table(found))


def test_a_worker_that_ends_is_told_at_once():
    nobody = ("paho", "--port", "1", "--messages", "1")
    with (
        rig.worker("pantau_sim.ingestbench.receivers", *nobody) as receiver,
        pytest.raises(rig.BenchError, match="paho: the process ended"),
    ):
        rig.hear(receiver, "paho")


def test_a_log_left_by_a_kill_comes_back_whole(tmp_path):
    fleet, path = Fleet(start.CITY, MANY, 1), tmp_path / "log.sqlite3"
    files.write_registry(tmp_path, fleet)
    writer = multiprocessing.get_context("spawn").Process(target=start.fill, args=(tmp_path, path, MANY, 0.002))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    assert path.with_name("log.sqlite3-wal").stat().st_size, "the log was closed in order: this is no kill"

    spool, gate = opened(tmp_path, path)
    written = spool.last_id
    with closing(SpoolReader(path)) as reader:
        frames = reader.read(0, written + 1)
    assert [(f.id, f.node, f.seq) for f in frames] == [
        (at + 1, fleet.nodes[at % MANY].id, at // MANY + 1) for at in range(written)
    ]
    assert gate.unsaved, "nothing was left to recover"

    last = [(written - 1 - number) // MANY + 1 for number in range(MANY)]
    kinds = [offer(gate, fleet, number, seq) for number, seq in enumerate(last)]
    assert kinds == ["redelivered"] * MANY
    kinds = [offer(gate, fleet, number, seq + 1) for number, seq in enumerate(last)]
    assert kinds == ["new"] * MANY
    batch = gate.take()
    spool.commit(batch)
    gate.settle(batch)
    spool.close()
    acks = {ack.node: (ack.through, ack.map) for ack in gate.acks(MANY)}
    assert acks == {fleet.nodes[number].id: (seq + 1, 0) for number, seq in enumerate(last)}

    assert start.opened(tmp_path, path).frames == written + MANY
    settled = start.opened(tmp_path, path)
    assert (settled.frames, settled.boots) == (written + MANY, 0)


def opened(folder, path):
    registry, keys = registry_file.load(folder / "registry.toml"), key_file.load(folder / "keys.json")
    spool = Spool(path, max_mib=64, quarantine_rows=10, quarantine_mib=1)
    return spool, Ingest(start.CITY, registry, keys, spool)


def topic(fleet, number):
    return topics.topic(fleet.city, fleet.nodes[number].id, "up")


def offer(gate, fleet, number, seq):
    base_s = BASE_S + (seq - 1) * bodies.RECORDS * bodies.INTERVAL_S
    return gate.offer(topic(fleet, number), fleet.frame(number, 1, seq, base_s), 1).kind

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from integration.bridge_env import Client
from pantau import keys
from pantau.keys import Keys
from pantau_wire import names as T
from pantau_wire import topics
from unit.host import bridge_kit as kit

# 3 records a frame x (distance, tips and what decoding derives from each); quality control adds more in its own time
READ = "WHERE property IN ('water_distance', 'water_level', 'rain_tips', 'rain_amount')"


@pytest.fixture
def node(broker):
    made = Client(broker.port)
    yield made
    made.close()


def test_frames_become_observations_and_are_acknowledged_and_the_bridge_stops_in_order(bridge, node):
    bridge.start().ready()
    for seq in (1, 2, 3):
        node.send(kit.records(seq))
    node.until_through(3)
    assert json.loads(bridge.get("/healthz")) == {"status": "ok", "reasons": []}
    bridge.until_metric("pantau_frames_stored_total 3.0")
    assert bridge.stop() == 0
    bridge.until("bridge.stopped")
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in (1, 2, 3)]
    assert bridge.rows(f"SELECT count(*), count(value) FROM readings {READ}", "city.sqlite3") == [(36, 30)]
    level = bridge.rows("SELECT value FROM readings WHERE property='water_level' AND seq=1 AND idx=0", "city.sqlite3")
    assert level == [(2.5,)]
    bridge.start().ready()
    node.send(kit.records(4))
    node.until_through(4)
    assert bridge.stop(signal.SIGINT) == 0
    assert bridge.rows(f"SELECT count(*) FROM readings {READ}", "city.sqlite3") == [(48,)]


def test_killed_in_the_middle_nothing_is_lost_or_doubled(bridge, node):
    bridge.start().ready()
    for seq in range(1, 301):
        node.send(kit.records(seq))
        if seq in {60, 150, 240}:
            bridge.stop(signal.SIGKILL)
            bridge.start()
    node.until_through(300)
    bridge.ready()
    assert bridge.stop() == 0
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in range(1, 301)]
    assert bridge.rows(f"SELECT count(*) FROM readings {READ}", "city.sqlite3") == [(3600,)]


def test_bad_input_is_refused_with_its_reason_and_good_frames_pass(bridge, node):
    bridge.start().ready()
    good = kit.records(1)
    node.send(good)
    node.until_through(1)
    node.send(b"garbage")
    node.send(bytes(200_000))
    node.send(good[:20])
    node.send(kit.records(2, key=kit.OTHER_KEY))
    node.send(kit.records(1, distance=3))
    node.send(good)
    node.send(kit.records(1, node="stray-7"), kit.up("stray-7"))
    node.send(kit.records(2))
    node.until_through(2)
    reasons = dict(bridge.rows("SELECT reason, count(*) FROM quarantine GROUP BY reason"))
    refused = {"too_long": 1, "truncated": 1, "bad_tag": 2, "conflict": 1, "unknown_node": 1}
    assert {reason: reasons[reason] for reason in refused} == refused
    assert sum(reasons.values()) == 6
    bridge.until_metric("pantau_frames_redelivered_total 1.0")
    bridge.until_metric('pantau_frames_refused_total{reason="bad_tag"} 2.0')
    assert bridge.stored() == [(kit.NODE, 1, 1), (kit.NODE, 1, 2)]
    listed = bridge.call("quarantine", "list")
    assert listed.returncode == 0
    assert "6 entries" in listed.stdout
    number = next(line.split()[0] for line in listed.stdout.splitlines() if "conflict" in line)
    assert kit.records(1, distance=3).hex() in bridge.call("quarantine", "show", number).stdout


def test_a_running_bridge_replays_what_was_asked_for(bridge, node, broker):
    bridge.start().ready()
    node.send(kit.records(1, node="new-1"), kit.up("new-1"))
    bridge.until("frame.refused", "unknown_node")
    asked = bridge.call("quarantine", "replay", "--all")
    assert "running bridge" in asked.stdout
    bridge.until("quarantine.replayed", "tried=1", "stored=0")
    assert bridge.stop() == 0
    registry = bridge.folder / "registry.toml"
    registry.write_text(registry.read_text() + '[[node]]\nid = "new-1"\nstation = "angke"\n')
    keys.save(bridge.folder / "keys.json", Keys({"new-1": ({0: kit.KEY}, 0), kit.NODE: ({0: kit.KEY}, 0)}))
    done = bridge.call("quarantine", "replay", "--reason", "unknown_node")
    assert "1 tried, 1 became frames" in done.stdout
    assert bridge.stored() == [("new-1", 1, 1)]


def test_health_gets_the_time(bridge, node):
    bridge.start().ready()
    node.send(kit.health(1, time_nonce=4711))
    kinds = {}
    while T.K_TIME not in kinds:
        frame = node.down()
        kinds[frame.kind] = frame
    assert kinds[T.K_TIME].fields["nonce"] == 4711
    assert kinds[T.K_TIME].counter > kit.NOW_MS


def test_a_broker_restart_is_survived_and_a_forgotten_session_is_told(bridge, broker, tmp_path):
    bridge.start().ready()
    broker.stop(signal.SIGKILL)
    bridge.until("mqtt.sessions", "connected=0", "nothing listens")
    (broker.folder / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    bridge.until("mqtt.session_forgotten")
    bridge.until("mqtt.sessions", "connected=64")
    node = Client(broker.port)
    node.send(kit.records(1))
    node.until_through(1)
    node.close()


def test_an_unreachable_broker_is_named_and_check_exits_3(bridge, broker):
    broker.stop()
    said = bridge.call("bridge", "check")
    assert said.returncode == 3
    assert f"nothing listens at localhost:{broker.port}" in said.stderr
    bridge.start()
    bridge.until("mqtt.sessions", "nothing listens", "mosquitto")
    assert bridge.stop() == 0


def test_check_accepts_what_is_in_order_and_lists_all_that_is_not(bridge):
    said = bridge.call("bridge", "check")
    assert (said.returncode, said.stderr) == (0, "")
    assert "1 stations, 2 nodes" in said.stdout
    (bridge.folder / "keys.json").chmod(0o644)
    (bridge.folder / "registry.toml").write_text(kit.REGISTRY.replace("latitude", "latitud", 1))
    said = bridge.call("bridge", "check")
    assert said.returncode == 2
    for part in ("station[0].latitud", "did you mean latitude?", "chmod 600", "3 to correct"):
        assert part in said.stderr
    assert bridge.call("bridge", "run").returncode == 2


def test_a_second_bridge_on_the_same_folder_is_refused(bridge):
    bridge.start().ready()
    second = bridge.call("bridge", "run")
    assert second.returncode == 2
    assert "another bridge runs on this folder" in second.stderr


def test_a_taken_port_is_named_and_fails(bridge):
    with socket.create_server(("127.0.0.1", bridge.web)):
        said = bridge.call("bridge", "run")
    assert said.returncode == 1
    assert f"web.listen: 127.0.0.1:{bridge.web} is taken" in said.stderr
    assert "Traceback" not in said.stderr


def test_init_writes_files_that_check_understands(bridge, tmp_path):
    fresh = tmp_path / "fresh"
    done = subprocess.run(
        [*bridge.command("bridge", "init")[:-2], str(fresh)], env=bridge.environment(), capture_output=True, check=False
    )
    assert done.returncode == 0
    assert (fresh / "keys.json").stat().st_mode & 0o777 == 0o600
    bridge.config = fresh / "pantau.toml"
    assert bridge.call("bridge", "check").returncode == 3


def test_a_full_spool_stops_acknowledging_and_goes_on_when_there_is_room(bridge, node):
    text = bridge.config.read_text()
    bridge.config.write_text(text.replace("[spool]\n", "[spool]\nmax_mib = 1\n"))
    bridge.start().ready()
    seq = 0
    while bridge.lines.empty():
        for _ in range(200):
            seq += 1
            node.client.publish(kit.up(), kit.records(seq), qos=1)
        seq += 1
        node.send(kit.records(seq))
    bridge.until("spool.unavailable")
    bridge.until_health("max_mib")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        bridge.get("/healthz")
    assert bridge.stop() == 0
    stored = len(bridge.stored())
    assert 0 < stored < seq
    bridge.config.write_text(text)
    bridge.start().ready()
    node.until_through(seq)
    assert len(bridge.stored()) == seq


def test_a_retained_will_is_only_a_hint(bridge, node):
    node.client.publish(topics.topic(kit.CITY, kit.NODE, "will"), b"online", qos=1, retain=True).wait_for_publish(5)
    bridge.start().ready()
    node.send(kit.records(1))
    node.until_through(1)
    bridge.until_metric("pantau_nodes_linked 1.0")
    assert bridge.rows("SELECT count(*) FROM quarantine") == [(0,)]


def test_a_disk_that_is_really_full_loses_nothing(bridge, node, tmp_path):
    """The data folder on a file system of 2 MiB; room comes back while the bridge runs."""
    disk = bridge.folder / "data"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        # The city store is elsewhere: this is about the spool.
        bridge.config.write_text(bridge.config.read_text() + f'[sinks.sqlite]\npath = "{tmp_path}/city.sqlite3"\n')
        bridge.start().ready()
        seq = 0
        while bridge.lines.empty():
            for _ in range(200):
                seq += 1
                node.client.publish(kit.up(), kit.records(seq), qos=1)
            seq += 1
            node.send(kit.records(seq))
        bridge.until("spool.unavailable")
        assert bridge.process.poll() is None
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        bridge.until("spool.works_again")
        node.until_through(seq)
        assert bridge.stop() == 0
        assert len(bridge.stored()) == seq
        assert bridge.rows("SELECT integrity_check FROM pragma_integrity_check") == [("ok",)]
    finally:
        bridge.stop(signal.SIGKILL)
        subprocess.run(["umount", str(disk)], check=False)

"""Whatever comes in, or is written into its files: a real bridge behind a real Mosquitto keeps what is good, and says the rest."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import time

import pytest

from integration.bad_input_rig import Bridge, flood, is_city, peak_mib, records
from integration.bridge_env import PATIENCE_S, Client
from pantau import keys
from pantau.alerts.reads import AlertReader
from pantau.keys import Keys
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag, topics
from unit.host import bridge_kit as kit

YEAR_2000_S = 946_684_800
MIB = 1 << 20
# 3 records a frame x (distance, tips and what decoding derives from each); quality control adds more in its own time
ROWS_A_FRAME = 12
READ = "WHERE property IN ('water_distance', 'water_level', 'rain_tips', 'rain_amount')"


@pytest.fixture
def bridge(tmp_path, broker):
    folder = tmp_path / "bridge"
    folder.mkdir()
    made = Bridge(folder, broker.port)
    yield made
    made.kill_all()


@pytest.fixture
def node(broker):
    made = Client(broker.port)
    yield made
    made.close()


def test_messages_of_ten_megabytes_cost_neither_the_connection_nor_memory(bridge, node):
    bridge.start().ready()
    node.send(kit.records(1))
    node.until_through(1)
    before = peak_mib(bridge.process.pid)
    for number in range(3):
        node.send(bytes([number]) * (10 * 1000 * 1000))
        node.send(kit.records(2 + number))
    node.until_through(4)
    assert peak_mib(bridge.process.pid) - before < 40
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in range(1, 5)]
    assert bridge.refused() == {"too_long": 3}
    assert bridge.rows("SELECT max(length(payload)) < 5000 FROM quarantine") == [(1,)]
    bridge.until_metric('pantau_frames_refused_total{reason="too_long"} 3.0')
    assert bridge.metric("broker_reconnects_total") == 0
    assert bridge.health() == []


ROWS, GARBAGE, LONG, GOOD = 2000, 100_000, 4000, 1000


def good_frames() -> list[tuple[str, bytes]]:
    """Two nodes in turn."""
    sent = [
        [(kit.up(), kit.records(seq)), (kit.up(kit.OTHER), kit.records(seq, node=kit.OTHER, key=kit.OTHER_KEY))]
        for seq in range(1, GOOD + 1)
    ]
    return [message for pair in sent for message in pair]


def garbage(number: int, next_good: tuple[str, bytes], rng: random.Random) -> tuple[str, bytes, str]:
    """Return the message of this number, no two alike, and why it must be refused ("": for one of many reasons)."""
    topic, payload = next_good
    sort = number % 5
    if sort < 2:  # the frame that comes next, with its seq, under a forged tag
        return topic, payload[: -tag.SIZE] + number.to_bytes(tag.SIZE, "big"), "bad_tag"
    if sort == 2:
        return (
            topics.topic(kit.CITY, f"stray-{number % 1000}", "up"),
            payload + number.to_bytes(4, "big"),
            "unknown_node",
        )
    if sort == 3:
        return topic, rng.randbytes(4 + number % 200) + number.to_bytes(4, "big"), ""
    return topic, payload[: 10 + number % 30] + number.to_bytes(8, "big"), ""  # torn off, and something else behind it


def test_100_000_bad_frames_harm_none_of_2_000_good_ones(bridge, broker, node):
    text = bridge.config.read_text()
    bridge.config.write_text(text.replace("[web]", f"[quarantine]\nmax_rows = {ROWS}\nmax_mib = 1\n[web]"))
    bridge.start().ready()
    rng, good = random.Random(5), good_frames()
    each = GARBAGE // len(good)
    assert each * len(good) == GARBAGE
    small, known = [], {"bad_tag": 0, "unknown_node": 0}
    half = len(good) // 2
    for place, message in enumerate(good):
        for number in range(place * each, (place + 1) * each):
            if number >= GARBAGE - LONG:
                break
            topic, payload, reason = garbage(number, message, rng)
            small.append((topic, payload))
            if reason:
                known[reason] += 1
        if place < half:
            small.append(message)
    long = [(kit.up(), rng.randbytes(1500)) for _ in range(LONG)]
    for number in range(0, LONG, 10):  # and some whose topic is what is long
        long[number] = (f"pantau/v1/{kit.CITY}/5/{number:0>60000}/up", b"junk")
    for place, message in enumerate(good[half:]):
        long.insert(place * 5, message)

    other = Client(broker.port, kit.OTHER)
    try:
        began = time.monotonic()
        flood(broker.port, small)
        node.until_through(half // 2)
        rows = bridge.rows("SELECT count(*), sum(length(payload)) FROM quarantine")[0]
        assert rows[0] <= ROWS and rows[1] <= MIB
        flood(broker.port, long)
        for client in (node, other):
            client.until_through(GOOD)
        assert time.monotonic() - began < 45
    finally:
        other.close()

    assert bridge.stored() == sorted((name, 1, seq) for name in (kit.NODE, kit.OTHER) for seq in range(1, GOOD + 1))
    bridge.until_metric(f"pantau_frames_quarantined_total {GARBAGE}.0")
    bridge.until_metric(f"pantau_frames_stored_total {2 * GOOD}.0")
    metrics = bridge.get("/metrics")
    for reason, count in (known | {"too_long": LONG * 9 // 10, "bad_topic": LONG // 10}).items():
        found = float(metrics.partition(f'pantau_frames_refused_total{{reason="{reason}"}} ')[2].split()[0])
        # random bytes may end up with these reasons, too
        assert count <= found <= count + GARBAGE // 2.5, reason
    assert bridge.metric("frames_refused_total") == GARBAGE
    rows, size = bridge.rows("SELECT count(*), sum(length(payload)) FROM quarantine")[0]
    assert 0 < rows < ROWS and MIB / 2 < size <= MIB  # of the long ones fewer than rows would allow
    assert bridge.rows("SELECT max(length(topic)) <= 256 FROM quarantine") == [(1,)]
    assert bridge.metric("quarantine_dropped_total") == GARBAGE - rows
    log = bridge.said()
    assert len(log) < 300
    assert max(map(len, log)) < 1000


def test_a_clock_in_the_year_2000_dates_nothing_of_today(bridge, node):
    bridge.start().ready()
    now_s = int(time.time())
    node.send(records(1, now_s - 60, boot=1))
    node.send(records(1, YEAR_2000_S + 5, boot=2, distance=1490))
    node.send(records(1, 33, boot=3, clock=0, distance=1480))
    node.until_through(1, boot=3)
    bridge.until_delivered(3)
    assert bridge.stored() == [(kit.NODE, boot, 1) for boot in (1, 2, 3)]
    query = "SELECT boot, observed_at_ms, uptime_ms, clock FROM readings WHERE property='water_distance' AND idx=0 ORDER BY boot"
    dated = [(1, 1000 * (now_s - 60), None, 3), (2, 1000 * (YEAR_2000_S + 5), None, 3)]
    assert bridge.rows(query, "city.sqlite3") == [*dated, (3, None, 33_000, 0)]
    latest = json.loads(bridge.get("/api/latest"))["latest"]
    assert {row["property"]: row["value"] for row in latest}["water_distance"] == 1.5
    assert alerts(bridge) == []

    # Time comes: what waited gets its date, what claims to be old keeps its claim.
    node.send(health(2, boot=3, uptime_ms=40_000, utc_ms=1000 * now_s))
    node.until_through(2, boot=3)
    bridge.until_delivered(4)
    assert bridge.rows(query, "city.sqlite3") == [*dated, (3, 1000 * (now_s - 7), 33_000, 0)]

    # An alarm is nevertheless one, at its receipt, and it says so; not one that a later frame of its node has overtaken.
    node.send(records(3, YEAR_2000_S + 15, boot=2))
    node.send(records(2, YEAR_2000_S + 9, boot=2, alarm=True))
    bridge.until_delivered(6)
    assert [alert.kind for alert, _ in alerts(bridge) if not alert.past] == []
    node.send(records(4, YEAR_2000_S + 21, boot=2, alarm=True))
    bridge.until_delivered(7)
    opened = [(alert, text) for alert, text in alerts(bridge) if not alert.past]
    assert [(alert.kind, alert.confirmed) for alert, _ in opened] == [("node_alarm", False)]
    assert abs(opened[0][0].opened_ms / 1000 - now_s) < 60
    assert "clock unknown, placed by receipt" in opened[0][1]


def health(seq: int, *, boot: int, **fields: int) -> bytes:
    frame = wire.Frame(T.K_HEALTH)
    frame.boot, frame.seq, frame.clock, frame.base_s = boot, seq, 3, fields["utc_ms"] // 1000
    frame.fields = fields
    return bytes(wire.encode(frame, kit.NODE, kit.KEY))


def alerts(bridge):
    with contextlib.closing(AlertReader(bridge.folder / "data" / "alerts.sqlite3")) as reader:
        return [(listed.alert, listed.english) for listed in reader.open_alerts()]


def test_a_boot_counter_that_went_back_is_told_and_overwrites_nothing(bridge, node):
    bridge.start().ready()
    first = kit.records(1, boot=7)
    for frame in (first, kit.records(2, boot=7), kit.records(1, boot=3)):
        node.send(frame)
    node.until_through(2, boot=7)
    node.until_through(1, boot=3)  # a lower boot with frames that we do not have: its node has them from somewhere
    assert bridge.health() == []
    node.send(kit.records(1, boot=7, distance=900))
    bridge.until("ERROR", "frame.refused", "conflict", kit.NODE)
    assert len(bridge.until_health("pantau quarantine list --reason conflict")) == 1
    node.send(first)  # the same again is no conflict
    node.send(kit.records(3, boot=7))
    node.until_through(3, boot=7)
    assert bridge.refused() == {"conflict": 1}
    assert bridge.stored() == [(kit.NODE, 3, 1), *((kit.NODE, 7, seq) for seq in (1, 2, 3))]
    bridge.until_delivered(4)
    kept = "SELECT value FROM readings WHERE property='water_distance' AND boot=7 AND seq=1 AND idx=0"
    assert bridge.rows(kept, "city.sqlite3") == [(1.5,)]


def test_a_frame_of_a_later_wire_version_stays_with_its_node(bridge, node):
    bridge.start().ready()
    this = kit.records(2)
    later = kit.resign(bytes([2 << 6 | this[0] & 0x3F]) + this[1 : -tag.SIZE])
    forged = later[: -tag.SIZE] + bytes(tag.SIZE)
    for frame in (kit.records(1), later, forged, kit.records(3)):
        node.send(frame)
    fields = {}
    while not fields.get("map"):
        fields = node.down().fields
    assert (fields["boot"], fields["through"]) == (1, 1)  # 3 is in the map, 2 is asked for
    assert bridge.refused() == {"newer_wire": 1, "unknown_version": 1}
    assert bridge.rows("SELECT payload FROM quarantine WHERE reason = 'newer_wire'") == [(later,)]
    assert bridge.stored() == [(kit.NODE, 1, 1), (kit.NODE, 1, 3)]


def test_stores_of_the_future_are_refused_and_not_touched(bridge):
    bridge.start().ready()
    assert bridge.stop() == 0
    for name in ("spool", "city", "alerts", "followers"):
        path = bridge.folder / "data" / f"{name}.sqlite3"
        with contextlib.closing(sqlite3.connect(path)) as db:
            # another journal, too: whoever opens the file must not so much as turn it back
            assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
            present = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = 99")
        before = path.read_bytes()
        said = bridge.call("bridge", "run")
        assert said.returncode == 1, said
        assert str(path) in said.stderr and "version 99" in said.stderr and "Pantau" in said.stderr
        assert "Traceback" not in said.stderr
        assert path.read_bytes() == before, name
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {present}")
    bridge.start().ready()


def test_files_changed_for_the_worse_stay_without_effect_until_they_are_right(bridge, node, broker):
    registry, key_file, seq = bridge.folder / "registry.toml", bridge.folder / "keys.json", 0
    bridge.start().ready()

    def still_works() -> None:
        nonlocal seq
        seq += 1
        node.send(kit.records(seq))
        node.until_through(seq)

    config, right_keys = bridge.config.read_text(), key_file.read_text()
    bridge.config.write_text(config.replace("[spool]\n", '[spool]\nmax_mib = "much"\nmax_bach = 1\n'))
    bridge.hup()
    bridge.until("bridge.config_refused")  # said at once, to whoever asked
    registry.write_text(kit.REGISTRY.replace("latitude", "latitud", 1).replace('id = "flood-01"', 'id = "flood-99"'))
    key_file.write_text(right_keys[:-20])
    bridge.hup()
    bridge.until("bridge.config_refused", "keys.json")
    still_works()
    wrong = (
        (str(registry), "station[0].latitud", "did you mean latitude?", "stay in force"),
        (str(key_file), "is not JSON", "restore it from its backup", "stay in force"),
        (str(bridge.config), "spool.max_mib", "stay in force"),
        (str(bridge.config), "spool.max_bach", "did you mean max_batch?", "stay in force"),
    )
    reasons = bridge.until_health(str(registry), str(key_file), "spool.max_mib", "max_bach")
    status = bridge.call("bridge", "status")
    assert status.returncode == 1
    for words in wrong:
        for lines in (reasons, status.stdout.splitlines()):
            assert any(all(word in line for word in words) for line in lines), (words, lines)

    # No TOML at all, and nobody says so by a signal: it is found within some seconds.
    bridge.config.write_text("[bridge\n")
    bridge.until_health("is not TOML")
    still_works()
    assert bridge.call("bridge", "run").returncode == 2  # what is wrong starts no bridge

    stranger = Client(broker.port, "new-1")
    try:
        stranger.send(kit.records(1, node="new-1"))
        bridge.until("frame.refused", "unknown_node")
        registry.write_text(kit.REGISTRY + '[[node]]\nid = "new-1"\nstation = "angke"\n')
        keys.save(key_file, Keys({name: ({0: kit.KEY}, 0) for name in (kit.NODE, kit.OTHER, "new-1")}))
        bridge.config.write_text(config)
        bridge.hup()
        bridge.until("bridge.reconfigured", "node new-1")
        bridge.until_health()
        stranger.send(kit.records(2, node="new-1"))
        stranger.until_through(0)
    finally:
        stranger.close()
    still_works()
    assert bridge.call("bridge", "status").returncode == 0
    assert bridge.stored() == [*((kit.NODE, 1, n) for n in range(1, seq + 1)), ("new-1", 1, 2)]


def test_either_process_can_be_killed_alone(bridge, node):
    bridge.start().ready()
    first = bridge.city()
    for seq in range(1, 301):
        node.send(kit.records(seq))
        if seq == 100:
            os.kill(first, signal.SIGKILL)
    node.until_through(300)  # whether the second process runs again by now or not
    bridge.until("ERROR", "city.died")
    bridge.until("city.ready", "starts=2")
    second = bridge.city()
    assert second != first
    bridge.until_delivered(300)
    bridge.until_health()

    bridge.stop(signal.SIGKILL)
    end = time.monotonic() + PATIENCE_S
    while is_city(second):
        assert time.monotonic() < end, "the city process outlives its bridge"
        time.sleep(0.02)
    for seq in range(301, 401):
        node.send(kit.records(seq))  # the broker keeps them
    bridge.start().ready()
    node.until_through(400)
    bridge.until_delivered(400)
    assert bridge.stop() == 0
    assert bridge.stored() == [(kit.NODE, 1, seq) for seq in range(1, 401)]
    counted = bridge.rows(f"SELECT count(*), count(DISTINCT seq) FROM readings {READ}", "city.sqlite3")
    assert counted == [(400 * ROWS_A_FRAME, 400)]

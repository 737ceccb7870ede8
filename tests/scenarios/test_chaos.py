"""Everything fails, nothing is lost; and the harness itself: it must see a loss, and reach every step."""

import asyncio
import random
import sqlite3
from itertools import islice

import pytest

from needs import need
from pantau.model import StoredFrame
from pantau_sim.chaos import account, intruder, run, schedule, steps
from pantau_sim.chaos.control import Control
from pantau_sim.chaos.node import MOST, WINDOW, Node
from pantau_wire import frame as wire
from pantau_wire import names as T

KEY = bytes(32)
ALL_KINDS = {*schedule.PROCESSES, *schedule.WORLD, *schedule.MESSAGES}


def chaos(folder, faults, seed, seconds):
    need("mosquitto", "mosquitto")
    options = run.Options(seconds=seconds, seed=seed, faults=faults, folder=folder)
    return asyncio.run(run.run(options, print))


def hold(report, faults):
    assert report["faults"] >= faults, report
    assert (report["lost"], report["duplicates"], report["foreign"]) == (0, 0, 0), report
    assert report["observations_lost"] == report["observations_duplicate"] == report["observations_wrong"] == 0, report
    assert report["stored"] == report["frames_produced"] > 10 * faults
    assert not report["troubles"], report
    assert report["faults_injected"].keys() <= ALL_KINDS


@pytest.mark.timeout(240)
def test_fifty_faults_lose_and_double_nothing(tmp_path):
    report = chaos(tmp_path, 50, seed=11, seconds=200)
    hold(report, 50)
    assert len(report["faults_injected"]) >= 20  # of some thirty kinds: the lanes go round


@pytest.mark.long
@pytest.mark.timeout(4800)
def test_two_thousand_faults_lose_and_double_nothing(tmp_path):
    report = chaos(tmp_path, 2000, seed=12, seconds=4200)
    hold(report, 2000)
    assert report["faults_injected"].keys() == ALL_KINDS, report["faults_not_reached"]


@pytest.mark.parametrize("step", steps.STEPS, ids=lambda step: step.name)
def test_every_step_of_the_commit_still_exists(step):
    holder, name, function = steps.find(step)
    assert callable(function)
    assert vars(holder)[name] is function  # an inherited or static one would be wrapped for others too


def test_a_seed_gives_one_schedule_and_a_round_has_every_kind():
    def first(seed):
        return [list(islice(lane, 60)) for lane in schedule.lanes(seed)]

    assert first(3) == first(3) != first(4)
    for lane, kinds in zip(first(3), (schedule.PROCESSES, schedule.WORLD, schedule.MESSAGES), strict=True):
        assert sorted(fault.kind for fault in lane[: len(kinds)]) == sorted(kinds)


def test_what_is_armed_is_seen_by_another_process_and_disarms(tmp_path):
    here, there = Control(tmp_path / "c", create=True), Control(tmp_path / "c")
    here.arm(7, 300, group=True)
    here.clock_ms = -86_400_000
    assert (there.armed, there.clock_ms) == ((7, 300, True), -86_400_000)
    there.arm(0)
    there.count_wrapped()
    assert (here.armed.step, here.wrapped, here.clock_ms) == (0, 1, -86_400_000)
    here.close()
    there.close()


# -- the account must see what it is there for


def made(frames=4):
    produced = {}
    node = Node("flood-00000", KEY, random.Random(1), produced)
    for _ in range(frames):
        node.measure(0.0, 1_770_000_000)
    return produced


def stores(produced, monkeypatch, tmp_path):
    """A log and a city store that hold what was made; returns the rows, to be spoiled, and a way to take the account."""
    log = [StoredFrame(i, *identity, 0, payload) for i, (identity, payload) in enumerate(produced.items(), 1)]
    rows = [(*key, value) for key, value in account.expected(produced)]

    class Reader:
        def __init__(self, _path):
            pass

        def read(self, after, limit):
            return [f for f in log if f.id > after][:limit]

        def close(self):
            pass

    def taken():
        city = tmp_path / "city.sqlite3"
        db = sqlite3.connect(city)
        db.execute("CREATE TABLE readings (node, boot, seq, idx, property, value)")
        db.executemany("INSERT INTO readings VALUES (?,?,?,?,?,?)", rows)
        db.commit()
        db.close()
        return account.take(produced, tmp_path / "spool", city)

    monkeypatch.setattr(account, "SpoolReader", Reader)
    return log, rows, taken


def test_all_there_once_is_good(monkeypatch, tmp_path):
    _, rows, taken = stores(made(), monkeypatch, tmp_path)
    found = taken()
    assert found.good and found.stored == 4 and found.observations == len(rows) == 4 * 6
    assert not found.examples


def test_the_account_sees_a_frame_lost_doubled_and_foreign(monkeypatch, tmp_path):
    log, _, taken = stores(made(), monkeypatch, tmp_path)
    lost, doubled = log[0], log[1]
    log[0] = StoredFrame(lost.id, lost.node, lost.boot, lost.seq, 0, doubled.payload)  # its place, other bytes
    log.append(StoredFrame(9, doubled.node, doubled.boot, doubled.seq, 0, doubled.payload))
    found = taken()
    assert (found.stored, found.lost, found.duplicates, found.foreign) == (3, 1, 1, 1) and not found.good


def test_the_account_sees_a_reading_lost_doubled_and_changed(monkeypatch, tmp_path):
    _, rows, taken = stores(made(), monkeypatch, tmp_path)
    rows[1] = (*rows[1][:5], rows[1][5] + 0.001)
    rows.append(rows[2])
    del rows[0]
    found = taken()
    told = (found.observations_lost, found.observations_duplicate, found.observations_wrong)
    assert told == (1, 1, 1) and found.lost == 0 and not found.good


# -- the nodes keep the promise that the account relies on


def ack(boot, through, bits=0, key=KEY):
    f = wire.Frame(T.K_ACK)
    f.counter, f.fields = 1, {"boot": boot, "through": through, "map": bits}
    return wire.encode(f, "n", key)


@pytest.fixture
def node():
    return Node("n", KEY, random.Random(1), {})


def test_a_node_keeps_a_frame_until_an_authentic_acknowledgement(node):
    for _ in range(5):
        node.measure(0.0, 1)
    assert [seq for _, seq, _ in node.due(0.0)] == [1, 2, 3, 4, 5]
    assert node.on_ack(ack(1, 5, key=bytes(31) + b"x")) == [] and (node.held, node.refused) == (5, 1)
    assert not node.due(0.1)
    assert [seq for _, seq, _ in node.due(5.0)] == [1, 2, 3, 4, 5], "sent again without one"
    assert [identity for identity, _ in node.on_ack(ack(1, 2, bits=0b10))] == [("n", 1, 1), ("n", 1, 2), ("n", 1, 4)]
    assert node.held == 2


def test_alarms_overtake_and_old_boots_are_delivered(node):
    for _ in range(20):
        node.measure(0.0, 1)
    assert len(node.due(0.0)) == WINDOW - 2
    node.measure(0.0, 1, alarm=True)
    assert [seq for _, seq, _ in node.due(0.0)] == [21]
    node.reboot()
    node.measure(0.0, 1)
    node.on_ack(ack(1, 21))
    assert [(boot, seq) for boot, seq, _ in node.due(0.0)] == [(2, 1)]


def test_what_no_acknowledgement_can_name_yet_leaves_room_for_what_is_missing(node):
    for _ in range(100):
        node.measure(0.0, 1)
    for _ in range(WINDOW):
        node.measure(0.0, 1, alarm=True)
    node.due(0.0)
    node.on_ack(ack(1, 0))
    assert {seq for _, seq, _ in node.due(9.0) + node.due(9.1)} >= {1, 2, 3, 4, 5, 6}


def test_a_full_outbox_makes_no_more(node):
    assert all(node.measure(0.0, 1) for _ in range(MOST))
    assert not node.measure(0.0, 1) and node.held == MOST


def test_a_copied_node_is_among_the_forgeries_and_none_is_a_frame_that_was_made(node):
    for _ in range(30):
        node.measure(0.0, 1)
    produced = node._produced
    sent = [("n", data) for data in produced.values()]
    messages = intruder.forged(random.Random(2), "tng", [node], sent, 300)
    ups = [data for topic, data in messages if topic == f"pantau/v1/tng/{wire_partition('n')}/n/up"]
    signed = [data for data in ups if wire.verify(data, "n", KEY)]
    assert signed, "no copied node"
    assert all(("n", wire.header(data).boot, wire.header(data).seq) in produced for data in signed)
    assert not set(ups) & set(produced.values())


def wire_partition(name):
    from pantau_wire import topics

    return topics.partition(name)

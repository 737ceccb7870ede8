from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pantau import registry as registry_file
from pantau.ingest import MAX_BOOTS, Ingest
from pantau.refusals import REASONS
from pantau.spool import SpoolUnavailable
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import topics
from unit.host import bridge_kit as kit


@pytest.fixture
def memory():
    return kit.Memory()


@pytest.fixture
def gate(tmp_path, memory):
    return kit.ingest(tmp_path, memory)


def store(gate, memory, *payloads, node=kit.NODE):
    verdicts = [gate.offer(kit.up(node), payload, kit.NOW_MS) for payload in payloads]
    batch = gate.take()
    memory.commit(batch)
    gate.settle(batch)
    return verdicts, gate.acks(100), batch


def test_new_frames_are_stored_and_acknowledged_together(gate, memory):
    verdicts, acks, _ = store(gate, memory, kit.records(1), kit.records(2), kit.records(4))
    assert [v.kind for v in verdicts] == ["new"] * 3
    assert [tuple(ack) for ack in acks] == [(kit.NODE, 1, 2, 0b10)]


def test_the_same_bytes_again_are_acknowledged_again(gate, memory):
    store(gate, memory, kit.records(1))
    verdicts, acks, batch = store(gate, memory, kit.records(1))
    assert verdicts[0][:2] == ("redelivered", "same_bytes")
    assert acks[0].through == 1
    assert not batch.payloads and not batch.refused


def test_the_same_bytes_twice_in_one_batch(gate, memory):
    verdicts, acks, _ = store(gate, memory, kit.records(3), kit.records(3))
    assert [v.kind for v in verdicts] == ["new", "redelivered"]
    assert acks[0].map == 0b100


@pytest.mark.parametrize("same_batch", [True, False])
def test_other_bytes_under_a_known_identity_are_refused_and_not_acknowledged(gate, memory, same_batch):
    if same_batch:
        verdicts, _, batch = store(gate, memory, kit.records(1), kit.records(1, distance=7))
    else:
        store(gate, memory, kit.records(1))
        verdicts, acks, batch = store(gate, memory, kit.records(1, distance=7))
        assert acks == []
    assert verdicts[-1].kind == "conflict"
    assert [r.reason for r in batch.refused] == ["conflict"]
    assert memory.frames[kit.NODE, 1, 1] == kit.records(1)


def long_frame():
    return kit.records(1) + bytes(wire.MAX_FRAME)


def down_frame():
    f = wire.Frame(T.K_ACK)
    f.counter, f.fields = 1, {"boot": 1, "through": 9, "map": 0}
    return bytes(wire.encode(f, kit.NODE, kit.KEY))


REFUSED = {
    "too_long": (kit.up(), long_frame()),
    "bad_topic": ("pantau/v1/tng", kit.records(1)),
    "wrong_partition": (f"pantau/v1/tng/{(topics.partition(kit.NODE) + 1) % 64}/{kit.NODE}/up", kit.records(1)),
    "wrong_city": (topics.topic("bdg", kit.NODE, "up"), kit.records(1)),
    "unknown_node": (kit.up("stray-9"), kit.records(1, node="stray-9")),
    "truncated": (kit.up(), b"\x41"),
    "unknown_version": (kit.up(), b"\xff" * 40),
    "newer_wire": (kit.up(), kit.resign(b"\x80 a frame of the future")),
    "wrong_kind": (kit.up(), down_frame()),
    "unknown_key": (kit.up(), kit.records(1, key_id=2)),
    "bad_tag": (kit.up(), kit.records(1, key=kit.OTHER_KEY)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_has_its_reason_and_nothing_else_happens(gate, memory, reason):
    topic, payload = REFUSED[reason]
    verdict = gate.offer(topic, payload, kit.NOW_MS)
    batch = gate.take()
    assert (verdict.kind, verdict.reason) == ("quarantined", reason)
    assert [r[:3] for r in batch.refused] == [(reason, topic, payload)]
    assert reason in REASONS
    memory.commit(batch)
    gate.settle(batch)
    assert gate.acks(9) == []
    assert not memory.frames


def test_another_nodes_frame_on_my_topic_is_a_forgery(gate):
    assert gate.offer(kit.up(kit.NODE), kit.records(1, node=kit.OTHER, key=kit.OTHER_KEY), 0).reason == "bad_tag"


def test_another_downgoing_topic_is_refused(gate):
    assert gate.offer(topics.topic(kit.CITY, kit.NODE, "ack"), kit.records(1), 0).reason == "bad_topic"


def test_a_node_without_key_is_refused(tmp_path, memory):
    path = tmp_path / "r.toml"
    path.write_text(kit.REGISTRY + '[[node]]\nid = "new-1"\nstation = "angke"\n')
    gate = Ingest(kit.CITY, registry_file.load(path), kit.KEYS, memory)
    assert gate.offer(kit.up("new-1"), kit.records(1, node="new-1"), 0).reason == "no_key"


def test_any_key_of_the_node_is_accepted_during_a_rotation(gate):
    old, new = kit.records(1, node=kit.OTHER, key=kit.OTHER_KEY), kit.records(2, node=kit.OTHER, key=kit.KEY, key_id=1)
    assert [gate.offer(kit.up(kit.OTHER), data, 0).kind for data in (old, new)] == ["new", "new"]


def test_a_signed_frame_whose_body_is_broken_is_kept_and_acknowledged(gate, memory):
    good = kit.records(1)
    broken = kit.resign(good[:-12])
    with pytest.raises(wire.WireError):
        wire.decode(broken)
    verdicts, acks, _ = store(gate, memory, broken)
    assert verdicts[0].kind == "new"
    assert acks[0].through == 1


@settings(max_examples=300)
@given(topic=st.text(max_size=60) | st.just(kit.up()), payload=st.binary(max_size=1200))
def test_any_bytes_on_any_topic_get_a_verdict(tmp_path_factory, topic, payload):
    folder = tmp_path_factory.getbasetemp()
    verdict = kit.ingest(folder, kit.Memory()).offer(topic, payload, 0)
    assert verdict.kind in {"quarantined", "link"}
    assert verdict.kind == "link" or verdict.reason in REASONS


@settings(max_examples=300)
@given(seq=st.integers(1, 9), cut=st.integers(0, 60), flip=st.integers(0, 255), at=st.integers(0, 60))
def test_damaged_frames_never_pass(tmp_path_factory, seq, cut, flip, at):
    data = bytearray(kit.records(seq))
    data[at % len(data)] ^= flip
    damaged = bytes(data[: len(data) - cut])
    verdict = kit.ingest(tmp_path_factory.getbasetemp(), kit.Memory()).offer(kit.up(), damaged, 0)
    assert (verdict.kind == "new") == (damaged == kit.records(seq))


def test_health_declares_a_gap_and_the_watermark_moves(gate, memory):
    store(gate, memory, kit.records(1), kit.records(2))
    _, acks, batch = store(gate, memory, kit.health(50, outbox_oldest_boot=1, outbox_oldest_seq=40), kit.records(40))
    assert batch.gone == 37
    assert [tuple(a)[1:] for a in acks] == [(1, 40, 1 << 9)]


def test_health_closes_the_gap_of_an_earlier_boot(gate, memory):
    store(gate, memory, kit.records(7))
    _, acks, _ = store(gate, memory, kit.health(1, boot=2, outbox_oldest_boot=1, outbox_oldest_seq=7))
    assert sorted(tuple(a)[1:3] for a in acks) == [(1, 7), (2, 1)]


def test_health_cannot_declare_the_future_of_its_own_boot_gone(gate, memory):
    _, acks, _ = store(gate, memory, kit.health(3, outbox_oldest_boot=1, outbox_oldest_seq=4_000_000_000))
    assert acks[0].through == 3
    _, acks, _ = store(gate, memory, kit.health(4, outbox_oldest_boot=9, outbox_oldest_seq=9))
    assert [a.boot for a in acks] == [1]


def test_a_frame_below_a_declared_gap_is_stored_all_the_same(gate, memory):
    store(gate, memory, kit.health(9, outbox_oldest_boot=1, outbox_oldest_seq=9))
    verdicts, _, _ = store(gate, memory, kit.records(4))
    assert verdicts[0][:2] == ("new", "late")
    assert store(gate, memory, kit.records(4))[0][0].kind == "redelivered"


def test_only_a_new_health_frame_asks_for_the_time(gate, memory):
    asking = kit.health(1, time_nonce=77)
    assert store(gate, memory, asking)[2].time_asked == {kit.NODE: 77}
    assert store(gate, memory, asking)[2].time_asked == {}


def test_a_frame_too_far_ahead_for_the_window_is_known_by_the_log(gate, memory):
    store(gate, memory, kit.records(1), kit.records(60_000))
    assert store(gate, memory, kit.records(60_000))[0][0].kind == "redelivered"
    assert store(gate, memory, kit.records(60_000, distance=1))[0][0].kind == "conflict"


def test_the_watermark_closes_up_over_frames_that_were_too_far_ahead_for_a_bit(gate, memory):
    store(gate, memory, kit.records(5_000))  # an alarm overtakes a long backlog
    for first in range(1, 5_000, 500):
        _, acks, _ = store(gate, memory, *(kit.records(seq) for seq in range(first, min(first + 500, 5_000))))
    assert acks[0].through == 5_000
    _, acks, _ = store(
        gate, memory, kit.records(100_000), kit.health(100_001, outbox_oldest_boot=1, outbox_oldest_seq=100_000)
    )
    assert acks[0].through == 100_001


def test_a_page_that_cannot_be_read_is_not_an_empty_one(gate, memory, tmp_path):
    store(gate, memory, *(kit.records(seq) for seq in range(1, 200)))
    fresh, held = kit.ingest(tmp_path, memory), memory.page
    fails = iter([SpoolUnavailable("I/O")])

    def page(*key):
        for error in fails:
            raise error
        return held(*key)

    memory.page = page
    memory.checkpoint = memory.last_id + 1
    with pytest.raises(SpoolUnavailable):
        fresh.offer(kit.up(), kit.records(5, distance=1), 0)
    fresh.abandon(fresh.take())
    assert fresh.offer(kit.up(), kit.records(5, distance=1), 0).kind == "conflict"


def test_windows_in_memory_are_bounded_and_old_boots_come_back_from_the_log(gate, memory):
    for boot in range(1, 50):
        store(gate, memory, kit.records(1, boot=boot), kit.records(3, boot=boot))
    assert len(gate._gates[kit.NODE].boots) <= MAX_BOOTS
    verdicts, acks, _ = store(gate, memory, kit.records(3, boot=2), kit.records(2, boot=2))
    assert [v.kind for v in verdicts] == ["redelivered", "new"]
    assert acks[0].through == 3


def test_a_will_is_a_hint_and_not_stored(gate):
    topic = topics.topic(kit.CITY, kit.NODE, "will")
    assert gate.offer(topic, b"online", 0).kind == "link"
    assert gate.take().links == {kit.NODE: True}


PLANS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 12), st.sampled_from(["send", "send", "commit", "fail", "crash"])),
    max_size=120,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(PLANS)
def test_in_any_interleaving_each_identity_is_stored_once_and_the_acknowledged_set_is_the_stored_set(
    tmp_path_factory, plan
):
    """Sends (repeats and reorderings included), commits, commits that fail, and crashes between commit and ack."""
    folder, memory = tmp_path_factory.getbasetemp(), kit.Memory()
    gate, acked = kit.ingest(folder, memory), set()
    sent = set()

    def take_acks(acks):
        for ack in acks:
            told = set(range(1, ack.through + 1)) | {ack.through + 1 + i for i in range(64) if ack.map >> i & 1}
            acked.update((ack.boot, seq) for seq in told)

    for boot, seq, move in plan:
        gate.offer(kit.up(), kit.records(seq, boot=boot), 0)
        sent.add((boot, seq))
        if move == "commit":
            batch = gate.take()
            memory.commit(batch)
            gate.settle(batch)
            take_acks(gate.acks(100))
        elif move == "fail":
            gate.abandon(gate.take())  # nothing was written: the source redelivers
        elif move == "crash":
            memory.commit(gate.take())  # durable, but neither confirmed nor acknowledged
            gate = kit.ingest(folder, memory)
        assert acked <= {(b, s) for _, b, s in memory.frames}
    for boot, seq in sent:  # the broker and the nodes redeliver all that was not acknowledged
        gate.offer(kit.up(), kit.records(seq, boot=boot), 0)
    batch = gate.take()
    memory.commit(batch)
    gate.settle(batch)
    take_acks(gate.acks(100))
    assert acked == {(b, s) for _, b, s in memory.frames} == sent
    assert memory.refused == []

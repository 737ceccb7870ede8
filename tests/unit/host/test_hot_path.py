"""The quick ways of the gate, each held to the plain one beside it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.batch import Ack
from pantau.boots import PAGE, Boot
from pantau.downlink import Downlink
from pantau.header import SHORTEST, plain
from pantau.pace import MOST_S, Pace
from pantau.signer import tag_states
from pantau.window import Window
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag
from unit.host import bridge_kit as kit

U32 = 2**32 - 1


def frame(boot, seq, *, count=15, interval=60, profile=1, key_id=0, alarm=False):
    f = wire.Frame(T.K_RECORDS, key_id)
    f.boot, f.seq, f.clock, f.base_s, f.profile, f.alarm = boot, seq, 3, kit.NOW_MS // 1000, profile, alarm
    f.count, f.interval_s = count, interval
    f.columns = {T.RAIN_TIPS: ([0] * count, None)}
    return bytes(wire.encode(f, kit.NODE, kit.KEY))


@given(
    boot=st.integers(0, 300) | st.integers(0, U32), seq=st.integers(1, 300) | st.integers(1, U32),
    count=st.integers(1, 60), interval=st.sampled_from([1, 7, 60, 900]), profile=st.integers(0, 300),
    key_id=st.integers(0, 3), alarm=st.booleans(),
)  # fmt: skip
def test_the_quick_header_is_the_real_one_or_none(boot, seq, count, interval, profile, key_id, alarm):
    data = frame(boot, seq, count=count, interval=interval, profile=profile, key_id=key_id, alarm=alarm)
    usual = count < 32 and interval in wire.INTERVALS and boot < 1 << 14 and seq < 1 << 21 and profile < 128
    usual = usual and len(data) >= SHORTEST
    assert plain(data) == ((key_id, boot, seq) if usual else None)


@settings(max_examples=500)
@given(
    st.binary(max_size=60)
    | st.tuples(st.binary(max_size=40), st.integers(0, 30)).map(lambda t: frame(1, 300)[: t[1]] + t[0])
)
def test_bytes_that_the_wire_refuses_are_never_quick(data):
    quick = plain(data)
    if quick is not None:
        head = wire.header(data)  # raises where `plain` was wrong
        assert (head.kind, head.key_id, head.boot, head.seq) == (T.K_RECORDS, *quick)


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([kit.NODE, kit.OTHER, "stray-1"]),
        st.integers(1, 3),
        st.integers(1, 90),
        st.sampled_from(["good", "good", "good", "other bytes", "forged", "junk", "health"]),
    ),
    max_size=120,
)


def message(node, boot, seq, sort):
    key = {kit.NODE: kit.KEY, kit.OTHER: kit.OTHER_KEY}.get(node, kit.KEY)
    if sort == "junk":
        return b"\x7f" * seq
    if sort == "health":
        return kit.health(
            seq, boot=boot, node=node, key=key, outbox_oldest_boot=boot, outbox_oldest_seq=max(1, seq - 3)
        )
    key = bytes(32) if sort == "forged" else key
    return kit.records(seq, boot=boot, node=node, key=key, distance=7 if sort == "other bytes" else 1500)


@settings(max_examples=150, deadline=None)
@given(plan=MESSAGES, cuts=st.integers(1, 40), fail=st.integers(0, 5), saves=st.sampled_from([0, 1, 3]))
def test_many_at_once_are_judged_as_one_by_one_whatever_fails_between(tmp_path_factory, plan, cuts, fail, saves):
    """The quick path, with failed commits, few boots saved and a start from the log's tail, against the plain path."""
    folder = tmp_path_factory.getbasetemp()
    quick_memory, slow_memory = kit.Memory(), kit.Memory()
    quick, slow = kit.ingest(folder, quick_memory), kit.ingest(folder, slow_memory)
    messages = [(kit.up(node).encode(), message(node, *rest)) for node, *rest in plan]
    for number, at in enumerate(range(0, len(messages), cuts)):
        topics, payloads = [list(column) for column in zip(*messages[at : at + cuts], strict=True)]
        if number == fail:
            quick.offer_many(topics, payloads, 5)
            quick.abandon(quick.take(saves=saves))
        quick.offer_many(topics, payloads, 5)
        batch = quick.take(saves=saves)
        quick_memory.commit(batch)
        if number == fail:
            quick = kit.ingest(folder, quick_memory)  # killed between commit and acknowledgement
        else:
            quick.settle(batch)
        for topic, payload in zip(topics, payloads, strict=True):
            slow.offer(topic.decode(), payload, 5)
        batch = slow.take(saves=10**6)
        slow_memory.commit(batch)
        slow.settle(batch)
    assert quick_memory.frames == slow_memory.frames
    assert quick_memory.refused == slow_memory.refused
    for gate in (quick, slow):
        gate.offer(kit.up(), kit.records(91), 5)
        gate.offer(kit.up(kit.OTHER), kit.records(91, node=kit.OTHER, key=kit.OTHER_KEY), 5)
    batches = [gate.take(saves=10**6) for gate in (quick, slow)]
    windows = [{(b.node, b.boot): b.window for b in batch.touched} for batch in batches]
    assert windows[0] == windows[1]


@given(boot=st.integers(0, U32), through=st.integers(0, U32), bits=st.integers(0, 2**64 - 1), now=st.integers(1, 2**47))
def test_an_acknowledgement_has_the_bytes_of_the_wire(boot, through, bits, now):
    made = Downlink(kit.KEYS, lambda: now).ack(Ack(kit.NODE, boot, through, bits))
    f = wire.Frame(T.K_ACK)
    f.counter, f.fields = now, {"boot": boot, "through": through, "map": bits}
    assert made == wire.encode(f, kit.NODE, kit.KEY)


def test_the_prepared_hashes_make_the_wires_tag():
    inner, outer = (state.copy() for state in tag_states(kit.KEY, tag.UP, kit.NODE))
    inner.update(b"a frame")
    outer.update(inner.digest())
    assert outer.digest()[: tag.SIZE] == tag.tag(kit.KEY, tag.UP, kit.NODE, b"a frame")


def test_tags_are_found_again_in_whatever_page_and_few_pages_stay_in_memory():
    memory = kit.Memory()
    boot = Boot(kit.NODE, 1, Window(), 0)
    seqs = [*range(1, 20 * PAGE), 5_000, 40 * PAGE]
    for number, seq in enumerate(seqs):
        boot.keep(seq, seq.to_bytes(8, "big"), memory)
        boot.window.add(seq)
        if number % 50 == 0:
            saved = boot.to_save(number)
            memory.pages |= {(kit.NODE, 1, page): data for page, data in saved.pages.items()}
            boot.saved(number)
    assert len(boot.pages) < 12
    assert all(boot.tag_of(seq, memory) == seq.to_bytes(8, "big") for seq in seqs)
    assert boot.tag_of(20 * PAGE + 1, memory) is None
    assert len(boot.pages) < 12


def test_reads_are_moderated_only_under_load_and_within_the_window():
    pace = Pace(64)
    assert [pace.pause_s(10, at / 100) for at in range(100)] == [0.0] * 100  # 1,000 a second
    pauses = [pace.pause_s(500, 1 + at / 100) for at in range(100)]  # 50,000
    assert pauses[-1] == pytest.approx(64 * 8 / 50_000, rel=0.05)
    pace.use_window(20)
    assert pace.pause_s(500, 2.0) <= 64 * 10 / 40_000
    pace.use_window(1000)
    assert 0 < pace.pause_s(500, 2.01) <= MOST_S
    for at in range(300):
        last = pace.pause_s(1, 3 + at / 100)
    assert last == 0.0

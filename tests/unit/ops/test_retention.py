"""What may go: never what somebody has not taken; and the ageing of the city store."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from built import T0_MS, T0_S, Place, Places, records
from pantau.decode import Decoder
from pantau.followers import FollowerStore
from pantau.ops import retention
from pantau.ops.retention import (
    Block,
    CityAging,
    RetentionTable,
    SpoolLimits,
    holder,
    limits_of,
    prunable,
    spool_prune,
    taken_by_all,
)
from pantau.sinks.sqlite import CityStore
from pantau.spool import Spool, SpoolReader
from pantau_wire import names as T
from unit.host import bridge_kit as kit
from unit.ops import stores

DAY = 86_400_000
LIMITS = SpoolLimits(keep_ms=90 * DAY, keep_min_ms=2 * DAY, high_bytes=800, low_bytes=700)


def blocks(*ages_days, size=100):
    """Ten frames a block; block i ends with frame 10 * i."""
    return [Block(10 * n, T0_MS - int(age * DAY), size) for n, age in enumerate(ages_days, 1)]


def prune(kept, size=0, taken=10**9, limits=LIMITS):
    return spool_prune(kept, size, taken, T0_MS, limits)


def test_by_age_whole_blocks_from_the_old_end_go():
    assert prune(blocks(100, 91, 89, 100)) == 20  # a block that is old behind one that is young stays
    assert prune(blocks(100, 91), limits=LIMITS._replace(keep_ms=None)) == 0
    assert prune([]) == 0


def test_what_one_sink_has_not_taken_stays_however_old_and_however_full():
    assert prune(blocks(400, 300, 200), size=10_000, taken=29) == 20
    assert prune(blocks(400, 300, 200), size=10_000, taken=9) == 0


def test_a_full_spool_makes_room_down_to_the_low_mark_but_keeps_the_last_days():
    assert prune(blocks(50, 40, 30, 20), size=801) == 20
    assert prune(blocks(50, 40, 30, 20), size=800) == 0
    assert prune(blocks(3, 1.9, 1.8), size=5_000) == 10


@pytest.mark.parametrize(
    "cursors,held,expected",
    [
        ({"a": 7, "b": 5}, None, 5),
        ({"a": 7}, None, 0),  # b is configured and has not begun
        ({"a": 7, "b": 5, "gone": 1}, None, 5),  # who is not configured any more holds nothing
        ({"a": 7, "b": 5}, 3, 2),
        ({"a": 7, "b": 5}, 9, 5),
    ],
)
def test_taken_is_what_all_have(cursors, held, expected):
    assert taken_by_all(cursors, ("a", "b"), held) == expected
    assert taken_by_all(cursors, (), held) == 0


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(-400, 400), st.integers(0, 500)), max_size=12),
    st.integers(0, 5_000),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 400)),
    st.none() | st.integers(1, 400),
    st.integers(0, 5_000),
)
def test_whatever_the_figures_nothing_needed_goes(spans, size, cursors, held, high):
    through, kept = 0, []
    for frames, age, weight in spans:
        through += frames
        kept.append(Block(through, T0_MS - age * DAY, weight))
    taken = taken_by_all(cursors, ("a", "b"), held)
    gone = spool_prune(kept, size, taken, T0_MS, LIMITS._replace(high_bytes=high, low_bytes=high // 2))
    assert gone <= min(cursors.get("a", 0), cursors.get("b", 0)) and (held is None or gone < held)
    assert gone == 0 or gone in {block.through for block in kept}
    young = {block.through for block in kept if 0 <= T0_MS - block.received_ms <= LIMITS.keep_min_ms}
    assert not young & set(range(gone + 1))


def test_a_clock_that_ran_ahead_for_a_while_holds_up_nothing():
    ahead = Block(10, T0_MS + 4000 * DAY, 100)
    assert spool_prune([ahead, *blocks(100, 99)], 100, 99, T0_MS, LIMITS) == max(b.through for b in blocks(100, 99))
    assert spool_prune([ahead], 100, 99, T0_MS, LIMITS) == 0  # nothing after it says when it came


def test_a_bridge_at_work_lets_go_of_what_all_have_and_of_nothing_else(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3", max_mib=64, quarantine_rows=100, quarantine_mib=1)
    followers = FollowerStore(tmp_path / "followers.sqlite3")
    gate = kit.ingest(tmp_path, spool)
    for seq in range(1, 11):  # one a day, a block each
        gate.offer(kit.up(), kit.records(seq), T0_MS + seq * DAY)
        batch = gate.take()
        spool.commit(batch)
        gate.settle(batch)
    limits = LIMITS._replace(keep_ms=5 * DAY, high_bytes=1 << 30)

    def through(now_ms=T0_MS + 10 * DAY):
        return prunable(spool.path, followers.path, ("sqlite", "alerts"), now_ms, limits)

    assert through() == 0  # nobody has taken anything
    followers.save("sqlite", 10, {})
    followers.save("alerts", 3, {})
    assert through() == 3
    followers.save("alerts", 10, {})
    reader = SpoolReader(spool.path)
    assert through() == through(now_ms=T0_MS + 900 * DAY) == 4  # a clock that jumped ahead ages nothing
    spool.mark([(reader.get([3])[0], "undecodable", "x")])
    assert through() == 2
    assert spool.prune(through()) == 2 and [frame.id for frame in reader.read(0, 99)] == list(range(3, 11))
    (followers.path).write_bytes(b"broken")
    assert through() == 0
    reader.close()
    followers.close()
    spool.close()


def test_who_holds_the_spool_is_named_with_what_to_do():
    assert "sink frost has not taken 90 frames" in holder({"sqlite": 100, "frost": 10}, ("sqlite", "frost"), None, 100)
    assert "keeps frame 4" in holder({"sqlite": 100}, ("sqlite",), 4, 100)
    assert holder({"sqlite": 100}, ("sqlite",), None, 100) == ""
    assert "configure" in holder({}, (), None, 0)


def test_the_table_has_sane_defaults_and_refuses_nonsense():
    limits = limits_of(RetentionTable(), 1000)
    assert limits == (90 * DAY, 2 * DAY, 800 << 20, 700 << 20)
    assert limits_of(RetentionTable(spool_days=None), 1).keep_ms is None
    assert retention.before_ms(1, T0_MS) == T0_MS - DAY and retention.before_ms(None, T0_MS) is None
    with pytest.raises(ValidationError):
        RetentionTable(observations_days=0)


DECODE = Decoder(Places(Place())).decode


@pytest.fixture
def aged(tmp_path):
    """Three days of one node, one frame a day, and an undated frame received on the first."""
    store = CityStore(tmp_path / "city.sqlite3")
    frames = [records({T.RAIN_TIPS: [day] * 10}, seq=day + 1, base_s=T0_S + 86_400 * day) for day in range(3)]
    frames.append(records({T.RAIN_TIPS: [9]}, boot=2, seq=1, clock=0, base_s=60, received_ms=T0_MS))
    # its clock stands in the past, but it came today
    frames.append(
        records({T.RAIN_TIPS: [5]}, boot=3, seq=1, base_s=T0_S - 10**8, received_ms=T0_MS + 2 * DAY + 900_000)
    )
    store.deliver([DECODE(frame) for frame in frames])
    yield tmp_path / "city.sqlite3"
    store.close()


def age(path, cutoff_ms):
    aging, steps = CityAging(path), []
    while (gone := aging.step(cutoff_ms)) is not None:
        steps.append(gone)
    return steps


def tips(path):
    return stores.rows(path, "SELECT boot, seq, count(*) FROM readings WHERE property = 'rain_tips' GROUP BY 1, 2")


def test_observations_age_by_date_and_receipt_and_the_latest_stays(aged):
    latest = "SELECT node, property, value FROM latest"
    before = stores.rows(aged, latest)
    age(aged, T0_MS + DAY + 3_600_000)
    assert tips(aged) == [(1, 3, 10), (3, 1, 1)]
    age(aged, T0_MS + 9 * DAY)
    assert tips(aged) == []
    assert stores.rows(aged, latest) == before
    assert age(aged, T0_MS + 9 * DAY) == [0, 0]


def test_each_transaction_is_small_and_none_is_left_open(aged, monkeypatch):
    monkeypatch.setattr(retention, "_ROWS", 7)
    steps = age(aged, T0_MS + 9 * DAY)
    assert max(steps) == 7 and sum(steps) == 64
    with closing(sqlite3.connect(aged, timeout=0)) as db:
        db.execute("BEGIN IMMEDIATE")


def test_aging_uses_an_index_for_each_of_its_questions(aged):
    for query, values in ((retention._DATED, (1, 1, 0, 0, 9)), (retention._UNDATED, (0, 9))):
        plan = " ".join(row[3] for row in stores.plan(aged, query, values))
        assert "USING" in plan and "INDEX" in plan and "SCAN" not in plan and "TEMP" not in plan, plan


def test_a_store_that_is_busy_ages_later(aged, monkeypatch):
    monkeypatch.setattr(retention, "_BUSY_S", 0.0)
    aging = CityAging(aged)
    aging.step(T0_MS + 9 * DAY)
    with closing(sqlite3.connect(aged, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            aging.step(T0_MS + 9 * DAY)
        blocker.execute("ROLLBACK")
    while aging.step(T0_MS + 9 * DAY) is not None:
        pass
    assert tips(aged) == []

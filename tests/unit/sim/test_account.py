"""The account of a node, fed by hand: what is lost, doubled or claimed in vain is found wherever it is."""

from __future__ import annotations

import pytest

from pantau_sim.node import SimNode
from pantau_sim.run import account as module
from pantau_sim.run.account import account
from pantau_sim.run.flash import Held
from pantau_sim.run.lives import Life
from pantau_wire import _flood, frame
from pantau_wire import names as T

NODE, KEY, START_S, MINUTE = "n", bytes(range(32)), 1_800_000_000, 60


def records(seq: int, first: int, count: int, boot: int = 1) -> bytes:
    """A frame of `count` records, the first at minute `first` of the boot's uptime."""
    f = frame.Frame(T.K_RECORDS, 0)
    f.boot, f.seq, f.clock, f.base_s, f.profile = boot, seq, 0, MINUTE * first, 1
    f.count, f.interval_s, f.alarm = count, MINUTE, False
    f.columns = {_flood.WATER_DISTANCE: ([1000] * count, None)}
    return frame.encode(f, NODE, KEY)


def health(seq: int, produced: int, boot: int = 1) -> bytes:
    f = frame.Frame(T.K_HEALTH, 0)
    f.boot, f.seq, f.fields = boot, seq, {"uptime_ms": 1000 * seq, "records_produced": produced}
    return frame.encode(f, NODE, KEY)


def whole() -> dict[tuple[int, int], bytes]:
    """Two boots of ten minutes, each two frames of five records and its health."""
    return {
        (boot, seq): made
        for boot in (1, 2)
        for seq, made in enumerate((records(1, 1, 5, boot), records(2, 6, 5, boot), health(3, 10, boot)), 1)
    }


@pytest.fixture
def sums(tmp_path):
    (tmp_path / "node").mkdir()
    node = SimNode(tmp_path / "node")
    lives = [Life((START_S + 700 * k) * 1_000_000, 1, (START_S + 700 * k + 630) * 1_000_000) for k in (0, 1)]
    return lambda stored: account(node, NODE, KEY, MINUTE, lives, stored)


def test_what_is_whole_adds_up(sums):
    out = sums(whole())
    assert (out.due, out.stored, out.held, out.lost, out.twice, out.problems) == (20, 20, 0, 0, 0, [])


@pytest.mark.parametrize("boot", [1, 2])
@pytest.mark.parametrize("seq, what", [(1, "no seq 1 of 1..3"), (2, "no seq 2 of 1..3")])
def test_a_frame_that_is_nowhere_is_lost(sums, boot, seq, what):
    stored = whole()
    del stored[boot, seq]
    out = sums(stored)
    assert out.lost >= 5
    said = "\n".join(out.problems)
    assert f"boot {boot}: {what}" in said and "lost" in said and "the node says 10 records, 5 are known" in said


def test_records_after_the_last_word_are_missed_at_the_end_of_their_boot(sums):
    out = sums({name: data for name, data in whole().items() if name[1] == 1})
    assert out.lost == 10 and "boot 2 instant 600 s: lost at its end" in out.problems


def test_claims_of_both_boots_add_up(sums):
    stored = whole()
    stored[1, 3], stored[2, 3] = health(3, 12, 1), health(3, 13, 2)
    assert sums(stored).lost == 5


def test_a_record_in_two_frames_is_there_twice(sums):
    stored = whole()
    stored[1, 4] = records(4, 3, 2)
    out = sums(stored)
    assert out.twice == 2 and "boot 1 instant 180 s" in "\n".join(out.problems)


def test_a_record_of_a_time_without_power_and_one_of_no_boot_are_told(sums):
    stored = whole()
    stored[2, 4], stored[7, 1] = records(4, 11, 9, 2), records(1, 1, 1, 7)
    said = "\n".join(sums(stored).problems)
    assert "it had power for 630 s" in said and "there was no such boot" in said


def test_the_instant_in_progress_at_a_cut_is_not_lost(tmp_path):
    node = SimNode(tmp_path / "node")
    lives = [Life(START_S * 1_000_000, 1, (START_S + 610) * 1_000_000)]
    stored = {(1, 1): records(1, 1, 5), (1, 2): records(2, 6, 4)}
    out = account(node, NODE, KEY, MINUTE, lives, stored)
    assert (out.lost, out.in_progress, out.stored, out.due) == (0, 1, 9, 10)


def test_a_gap_that_is_younger_than_what_the_node_holds_was_not_overwritten(sums, monkeypatch):
    stored = whole()
    del stored[1, 1], stored[2, 2]
    kept = {(2, 1): stored.pop((2, 1))}
    monkeypatch.setattr(module, "held", lambda *_: Held(kept, frames_gone=2, records_gone=10))
    out = sums(stored)
    assert (out.overwritten, out.lost, out.held, out.due) == (5, 5, 5, 20)
    assert "boot 2 instant 360 s: lost at its end" in out.problems

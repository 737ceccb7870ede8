"""Leases: at most one holder at any true time, none for long, fair shares, no thrash."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.cluster.lease import Entry, Identity, LeaseSettings, Lessee, Write
from unit.cluster.lease_world import LEASE, PARTITIONS, World

FAULTS = ("pause", "long pause", "cut", "blind", "crash", "crash, other folder", "stale view", "twice the name")
LASTS_S = st.sampled_from([0.5, 3.0, 7.0, 9.0, 12.0, 15.0, 20.0, 40.0])
FAULT = st.tuples(st.sampled_from(FAULTS), st.integers(0, 2), st.floats(12.0, 70.0), LASTS_S)
QUIET = {"delay_s": 0.05}


def quiet(*names: str) -> World:
    world = World(1, list(names), **QUIET)
    for bridge in world.bridges:
        world.start(bridge)
    return world


def inflict(world: World, fault: tuple[str, int, float, float]) -> None:
    kind, which, at_s, lasts_s = fault
    bridge = world.bridges[which]

    def begins() -> None:
        if kind == "pause":
            world.pause(bridge)
            world.at(lasts_s, lambda: world.resume(bridge))
        elif kind == "long pause":
            world.pause(bridge)
            world.at(3 * LEASE.lease_s + lasts_s, lambda: world.resume(bridge))
        elif kind in {"cut", "blind"}:
            setattr(bridge, kind, True)
            world.at(lasts_s, lambda: setattr(bridge, kind, False))
        elif kind.startswith("crash"):
            world.stop(bridge)
            world.at(lasts_s, lambda: world.start(bridge, same_folder=kind == "crash") if not bridge.up else None)
        elif kind == "stale view":
            world.look_anew(bridge)
        else:
            rival = world.bridges[3]
            if not rival.up:
                world.start(rival, same_folder=False)
                world.at(lasts_s, lambda: world.stop(rival))

    world.at(at_s, begins)


@settings(max_examples=max(20, settings.default.max_examples // 3))
@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.1, 0.4]), delay_s=st.sampled_from([0.05, 0.5, 2.0]),
       faults=st.lists(FAULT, min_size=1, max_size=8))  # fmt: skip
def test_whatever_happens_no_partition_is_held_twice_and_all_are_held_again(seed, loss, delay_s, faults):
    world = World(seed, ["a", "b", "c", "a"], delay_s=delay_s, loss=loss)  # the fourth goes by the name of the first
    world.bridges[3].run = 100
    for bridge in world.bridges[:3]:
        world.start(bridge)
    for fault in faults:
        inflict(world, fault)
    world.run(120.0)
    world.loss, world.delay_s = 0.0, 0.05
    world.run(3 * LEASE.lease_s + 8 * LEASE.beat_s)
    shares = [len(world.held(bridge)) for bridge in world.bridges]
    assert sum(shares) == PARTITIONS
    assert max(shares) <= math.ceil(PARTITIONS / 3)
    moves = world.moves
    world.run(5 * LEASE.lease_s)
    assert world.moves == moves, "nothing moves when nothing happens"


def test_a_bridge_alone_holds_all_and_a_second_gets_half():
    world = quiet("a", "b")
    first, second = world.bridges
    world.stop(second)
    world.run(2 * LEASE.lease_s)
    assert len(world.held(first)) == PARTITIONS
    world.start(second)
    world.run(5 * LEASE.beat_s)
    assert [len(world.held(b)) for b in world.bridges] == [4, 4]
    assert world.moves == PARTITIONS + 4, "and nothing more than needed has moved"


def test_a_restart_within_the_lease_keeps_its_partitions():
    world = quiet("a", "b")
    world.run(3 * LEASE.lease_s)
    first, second = world.bridges
    before = world.held(first)
    world.stop(first)
    world.run(LEASE.lease_s * 0.6)
    world.start(first)
    world.run(1.0)
    assert world.held(first) == before and len(world.held(second)) == 4


def test_a_bridge_that_dies_is_inherited_from_within_two_beats_after_its_lease():
    world = quiet("a", "b")
    world.run(3 * LEASE.lease_s)
    first, second = world.bridges
    world.stop(first)
    world.run(LEASE.lease_s + 2.1 * LEASE.beat_s)
    assert len(world.held(second)) == PARTITIONS


def test_a_bridge_that_leaves_hands_over_without_waiting_for_its_lease():
    world = quiet("a", "b")
    world.run(3 * LEASE.lease_s)
    first, second = world.bridges
    first.lessee.leave()
    world.run(0.5 * LEASE.lease_s)
    assert not world.held(first) and len(world.held(second)) == PARTITIONS


def test_an_outage_of_the_store_ends_all_beliefs_in_time_and_everybody_gets_back_what_was_theirs():
    world = quiet("a", "b", "c")
    world.run(3 * LEASE.lease_s)
    before = [world.held(bridge) for bridge in world.bridges]
    world.strays = 0.0
    for bridge in world.bridges:
        bridge.cut = True
    world.run(LEASE.valid_s * 1.02)
    assert not any(world.held(bridge) for bridge in world.bridges)
    world.run(4 * LEASE.lease_s)
    for number, bridge in enumerate(world.bridges):  # one finds the others silent for long, and waits for them
        world.at(number * LEASE.beat_s, lambda bridge=bridge: setattr(bridge, "cut", False))
    world.run(5 * LEASE.beat_s)
    assert [world.held(bridge) for bridge in world.bridges] == before
    assert world.moves == 2 * PARTITIONS


def test_a_newcomer_that_crashes_again_and_again_moves_nothing():
    world = quiet("a", "b")
    first, second = world.bridges
    world.stop(second)
    world.run(3 * LEASE.lease_s)
    for _ in range(5):
        world.start(second, same_folder=False)
        world.run(0.9 * LEASE.beat_s)
        world.stop(second)
        world.run(LEASE.lease_s)
    assert len(world.held(first)) == PARTITIONS and world.moves == PARTITIONS


def test_a_store_made_anew_is_not_taken_from_before_holders_in_the_old_one_have_noticed():
    old, new = quiet("a"), quiet("b")
    old.run(2 * LEASE.lease_s)
    held = old.held(old.bridges[0])
    assert len(held) == PARTITIONS
    old.bridges[0].cut = True
    while old.held(old.bridges[0]):
        old.run(0.1)
        new.run(0.1)
    assert not new.held(new.bridges[0])
    new.run(2 * LEASE.lease_s)
    assert len(new.held(new.bridges[0])) == PARTITIONS


def lessee_with(*entries: Entry, name: str = "a") -> tuple[Lessee, int]:
    """One whose heartbeat is confirmed at 0.0, and the store's revision."""
    lessee = Lessee(Identity(name, "1"), LEASE, 1)
    for entry in entries:
        lessee.saw(entry, 0.0)
    lessee.saw_all()
    (beat,) = lessee.tick(0.0)
    revision = len(entries) + 1
    lessee.done(beat, revision, 0.0)
    lessee.saw(Entry(beat.key, beat.value, revision), 0.0)
    lessee.saw_all()
    return lessee, revision


FREE = Entry("p00", b'{"bridge": ""}', 1)
OTHERS = Entry("p00", b'{"bridge": "b", "incarnation": "9", "epoch": 4}', 1)
SILENT = Entry("bridge.b", b'{"incarnation": "9", "beat": 1}', 2)


def beats(lessee: Lessee, revision: int, *times: float, seen: bool = True) -> tuple[list[Write], int]:
    """Its heartbeats at these times, all confirmed at once; what else it wants to do."""
    wanted: list[Write] = []
    for now in times:
        for action in lessee.tick(now):
            if not isinstance(action, Write) or action.partition is not None:
                wanted.append(action)
                continue
            revision += 1
            lessee.done(action, revision, now)
            if seen:
                lessee.saw(Entry(action.key, action.value, revision), now)
                lessee.saw_all()
        wanted += lessee.tick(now)
    return wanted, revision


def test_a_take_confirmed_after_a_fence_is_not_believed():
    lessee, revision = lessee_with(FREE)
    (take,), revision = beats(lessee, revision, 2.0)
    _, revision = beats(lessee, revision, 2.0 + LEASE.valid_s)  # fenced, and there again
    assert lessee.valid(2.0 + LEASE.valid_s)
    assert not lessee.done(take, revision + 1, 9.0) and not lessee.held(9.0)
    (again,) = lessee.tick(9.0)
    assert again.over == revision + 1 and again.epoch == 2


def test_a_heartbeat_counts_from_when_it_was_sent():
    lessee, revision = lessee_with(FREE)
    (beat,) = lessee.tick(2.0)
    lessee.done(beat, revision + 1, 6.0)
    assert lessee.valid(2.0 + LEASE.valid_s - 0.01) and not lessee.valid(2.0 + LEASE.valid_s)


def test_who_is_silent_for_a_lease_is_inherited_from_but_only_by_who_sees_the_store():
    times = [2.0, 4.0, 6.0, 8.0, 10.0]
    lessee, revision = lessee_with(OTHERS, SILENT)
    assert beats(lessee, revision, *times[:-1])[0] == []
    lessee, revision = lessee_with(OTHERS, SILENT)
    (take, *_), _ = beats(lessee, revision, *times)
    assert (take.over, take.epoch) == (1, 5)
    blind, revision = lessee_with(OTHERS, SILENT)
    assert beats(blind, revision, *times, 12.0, 14.0, seen=False)[0] == []


def test_a_view_that_lags_proves_nothing_even_where_it_shows_our_own_heartbeat():
    lessee, revision = lessee_with(OTHERS, SILENT)
    _, revision = beats(lessee, revision, 2.0, 4.0, 6.0, 8.0, seen=False)
    (beat,) = lessee.tick(10.0)
    lessee.done(beat, 20, 10.0)
    lessee.saw(Entry(beat.key, beat.value, 20), 10.1)  # in the store b's newest stands behind it, at 21
    assert lessee.tick(10.1) == []
    lessee.looks_anew()
    lessee.saw_all()  # a replica that is behind has nothing new
    assert lessee.tick(10.1) == []
    lessee.saw(Entry(SILENT.key, SILENT.value, 21), 10.2)
    lessee.saw(Entry(beat.key, beat.value, 20), 10.2)
    lessee.saw_all()
    assert lessee.tick(10.2) == []


def test_of_two_with_one_name_the_newcomer_waits_and_says_so():
    world = quiet("a", "b", "a")
    first, _, rival = world.bridges
    rival.run = 100
    world.stop(rival)
    world.run(3 * LEASE.lease_s)
    before = world.held(first)
    world.start(rival, same_folder=False)
    world.run(5 * LEASE.lease_s)
    assert world.held(first) == before and not world.held(rival)
    assert rival.lessee.rival(world.clock(rival)) and not first.lessee.rival(world.clock(first))
    world.stop(first)
    world.run(2 * LEASE.lease_s)
    assert len(world.held(rival)) == 4


def test_whatever_strangers_write_into_the_store_is_harmless():
    lessee = Lessee(Identity("a", "1"), LeaseSettings(), 4)
    written = [b"", b"null", b"[1]", b"\xff", b'{"bridge": 3, "epoch": -1}', b"[" * 100_000, b'{"epoch": 1e999}', None]
    for revision, value in enumerate(written, 1):
        for key in ("p00", "p99", "p1", "bridge.", "bridge.b", "bridge.a", "what"):
            lessee.saw(Entry(key, value, revision), 1.0)
        lessee.saw_all()
    (beat,) = lessee.tick(2.0)
    assert isinstance(beat, Write) and beat.key == "bridge.a" and beat.over == len(written)


def test_epochs_rise_above_a_floor():
    lessee = Lessee(Identity("a", "1"), LeaseSettings(), 1, lambda: 500)
    lessee.saw(Entry("p00", b'{"bridge": "a", "incarnation": "0", "epoch": 7}', 3), 0.0)
    assert lessee.tick(0.0) == []
    lessee.saw_all()
    (beat,) = lessee.tick(0.0)
    assert not lessee.done(beat, 4, 0.1)
    (take,) = lessee.tick(0.2)
    assert (take.epoch, take.over) == (501, 3)

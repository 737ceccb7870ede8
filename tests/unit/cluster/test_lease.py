"""Leases: at most one holder at any true time, none for long, fair shares, no thrash."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from pantau.cluster.lease import Entry, Identity, LeaseSettings, Lessee, Write
from unit.cluster.lease_world import LEASE, PARTITIONS, World

FAULTS = ("pause", "long pause", "cut", "blind", "crash", "crash, other folder", "stale view", "twice the name")
FAULT = st.tuples(st.sampled_from(FAULTS), st.integers(0, 3), st.floats(0.0, 30.0), st.floats(0.5, 20.0))
QUIET = {"delay_s": 0.05}


def quiet(*names: str) -> World:
    world = World(1, list(names), **QUIET)
    for bridge in world.bridges:
        world.start(bridge)
    return world


def inflict(world: World, fault: tuple[str, int, float, float]) -> None:
    kind, which, at_s, lasts_s = fault
    bridge = world.bridges[which % 3]

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
       faults=st.lists(FAULT, max_size=6))  # fmt: skip
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
    for bridge in world.bridges:
        bridge.cut = True
    world.run(LEASE.valid_s * 1.02)
    assert not any(world.held(bridge) for bridge in world.bridges)
    world.run(4 * LEASE.lease_s)
    for bridge in world.bridges:
        world.at(world.rng.uniform(0, LEASE.beat_s), lambda bridge=bridge: setattr(bridge, "cut", False))
    world.run(3 * LEASE.beat_s)
    assert [world.held(bridge) for bridge in world.bridges] == before


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

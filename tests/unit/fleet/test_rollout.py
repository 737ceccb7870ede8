"""Rollouts: ring by ring, halted by what fails, everybody brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pantau.fleet.rings import rings_of, stages
from pantau.fleet.rollout import FINISHED, HALTED, RUNNING, Plan
from pantau.fleet.rollouts import RolloutError
from unit.fleet.fleet_rig import City, Node

Make = Callable[..., City]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[City] = []

    def build(*nodes: Node, **plan: object) -> City:
        city = City(tmp_path, *nodes)
        made.append(city)
        city.pass_(120)
        rings = rings_of(city.nodes, lab=["lab"], canary=[n for n in city.nodes if n.startswith("canary")])
        found = tuple(stages(rings, steps=(50, 100)))
        city.rollouts.begin(2, Plan(32, found, **({"soak_ms": 600_000} | plan)), "test", city.now_ms)  # type: ignore[arg-type]
        return city

    yield build
    for city in made:
        city.book.close()


def nodes(*bad: str, sick: tuple[str, ...] = ()) -> list[Node]:
    names = ["lab", "canary-1", "canary-2", "canary-3", *(f"city-{n}" for n in range(6))]
    return [Node(n, bad=(2,) if n in bad else (), sick=(2,) if n in sick else ()) for n in names]


def state(city: City) -> tuple[str, str]:
    last = city.rollouts.last()
    assert last is not None
    return last.state, last.halted_after


def test_a_good_release_reaches_everybody_ring_by_ring(make: Make) -> None:
    city = make(*nodes())
    city.pass_(600)
    assert city.nodes["lab"].release == 2 and city.nodes["canary-1"].release == 1, "the lab is watched first"
    city.pass_(6000)
    assert state(city) == (FINISHED, "") and {n.release for n in city.nodes.values()} == {2}
    told = [entry.what for entry in city.book.history()]
    assert "release 2 finished" in told and any("goes on to city 50 %" in line for line in told)


def test_nodes_that_roll_back_by_themselves_halt_it_and_the_others_are_brought_back(make: Make) -> None:
    city = make(*nodes("canary-1", "canary-2"))
    city.pass_(6000)
    assert state(city) == (HALTED, "canary")
    assert {n.release for n in city.nodes.values()} == {1}
    places = city.rollouts.places(1)
    assert places["lab"].state == places["canary-3"].state == "returned"
    assert places["canary-1"].state == "failed" and "rolled back" in places["canary-1"].why
    assert "city-1" not in places


def test_a_release_that_fails_after_its_trial_is_found_in_the_soak(make: Make) -> None:
    city = make(*nodes(sick=("canary-1", "canary-2")))
    city.pass_(6000)
    assert state(city) == (HALTED, "canary") and {n.release for n in city.nodes.values()} == {1}
    last = city.rollouts.last()
    assert last is not None and "SystemExit: ill" in last.reason


def test_a_node_that_falls_silent_counts_and_a_bridge_that_was_away_does_not(make: Make) -> None:
    city = make(*nodes(), soak_ms=10**7, silent_ms=1_200_000)
    city.pass_(900)
    assert city.nodes["lab"].release == 2
    city.now_ms += 7_200_000  # the bridge was off
    city.pass_(900)
    assert state(city)[0] == RUNNING
    city.nodes["lab"].away = True
    city.pass_(1500)
    assert state(city) == (HALTED, "lab")


def test_one_failure_of_many_does_not_halt_and_a_whole_ring_does(make: Make) -> None:
    city = make(*nodes("city-2"))
    city.pass_(7000)
    assert state(city) == (FINISHED, "") and city.nodes["city-2"].release == 1


def test_a_whole_ring_that_fails_halts(make: Make) -> None:
    city = make(*nodes("lab"))
    city.pass_(1200)
    assert state(city) == (HALTED, "lab")


def test_a_pinned_node_stays_and_one_that_is_away_is_asked_when_it_comes(make: Make) -> None:
    city = make(*nodes())
    city.book.pin("canary-1", "test", city.now_ms, "a demonstration")
    city.nodes["canary-2"].away = True
    city.pass_(15_000)
    assert state(city)[0] == FINISHED
    assert city.nodes["canary-1"].release == 1
    city.nodes["canary-2"].away = False
    city.pass_(900)
    assert city.nodes["canary-2"].release == 2, "its order waits for it"
    assert [order.kind for order in city.book.orders_of("canary-2")] == ["update"], "and it is one order"


def test_a_node_that_comes_while_it_goes_on_is_asked_by_the_order_it_has(make: Make) -> None:
    city = make(*nodes(), soak_ms=10**8)
    city.pass_(60)
    city.nodes["lab"].away = True
    city.pass_(9000)
    places = city.rollouts.places(1)
    assert places["lab"].state == "absent" and state(city)[0] == RUNNING
    city.nodes["lab"].away = False
    city.pass_(1200)
    assert city.rollouts.places(1)["lab"].state == "accepted"
    assert len(city.book.orders_of("lab")) == 1


def test_halted_by_hand_it_stays_as_it_is_and_goes_on_when_it_is_told(make: Make) -> None:
    city = make(*nodes())
    city.pass_(900)
    city.rollouts.halt("test", city.now_ms, back=False)
    city.pass_(900)
    assert city.nodes["lab"].release == 2
    with pytest.raises(RolloutError, match="no rollout is running"):
        city.rollouts.halt("test", city.now_ms, back=False)
    city.rollouts.resume("test", city.now_ms)
    city.pass_(6000)
    assert state(city) == (FINISHED, "")


def test_after_a_halt_the_same_release_can_be_tried_again(make: Make) -> None:
    city = make(*nodes("canary-1", "canary-2"))
    city.pass_(6000)
    for node in city.nodes.values():
        node.bad = ()
    city.kill()
    city.rollouts.resume("test", city.now_ms)
    city.desk.reload()
    city.pass_(9000)
    assert state(city) == (FINISHED, "") and {n.release for n in city.nodes.values()} == {2}


def test_there_is_one_rollout_at_a_time(make: Make) -> None:
    city = make(*nodes())
    with pytest.raises(RolloutError, match="halt it first"):
        city.rollouts.begin(2, Plan(32, ()), "test", city.now_ms)


def test_a_killed_bridge_goes_on_with_its_rollout(make: Make) -> None:
    city = make(*nodes("canary-1", "canary-2"))
    for _ in range(30):
        city.pass_(180)
        city.kill()
    assert state(city) == (HALTED, "canary") and {n.release for n in city.nodes.values()} == {1}


def test_rings_and_steps_are_the_same_each_time_and_cover_all() -> None:
    names = [f"n{number}" for number in range(200)]
    rings = rings_of(names, lab=["n3"], canary=["n7"], canary_percent=5)
    assert rings["lab"] == ["n3"] and "n7" in rings["canary"] and len(rings["canary"]) == 11
    found = stages(rings)
    assert [(stage.ring, stage.percent) for stage in found] == [
        ("lab", 100), ("canary", 100), ("city", 5), ("city", 25), ("city", 100),
    ]  # fmt: skip
    asked = [node for stage in found for node in stage.nodes]
    assert sorted(asked) == sorted(names)
    fewer = rings_of(names[:-1], lab=["n3"], canary=["n7"], canary_percent=5)
    assert len(set(fewer["canary"]) ^ set(rings["canary"])) <= 2

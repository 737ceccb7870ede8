"""A rollout: stage by stage, each watched for a while; halted by failures, and then what runs the bad release goes back. I/O-free.

It is a fold: from where the nodes stand and what they say now to where they stand next, with orders to give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau.fleet.rings import Stage
from pantau.fleet.rows import CANCELLED as ORDER_CANCELLED
from pantau.fleet.rows import COMPLETE, DONE, EXPIRED, QUEUED, NodeState
from pantau.fleet.rows import FAILED as ORDER_FAILED
from pantau_wire.bundle import ACCEPTED as PROVED
from pantau_wire.bundle import TRIAL, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pantau.fleet.rows import Order

RUNNING, HALTED, FINISHED = "running", "halted", "finished"
# Where a node stands. absent: not heard since it was to be asked, it is asked when it comes; stranded: it runs the bad release
# and could not be brought back.
OFFERED, ACCEPTED, FAILED, ABSENT, PINNED = "offered", "accepted", "failed", "absent", "pinned"
STOPPED, BACK, RETURNED, STRANDED = "stopped", "going back", "returned", "stranded"
_RESTARTS = 3  # in a row, with nothing delivered in between: it cannot stay up
_TRIES = 5  # to bring a node back
_ALL = 100


class Plan(NamedTuple):
    """What was asked for. It halts at `halt_at` failures, where these are `halt_percent` of the nodes asked so far, too.

    A node fails, too, when it has not accepted `patience_ms` after the first chunk, or is not heard for `silent_ms`.
    """

    bundle: int
    stages: tuple[Stage, ...]
    soak_ms: int = 1_800_000
    halt_at: int = 2
    halt_percent: float = 2.0
    patience_ms: int = 7_200_000
    silent_ms: int = 2_700_000
    back: bool = True


class Rollout(NamedTuple):
    """One rollout. `stage` is under way; `soak_ms` is since when it is watched, 0 while nodes are still asked."""

    id: int
    release: int
    state: str
    stage: int
    plan: Plan
    by: str
    made_ms: int
    soak_ms: int = 0
    halted_after: str = ""
    reason: str = ""
    ended_ms: int | None = None


class Place(NamedTuple):
    """Where a node stands in a rollout, since when and since which boot; `order`: the update that was ordered last, 0 for none."""

    node: str
    stage: int
    state: str
    before: int = 0
    since_ms: int = 0
    why: str = ""
    order: int = 0
    tries: int = 0
    boot: int = 0


class City(NamedTuple):
    """What is known now. `listening_ms` is since when silence means something: Unix ms."""

    states: Mapping[str, NodeState]
    orders: Mapping[int, Order]
    pins: Mapping[str, str]
    listening_ms: int
    now_ms: int


class Moves(NamedTuple):
    """What follows: the rollout, the places that are new or have changed, and what is to be ordered of nodes."""

    rollout: Rollout
    places: dict[str, Place]
    offer: list[str]
    back: list[str]
    cancel: list[str]
    told: list[str]


def follow(rollout: Rollout, places: Mapping[str, Place], city: City) -> Moves:
    """Go one step on."""
    moves = Moves(rollout, {}, [], [], [], [])
    now = dict(places)
    if rollout.state == RUNNING:
        for number, stage in enumerate(rollout.plan.stages[: rollout.stage + 1]):
            for node in stage.nodes:
                asked = _ask(rollout, now.get(node) or Place(node, number, ""), city)
                if asked is not None:
                    now[node] = asked
                    if asked.state == OFFERED:
                        moves.offer.append(node)
    for node, place in now.items():
        now[node] = judged = _judge(rollout, place, city)
        if judged.state != place.state and judged.state in {FAILED, STRANDED, RETURNED}:
            moves.told.append(
                f"node {node}: {judged.state}: {judged.why}" if judged.why else f"node {node}: {judged.state}"
            )
    if rollout.state == RUNNING:
        rollout = _advance(rollout, now, city, moves)
    if rollout.state == HALTED:
        _go_back(rollout, now, city, moves)
    moves.places.update((node, place) for node, place in now.items() if places.get(node) != place)
    return moves._replace(rollout=rollout)


def _ask(rollout: Rollout, place: Place, city: City) -> Place | None:
    """Return where a node stands that is to be asked, None where it has been."""
    state = city.states.get(place.node)
    if place.state not in {"", ABSENT, PINNED}:
        return None
    if place.node in city.pins:
        return place._replace(state=PINNED, why=city.pins[place.node])
    if state is not None and state.release >= rollout.release:
        word = "" if state.release == rollout.release else f"runs release {state.release}"
        return place._replace(
            state=ACCEPTED if not word else PINNED, since_ms=city.now_ms, before=state.release, why=word
        )
    if state is None or (place.state == ABSENT and state.heard_ms <= place.since_ms):
        return place._replace(state=ABSENT, since_ms=place.since_ms or city.now_ms, why="not heard")
    return place._replace(state=OFFERED, before=state.release, since_ms=city.now_ms, why="")


def _silent(rollout: Rollout, place: Place, state: NodeState, city: City) -> bool:
    since = max(state.heard_ms, place.since_ms, city.listening_ms)
    return city.now_ms - since > rollout.plan.silent_ms


def _judge(rollout: Rollout, place: Place, city: City) -> Place:
    """Return where a node stands by what it says now."""
    state, order = city.states.get(place.node), city.orders.get(place.order)
    if state is None:
        return place
    if place.state == OFFERED and order is not None:
        return _judge_offered(rollout, place, state, order, city)
    if place.state == ACCEPTED:
        why = ""
        if state.health_ms > place.since_ms and state.release != rollout.release:
            why = f"fell back to release {state.release}{': ' if state.defect else ''}{state.defect}"
        elif state.health_ms > place.since_ms and (state.safe or state.restarts >= _RESTARTS):
            why = f"{state.restarts} restarts in a row: {state.defect or 'no cause known'}"
        elif state.defect and state.boot - place.boot >= _RESTARTS:
            why = f"started {state.boot - place.boot} times since it accepted: {state.defect}"
        elif _silent(rollout, place, state, city):
            why = "not heard any more"
        return place._replace(state=FAILED, since_ms=city.now_ms, why=why) if why else place
    if place.state == BACK and state.release < rollout.release:
        return place._replace(state=RETURNED, since_ms=city.now_ms, why=f"runs release {state.release}")
    return place


def _judge_offered(rollout: Rollout, place: Place, state: NodeState, order: Order, city: City) -> Place:
    plan, now_ms = rollout.plan, city.now_ms
    proved = (state.release, state.update_id, state.update_state) == (rollout.release, plan.bundle, PROVED)
    if order.state == DONE or proved:
        return place._replace(state=ACCEPTED, since_ms=now_ms, boot=state.boot)
    if order.state in {ORDER_FAILED, EXPIRED, ORDER_CANCELLED}:
        return place._replace(state=FAILED, since_ms=now_ms, why=order.result)
    why = ""
    if order.state == COMPLETE and _silent(rollout, place, state, city):
        why = "not heard any more since it has the whole bundle"
    elif order.state != QUEUED and now_ms - max(order.sent_ms, place.since_ms, city.listening_ms) > plan.patience_ms:
        if state.heard_ms <= max(order.sent_ms, place.since_ms):
            return place._replace(state=ABSENT, since_ms=now_ms, why="not heard since it was asked")
        why = f"has not accepted in time: {order.result or 'no answer'}"
    return place._replace(state=FAILED, since_ms=now_ms, why=why) if why else place


def _advance(rollout: Rollout, places: Mapping[str, Place], city: City, moves: Moves) -> Rollout:
    """Return the rollout halted, at its next stage, or as it was."""
    stage = rollout.plan.stages[rollout.stage]
    here = [places[node] for node in stage.nodes]
    reason = _too_many(rollout, places.values(), here)
    if reason:
        moves.told.append(f"halted in {stage}: {reason}")
        return rollout._replace(state=HALTED, halted_after=stage.ring, reason=reason, soak_ms=0)
    states = {place.state for place in here}
    if OFFERED in states or (ABSENT in states and ACCEPTED not in states):
        return rollout._replace(soak_ms=0)
    if not rollout.soak_ms:
        moves.told.append(f"{stage}: {sum(p.state == ACCEPTED for p in here)} of {len(here)} nodes have accepted")
        return rollout._replace(soak_ms=city.now_ms)
    if city.now_ms - rollout.soak_ms < rollout.plan.soak_ms:
        return rollout
    if rollout.stage + 1 < len(rollout.plan.stages):
        moves.told.append(f"goes on to {rollout.plan.stages[rollout.stage + 1]}")
        return rollout._replace(stage=rollout.stage + 1, soak_ms=0)
    moves.told.append("finished")
    return rollout._replace(state=FINISHED, ended_ms=city.now_ms)


def _too_many(rollout: Rollout, places: Iterable[Place], here: list[Place]) -> str:
    """Return why the failures are too many, "" when they are not."""
    plan = rollout.plan
    asked = [place for place in places if place.state in {OFFERED, ACCEPTED, FAILED}]
    failed = [place for place in asked if place.state == FAILED]
    all_here = [place for place in here if place.state in {OFFERED, ACCEPTED, FAILED}]
    whole = bool(all_here) and all(place.state == FAILED for place in all_here)
    if whole or (len(failed) >= plan.halt_at and _ALL * len(failed) >= plan.halt_percent * len(asked)):
        worst = failed[-1] if failed else here[0]
        return f"{len(failed)} of {len(asked)} nodes failed, as {worst.node}: {worst.why}"
    return ""


def _go_back(rollout: Rollout, places: dict[str, Place], city: City, moves: Moves) -> None:
    """Take back offers, and bring back what runs the bad release."""
    moves.offer.clear()
    for node, place in places.items():
        state, order = city.states.get(node), city.orders.get(place.order)
        whole = order is not None and order.state == COMPLETE
        if place.state == OFFERED and not whole:
            moves.cancel.append(node)
            places[node] = place = place._replace(state=STOPPED, since_ms=city.now_ms, why="the rollout was halted")
        if (
            not rollout.plan.back
            or state is None
            or state.release != rollout.release
            or place.before >= rollout.release
        ):
            if place.state == RETURNED and order is not None and order.ended_ms is None:
                moves.cancel.append(node)  # it found back by itself
            continue
        on_trial = state.update_id == rollout.plan.bundle and state.update_state == TRIAL
        if place.state in {ACCEPTED, FAILED, STOPPED, RETURNED} and not on_trial:
            moves.back.append(node)
            places[node] = place._replace(state=BACK, since_ms=city.now_ms, tries=1)
        elif place.state == BACK and order is not None and order.state in {ORDER_FAILED, EXPIRED, ORDER_CANCELLED}:
            if place.tries < _TRIES:
                moves.back.append(node)
                places[node] = place._replace(tries=place.tries + 1, since_ms=city.now_ms, why=order.result)
            else:
                places[node] = place._replace(state=STRANDED, since_ms=city.now_ms, why=order.result)
                moves.told.append(f"node {node}: stranded: {order.result}")


def again(rollout: Rollout, places: Mapping[str, Place]) -> tuple[Rollout, list[str]]:
    """Return a halted rollout as it goes on, and the nodes that are to be asked anew: those that have not accepted."""
    nodes = [node for node, place in places.items() if place.state not in {ACCEPTED, PINNED}]
    stage = min((places[node].stage for node in nodes), default=rollout.stage)
    return rollout._replace(state=RUNNING, stage=stage, soak_ms=0, halted_after="", reason="", ended_ms=None), nodes


def word(state: NodeState) -> str:
    """Return in a word how far a node is with its update."""
    return WORDS[state.update_state] if state.update_state < len(WORDS) else str(state.update_state)

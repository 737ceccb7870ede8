"""`pantau fleet status`: what the nodes run, and how far a rollout is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import opened, when
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import UsageError
from pantau.fleet.rollout import FAILED, STRANDED, word
from pantau.fleet.rollouts import Rollouts

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.fleet.book import Book

_SAID = 20  # nodes that are named


@click.command("status")
@config_option
@click.argument("node", required=False)
@json_option
def command(path: Path, node: str | None, as_json: bool) -> None:
    """Say what the fleet runs and how far the last rollout is; of NODE what it said last."""
    with opened(path) as (_, book):
        result, lines = _of_fleet(book) if node is None else _of_node(book, node)
    tell(result, "\n".join(lines), as_json=as_json)


def _of_node(book: Book, node: str) -> tuple[dict[str, Any], list[str]]:
    state = book.node(node)
    if state is None:
        raise UsageError(f"{node} was not heard yet, as far as {book.path} knows")
    place = f"slot {state.slot}" if state.slot else "no slots"
    lines = [
        f"{node}: version {state.version or '?'}, release {state.release or 'installed by hand'}, {place}",
        f"heard {when(state.heard_ms)} UTC; boot {state.boot}; {state.restarts} restarts in a row",
        f"update {state.update_id:08x}: {word(state)}, {state.update_have} bytes" if state.update_id else "no update",
    ]
    lines += ["not commissioned: in set-up mode"] if state.setup else []
    lines += [f"last defect: {state.defect}"] if state.defect else []
    records = book.commissionings(node)
    lines += [f"commissioned: received {when(one['received_ms'])} UTC" for one in records[:1]]
    pinned = book.pins().get(node)
    lines += [] if pinned is None else [f"pinned {pinned}"]
    return state._asdict() | {"commissionings": records, "pinned": pinned}, lines


def _of_fleet(book: Book) -> tuple[dict[str, Any], list[str]]:
    states = book.nodes()
    runs = Counter((state.release, state.version) for state in states)
    lines = [
        f"release {release or '-'} ({version or '?'}): {many} nodes"
        for (release, version), many in sorted(runs.items())
    ]
    setup = [state.node for state in states if state.setup]
    lines += [f"in set-up mode: {', '.join(setup[:_SAID])}"] if setup else []
    waiting = Counter(order.kind for order in book.open_orders())
    lines += (
        [f"open orders: {', '.join(f'{many} {kind}' for kind, many in sorted(waiting.items()))}"] if waiting else []
    )
    pins = book.pins()
    lines += [f"pinned: {', '.join(list(pins)[:_SAID])}"] if pins else []
    result: dict[str, Any] = {
        "nodes": len(states), "pins": pins, "setup": setup, "open_orders": dict(waiting),
        "runs": [{"release": release, "version": version, "nodes": many} for (release, version), many in sorted(runs.items())],
    }  # fmt: skip
    told, rollout = _of_rollout(book)
    return result | {"rollout": rollout}, (lines or ["no node was heard yet"]) + told


def _of_rollout(book: Book) -> tuple[list[str], dict[str, Any] | None]:
    last = Rollouts(book).last()
    if last is None:
        return ["no rollout yet"], None
    places = Rollouts(book).places(last.id)
    head = f"rollout {last.id} of release {last.release}: {last.state}"
    lines = [head + (f" after {last.halted_after}: {last.reason}" if last.halted_after else "")]
    rows: list[dict[str, Any]] = []
    for number, stage in enumerate(last.plan.stages):
        here = Counter(places[node].state if node in places else "waits" for node in stage.nodes)
        mark = "soaks" if number == last.stage and last.soak_ms else "asks" if number == last.stage else ""
        lines.append(
            f"  {stage!s:<12} {len(stage.nodes):>6} nodes  {', '.join(f'{n} {s}' for s, n in sorted(here.items()))}  {mark}"
        )
        rows.append({"ring": stage.ring, "percent": stage.percent, "nodes": len(stage.nodes), "states": dict(here)})
    bad = [place for place in places.values() if place.state in {FAILED, STRANDED} or place.tries > 1]
    lines += [f"  {place.node}: {place.state}: {place.why}" for place in bad[:_SAID]]
    fields = last._asdict() | {"plan": None, "stages": rows, "failed": [place._asdict() for place in bad]}
    return lines, fields

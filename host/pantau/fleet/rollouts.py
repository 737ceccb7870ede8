"""Rollouts in the book: begun, halted, resumed by people, and followed by whoever runs the desk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pantau.fleet.rings import Stage
from pantau.fleet.rollout import BACK, FINISHED, HALTED, OFFERED, RUNNING, City, Place, Plan, Rollout, again, follow
from pantau.fleet.rows import UPDATE

if TYPE_CHECKING:
    from pantau.fleet.book import Book
    from pantau.fleet.desk import Desk

DESK = "desk"
_ORDER_MS = 7 * 86_400_000  # an offer waits so long for a node that is away
_AWAY_MS = 120_000  # between two looks: we were not there
_DEAF_MS = 1_200_000  # without a word of any node: silence then is ours


class RolloutError(Exception):
    """It cannot be begun, halted or resumed; the text says why and what to do."""


class Rollouts:
    """The rollouts of one book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._ticked_ms = self._listening_ms = 0

    # -- what is there

    def last(self) -> Rollout | None:
        """Return the newest rollout."""
        rows = self._rows("ORDER BY id DESC LIMIT 1")
        return rows[0] if rows else None

    def all(self, limit: int = 50) -> list[Rollout]:
        """Return the newest rollouts, the newest first."""
        return self._rows(f"ORDER BY id DESC LIMIT {int(limit)}")

    def places(self, rollout: int) -> dict[str, Place]:
        """Return where each node stands."""
        query = "SELECT node, stage, state, before, since_ms, why, order_id, tries, boot FROM places WHERE rollout = ? ORDER BY node"
        return {row[0]: Place(*row) for row in self._book.db.execute(query, (rollout,))}

    # -- what people do

    def begin(self, release: int, plan: Plan, by: str, now_ms: int) -> Rollout:
        """Begin a rollout. RolloutError while another one runs, or goes back."""
        with self._book.transaction():
            last = self.last()
            if last is not None and last.state == RUNNING:
                raise RolloutError(
                    f"release {last.release} is being rolled out: halt it first, pantau fleet rollout --halt"
                )
            if last is not None and any(p.state in {BACK, OFFERED} for p in self.places(last.id).values()):
                raise RolloutError(
                    "nodes are still being brought back: see pantau fleet status, and begin when they are"
                )
            if not plan.stages:
                raise RolloutError("no node would be asked: the rings are empty")
            rollout = Rollout((last.id if last else 0) + 1, release, RUNNING, 0, plan, by, now_ms)
            self._save(rollout)
            where = ", ".join(f"{stage} ({len(stage.nodes)})" for stage in plan.stages)
            self._record(rollout, now_ms, by, f"begun: {where}")
        return rollout

    def halt(self, by: str, now_ms: int, *, back: bool) -> Rollout:
        """Halt what runs; with `back` bring back who has accepted. RolloutError when nothing runs."""
        with self._book.transaction():
            last = self.last()
            if last is None or (last.state != RUNNING and not (last.state == HALTED and back)):
                raise RolloutError("no rollout is running")
            ring = last.plan.stages[last.stage].ring
            rollout = last._replace(
                state=HALTED,
                halted_after=last.halted_after or ring,
                reason=last.reason or f"by {by}",
                plan=last.plan._replace(back=back),
            )
            self._save(rollout)
            self._record(
                rollout, now_ms, by, "halted by hand" + (", nodes go back" if back else ", nodes stay as they are")
            )
        return rollout

    def resume(self, by: str, now_ms: int, desk_expires_ms: int = _ORDER_MS) -> Rollout:
        """Go on with what was halted, from the first stage that has nodes to ask. RolloutError when nothing is halted."""
        with self._book.transaction():
            last = self.last()
            if last is None or last.state != HALTED:
                raise RolloutError("no rollout is halted")
            places = self.places(last.id)
            if any(place.state in {BACK, OFFERED} for place in places.values()):
                raise RolloutError("nodes are still being brought back: resume when they are, see pantau fleet status")
            rollout, nodes = again(last, places)
            self._save(rollout)
            for node in nodes:
                self._book.db.execute("DELETE FROM places WHERE rollout = ? AND node = ?", (last.id, node))
                # A node remembers what it has refused, and would only say so again.
                args = json.dumps({"cancel": last.plan.bundle})
                what = {"name": "update", "args": args}
                self._book.add_order(node, "command", what, by, now_ms, now_ms + desk_expires_ms)
            self._record(rollout, now_ms, by, f"resumed at {rollout.plan.stages[rollout.stage]}")
        return rollout

    # -- what the desk does

    def tick(self, desk: Desk, now_ms: int) -> None:
        """Follow the rollout a step, in a transaction of its own."""
        last = self.last()
        if last is None or last.state == FINISHED:
            return
        self._listen(desk, now_ms, min(_DEAF_MS, last.plan.silent_ms // 2))
        with self._book.transaction():
            places = self.places(last.id)
            states = {
                state.node: state._replace(heard_ms=max(state.heard_ms, desk.heard_ms(state.node)))
                for state in self._book.nodes()
            }
            orders = {order.id: order for order in self._book.orders_in(last.id)}
            city = City(states, orders, self._book.pins(), self._listening_ms, now_ms)
            moves = follow(last, places, city)
            fresh = dict(moves.places)
            for node in moves.cancel:
                desk.cancel((fresh.get(node) or places[node]).order, "the rollout was halted", now_ms)
            for node in moves.offer:
                before = orders.get(fresh[node].order)
                if before is None or before.ended_ms is not None:  # else it was away, and its order has waited for it
                    fresh[node] = fresh[node]._replace(order=self._order(node, last.plan.bundle, last, now_ms))
            for node in moves.back:
                fresh[node] = self._bring_back(fresh[node], last, now_ms)
            self._write(last, moves.rollout, fresh)
            for line in moves.told:
                self._record(last, now_ms, DESK, line)
            if moves.offer or moves.back or moves.cancel:
                desk.reload()

    def _listen(self, desk: Desk, now_ms: int, deaf_ms: int) -> None:
        """Note since when we would have heard a node: neither we nor the way to all nodes was gone."""
        if now_ms - self._ticked_ms > _AWAY_MS or now_ms - desk.last_heard_ms > deaf_ms:
            self._listening_ms = now_ms
        self._ticked_ms = now_ms

    def _order(self, node: str, bundle: int, rollout: Rollout, now_ms: int) -> int:
        return self._book.add_order(
            node, UPDATE, {"bundle": bundle}, f"rollout {rollout.id}", now_ms, now_ms + _ORDER_MS
        )

    def _bring_back(self, place: Place, rollout: Rollout, now_ms: int) -> Place:
        """Order the way back to what the node ran before; where that is not in the book, to the newest release that is."""
        earlier = [r.release for r in self._book.releases() if r.release < rollout.release]
        choice = place.before if place.before in earlier else max(earlier, default=0)
        bundle = self._book.bundle_of(choice, back=True)
        if bundle is None:
            why = f"no release before {rollout.release} is in the book: go there with a laptop"
            self._record(rollout, now_ms, DESK, f"node {place.node}: stranded: {why}")
            return place._replace(state="stranded", why=why)
        return place._replace(order=self._order(place.node, bundle, rollout, now_ms))

    # -- rows

    def _write(self, before: Rollout, rollout: Rollout, places: dict[str, Place]) -> None:
        if rollout != before:
            self._save(rollout)
        self._book.db.executemany(
            "INSERT OR REPLACE INTO places (rollout, node, stage, state, before, since_ms, why, order_id, tries, boot) VALUES (?,?,?,?,?,?,?,?,?,?)",
            [(rollout.id, *place) for place in places.values()],
        )

    def _save(self, rollout: Rollout) -> None:
        row = rollout._replace(plan=json.dumps(rollout.plan._asdict()))  # type: ignore[arg-type]
        self._book.db.execute("INSERT OR REPLACE INTO rollouts VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)

    def _rows(self, tail: str) -> list[Rollout]:
        return [_read(row) for row in self._book.db.execute("SELECT * FROM rollouts " + tail)]  # noqa: S608  ours, above

    def _record(self, rollout: Rollout, now_ms: int, by: str, what: str) -> None:
        self._book.record(now_ms, by, f"rollout {rollout.id}", f"release {rollout.release} {what}")


def _read(row: tuple[Any, ...]) -> Rollout:
    plan = json.loads(row[4])
    stages = tuple(Stage(ring, percent, tuple(nodes)) for ring, percent, nodes in plan.pop("stages"))
    return Rollout(*row)._replace(plan=Plan(stages=stages, **plan))

"""The order desk: what nodes are to do, told until they have answered; and what they say of themselves, kept. I/O-free.

An order goes out with a counter that was written down before: sent again it is the same bytes, which a node carries out once.
It is sent again only after the node was heard since, so that copies do not pile up at the broker for one that is away. One
command at a time for each node, for a node refuses a counter below the last. A bundle's chunks go beside them (chunks.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from pantau.fleet.chunks import Chunks, Limits
from pantau.fleet.rows import (
    CANCELLED,
    COMPLETE,
    DONE,
    EXPIRED,
    FAILED,
    QUEUED,
    SENT,
    UPDATE,
    NodeState,
    Order,
)  # fmt: skip
from pantau_wire import bundle as B
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pantau.fleet.book import Book

KINDS = {"command": T.K_COMMAND, "config": T.K_CONFIG}
# What may be done twice: signed anew after so many tries, for a technician's order in between makes the old counter void.
HARMLESS = frozenset({"get", "ping", "health", "flush", "maintenance", "update"})
_ANEW = 4
_AGAIN_MS, _AGAIN_MOST_MS = 10_000, 900_000
_AT_ONCE = 200  # orders given out in one go
_HEARD_MS = 60_000  # between two notes of who was heard
_PRUNE_MS = 86_400_000


class Signer(Protocol):
    """Makes frames for nodes; pantau.downlink.Downlink is one."""

    def order(self, node: str, kind: int, fields: dict[str, Any], counter: int, above: int) -> tuple[int, bytes] | None:
        """Return (counter, frame) with this counter, or for 0 with a new one above `above`; None for a node without a key.

        Raises WireError for fields that no frame can carry.
        """


class Desk:
    """Used by one thread at a time, each `take` and `due` inside a transaction of the book or as one of its own."""

    def __init__(
        self,
        book: Book,
        signer: Signer,
        *,
        holds: Callable[[str], bool] = lambda _node: True,
        limits: Limits | None = None,
    ) -> None:
        """`holds` says whether a node is ours now, where several bridges share a city."""
        self._book, self._signer, self._holds = book, signer, holds
        self._states = {state.node: state for state in book.nodes()}
        self._heard = {node: state.heard_ms for node, state in self._states.items()}
        self._fresh: set[str] = set()  # heard, and not noted yet
        self._heard_noted_ms = self._pruned_ms = self._last_heard_ms = 0
        self._orders: dict[int, Order] = {}
        self._by_node: dict[str, dict[int, Order]] = {}
        self._version = -1
        self._answered: dict[str, tuple[int, int]] = {}  # node: (boot, seq) of its last word on an update
        self._bundles: dict[int, bytes | None] = {}
        self.chunks = Chunks(limits or Limits(), self._bundle)
        self.counts = {"sent": 0, "again": 0, "answered": 0, "expired": 0}
        self.reload()

    def reload(self) -> None:
        """Look at the open orders anew: somebody else, or a rollout, has written some."""
        self._version = self._book.version
        self._orders = {order.id: order for order in self._book.open_orders()}
        self._by_node = {}
        for order in self._orders.values():
            self._by_node.setdefault(order.node, {})[order.id] = order

    @property
    def waiting(self) -> int:
        """Return how many orders are open."""
        return len(self._orders)

    def heard_ms(self, node: str) -> int:
        """Return when a node was heard last, Unix ms; 0 for never."""
        return self._heard.get(node, 0)

    @property
    def last_heard_ms(self) -> int:
        """Return when any node was heard last, Unix ms."""
        return self._last_heard_ms

    # -- what nodes say

    def take(self, node: str, payload: bytes, received_ms: int) -> None:
        """Take a frame that was stored."""
        if received_ms > self._heard.get(node, 0):
            self._heard[node] = received_ms
            self._fresh.add(node)
            self._last_heard_ms = max(self._last_heard_ms, received_ms)
        if payload[0] & 0x20:
            return  # records, of which there are many: nothing is read of them
        try:
            f = wire.decode(payload)
        except WireError:
            return  # of a later version: the spool has it
        if f.kind == T.K_HEALTH:
            self._take_health(node, f, received_ms)
        elif f.kind == T.K_RESULT:
            self._take_result(node, f, received_ms)
        elif f.kind == T.K_COMMISSIONING:
            self._book.commissioned(node, f.boot, f.seq, received_ms, f.fields.get("id", 0), f.fields.get("body", "{}"))

    def _take_health(self, node: str, f: wire.Frame, received_ms: int) -> None:
        known = self._states.get(node)
        old = known is not None and (f.boot, f.seq) <= (known.boot, known.seq)
        if old or f.boot < self._answered.get(node, (0, 0))[0]:
            return  # of before: a backlog
        said = f.fields
        plain = {name: value for name, value in said.items() if not isinstance(value, bytes)}
        state = NodeState(
            node, self._heard[node], f.boot, f.seq, received_ms, said.get("firmware", ""), said.get("release", 0),
            said.get("slot", ""), said.get("setup", 0), said.get("update_id", 0), said.get("update_have", 0),
            said.get("update_state", 0), said.get("restarts", 0), said.get("safe_profile", 0), said.get("last_exception", ""),
            json.dumps(plain),
        )  # fmt: skip
        self._keep(state)
        # Why a bundle failed is in the RESULT, which comes for sure; and what failed before may have been ordered once more.
        if state.update_id and state.update_state not in {B.ROLLED_BACK, B.REFUSED}:
            self._update_at(node, f, state.update_id, state.update_state, state.update_have, "", received_ms)

    def _take_result(self, node: str, f: wire.Frame, received_ms: int) -> None:
        ident, ok, detail = f.fields.get("id", 0), f.fields.get("ok", 0), f.fields.get("detail", "")
        if "have" in f.fields:
            word = detail.partition(":")[0]
            state = B.WORDS.index(word) if word in B.WORDS else B.RECEIVING if ok else 0
            self._update_at(node, f, ident, state, f.fields["have"], detail, received_ms)
            return
        order = self._orders.get(ident)
        if order is not None and order.node == node and order.kind != UPDATE:
            self._end(order, DONE if ok else FAILED, detail, received_ms)
            self.counts["answered"] += 1

    def _update_at(
        self, node: str, f: wire.Frame, ident: int, step: int, have: int, detail: str, received_ms: int
    ) -> None:
        """A node says how far it is with a bundle. A backlog's word is older than what it said since."""
        if (f.boot, f.seq) <= self._answered.get(node, (0, 0)):
            return
        order = next((o for o in self._of(node) if o.kind == UPDATE and o.what["bundle"] == ident), None)
        known = self._states.get(node)
        if f.kind == T.K_RESULT:
            self._answered[node] = (f.boot, f.seq)
            if known is not None and step:
                self._keep(known._replace(update_id=ident, update_state=step, update_have=have))
        if order is None:
            return
        detail = detail or order.result
        if step in {B.ROLLED_BACK, B.REFUSED}:
            self._end(order, FAILED, detail, received_ms)
        elif step == B.ACCEPTED:
            self._end(order, DONE, detail, received_ms)
        elif step == B.RECEIVING and have < len(self._bundle(ident) or b""):
            self._save(order._replace(state=SENT, have=have, result=detail))
            self.chunks.at(order.id, have, received_ms)
        elif step:
            self._save(order._replace(state=COMPLETE, have=have, result=detail))
            self.chunks.forget(order.id)
        else:  # busy with another, or an old launcher
            self._save(order._replace(result=detail))

    def _keep(self, state: NodeState) -> None:
        self._states[state.node] = state
        self._book.save_node(state)

    # -- what is to be told

    def due(self, now_ms: int) -> list[tuple[str, bytes]]:
        """Return the frames to send now, each with its node. What they rest on is written down when this returns."""
        out: list[tuple[str, bytes]] = []
        with self._book.transaction():
            if self._book.version != self._version:
                self.reload()
            self._expire(now_ms)
            busy: set[str] = set()
            for order in list(self._orders.values()):
                if order.kind == UPDATE or order.node in busy or not self._holds(order.node):
                    continue
                busy.add(order.node)
                if len(out) < _AT_ONCE and (data := self._tell(order, now_ms)) is not None:
                    out.append((order.node, data))
            out += self._chunks(now_ms)
            self._note_heard(now_ms)
        return out

    def unsent(self, node: str) -> None:
        """What `due` returned for a node could not be sent: again, soon."""
        self.chunks.unsent(node)
        order = next((o for o in self._of(node) if o.kind != UPDATE and o.tries), None)
        if order is not None:
            self._save(order._replace(sent_ms=0, tries=order.tries - 1, next_ms=order.sent_ms + 1000))

    def cancel(self, number: int, why: str, now_ms: int) -> None:
        """End an order that is open; what a node has of a bundle it forgets."""
        order = self._orders.get(number)
        if order is None:
            return
        self._end(order, CANCELLED, why, now_ms)
        if order.kind == UPDATE:
            self.give_up(order.node, order.what["bundle"], order.by, now_ms, order.expires_ms)

    def give_up(self, node: str, bundle: int, by: str, now_ms: int, expires_ms: int) -> None:
        """Let a node forget a bundle, and what became of it."""
        what = {"name": "update", "args": json.dumps({"cancel": bundle})}
        self._book.add_order(node, "command", what, by, now_ms, expires_ms)
        self.reload()

    def _tell(self, order: Order, now_ms: int) -> bytes | None:
        """Return the frame of a command or configuration that is due."""
        if now_ms < order.next_ms or (order.tries and order.sent_ms and self.heard_ms(order.node) <= order.sent_ms):
            return None
        fields = {"id": order.id, **order.what}
        if order.kind == "config":
            order = self._with_generation(order)
            fields = {"id": order.id, "generation": order.what["generation"], "body": order.what["body"]}
        elif order.what.get("name") not in HARMLESS:
            fields["expires_s"] = order.expires_ms // 1000
        anew = order.tries and order.tries % _ANEW == 0 and order.what.get("name") in HARMLESS
        try:
            made = self._signer.order(
                order.node,
                KINDS[order.kind],
                fields,
                0 if anew else order.counter,
                self._book.highest_counter(order.node),
            )
        except WireError as error:
            self._end(order, FAILED, f"no frame can carry it: {error}", now_ms)
            return None
        if made is None:
            self._end(order, FAILED, "the node has no key: enrol it", now_ms)
            return None
        wait_ms = min(_AGAIN_MOST_MS, _AGAIN_MS * 3 ** min(order.tries, 8))
        self._save(
            order._replace(state=SENT, counter=made[0], tries=order.tries + 1, sent_ms=now_ms, next_ms=now_ms + wait_ms)
        )
        self.counts["again" if order.tries else "sent"] += 1
        return made[1]

    def _with_generation(self, order: Order) -> Order:
        """Return a configuration with the generation that it was sent with, or the next one of the node."""
        if order.tries and "generation" in order.what:
            return order
        state = self._states.get(order.node)
        known = json.loads(state.health).get("config_generation", 0) if state is not None else 0
        return order._replace(what=order.what | {"generation": max(known, order.what.get("generation", 0)) + 1})

    def _chunks(self, now_ms: int) -> Iterable[tuple[str, bytes]]:
        """Return the chunks that are due, as frames."""
        open_ones: dict[int, Order] = {}
        # A node that is to forget a bundle does that first: it may be the same one that comes anew.
        forget = {o.node for o in self._orders.values() if o.what.get("name") == "update"}
        for order in list(self._orders.values()):
            if order.kind != UPDATE or order.state == COMPLETE or order.node in forget or not self._holds(order.node):
                continue
            if self._bundle(order.what["bundle"]) is None:
                self._end(order, FAILED, f"bundle {order.what['bundle']:08x} is not in the book", now_ms)
            else:
                open_ones[order.id] = order
        frames: list[tuple[str, bytes]] = []
        for order, fields in self.chunks.due(open_ones, self.heard_ms, now_ms):
            made = self._signer.order(order.node, T.K_UPDATE, fields, 0, 0)
            if made is None:
                self._end(order, FAILED, "the node has no key: enrol it", now_ms)
                continue
            frames.append((order.node, made[1]))
            if order.state == QUEUED and order.id in self._orders:
                self._save(self._orders[order.id]._replace(state=SENT, tries=1, sent_ms=now_ms))
        return frames

    def _expire(self, now_ms: int) -> None:
        for order in list(self._orders.values()):
            if now_ms >= order.expires_ms and self._holds(order.node):
                why = (
                    "no answer in time: it may have been carried out"
                    if order.tries
                    else "never sent: no way to the node"
                )
                self._end(order, EXPIRED, order.result or why, now_ms)
                self.counts["expired"] += 1

    def _note_heard(self, now_ms: int) -> None:
        if now_ms - self._heard_noted_ms >= _HEARD_MS and self._fresh:
            self._book.save_heard([(self._heard[node], node) for node in sorted(self._fresh)])
            self._fresh.clear()
            self._heard_noted_ms = now_ms
        if now_ms - self._pruned_ms >= _PRUNE_MS:
            self._book.prune()
            self._pruned_ms = now_ms

    def _of(self, node: str) -> list[Order]:
        return list(self._by_node.get(node, {}).values())

    def _save(self, order: Order) -> None:
        if self._orders.get(order.id) != order:
            self._orders[order.id] = self._by_node.setdefault(order.node, {})[order.id] = order
            self._book.save_order(order)

    def _end(self, order: Order, state: str, result: str, now_ms: int) -> None:
        self._book.save_order(order._replace(state=state, result=result, ended_ms=now_ms))
        self._orders.pop(order.id, None)
        self._by_node.get(order.node, {}).pop(order.id, None)
        self.chunks.forget(order.id)

    def _bundle(self, ident: int) -> bytes | None:
        if ident not in self._bundles:
            if len(self._bundles) >= 4:  # a release, its way back, and those before them
                self._bundles.clear()
            self._bundles[ident] = self._book.bundle(ident)
        return self._bundles[ident]

"""Sirens: an alert sounds the relays of named nodes, by orders in the fleet's book, which the bridge tags and sends.

What a node may be told stays where it was: the order is tagged with the node's own key, carried out once, and its answer is
in the book. `sent` means that it was ordered; the reason says what the nodes answered, or that they have not yet.

A siren that sounds for nothing is the last one that anybody believes. So nothing sounds for what is muted, shelved, of the
past, old, acknowledged, unconfirmed or a test, and nothing falls silent while another alert, or a person, wants it to sound.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from pantau.alerts.reads import AlertReader
from pantau.alerts.rules import Severity
from pantau.fleet.book import Book
from pantau.fleet.rows import CANCELLED, DONE, EXPIRED, FAILED
from pantau.notify import REMIND, Outcome
from pantau.notify.settings import EVERYTHING, ChannelTable
from pantau.ops.migrate import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from pantau.fleet.rows import Order
    from pantau.notify import Channel, Context, Notice

_SOUNDS = frozenset({"open", "reopen", "escalate", "confirm", "unmute", "unshelve", REMIND})
_ENDS = frozenset({"clear", "withdraw", "acknowledge", "mute", "shelve"})
_ALERT = "alert "  # begins what stands as the author of an order in the book
_LOOK_S = 0.1
_TEST_S = 5  # as the firmware's own
_MOST_S = 86_400  # of the firmware


class SirenTable(ChannelTable):
    """Which nodes sound for which alerts. `stations`, `domains` and `rules` choose the alerts, `nodes` what sounds.

    `seconds` bounds each order: a siren whose bridge is gone falls silent by itself. After `within_s` a node that was away
    does not begin any more. `answer_s` is how long we wait to tell what the nodes said.
    """

    usual: ClassVar[frozenset[str]] = EVERYTHING - {"update"}

    nodes: Annotated[list[Annotated[str, Field(min_length=1, max_length=32)]], Field(min_length=1, max_length=50)]
    min_severity: Severity = "severe"
    seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    within_s: Annotated[int, Field(ge=10, le=3600)] = 120
    answer_s: Annotated[float, Field(ge=0, le=30)] = 5.0
    unconfirmed: bool = False
    tests: bool = False

    @model_validator(mode="after")
    def _one_by_one(self) -> Self:
        if self.gather_above:
            msg = "gather_above is for people; a siren cannot tell several alerts at once: leave it out"
            raise ValueError(msg)
        return self


class Siren:
    """One channel. It remembers nothing: the book says what was ordered for which alert, the alerts which still stand."""

    def __init__(self, table: SirenTable, book: Path, alerts: Path, now_ms: Callable[[], int] | None = None) -> None:
        self.name = table.name
        self._table, self._path, self._alerts = table, book, alerts
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)

    def close(self) -> None:
        """Nothing is open between two notices."""

    def send(self, notice: Notice) -> Outcome:
        """Order what follows from a notice, once however often it comes, and tell what the nodes answered."""
        sound = notice.test or notice.action in _SOUNDS
        ends = notice.action in _ENDS or (notice.action == "deescalate" and notice.severity < self._table.least)
        if not sound and not ends:
            return Outcome("sent", f"{notice.action} changes nothing for a siren")
        if sound and notice.test and not self._table.tests:
            return Outcome("refused", "tests sound nothing here; set tests = true to let them for five seconds")
        if sound and notice.late:
            return Outcome("refused", "not sounded: too late, people look for a flood that has passed")
        if sound and (why := self._silent(notice)):
            return Outcome("sent", f"not sounded: {why}")  # as it should be, so no failure
        try:
            with closing(Book(self._path)) as book:
                with book.transaction():
                    orders, told = self._order(book, notice, sound=sound)
                return self._outcome(book, orders, told)
        except (sqlite3.Error, StoreError) as error:
            return Outcome(
                "retry", f"the book of orders cannot be written ({error}); look at {self._path} and its disk"
            )

    def _silent(self, notice: Notice) -> str:
        """Return why nothing may sound for a notice, "" where it may."""
        decision, alert = notice.decision, notice.alert
        if notice.test:
            return ""
        if notice.superseded:
            return "newer news of this alert follows"
        if decision.muted or decision.past:
            return "the station is under maintenance" if decision.muted else "it tells of the past"
        if alert.shelved_until_ms is not None and alert.shelved_until_ms > self._now_ms():
            return "somebody has shelved the alert"
        if alert.acknowledged_ms is not None:
            return "somebody has acknowledged the alert"
        if not decision.confirmed and not self._table.unconfirmed:
            return "no other data confirm it; set unconfirmed = true to sound it all the same"
        return ""

    def _order(self, book: Book, notice: Notice, *, sound: bool) -> tuple[list[int], list[str]]:
        """Queue the orders; return their numbers, and what is said of nodes that get none."""
        now_ms, who = self._now_ms(), _by(notice)
        orders, told = [], []
        for node in self._table.nodes:
            known = book.orders_of(node)
            if (again := next((one for one in known if one.by == who), None)) is not None:
                orders.append(again.id)  # told once more after a crash
                continue
            what, why = self._what(notice, known, now_ms, sound=sound)
            if what is None:
                told.append(f"{node}: {why}")
                continue
            fields = {"name": "siren", "args": json.dumps(what, separators=(",", ":"))}
            orders.append(book.add_order(node, "command", fields, who, now_ms, now_ms + 1000 * self._table.within_s))
            book.record(now_ms, who, f"node {node}", f"order {orders[-1]}: siren {what['do']} {what['s']}")
        return orders, told

    def _what(
        self, notice: Notice, known: list[Order], now_ms: int, *, sound: bool
    ) -> tuple[dict[str, Any] | None, str]:
        """Return what one node is to do, None with the reason where it is to go on as it does. `known` are its orders."""
        holds, own = dict(_holds(known, now_ms)), _source(_by(notice))
        others = [left for source, left in holds.items() if source != own and self._wants(source, now_ms)]
        if sound and (muter := _muted(known, now_ms)):
            return None, f"not sounded, {muter} has muted it"
        if notice.test:
            return (None, "sounds already") if others else ({"do": "test", "s": _TEST_S}, "")
        if sound:  # an alert does not shorten what was ordered before
            return {"do": "hold", "s": min(_MOST_S, max([self._table.seconds, *others]))}, ""
        if others:
            return None, "goes on, something else wants it to sound"
        return ({"do": "hold", "s": 0}, "") if own in holds else (None, "was not sounding for this")

    def _wants(self, source: str, now_ms: int) -> bool:
        """Return whether who ordered a siren still wants it: a person, or an alert that stands and that nobody has taken on."""
        if not source.startswith(_ALERT):
            return True
        try:
            with closing(AlertReader(self._alerts)) as reader:
                found = reader.alert(int(source.removeprefix(_ALERT)))
        except (sqlite3.Error, RuntimeError):
            return True  # it falls silent by itself
        if found is None or found.alert.closed_ms is not None or found.alert.acknowledged_ms is not None:
            return False
        return not found.alert.muted and (found.alert.shelved_until_ms or 0) <= now_ms

    def _outcome(self, book: Book, orders: list[int], told: list[str]) -> Outcome:
        """Wait a little for what the nodes say; an order that is open then stays in the book, with what comes of it."""
        end = time.monotonic() + self._table.answer_s
        while True:
            found = [order for number in orders if (order := book.order(number)) is not None]
            if all(order.ended_ms is not None for order in found) or time.monotonic() >= end:
                break
            time.sleep(_LOOK_S)
        said = "; ".join([*map(_said, found), *told])
        nobody = bool(found) and all(order.state in {FAILED, CANCELLED, EXPIRED} for order in found)
        return Outcome("refused" if nobody else "sent", said)


def open_channel(settings: SirenTable, context: Context) -> Channel:
    """Return the channel; the book is opened with the first order."""
    return Siren(settings, context.book_path, context.data_dir / "alerts.sqlite3")


def _by(notice: Notice) -> str:
    """Return in whose name a notice orders: the alert, and what makes the notice the only one of its name."""
    return f"{_ALERT}{notice.alert.id} {notice.key}"


def _source(by: str) -> str:
    """Return who wants a siren to sound: an alert, however many orders it gave, or a person."""
    return " ".join(by.split(" ")[:2]) if by.startswith(_ALERT) else by


def _sirens(orders: list[Order]) -> Iterator[tuple[Order, str, int]]:
    """Yield the siren orders that were not refused, the newest first, with what is to be done and for how many seconds."""
    for order in orders:
        if order.kind == "command" and order.what.get("name") == "siren" and order.state not in {FAILED, CANCELLED}:
            args = json.loads(order.what.get("args") or "{}")
            yield order, str(args.get("do", "")), int(args.get("s", 600))


def _holds(orders: list[Order], now_ms: int) -> Iterator[tuple[str, int]]:
    """Yield each source that still wants the siren to sound, and for how many seconds at most; the oldest order last."""
    for order, do, seconds in _sirens(orders):
        if do == "mute" or (do == "hold" and not seconds):
            return  # that ended whatever was ordered before
        begun_ms = order.ended_ms or min(now_ms, order.expires_ms)  # one that is open may begin any moment
        left = (begun_ms - now_ms) // 1000 + seconds
        if do == "hold" and left > 0:
            yield _source(order.by), left


def _muted(orders: list[Order], now_ms: int) -> str:
    """Return who has muted the node until later than now, "" for nobody."""
    for order, do, seconds in _sirens(orders):
        if do == "mute":
            return order.by if order.made_ms + 1000 * seconds > now_ms else ""
    return ""


def _said(order: Order) -> str:
    what = order.result or "has not answered yet"
    return f"{order.node}: {what}" if order.state == DONE else f"{order.node}: {what} (order {order.id}, {order.state})"

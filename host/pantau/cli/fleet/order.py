"""`pantau fleet order`: tell a node something over the air, and read what it answered."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import LASTS, known, now_ms, opened, when, who
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import FailedError, UnreachedError, UsageError
from pantau.fleet.rows import DONE, FAILED
from pantau.node.settings import SettingError, assignments, is_secret, patch, value

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.fleet.book import Book
    from pantau.fleet.rows import Order

_VERBS = ("flush", "get", "health", "maintenance", "ping", "restart", "set", "siren", "unlock")
_DAY_S = 86_400
_LOOK_S = 0.25
_BODY = 800  # bytes of a configuration that one frame carries for sure


def _seconds(text: str, what: str) -> int:
    if not text.isdigit() or int(text) > _DAY_S:
        raise UsageError(f"{what}: give seconds, up to {_DAY_S}")
    return int(text)


def _asked(verb: str, words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the kind of an order and its fields. UsageError says how the verb is used."""
    args: dict[str, Any] = {}
    if verb == "set":
        try:
            texts = assignments(words)
            given = {key: value(text) for key, text in texts.items() if text is not None}
            body = json.dumps(patch(given), separators=(",", ":"))
        except SettingError as error:
            raise UsageError(str(error)) from None
        if secret := next((key for key in texts if is_secret(key)), None):
            raise UsageError(
                f"{secret} is a secret, and stays out of books and command lines: pantau node set, by cable"
            )
        if not given or len(body.encode()) > _BODY:
            raise UsageError(
                "set KEY=VALUE ..., as sampling.interval_s=30; where there are very many, give some in another order"
            )
        return "config", {"body": body}
    if verb == "get" and len(words) == 1:
        args = {"key": words[0]}
    elif verb == "maintenance" and len(words) == 1:
        args = {} if words[0] == "on" else {"s": 0 if words[0] == "off" else _seconds(words[0], verb)}
    elif verb == "siren" and words and words[0] in {"test", "hold", "mute"} and len(words) <= 2:
        args = {"do": words[0]} | ({"s": _seconds(words[1], verb)} if words[1:] else {})
    elif verb == "unlock" and len(words) <= 1:
        args = {"s": _seconds(words[0], verb)} if words else {}
    elif words or verb in {"get", "maintenance", "siren"}:
        raise UsageError(
            "get KEY | set KEY=VALUE ... | maintenance on|off|SECONDS | siren test|hold|mute [SECONDS] | unlock [SECONDS]"
        )
    return "command", {"name": verb, "args": json.dumps(args, separators=(",", ":"))}


@click.command("order")
@config_option
@click.argument("node")
@click.argument("verb", required=False, type=click.Choice(_VERBS))
@click.argument("words", nargs=-1, metavar="[ARGS]...")
@click.option(
    "--within", type=LASTS, default="1d", show_default=True, help="After that it is not carried out any more."
)
@click.option("--wait", type=LASTS, default="0s", help="Wait so long for the answer; left out: queue it and return.")
@json_option
def command(
    path: Path, node: str, verb: str | None, words: tuple[str, ...], within: int, wait: int, as_json: bool
) -> None:
    """Queue an order for NODE, which the running bridge sends until it is answered; without VERB list its orders.

    Exit 1 when the node refused it, 4 when it has not answered within --wait; the order stays queued then.
    """
    with opened(path) as (config, book):
        known(config, (node,))
        if verb is None:
            _list(book, node, as_json=as_json)
            return
        kind, what = _asked(verb, list(words))
        with book.transaction():
            number = book.add_order(node, kind, what, who(), now_ms(), now_ms() + within)
            book.record(now_ms(), who(), f"node {node}", f"order {number}: {' '.join((verb, *words))}")
        order = _answered(book, number, wait)
    tell(_row(order), _line(order), as_json=as_json)
    if order.state == FAILED:
        raise FailedError(f"{node} refused it: {order.result}")
    if wait and order.ended_ms is None:
        raise UnreachedError(f"{node} has not answered; order {number} stays queued until {when(order.expires_ms)} UTC")


def _answered(book: Book, number: int, wait_ms: int) -> Order:
    """Return the order as it stands when it has ended, or the time is over."""
    end = time.monotonic() + wait_ms / 1000
    while True:
        order = book.order(number)
        if order is None:
            raise FailedError(f"order {number} is gone from the book")
        if order.ended_ms is not None or time.monotonic() >= end:
            return order
        time.sleep(_LOOK_S)


def _list(book: Book, node: str, *, as_json: bool) -> None:
    orders = book.orders_of(node)
    text = "\n".join([*map(_line, orders), f"{len(orders)} orders"])
    tell({"node": node, "orders": [_row(order) for order in orders]}, text, as_json=as_json)


def _row(order: Order) -> dict[str, Any]:
    keep = ("id", "node", "kind", "what", "by", "made_ms", "expires_ms", "state", "tries", "have", "result", "ended_ms")
    return {name: getattr(order, name) for name in keep}


def _line(order: Order) -> str:
    what = order.what.get("name") or order.kind
    more = order.what.get("args") or order.what.get("body") or ""
    said = order.result or ("queued; the running bridge sends it" if not order.tries else f"sent {order.tries} times")
    word = "" if order.state == DONE else f" ({order.state})"
    return f"{order.id}  {when(order.made_ms)}  {order.node}  {what} {more}{word}: {said}"

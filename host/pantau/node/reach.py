"""What is at the end of a cable, and the way to its REPL: a node that runs keeps it closed until its key opens it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.board import Board
from pantau.node.ports import again
from pantau.node.session import Key, Session
from pantau.node.stream import SerialStream
from pantau.node.trouble import RefusedError, UnreachedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.keys import Keys
    from pantau.node.board import Facts
    from pantau.node.ports import Port

_LOOK_S = 1.5
_PROMPT_S = 0.3  # a REPL answers at once
_TO_PROMPT = b"\x02\r\n"  # out of the raw REPL, and a line; a node passes it over
_AGAIN_S = 0.3
_OPEN_S = 600  # of the REPL
_LEAVES_S = 5  # until a node that was unlocked is at its REPL: fieldwork.py


class Found(NamedTuple):
    """What is there: "node" (hello: what it says), "board" (at its REPL: facts), "blank" (nobody answers: no MicroPython)."""

    what: str
    hello: dict[str, Any]
    facts: Facts | None = None
    node: str = ""  # that a board at its REPL is


def look(port: Port, patience_s: float = _LOOK_S) -> Found:
    """Return what is at a port. A running node is only asked; another program is stopped. Raises UnreachedError for a port that is not to be had."""
    from pantau.node import provision

    if not _at_prompt(port):
        try:
            with Session.open(port, patience_s) as session:
                if session.node:
                    return Found("node", dict(session.hello))
        except UnreachedError as error:
            if not error.key.startswith("look."):
                raise
            if error.key == "look.download":
                return Found("blank", {})
        except RefusedError:
            pass  # an application that has no identity yet
    try:
        with Board.connect(port) as board:
            return Found("board", {}, board.facts(), provision.who(board).node)
    except UnreachedError as error:
        if error.key != "board.silent":
            raise
        return Found("blank", {})


def open_repl(port: Port, keys: Keys, unlocking: Callable[[str], object] | None = None) -> Board:
    """Return the board at its REPL; a running node is unlocked with its key before. RefusedError for one whose key is not there."""
    if _at_prompt(port):
        return Board.connect(port)
    try:
        with Session.open(port, _LOOK_S) as session:
            node = session.node
            signing = keys.signing(node)
            if node and signing is None:
                raise RefusedError("look.no_key", node=node)
            if node and signing is not None:
                if unlocking:
                    unlocking(node)
                result = session.command("unlock", {"s": _OPEN_S}, Key(node, *signing))
                if not result.ok:
                    raise RefusedError("look.refuses", detail=result.detail)
                _until_repl(session)
    except UnreachedError as error:
        if not error.key.startswith("look."):
            raise
    return Board.connect(port)


def _at_prompt(port: Port) -> bool:
    """Return whether the REPL is there already, which questions to a node would only fill with what it cannot read."""
    stream = SerialStream(port)
    try:
        stream.write(_TO_PROMPT)
        heard, end = b"", time.monotonic() + _PROMPT_S
        while time.monotonic() < end and not heard.endswith(b">>> "):
            heard += stream.read(_PROMPT_S / 3)
    except OSError as error:
        raise UnreachedError("board.lost", port=port.device, what=type(error).__name__) from None
    finally:
        stream.close()
    return heard.endswith(b">>> ")


def wait_for_repl(port: Port, patience_s: float) -> Port:
    """Return the port, as it is called now, of a board that was flashed, once it is at its REPL. Raises UnreachedError."""
    end = time.monotonic() + patience_s
    while True:
        at = again(port)  # a chip with USB of its own goes and comes back
        try:
            if _at_prompt(at):
                return at
        except UnreachedError:
            if time.monotonic() >= end:
                raise
        if time.monotonic() >= end:
            raise UnreachedError("board.silent", port=at.device)
        time.sleep(_AGAIN_S)


def _until_repl(session: Session) -> None:
    """Listen until the node has said good-bye with its prompt."""
    end = time.monotonic() + _LEAVES_S
    while time.monotonic() < end and not any(">>>" in text for text in session.lines):
        session.listen(0.3)


def wait_for_node(port: Port, patience_s: float, node: str) -> dict[str, Any]:
    """Return what a node says once it has started. Raises UnreachedError, or RefusedError for another one."""
    with Session.open(port, patience_s) as session:
        if session.node != node:
            raise RefusedError("provision.another", node=session.node or "?")
        return dict(session.hello)

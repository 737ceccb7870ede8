"""`pantau node doctor`: one page for whoever helps from afar."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli.node._cable import cable_options, key_options, load_keys
from pantau.cli.node._field import note, tell
from pantau.cli.report import UNREACHED, FailedError
from pantau.node.board import Board
from pantau.node.doctoring import board, computer, node, page
from pantau.node.ports import choose, find_ports
from pantau.node.session import Session
from pantau.node.trouble import TroubleError
from pantau.node.words import say
from pantau.problems import ConfigError

if TYPE_CHECKING:
    from pantau.node.ports import Port


@click.command("doctor")
@cable_options
@key_options
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the page there, too."
)
@click.pass_context
def command(
    ctx: click.Context, port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, out: Path | None
) -> None:  # fmt: skip
    """Gather what support asks for: versions, ports, the node's state, log, configuration. No secret is on the page.

    Exit 4 where no node answers; the page is told all the same.
    """
    told: dict[str, Any] = {
        "computer": computer(time.time()),
        "trouble": None,
        "board": None,
        "node": None,
        "keys": None,
    }
    try:
        at = choose(port, find_ports())
        note(say("look.gathering", lang, port=at.device), as_json=True)
        told |= _asked(at, wait)
    except TroubleError as error:
        told["trouble"] = error.said(lang)
    told["keys"] = _key_ids(keys, config, (told["node"] or {}).get("hello", {}).get("node"))
    text = page(told)
    if out is not None:
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise FailedError(f"{out}: {error.strerror}") from None
    tell(told | {"ok": told["trouble"] is None}, text, as_json=as_json)
    if told["trouble"] is not None:
        ctx.exit(UNREACHED)


def _asked(at: Port, wait: int) -> dict[str, Any]:
    """Return what the node says; of a board at its REPL, where nothing runs that could be stopped, its facts."""
    try:
        with Session.open(at, wait) as session:
            return {"node": node(session, time.time)}
    except TroubleError as error:
        if error.key != "look.repl":
            raise
    with Board.connect(at) as there:
        return {"board": board(there.facts())}


def _key_ids(keys: Path | None, config: Path, name: str | None) -> dict[str, Any] | None:
    """Return which keys of the node we have: their ids and which one signs, nothing of them. None without a key file."""
    if name is None or (keys is None and not config.exists()):
        return None
    try:
        found = load_keys(keys, config, "en")
    except (click.ClickException, ConfigError) as error:
        return {"trouble": str(error)}
    signing = found.signing(name)
    ids = [key_id for key_id in range(4) if found.find(name, key_id) is not None]
    return {"ids": ids, "signs": None if signing is None else signing[0]}

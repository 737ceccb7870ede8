"""`pantau node logs`: what a running node has to say."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import click

from pantau.cli.node._cable import Duration, cable, cable_options
from pantau.cli.node._field import tell
from pantau.node.dialogue import clean
from pantau.node.words import say

if TYPE_CHECKING:
    from pantau.node.session import Session

_DAY_S = 86400
_ALIVE_S = 20  # a node on a battery stays awake for a minute after a question
_LINES = 10000


@click.command("logs")
@cable_options
@click.option("-f", "--follow", is_flag=True, help="Go on with what the node says, until Ctrl-C.")
@click.option("--for", "seconds", type=Duration(1, _DAY_S), metavar="TIME", help="Follow for so long.")
def command(port: str | None, as_json: bool, lang: str, wait: int, follow: bool, seconds: int | None) -> None:
    """Show the last lines of the node's log, its last defect and what is wrong with its configuration."""
    with cable(port, wait, lang) as session:
        answer = session.ask("logs")
        lines = [clean(line.encode()) for line in str(answer.get("text", "")).splitlines()]
        told: dict[str, Any] = {
            "node": session.node,
            "lines": lines,
            "defect": answer.get("defect") or None,
            "problems": answer.get("problems") or None,
        }
        if not as_json:
            click.echo(_text(told, lang))
        if follow or seconds:
            told["lines"] += _follow(session, seconds, as_json=as_json)
    if as_json:
        tell(told, "", as_json=True)


def _follow(session: Session, seconds: int | None, *, as_json: bool) -> list[str]:
    """Show what comes, and return it for a program; Ctrl-C is the usual end."""
    heard: deque[str] = deque(maxlen=_LINES)
    session.on_line = heard.append if as_json else click.echo
    left = seconds
    try:
        while left is None or left > 0:
            step = _ALIVE_S if left is None else min(left, _ALIVE_S)
            session.listen(step)
            left = None if left is None else left - step
            if left != 0:
                session.ask("hello")
    except KeyboardInterrupt:
        pass
    return list(heard)


def _text(told: dict[str, Any], lang: str) -> str:
    lines = list(told["lines"])
    if told["problems"]:
        lines.append(say("look.problems", lang, text=told["problems"]))
    if told["defect"]:
        lines.append(say("look.defect", lang, text=told["defect"]))
    return "\n".join(lines) or say("look.no_log", lang)

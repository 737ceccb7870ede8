"""`pantau node status`: how a running node is."""

from __future__ import annotations

import time

import click

from pantau.cli.node._cable import cable, cable_options
from pantau.cli.node._field import tell
from pantau.node.outlook import clock_off_s, sentences
from pantau.node.words import say

_TRIES = 3


@click.command("status")
@cable_options
def command(port: str | None, as_json: bool, lang: str, wait: int) -> None:
    """Tell how the node is: clock, link, what it holds, what is wrong. It goes on measuring."""
    with cable(port, wait, lang) as session:
        for _ in range(_TRIES):
            status, seen = session.ask("status"), session.ask("seen")
            hello, now_s = session.ask("hello"), time.time()
            if hello.get("uptime_ms", 0) >= status.get("uptime_ms", 0):
                break  # else it restarted meanwhile, and the answers are of two lives
    how, wrong = sentences(hello, status, seen, now_s, lang)
    result = {
        "node": hello.get("node"),
        "hello": hello,
        "status": status,
        "seen": seen,
        "clock_off_s": clock_off_s(hello, now_s),
        "wrong": wrong,
    }
    lines = how + ([say("look.wrong", lang), *(f"  - {line}" for line in wrong)] if wrong else [])
    tell(result, "\n".join(lines), as_json=as_json)

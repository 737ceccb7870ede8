"""`pantau node selftest`: every sensor of a running node, read and judged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pantau.cli.node._cable import cable, cable_options
from pantau.cli.node._field import tell
from pantau.cli.report import FAILED
from pantau.node.judge import BAD, GOOD, judge, worst
from pantau.node.sampling import selftest
from pantau.node.words import say

if TYPE_CHECKING:
    from pantau.node.judge import Value, Verdict


@click.command("selftest")
@cable_options
@click.pass_context
def command(ctx: click.Context, port: str | None, as_json: bool, lang: str, wait: int) -> None:
    """Read and judge every sensor, and tell what to check where one is not well. Exit 1 when a sensor fails.

    The node takes one more record for it, which is sent like any other.
    """
    with (
        cable(port, wait, lang) as session,
        click.progressbar(length=1, label=say("look.testing", lang), file=sys.stderr) as bar,
    ):
        test = selftest(session)
        bar.update(1)
        node = session.node
    verdicts = judge(test)
    state = worst(verdicts)
    result = {
        "node": node,
        "ok": state != BAD,
        "state": state,
        "fresh": bool(test.get("fresh")),
        "utc_s": test.get("utc_s"),
        "sensors": [
            {**one._asdict(), "values": [value._asdict() for value in one.values], "advice": one.advice(lang)}
            for one in verdicts
        ],
    }
    tell(result, _text(node, verdicts, state, lang), as_json=as_json)
    if state == BAD:
        ctx.exit(FAILED)


def _text(node: str, verdicts: list[Verdict], state: str, lang: str) -> str:
    lines = []
    for one in verdicts:
        lines.append(f"{say('look.state_' + one.state, lang):<9} {one.model} ({one.bus})")
        lines += [f"          {_value(value)}" for value in one.values]
        lines += [f"       -> {advice}" for advice in one.advice(lang)]
    summary = "look.no_sensors" if not verdicts else "look.tested_good" if state == GOOD else "look.tested_" + state
    return "\n".join([*lines, say(summary, lang, node=node, count=len(verdicts))])


def _value(one: Value) -> str:
    value = "-" if one.value is None else f"{one.value:g} {one.unit}"
    return f"{one.name}: {value}" + ("" if one.reason == "ok" else f" ({one.reason})")

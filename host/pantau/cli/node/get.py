"""`pantau node get`: one value of a node's configuration."""

from __future__ import annotations

import json

import click

from pantau.cli.node._cable import cable, cable_options
from pantau.cli.node._field import tell
from pantau.cli.report import RefusedError
from pantau.node.settings import MASK, value_of
from pantau.node.words import say


@click.command("get")
@cable_options
@click.argument("key")
def command(port: str | None, as_json: bool, lang: str, wait: int, key: str) -> None:
    """Tell the value in force of KEY, as sampling.interval_s. Passwords are not told."""
    with cable(port, wait, lang) as session:
        answer = session.ask("get", key=key)
        node = session.node
    if not answer.get("ok"):
        raise RefusedError(say("look.refuses", lang, detail=answer.get("detail", "")))
    value = value_of(answer)
    text = f"{key}={value if value == MASK else json.dumps(value, ensure_ascii=False)}"
    tell({"node": node, "key": key, "value": value}, text, as_json=as_json)

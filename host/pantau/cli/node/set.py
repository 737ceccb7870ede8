"""`pantau node set`: change a node's configuration, on trial."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from pantau.cli.node._cable import cable, cable_options, key_of, key_options, load_keys
from pantau.cli.node._field import tell
from pantau.cli.report import RefusedError, UsageError
from pantau.node.settings import SettingError, assignments, change, patch, shown, value
from pantau.node.words import say

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.node.settings import Change


@click.command("set")
@cable_options
@key_options
@click.argument("items", nargs=-1, required=True, metavar="KEY=VALUE...")
def command(
    port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, items: tuple[str, ...]
) -> None:  # fmt: skip
    """Change values of the node's configuration, as sampling.interval_s=60 or 'sensors=[{"model": "a02yyuw", "uart": 1}]'.

    The node restarts with them and goes back by itself unless a frame is acknowledged soon. A password is written as
    KEY alone, and asked for.
    """
    try:
        given = assignments(items)
        patch(given)
    except SettingError as error:
        raise UsageError(str(error)) from None
    known = load_keys(keys, config, lang)
    values = {key: _asked(key, lang) if text is None else value(text) for key, text in given.items()}
    with cable(port, wait, lang) as session:
        changes, generation, result = change(session, values, key_of(known, session, lang))
        node = session.node
    if not result.ok:
        raise RefusedError(say("look.not_set", lang, detail=result.detail))
    rows = [{"key": one.key, "old": shown(one.key, one.old), "new": shown(one.key, one.new)} for one in changes]
    state = "unchanged" if result.detail.startswith("unchanged") else "trial"
    told = {
        "node": node,
        "ok": True,
        "generation": generation,
        "state": state,
        "changes": rows,
        "detail": result.detail,
    }
    text = "\n".join([*map(_row, changes), say("look." + state, lang, generation=generation)])
    tell(told, text, as_json=as_json)


def _asked(key: str, lang: str) -> Any:
    return click.prompt(say("look.secret", lang, what=key), hide_input=True, confirmation_prompt=True, err=True)


def _row(one: Change) -> str:
    old, new = (json.dumps(shown(one.key, what), ensure_ascii=False) for what in (one.old, one.new))
    return f"{one.key}: {old} -> {new}"

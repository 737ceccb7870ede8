"""`pantau node unlock`: the REPL of a provisioned node, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli.node._cable import Duration, cable, cable_options, key_of, key_options, load_keys
from pantau.cli.node._field import tell
from pantau.cli.report import RefusedError
from pantau.node.words import say

if TYPE_CHECKING:
    from pathlib import Path

_TEN_MIN_S = 600


@click.command("unlock")
@cable_options
@key_options
@click.option("--for", "seconds", type=Duration(60, 3600), default=_TEN_MIN_S, metavar="TIME", help="How long [10m].")
def command(
    port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, seconds: int
) -> None:  # fmt: skip
    """Stop the node and open its REPL, so that install, provision and mpremote reach it; it restarts afterwards."""
    known = load_keys(keys, config, lang)
    with cable(port, wait, lang) as session:
        result = session.command("unlock", {"s": seconds}, key_of(known, session, lang))
        node, device = session.node, session.device
    if not result.ok:
        raise RefusedError(say("look.refuses", lang, detail=result.detail))
    said = say("look.unlocked", lang, node=node, port=device, minutes=seconds // 60)
    tell({"node": node, "port": device, "ok": True, "seconds": seconds, "detail": result.detail}, said, as_json=as_json)

"""`pantau node maintenance`: work on a station without alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli.node._cable import Duration, cable, cable_options, key_of, key_options, load_keys
from pantau.cli.node._field import tell
from pantau.cli.report import RefusedError
from pantau.node.words import say

if TYPE_CHECKING:
    from pathlib import Path

_DAY_S = 86400
_HOUR_S = 3600


@click.command("maintenance")
@cable_options
@key_options
@click.argument("state", type=click.Choice(("on", "off")))
@click.option("--for", "seconds", type=Duration(60, _DAY_S), metavar="TIME", help="It ends by itself after this [1h].")
def command(
    port: str | None, as_json: bool, lang: str, wait: int, keys: Path | None, config: Path, state: str, seconds: int | None
) -> None:  # fmt: skip
    """Begin (on) or end (off) maintenance: records are flagged, nothing is an alarm, the siren is silent."""
    if state == "off" and seconds is not None:
        raise click.UsageError("--for goes with on")
    known = load_keys(keys, config, lang)
    length = (seconds or _HOUR_S) if state == "on" else 0
    with cable(port, wait, lang) as session:
        result = session.command("maintenance", {"s": length}, key_of(known, session, lang))
        node = session.node
    if not result.ok:
        raise RefusedError(say("look.refuses", lang, detail=result.detail))
    said = say("look.maintained" if length else "look.maintained_off", lang, node=node, minutes=-(-length // 60))
    tell({"node": node, "ok": True, "seconds": length, "detail": result.detail}, said, as_json=as_json)

"""`pantau access audit`: what was changed, by whom and from where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option, json_option
from pantau.cli.access._common import opened
from pantau.web.geojson import iso

if TYPE_CHECKING:
    from pathlib import Path


@click.command("audit")
@config_option
@json_option
@click.option(
    "--before", type=click.IntRange(min=1), metavar="NUMBER", help="Go on after the last number of the page before."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
def command(path: Path, as_json: bool, before: int | None, limit: int) -> None:
    """List logins, acknowledgements, and changes of people and tokens, the newest first."""
    with opened(path) as store:
        entries = store.log(limit, before)
    for one in entries:
        if as_json:
            told = one._asdict()
            click.echo(json.dumps({"at": iso(told.pop("at_ms"))} | told, ensure_ascii=False))
        else:
            where = f" from {one.address}" if one.address else ""
            detail = f", {one.detail}" if one.detail else ""
            line = f"{one.number:>7}  {iso(one.at_ms)}  {one.name or '-':<16} {one.action} {one.subject}{detail}{where}"
            # A refused name is what anybody sent: it must not steer this terminal.
            click.echo("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line))
    if not entries and not as_json:
        click.echo("nothing yet")

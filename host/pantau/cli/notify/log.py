"""`pantau notify log`: every attempt to tell somebody, and what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau.cli._config import config_option, json_option
from pantau.cli.notify._common import opened, zone_of

if TYPE_CHECKING:
    from pathlib import Path


@click.command("log")
@config_option
@json_option
@click.option("--channel", help="Only this channel.")
@click.option("--alert", type=int, metavar="ID", help="Only this alert.")
@click.option("--before", type=int, metavar="NUMBER", help="Go on after the last number of the page before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
def command(path: Path, as_json: bool, channel: str | None, alert: int | None, before: int | None, limit: int) -> None:
    """List attempts, the newest first."""
    from pantau.alerts import words

    config = config_file.load(path)
    with opened(config) as reader:
        attempts = reader.log(channel=channel, alert=alert, before=before, limit=limit)
    if as_json:
        for one in attempts:
            click.echo(json.dumps(one._asdict(), ensure_ascii=False))
        return
    zone = zone_of(config)
    for one in attempts:
        what = f"alert {one.alert} {one.action}" if one.alert else f"{one.action} of {one.notices}"
        severity = words.severity(one.severity).en
        line = f"{one.number:>7}  {words.clock(one.began_ms, zone)}  {one.channel:<16}  {what:<24}  {severity:<8}"
        click.echo(f"{line}  {one.outcome or 'being told'}{f': {one.reason}' if one.reason else ''}")
    if not attempts:
        click.echo("nothing yet")

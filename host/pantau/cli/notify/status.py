"""`pantau notify status`: whether each channel works and what it has still to tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau.cli._config import config_option, json_option
from pantau.cli.notify._common import opened, zone_of
from pantau.cli.report import FAILED, OK

if TYPE_CHECKING:
    from pathlib import Path


@click.command("status")
@config_option
@json_option
@click.pass_context
def command(context: click.Context, path: Path, as_json: bool) -> None:
    """Show every channel of the configuration. Exits 1 when the last attempt of one failed."""
    from pantau.alerts import words

    config = config_file.load(path)
    listed = config.notify.listed()
    with opened(config) as reader:
        states = {table.name: reader.channel(table.name) for _, _, table in listed}
    zone, bad = zone_of(config), False
    for kind, _, table in listed:
        state = states[table.name]
        fails = table.enabled and not state.working
        bad = bad or fails
        if as_json:
            click.echo(json.dumps({"kind": kind, "enabled": table.enabled, "working": state.working} | state._asdict()))
            continue
        sent = words.clock(state.sent_ms, zone) if state.sent_ms else "never"
        said = "off" if not table.enabled else "FAILS" if fails else "works"
        waits = f"{state.waiting} wait" + (f" since {words.clock(state.oldest_ms, zone)}" if state.oldest_ms else "")
        reason = f"; {state.last.outcome}: {state.last.reason}" if fails and state.last else ""
        click.echo(f"{table.name:<16}  {kind:<8}  {said:<6}  last told {sent}; {waits}{reason}")
    if not listed and not as_json:
        click.echo("nobody is told of alerts: there is no channel in [notify] of pantau.toml")
    context.exit(FAILED if bad else OK)

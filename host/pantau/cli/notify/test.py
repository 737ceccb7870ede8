"""`pantau notify test CHANNEL`: tell something that says of itself that it is a test."""

from __future__ import annotations

import contextlib
import getpass
import json
import sqlite3
import time
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau.cli._config import config_option, json_option
from pantau.cli.notify._common import zone_of
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.config import Config
    from pantau.notify import Notice, Outcome


@click.command("test")
@config_option
@json_option
@click.argument("channel")
def command(path: Path, channel: str, as_json: bool) -> None:
    """Send a test over CHANNEL now, whether the bridge runs or not. Exits 1 when it was not taken."""
    from pantau.notify import compose
    from pantau.notify.opening import context_of, open_channel

    config = config_file.load(path)
    found = {table.name: (kind, table) for kind, _, table in config.notify.listed()}
    if channel not in found:
        known = ", ".join(found) or "none"
        raise UsageError(f"there is no channel {channel} in [notify] of {path}; known here: {known}")
    context = context_of(config, zone_of(config))
    began_ms = _now_ms()
    notice = compose.trial(context, channel, getpass.getuser(), began_ms)
    with contextlib.closing(open_channel(*found[channel], context)) as opened:
        outcome = opened.send(notice)
    noted = _noted(config, channel, notice, outcome, began_ms)
    if as_json:
        click.echo(json.dumps({"channel": channel, "key": notice.key} | outcome._asdict()))
    elif outcome.kind == "sent":
        click.echo(f"{channel} took the test {notice.key}{f' ({outcome.reason})' if outcome.reason else ''}")
    if noted:
        click.echo(f"Warning: {noted}", err=True)
    if outcome.kind != "sent":
        raise FailedError(f"{channel} did not take the test: {outcome.reason}")


def _noted(config: Config, channel: str, notice: Notice, outcome: Outcome, began_ms: int) -> str:
    """Write the test into the log of attempts; return why it could not be."""
    from pantau.notify.outbox import FILE, Outbox

    path = config.bridge.data_dir / FILE
    if not path.exists():
        return ""
    try:
        with contextlib.closing(Outbox(path, config.bridge.city)) as outbox:
            outbox.note(channel, notice.key, outcome, began_ms, _now_ms())
    except (sqlite3.Error, RuntimeError) as error:
        return f"the test is not in the log of attempts: {path}: {error}"
    return ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

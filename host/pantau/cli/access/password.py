"""`pantau access password`: a new password for somebody who has forgotten theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.access._common import ask_password, myself, now_ms, opened

if TYPE_CHECKING:
    from pathlib import Path


@click.command("password")
@config_option
@click.argument("name")
def command(path: Path, name: str) -> None:
    """Set NAME's password, which is asked for or read from standard input, and end their sessions."""
    with opened(path) as store:
        store.set_password(name, ask_password(name), myself(), now_ms())
    click.echo(f"{name} has a new password and is logged out everywhere")

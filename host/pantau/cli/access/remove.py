"""`pantau access remove`: somebody may log in no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.access._common import myself, now_ms, opened

if TYPE_CHECKING:
    from pathlib import Path


@click.command("remove")
@config_option
@click.argument("name")
def command(path: Path, name: str) -> None:
    """Let NAME log in no more, and end their sessions. What they did stays in the log."""
    with opened(path) as store:
        store.remove_person(name, myself(), now_ms())
    click.echo(f"{name} may log in no more")

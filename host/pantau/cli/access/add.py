"""`pantau access add`: somebody may log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.access._common import ask_password, myself, now_ms, opened, role_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("add")
@config_option
@click.argument("name")
@role_option()
def command(path: Path, name: str, role: str) -> None:
    """Let NAME log in at the page. The password is asked for, or read from standard input; it is never an argument."""
    from pantau.access.model import Role

    with opened(path) as store:
        store.add_person(name, ask_password(name), Role[role.upper()], myself(), now_ms())
    click.echo(f"{name} may log in as {role}")

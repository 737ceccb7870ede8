"""`pantau access token`: what a machine shows instead of a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.access._common import myself, now_ms, opened, role_option

if TYPE_CHECKING:
    from pathlib import Path


@click.group("token")
def command() -> None:
    """Make and revoke tokens of machines; `pantau access list` shows which there are."""


@command.command()
@config_option
@click.argument("name")
@role_option("viewer")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="For how long it holds.")
def add(path: Path, name: str, role: str, days: int) -> None:
    """Make a token for the machine NAME and show it, this once."""
    from pantau.access.model import Role

    with opened(path) as store:
        secret = store.add_token(name, Role[role.upper()], days, myself(), now_ms())
    click.echo(
        f"sent as the header  Authorization: Bearer TOKEN, it reads as {role} for {days} days; shown only now:",
        err=True,
    )
    click.echo(secret)


@command.command()
@config_option
@click.argument("number", type=click.IntRange(min=1))
def revoke(path: Path, number: int) -> None:
    """Make token NUMBER open nothing from the next request on."""
    with opened(path) as store:
        store.revoke(number, myself(), now_ms())
    click.echo(f"token {number} opens nothing any more")

"""`pantau access role`: what somebody may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.access._common import ROLES, myself, now_ms, opened

if TYPE_CHECKING:
    from pathlib import Path


@click.command("role")
@config_option
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def command(path: Path, name: str, role: str) -> None:
    """Give NAME another role; it holds from the next request on."""
    from pantau.access.model import Role

    with opened(path) as store:
        store.set_role(name, Role[role.upper()], myself(), now_ms())
    click.echo(f"{name} is {role}")

"""`pantau fleet ...`: keys, broker and updates of a city's nodes. One file a subcommand."""

from __future__ import annotations

import click

from pantau.cli._subcommands import Subcommands


@click.group("fleet", cls=Subcommands, package=__name__, path=__path__)
def command() -> None:
    """Keys, broker and updates of a city's nodes."""

"""`pantau notify ...`: how alerts reach people. One file a subcommand."""

from __future__ import annotations

import click

from pantau.cli._subcommands import Subcommands


@click.group("notify", cls=Subcommands, package=__name__, path=__path__)
def command() -> None:
    """How alerts reach people: try a channel, see what was told."""

"""`pantau node ...`: the boards of a city. One file a subcommand."""

from __future__ import annotations

import click

from pantau.cli._subcommands import Subcommands


@click.group("node", cls=Subcommands, package=__name__, path=__path__)
def command() -> None:
    """The boards of a city: where they stand, and what replaces them."""

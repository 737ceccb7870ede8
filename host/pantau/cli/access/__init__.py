"""`pantau access ...`: who may log in, machines' tokens, and what they changed. One file a subcommand."""

from __future__ import annotations

import click

from pantau.cli._subcommands import Subcommands


@click.group("access", cls=Subcommands, package=__name__, path=__path__)
def command() -> None:
    """People who may log in at the page, tokens of machines, and the log of what was changed. Works while the bridge runs."""

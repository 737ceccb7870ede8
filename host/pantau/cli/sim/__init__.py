"""`pantau sim ...`: the simulator. One file a subcommand."""

from __future__ import annotations

import click

from pantau.cli._subcommands import Subcommands


@click.group("sim", cls=Subcommands, package=__name__, path=__path__)
def command() -> None:
    """A city without hardware: scenarios, sweeps and loads, with the real firmware and the real bridge."""

"""The command `pantau`. One file per command in this folder: <name>.py exposes `command`, nothing else is to be done."""

from __future__ import annotations

import click

from pantau import __version__
from pantau.cli._subcommands import Subcommands
from pantau.cli.report import UsageError
from pantau.problems import ConfigError


class Commands(Subcommands):
    """All commands; one of them that finds a wrong configuration tells all its mistakes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; wrong configuration ends with all its mistakes and exit 2."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise UsageError(f"{len(error.problems)} to correct:\n{error}") from None


@click.group(cls=Commands, package=__name__, path=__path__, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pantau")
def pantau() -> None:
    """Sense a city: nodes, bridge, map.

    Exit codes: 0 all well, 1 the result is not good, 2 wrong use or configuration, 3 a server or tool is missing,
    4 no board answers (run it again), 5 the board or node refuses.
    """


def main() -> None:
    """Run the command line."""
    pantau()

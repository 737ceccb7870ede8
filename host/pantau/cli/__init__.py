"""The command `pantau`. One file per command in this folder: <name>.py exposes `command`, nothing else is to be done."""

from __future__ import annotations

import importlib
import pkgutil

import click

from pantau import __version__
from pantau.cli.report import UsageError
from pantau.problems import ConfigError

_HELPERS = frozenset({"report"})


class Commands(click.Group):
    """Finds commands by module name and loads only the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        names = {module.name for module in pkgutil.iter_modules(__path__)} - _HELPERS
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, None when there is no file for it."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; wrong configuration ends with all its mistakes and exit 2."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise UsageError(f"{len(error.problems)} to correct:\n{error}") from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pantau")
def pantau() -> None:
    """Sense a city: nodes, bridge, map.

    Exit codes: 0 all well, 1 the result is not good, 2 wrong use or configuration, 3 a server or tool is missing.
    """


def main() -> None:
    """Run the command line."""
    pantau()

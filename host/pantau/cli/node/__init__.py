"""`pantau node ...`: the boards of a city. One file a subcommand; each is loaded when it is asked for."""

from __future__ import annotations

import importlib
import pkgutil

import click


class _Subcommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command


@click.group("node", cls=_Subcommands)
def command() -> None:
    """The boards of a city: where they stand, and what replaces them."""

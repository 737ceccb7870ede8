"""A group whose subcommands are the modules of its package: one file a subcommand, loaded when it is asked for."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable


class Subcommands(click.Group):
    """`package` and `path` are the `__name__` and `__path__` of the package; each module in it exposes `command`."""

    def __init__(self, *args: Any, package: str, path: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._package, self._path = package, list(path)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        del ctx
        return sorted(module.name for module in pkgutil.iter_modules(self._path) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one subcommand, None when there is no file for it."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{self._package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

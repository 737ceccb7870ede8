"""Groups whose commands are the modules of a package: one file a command, loaded when it is asked for."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

_HELPERS = frozenset({"report"})  # what commands share


class Subcommands(click.Group):
    """`package` and `path` are the `__name__` and `__path__` of the package; each module in it exposes `command`."""

    def __init__(self, *args: Any, package: str, path: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._package, self._path = package, list(path)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(self._modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command, None when there is no file for it."""
        del ctx
        module = self._modules().get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(f"{self._package}.{module}").command
        assert isinstance(command, click.Command)
        return command

    def _modules(self) -> dict[str, str]:
        """Return {command: module}; one that is a word of Python ends in an underscore as a module."""
        names = {module.name for module in pkgutil.iter_modules(self._path)} - _HELPERS
        return {name.rstrip("_").replace("_", "-"): name for name in names if not name.startswith("_")}

"""What commands share: the report file, exit codes, and how a missing tool or a wrong configuration is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, FAILED, BAD_USAGE, MISSING = 0, 1, 2, 3

# The --report option of every command that measures.
option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the result as JSON to FILE; the terminal output is for people.",
)


class FailedError(click.ClickException):
    """The command ran and its result is not good. Exit 1."""

    exit_code = FAILED


class UsageError(click.ClickException):
    """The configuration or the call cannot be used. Exit 2."""

    exit_code = BAD_USAGE


class MissingError(click.ClickException):
    """A server or tool is not there. Exit 3; the message says so and names the package that brings it."""

    exit_code = MISSING


def write(path: Path | None, result: Mapping[str, Any]) -> None:
    """Write `result` to `path` as JSON, whole or not at all; nothing without a path. UsageError when it cannot be."""
    if path is None:
        return
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {path}: {error.strerror}") from None

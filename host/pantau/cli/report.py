"""What commands share: the report file, exit codes, and how a missing tool or a wrong configuration is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, FAILED, BAD_USAGE, MISSING, UNREACHED, REFUSED = 0, 1, 2, 3, 4, 5


class FailedError(click.ClickException):
    """The command ran and its result is not good. Exit 1."""

    exit_code = FAILED


class UsageError(click.ClickException):
    """The configuration or the call cannot be used. Exit 2."""

    exit_code = BAD_USAGE


class MissingError(click.ClickException):
    """A server or tool is not there. Exit 3; the message says so and names the package that brings it."""

    exit_code = MISSING


class UnreachedError(click.ClickException):
    """No board answers: no such port, port busy, cable pulled. Exit 4; running the command again finishes the job."""

    exit_code = UNREACHED


class RefusedError(click.ClickException):
    """The board or node answered and will not: wrong chip, wrong key, disk full, clock unset. Exit 5."""

    exit_code = REFUSED


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the report cannot be written to {path}: {error.strerror}; name a file in a folder of yours")


def _writable(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Try the place before the work begins: an hour of measuring must not end in a typing mistake."""
    if path is None:
        return None
    try:
        if not _special(path):
            _beside(path).write_bytes(b"")
            _beside(path).unlink()
    except OSError as error:
        raise _refused(path, error) from None
    return path


def _special(path: Path) -> bool:
    """Return whether `path` is a device or a pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file()


# The --report option of every command that measures.
option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    callback=_writable,
    help="Write the result as JSON to FILE; the terminal output is for people.",
)


def write(path: Path | None, result: Mapping[str, Any]) -> None:
    """Write `result` to `path` as JSON, whole or not at all; nothing without a path. UsageError when it cannot be."""
    if path is None:
        return
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    try:
        if _special(path):
            path.write_text(text, encoding="utf-8")
        else:
            _beside(path).write_text(text, encoding="utf-8")
            _beside(path).replace(path)
    except OSError as error:
        raise _refused(path, error) from None

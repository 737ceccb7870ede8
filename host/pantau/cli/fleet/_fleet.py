"""What the commands of a fleet's keys share: the folder, and the passphrase, which is never an argument."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.cli.report import FailedError, UsageError
from pantau.fleet.brokers import writer
from pantau.vault import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.fleet.files import Fleet

PASSPHRASE_ENV = "PANTAU_FLEET_PASSPHRASE_FILE"  # noqa: S105  names a file
_LEAST = 12  # characters
folder_option = click.option(
    "-d", "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("fleet"), show_default=True,
    help="The fleet's folder.",
)  # fmt: skip
phrase_option = click.option(
    "--passphrase-file", type=click.Path(dir_okay=False, exists=True, path_type=Path), envvar=PASSPHRASE_ENV, show_envvar=True,
    help="A file of mode 0600 with the passphrase; left out: asked for.",
)  # fmt: skip


def now() -> datetime:
    """Return the time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def passphrase(file: Path | None, *, new: bool = False, what: str = "the fleet") -> Secret:
    """Return the passphrase, asked for where no file has it. UsageError for a new one that is short, or a file open to others."""
    if file is not None:
        if file.stat().st_mode & 0o077:
            raise UsageError(f"{file} is open to other users; run: chmod 600 {file}")
        text = file.read_text(encoding="utf-8").strip("\n")
    else:
        text = click.prompt(f"Passphrase of {what}", hide_input=True, confirmation_prompt=new, err=True)
    if new and len(text) < _LEAST:
        raise UsageError(
            f"a passphrase of at least {_LEAST} characters: four words that nobody else would put together"
        )
    return Secret(passphrase=text)


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let what the fleet's modules raise be told as a failed command, without a traceback."""
    from pantau.fleet.keystore import StoreError
    from pantau.problems import ConfigError

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except StoreError as error:
            raise FailedError(str(error)) from None
        except ConfigError as error:
            raise UsageError(str(error)) from None
        except OSError as error:
            raise FailedError(f"{error.filename}: {error.strerror}") from None

    return call


def after(fleet: Fleet, names: list[str]) -> str:
    """Return what to do with the broker's files."""
    where, title = fleet.folder / "broker", writer(fleet.table.broker).TITLE
    listed = ", ".join(names)
    return (
        f"Wrote {where}: {listed}.\nCopy them to {fleet.table.folder} on the broker's machine ({title}), readable for the broker only, "
        "and have it read them again: SIGHUP, or --reload PID where it runs here."
    )


def signal_broker(pid: int | None) -> None:
    """Have a broker on this machine read its files again. UsageError where it cannot be signalled."""
    import signal

    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise UsageError(f"process {pid} cannot be told to reload: {error.strerror}") from None

"""What the commands of `pantau access` share."""

from __future__ import annotations

import contextlib
import getpass
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau import config as config_file
from pantau.cli.report import FailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from pantau.access.model import Who
    from pantau.access.store import AccessStore

    _F = TypeVar("_F", bound=Callable[..., Any])

ROLES = ("viewer", "operator", "admin")
_MOST = 1000  # characters of a line that is taken for a password


def role_option(default: str | None = None) -> Callable[[_F], _F]:
    """Return the option --role; asked for where there is no default."""
    # A default of None that is given counts as one for click, and nothing would be required any more.
    missing: dict[str, Any] = {"required": True} if default is None else {"default": default, "show_default": True}
    return click.option(
        "--role",
        type=click.Choice(ROLES),
        **missing,
        help="viewer looks, operator acknowledges and shelves, admin also reads the log of changes.",
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[AccessStore]:
    """Yield the bridge's access.sqlite3, made where it is new, with its trouble told as a failed command."""
    from pantau.access.passwords import BadPasswordError
    from pantau.access.store import FILE, AccessError, AccessStore

    folder = config_file.load(path).bridge.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(AccessStore(folder / FILE)) as store:
            _as_the_folder(folder, folder / FILE)
            yield store
    except (AccessError, BadPasswordError) as error:
        raise UsageError(str(error)) from None
    except (OSError, sqlite3.Error, RuntimeError) as error:
        raise FailedError(f"{folder / FILE}: {error}; run this as the bridge's user") from None


def _as_the_folder(folder: Path, file: Path) -> None:
    """Give what root made here to whom the folder is: else the bridge could not open it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            if path.exists():
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def myself() -> Who:
    """Return who runs this command: the account of this machine stands in the log."""
    from pantau.access.model import Role, Who

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Who(name, Role.ADMIN, "command")


def now_ms() -> int:
    """Return the time, Unix ms UTC."""
    return time.time_ns() // 1_000_000


def ask_password(name: str) -> str:
    """Return a password that was typed twice, or the first line of standard input where nobody types."""
    if sys.stdin.isatty():
        return str(click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True))
    given = sys.stdin.readline(_MOST).rstrip("\r\n")
    if not given:
        raise UsageError("no password on standard input; type it at a terminal, or give it as the first line")
    return given

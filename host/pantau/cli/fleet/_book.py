"""What the commands of orders and releases share: the book of a bridge, who asks, and how long things take."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
import sqlite3
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import registry as registry_file
from pantau.cli.report import FailedError, UsageError
from pantau.fleet.book import Book
from pantau.ops.migrate import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pantau.config import Config

    ParamOfInt = click.ParamType[int]
else:
    ParamOfInt = click.ParamType  # not generic before click 8.2

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LASTS = re.compile(r"(\d{1,5})([smhd])")


class Lasts(ParamOfInt):
    """A time as 90s, 30m, 2h or 1d, in milliseconds."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return milliseconds."""
        if isinstance(value, int):
            return value
        found = _LASTS.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no time; give it as 90s, 30m, 2h or 1d", param, ctx)
        return int(found[1]) * _UNITS[found[2]] * 1000


LASTS = Lasts()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Config, Book]]:
    """Open the book of a configuration; its trouble is told as a failed command."""
    config = config_file.load(path)
    file = config.book_path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        book = Book(file)
    except (sqlite3.Error, StoreError, OSError) as error:
        raise FailedError(f"{file}: {error}") from None
    try:
        yield config, book
    except sqlite3.Error as error:
        raise FailedError(f"{file}: {error}; run the command again") from None
    finally:
        book.close()


def standing(config: Config) -> list[str]:
    """Return the nodes that stand somewhere now, and those of the lab."""
    registry = registry_file.load(config.bridge.registry)
    at_ms = now_ms()
    return sorted(
        {node for node in registry.nodes if registry.station_of(node, at_ms) is not None} | set(config.fleet.lab)
    )


def known(config: Config, nodes: tuple[str, ...]) -> None:
    """Raise UsageError for a node that neither the registry nor the lab knows."""
    registry = registry_file.load(config.bridge.registry)
    for node in nodes:
        if not registry.knows(node) and node not in config.fleet.lab:
            raise UsageError(f"{node}: no such node in {config.bridge.registry}; pantau node placed shows them")


def now_ms() -> int:
    """Return Unix ms."""
    return time.time_ns() // 1_000_000


def who() -> str:
    """Return who asks, for the history."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def when(unix_ms: int | None) -> str:
    """Return a time for people, UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if unix_ms else "-"

"""From the tables of pantau.toml to channels, and what `pantau bridge check` says of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from pantau.notify import Context
from pantau.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from pantau.config import Config
    from pantau.notify import Channel
    from pantau.notify.settings import ChannelTable


def context_of(config: Config, zone: str) -> Context:
    """Return what every channel is told; `zone` is that of the alerts' texts."""
    bridge, web = config.bridge, config.web
    return Context(bridge.city, web.title, web.public_url or "", zone, bridge.data_dir, config.book_path)


def open_channel(kind: str, table: ChannelTable, context: Context) -> Channel:
    """Return one channel, connected to nothing. ConfigError for a secret that cannot be read or a file that is none."""
    return cast("Channel", importlib.import_module(f"pantau.notify.{kind}").open_channel(table, context))


def check(
    config: Config,
    file: str,
    zone: str,
    *,
    stations: Collection[str] | None,
    nodes: Collection[str] | None,
    rules: Collection[str] | None,
) -> list[Problem]:
    """Return what is wrong with the channels: secrets, and names that the registry and the rules do not know.

    None for what could not be read itself.
    """
    problems = []
    context = context_of(config, zone)
    for kind, index, table in config.notify.listed():
        where = f"notify.{kind}[{index}]"
        for key, known in (("stations", stations), ("nodes", nodes), ("rules", rules)):
            asked = getattr(table, key, None) or ()  # not every channel has nodes
            missing = [name for name in asked if known is not None and name not in known]
            problems += [Problem(file, f"{where}.{key}", f"there is no {key[:-1]} {name}") for name in missing]
        try:
            open_channel(kind, table, context).close()
        except ConfigError as error:
            problems += [Problem(p.file or file, f"{where}.{p.key}".rstrip("."), p.message) for p in error.problems]
    return problems

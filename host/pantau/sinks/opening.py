"""From pantau.toml to sinks: which are configured, and one of them opened."""

from __future__ import annotations

import importlib
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from pantau.sinks.items import TargetTrouble, retry
from pantau.sinks.sqlite import CityStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau.config import Config
    from pantau.decode import Decoded
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink, Verdict
    from pantau.sinks.about import About


def configured(config: Config) -> list[str]:
    """Return the names of the sinks that `config` asks for; the embedded store is always among them."""
    return [name for name in type(config.sinks).model_fields if getattr(config.sinks, name) is not None]


def about(name: str) -> About:
    """Return what a kind of sink says of itself."""
    said: About = importlib.import_module(f"pantau.sinks.{name}").ABOUT
    return said


def open_one(name: str, config: Config, context: Context) -> Sink:
    """Return one configured sink; nothing is connected yet. Raises ConfigError for files or extras that are missing."""
    if name == CityStore.name:
        store = CityStore(config.store_path)
        store.use(context.registry)
        return store
    module = importlib.import_module(f"pantau.sinks.{name}")
    sink: Sink = module.open_sink(getattr(config.sinks, name), context)
    return sink


def open_apart(name: str, config: Config, context: Context) -> Sink:
    """Return one configured sink, which must not keep the others from their work: `Later` for one whose memory fails."""
    opened = partial(open_one, name, config)
    try:
        return opened(context)
    except (OSError, sqlite3.Error):
        if name == CityStore.name:  # the page and the alerts stand on it
            raise
        return Later(name, opened, context)


class Later:
    """A sink of which the file that it remembers by could not be opened: it is tried again with each delivery."""

    def __init__(self, name: str, opened: Callable[[Context], Sink], context: Context) -> None:
        self.name = name
        self._opened, self._context = opened, context
        self._sink: Sink | None = None

    def position(self) -> int | None:
        """Return what the sink says, None while there is none."""
        return None if self._sink is None else self._sink.position()

    def use(self, registry: Registry) -> None:
        """Take over another registry."""
        self._context = self._context._replace(registry=registry)
        if self._sink is not None:
            self._sink.use(registry)

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Open the sink, if that can be now; it delivers from the next time on, after it was asked for its position."""
        if self._sink is not None:
            return self._sink.deliver(batch)
        try:
            self._sink = self._opened(self._context)
            said = "opened"
        except (OSError, sqlite3.Error) as error:
            said = (
                f"its memory in {self._context.folder} cannot be opened: {error}; look at the disk and at who owns it"
            )
        return retry(batch, TargetTrouble(said))

    def figures(self) -> dict[str, float]:
        """Return what the sink counts."""
        found: dict[str, float] = getattr(self._sink, "figures", dict)()
        return found

    def close(self) -> None:
        """Close the sink."""
        if self._sink is not None:
            self._sink.close()


def followers(config: Config) -> tuple[str, ...]:
    """Return who follows the log here: nothing of our spool that one of them has not taken is let go."""
    every = (*configured(config), "alerts")
    mine = None if config.cluster is None else config.cluster.followers
    return every if mine is None else tuple(name for name in every if name in mine)

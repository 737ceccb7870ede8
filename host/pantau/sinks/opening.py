"""From pantau.toml to sinks: which are configured, and one of them opened."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pantau.sinks.sqlite import CityStore

if TYPE_CHECKING:
    from pantau.config import Config
    from pantau.sinks import Context, Sink
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


def followers(config: Config) -> tuple[str, ...]:
    """Return who follows the log here: nothing of our spool that one of them has not taken is let go."""
    every = (*configured(config), "alerts")
    mine = None if config.cluster is None else config.cluster.followers
    return every if mine is None else tuple(name for name in every if name in mine)

"""Everything that is wrong with the files of one bridge, found in one go: a mistake in one hides none in another."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pantau import config as config_file
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.alerts import files as rule_file
from pantau.notify import opening as notify
from pantau.problems import ConfigError, Problem
from pantau.sinks import Context
from pantau.sinks.opening import configured, open_one
from pantau.sinks.sqlite import CityStore
from pantau.sources.mqtt import read_password, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.alerts.rules import RuleSet
    from pantau.config import Config
    from pantau.keys import Keys
    from pantau.registry import Registry

_T = TypeVar("_T")
_TRIAL = bytes(16 << 10)  # more than a file system keeps within its own records: a full disk shows


class Survey(NamedTuple):
    """What was found. A bridge runs with nodes that have no key and refuses what they send; not with `problems`."""

    config: Config
    registry: Registry | None
    problems: list[Problem]
    unenrolled: list[Problem]
    keys: Keys | None = None
    rules: RuleSet | None = None


def survey(path: Path, *, running: Config | None = None) -> Survey:
    """Look at pantau.toml in `path` and at all that it names. ConfigError when it cannot be read as TOML.

    With the configuration of a `running` bridge its data folder is not tried: the bridge itself says when it is full,
    and what would make room again must not be refused for that.
    """
    config, problems = config_file.draft(path)
    own = {problem.key.split(".")[0] for problem in problems}

    registry = _attempt(problems, lambda: registry_file.load(config.bridge.registry))
    keys = _attempt(problems, lambda: key_file.load(config.bridge.keys, config.bridge.keys_secret))
    stations = registry.stations if registry is not None else None
    rules = _attempt(problems, lambda: rule_file.load(config.alerts.rules, stations))
    _attempt(problems, lambda: read_password(config.mqtt))
    _attempt(problems, lambda: tls_context(config.mqtt))
    if registry is not None:
        for name in configured(config):
            if name != CityStore.name:
                _attempt(problems, partial(_opens, name, config, registry))
    if config.notify.listed():
        zone = rules.settings.zone if rules is not None else "WIB"
        nodes = registry.nodes if registry is not None else None
        known = rules.rules if rules is not None else None
        problems += notify.check(config, str(path), zone, stations=stations, nodes=nodes, rules=known)
    tried = running is not None and running.bridge.data_dir == config.bridge.data_dir
    if "bridge" not in own and not tried:  # else it may be a folder that nobody meant
        _attempt(problems, lambda: _writable(config.bridge.data_dir))
    return Survey(config, registry, problems, _unenrolled(config, registry, keys), keys, rules)


def _attempt(problems: list[Problem], part: Callable[[], _T]) -> _T | None:
    try:
        return part()
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _opens(name: str, config: Config, registry: Registry) -> None:
    """Raise ConfigError when a sink lacks a package or a secret; nothing is connected."""
    with tempfile.TemporaryDirectory(prefix="pantau-check-") as folder:
        open_one(name, config, Context(config.bridge.city, "check", Path(folder), registry)).close()


def _writable(folder: Path) -> None:
    """Raise ConfigError unless the data folder exists, or can be made, and takes files and their content."""
    trial = folder / f".trial.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with trial.open("wb") as file:
                file.write(_TRIAL)
                file.flush()
                os.fsync(file.fileno())
        finally:
            trial.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be written ({error.strerror}); make room, or make it and give it to the user of the bridge"
        raise ConfigError([Problem(str(folder), "bridge.data_dir", what)]) from None


def _unenrolled(config: Config, registry: Registry | None, keys: Keys | None) -> list[Problem]:
    """Return the nodes that the registry places but keys.json does not know: all they send would be refused."""
    if registry is None or keys is None:
        return []
    file = str(config.bridge.registry)
    what = f"has no key in {config.bridge.keys}; enrol it or remove it"
    return [Problem(file, "node", f"{node} {what}") for node in registry.nodes if node not in keys]

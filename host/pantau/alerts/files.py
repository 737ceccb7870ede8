"""alerts.toml: read and checked whole, every mistake at once; the shipped rules where a city has written none."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pantau.alerts.rules import KINDS, Fault, NodeAlarm, Rule, RuleSet, Series, Settings
from pantau.problems import ConfigError, Problem, explain, key_path
from pantau.tomlfile import read_toml
from pantau_wire import names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_KEYS = ("settings", "rule")


def defaults() -> RuleSet:
    """Return the rules that Pantau ships."""
    text = files("pantau").joinpath("templates", "alerts.toml").read_text(encoding="utf-8")
    return check(Path("alerts.toml"), tomllib.loads(text))


def load(path: Path | None, stations: Collection[str] | None = None) -> RuleSet:
    """Return the rules in `path`, the shipped ones for None. ConfigError lists every mistake.

    With `stations`, the ids of the registry, a rule that names another is a mistake too.
    """
    return defaults() if path is None else check(path, read_toml(path), stations)


def check(path: Path, tables: dict[str, object], stations: Collection[str] | None = None) -> RuleSet:
    """Return the rules in `tables`, which came from `path`. ConfigError lists every mistake."""
    problems = [Problem(str(path), key, _unknown("key", key, _KEYS)) for key in tables if key not in _KEYS]
    settings = Settings()
    try:
        settings = Settings.model_validate(tables.get("settings", {}))
    except ValidationError as error:
        problems += _below("settings", explain(path, Settings, error.errors()))
    entries = tables.get("rule", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError([*problems, Problem(str(path), "rule", "is a list of tables; write [[rule]] before each")])
    rules: dict[int, Rule] = {}
    for index, entry in enumerate(entries):
        rule = _rule(path, index, entry)
        if isinstance(rule, list):
            problems += rule
        else:
            rules[index] = rule
    contradictions = [*_ids(entries), *_references(rules, entries, stations)]
    problems += [Problem(str(path), key_path(("rule", *place)), message) for place, message in contradictions]
    if problems:
        raise ConfigError(problems)
    return RuleSet(list(rules.values()), settings)


def _rule(path: Path, index: int, entry: dict[str, Any]) -> Rule | list[Problem]:
    """Return one rule, or what is wrong with it."""
    where, kind = key_path(("rule", index)), entry.get("kind")
    if kind is None:
        return [Problem(str(path), f"{where}.kind", f"is missing; one of {', '.join(KINDS)}")]
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return [Problem(str(path), f"{where}.kind", _unknown("kind", str(kind), KINDS))]
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        return _below(where, explain(path, model, error.errors()))


def _below(where: str, problems: list[Problem]) -> list[Problem]:
    return [Problem(p.file, f"{where}.{p.key}" if p.key else where, p.message) for p in problems]


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known)[:40])}"
    return f"unknown {what} {name}; {hint}"


Found = tuple[tuple[int | str, ...], str]


def _ids(entries: list[dict[str, Any]]) -> Iterator[Found]:
    ids = Counter(str(entry.get("id")) for entry in entries if "id" in entry)
    for index, entry in enumerate(entries):
        if (name := str(entry.get("id"))) in ids and ids[name] > 1:
            yield (index, "id"), f"{name} occurs {ids[name]} times; ids are unique"


def _references(
    rules: dict[int, Rule], entries: list[dict[str, Any]], stations: Collection[str] | None
) -> Iterator[Found]:
    """Yield what a rule names that does not exist: properties, reasons, other rules, stations."""
    properties = {row[0] for row in names.PROPERTIES.values()}
    ids = {str(entry.get("id")) for entry in entries}
    for index, rule in rules.items():
        if isinstance(rule, Series) and rule.property not in properties:
            yield (index, "property"), _unknown("property", rule.property, properties)
        if isinstance(rule, Fault):
            for at, name in enumerate(rule.properties):
                if name not in properties:
                    yield (index, "properties", at), _unknown("property", name, properties)
        if isinstance(rule, NodeAlarm):
            for at, name in enumerate(rule.confirmed_by):
                if name not in ids:
                    yield (index, "confirmed_by", at), _unknown("rule", name, ids)
        if stations is not None:
            yield from _stations(index, rule, stations)


def _stations(index: int, rule: Rule, stations: Collection[str]) -> Iterator[Found]:
    lists: list[tuple[tuple[int | str, ...], list[str]]] = [
        (("where", "stations"), rule.where.stations or []),
        (("where", "except_stations"), rule.where.except_stations),
    ]
    if isinstance(rule, Series) and rule.neighbour is not None:
        lists += [(("neighbour", "rivers", number), river) for number, river in enumerate(rule.neighbour.rivers)]
    for place, members in lists:
        for at, name in enumerate(members):
            if name not in stations:
                yield (index, *place, at), _unknown("station", name, stations)

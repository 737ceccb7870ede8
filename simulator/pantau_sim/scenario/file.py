"""Reading a scenario file: checked whole, every mistake at once with its line and what to do."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from pantau.problems import ConfigError, Problem, explain, key_path
from pantau_sim.scenario.cross import contradictions
from pantau_sim.scenario.locate import Lines
from pantau_sim.scenario.tables import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from pydantic_core import ErrorDetails

    from pantau_sim.scenario.cross import Found

_SUFFIX = ".toml"
_ROWS = ("river", "shower", "haze", "station", "fleet", "fault", "ailment", "client", "expect")


def shipped() -> dict[str, Traversable]:
    """Return the scenarios that Pantau brings along, by name."""
    folder = files("pantau_sim.scenario").joinpath("files")
    found = {file.name.removesuffix(_SUFFIX): file for file in folder.iterdir() if file.name.endswith(_SUFFIX)}
    return dict(sorted(found.items()))


class Source(NamedTuple):
    """The text of a scenario, the name it goes by, and what its file is called."""

    name: str
    text: str
    file: str


def load(name_or_path: str) -> tuple[str, Scenario]:
    """Return (name, scenario) of a shipped name or a path; ConfigError lists every mistake with its line."""
    found = source(name_or_path)
    return found.name, read(found.text, found.file)


def source(name_or_path: str) -> Source:
    """Return the text of a shipped name or a path; ConfigError when there is none."""
    known = shipped()
    if name_or_path in known:
        return Source(name_or_path, known[name_or_path].read_text(encoding="utf-8"), f"{name_or_path}{_SUFFIX}")
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem(name_or_path, "", _unreadable(name_or_path, error, list(known)))]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(name_or_path, "", "is not UTF-8; save it as UTF-8")]) from None
    return Source(path.stem, text, name_or_path)


def _unreadable(name: str, error: OSError, known: list[str]) -> str:
    if name.endswith(_SUFFIX) or "/" in name:
        return f"cannot be read ({error.strerror})"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}; or give the path of a file"
    return f"is no scenario that Pantau brings along; {hint}"


def read(text: str, file: str) -> Scenario:
    """Return the scenario in `text`, which came from `file`; ConfigError lists every mistake with its line."""
    try:
        tables = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and it says the line
        raise ConfigError([Problem(file, "", f"is not TOML: {error}")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, "", "is nested too deeply to be meant")]) from None
    errors: list[ErrorDetails] = []
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(tables)
    except ValidationError as error:
        errors = error.errors()
    found = _explained(tables, errors)
    if scenario is None:
        partial, kept = _partial(tables, errors)
        if partial is not None:
            found += contradictions(partial, tables, kept)
    else:
        found += contradictions(scenario, tables, {name: list(range(len(tables.get(name, [])))) for name in _ROWS})
    if scenario is None or found:
        lines = Lines(text)
        placed = sorted({(lines.of(place), key_path(place), message) for place, message in found})
        raise ConfigError([Problem(f"{file}:{line}", key, message) for line, key, message in placed])
    return scenario


def _explained(tables: dict[str, Any], errors: list[ErrorDetails]) -> list[Found]:
    """Return pydantic's errors as places and messages; the several of a value that may have one of two forms are one."""
    found: dict[tuple[int | str, ...], list[str]] = {}
    for error, problem in zip(errors, explain(Path(), Scenario, errors), strict=True):
        place = _within(tables, error["loc"], last=error["type"] in {"missing", "extra_forbidden"})
        said = found.setdefault(place, [])
        if problem.message not in said:
            said.append(problem.message)
    return [(place, ", or: ".join(said)) for place, said in found.items()]


def _within(tables: dict[str, Any], loc: tuple[int | str, ...], *, last: bool) -> tuple[int | str, ...]:
    """Return the part of a place that the file has: behind it pydantic names the form of a value that it tried."""
    here: Any = tables
    for depth, part in enumerate(loc):
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if not inside:
            return loc if last and depth == len(loc) - 1 else loc[:depth]
        here = here[part]
    return loc


def _partial(tables: dict[str, Any], errors: list[ErrorDetails]) -> tuple[Scenario | None, Mapping[str, list[int]]]:
    """Return a scenario of the rows without mistakes, and which of each array they are: so one mistake hides no other."""
    bad = {error["loc"][:2] for error in errors}
    kept = {name: [i for i, _ in _entries(tables, name) if (name, i) not in bad] for name in _ROWS}
    rest: dict[str, Any] = {name: tables[name] for name in ("scenario", "profile", "rollout") if name in tables}
    rest |= {name: [row for i, row in _entries(tables, name) if i in kept[name]] for name in _ROWS}
    if not rest["expect"]:
        rest["expect"] = [{"name": "nothing-lost", "check": "nothing_lost"}]
    try:
        return Scenario.model_validate(rest), kept
    except ValidationError:
        return None, kept  # the head itself: when is anything, then?


def _entries(tables: dict[str, Any], name: str) -> Iterator[tuple[int, Any]]:
    array = tables.get(name)
    return iter(enumerate(array) if isinstance(array, list) else ())

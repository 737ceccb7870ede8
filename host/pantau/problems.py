"""Mistakes in files that people write: all of them at once, each with its place and what to do."""

from __future__ import annotations

import difflib
import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the file, the key path in it ("" for the file as a whole), what is wrong and what to do."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. Correct the files; commands exit with 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


class Table(BaseModel):
    """A TOML table or JSON object of ours: unknown keys are mistakes, types are not converted, values do not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True
    )


def key_path(location: Sequence[int | str]) -> str:
    """Return ("station", 2, "domain") as station[2].domain."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def explain(file: Path, model: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[Problem]:
    """Return pydantic's errors as problems; an unknown key names the closest known one. Values are never quoted."""
    return [Problem(str(file), key_path(error["loc"]), _message(model, error)) for error in errors]


def _message(model: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, error["loc"][:-1])
        close = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
        return f"unknown key; {hint}"
    text = error["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that `model` knows at `location`, [] where it is not a table of ours."""
    here: type[BaseModel] | None = model
    named = False  # whether the next part is a name in a dict of tables, which people choose
    for part in location:
        if named:
            named = False
        elif isinstance(part, str) and here is not None:
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            annotation = fields[part].annotation if part in fields else None
            here, named = _table_in(annotation), typing.get_origin(annotation) is dict
    return [field.alias or name for name, field in here.model_fields.items()] if here else []


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside X, X | None, list[X], tuple[X, ...] or dict[str, X]."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _table_in(part))), None)

"""Reading registry.toml: checked whole, every mistake at once, then kept as small values."""

from __future__ import annotations

from datetime import timedelta
from sys import intern
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pantau.problems import ConfigError, Problem, explain
from pantau.registry.checks import contradictions
from pantau.registry.model import Calibration, Placement, Registry, Sensor, Station, Threshold
from pantau.registry.tables import EVER, ROWS, File
from pantau.tomlfile import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from pantau.problems import Table

_MS = timedelta(milliseconds=1)


def load(path: Path) -> Registry:
    """Return the registry in `path`; ConfigError lists every mistake."""
    return read(read_toml(path), path)


def read(tables: dict[str, Any], path: Path) -> Registry:
    """Return the registry in `tables`, which were read from `path` and are used up; ConfigError lists every mistake."""
    found: list[ErrorDetails] = []
    together = contradictions(tables)
    try:
        # The frame around the rows: arrays that are none, and tables that do not exist.
        File.model_validate({k: [] if k in ROWS and isinstance(v, list) else v for k, v in tables.items()})
    except ValidationError as error:
        found += error.errors()
    rows = {array: list(_rows(array, tables.pop(array, None), found)) for array in ROWS}
    problems = explain(path, File, found)
    problems += [Problem(str(path), key, message) for key, message in together]
    if problems:
        raise ConfigError(problems)
    return Registry(
        rows["station"],
        rows["node"],
        sensors=rows["sensor"],
        calibrations=rows["calibration"],
        thresholds=rows["threshold"],
    )


def _rows(array: str, entries: object, found: list[ErrorDetails]) -> Iterator[Any]:
    """Yield the rows of one array as they are kept; what is wrong goes to `found`.

    One row is checked at a time, and what was read of it let go: a running bridge reads the file beside the one in force.
    """
    model = ROWS[array]
    rows = entries if isinstance(entries, list) else []
    for index, entry in enumerate(rows):
        rows[index] = None
        try:
            checked = model.model_validate(entry)
        except ValidationError as error:
            found += [{**e, "loc": (array, index, *e["loc"])} for e in error.errors()]
        else:
            yield _KEPT[array](**_values(checked))


def _values(row: Table) -> dict[str, Any]:
    """Return the fields of a row as they are kept: times as Unix ms, arrays as tuples, each text once."""
    values: dict[str, Any] = {name: _kept(value) for name, value in vars(row).items() if value is not None}
    for name, ms in (("start", "start_ms"), ("end", "end_ms")):
        if name in values:
            values[ms] = (values.pop(name) - EVER) // _MS
    return values


def _kept(value: object) -> object:
    if isinstance(value, str):
        return intern(value)
    return tuple(map(_kept, value)) if isinstance(value, list) else value


def _sensor(*, id: str | None = None, model: str, **fields: Any) -> Sensor:  # noqa: A002 - the key in the file
    return Sensor(id=id or model, model=model, **fields)


def _calibration(*, note: str | None = None, **fields: Any) -> Calibration:
    del note  # for people
    return Calibration(**fields)


_KEPT: dict[str, Any] = {
    "station": Station,
    "node": Placement,
    "sensor": _sensor,
    "calibration": _calibration,
    "threshold": Threshold,
}

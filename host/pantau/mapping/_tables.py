"""The form of units.toml and properties.toml, and the reading of both: once, at the first question."""

from __future__ import annotations

import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from pantau.problems import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

Domain = Literal["flood", "traffic", "air"]
EntityType = Literal[
    "AirQualityObserved", "Device", "DeviceMeasurement", "FloodMonitoring", "TrafficFlowObserved", "WeatherObserved"
]
_Text = Annotated[str, Field(min_length=1)]
_Attribute = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9]*$")]
_Code = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,3}$")]


class UnitTable(Table):
    """A row of units.toml."""

    ucum: _Text
    symbol: _Text
    name: _Text
    uncefact: _Code | None = None
    qudt: Annotated[str, Field(pattern=r"^http://qudt\.org/vocab/unit/[A-Za-z0-9_-]+$")] | None = None


class LevelTable(Table):
    """An attribute that puts a word to the value of another."""

    attribute: _Attribute
    upto: list[float]
    words: list[_Text]

    @model_validator(mode="after")
    def _classes(self) -> LevelTable:
        if self.upto != sorted(set(self.upto)) or len(self.words) != len(self.upto) + 1:
            raise ValueError("upto ascends, and words has one more: for what lies above the last")
        return self


class AttributeTable(Table):
    """Where a property stands in one Smart Data Model."""

    type: EntityType
    attribute: _Attribute
    code: _Code | None = None
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    whole: bool = False
    most: float | None = None
    level: LevelTable | None = None
    words: list[_Text] = Field(default_factory=list)
    domains: list[Domain] = Field(default_factory=list)
    part: Annotated[str, Field(pattern=r"^[a-z]+$")] | None = None
    fixed: dict[str, str] = Field(default_factory=dict, alias="with")

    @model_validator(mode="after")
    def _number_or_text(self) -> AttributeTable:
        if (self.code is None) != bool(self.words):
            raise ValueError("a number has a code, a text has words, and nothing has both")
        return self


class PropertyTable(Table):
    """A row of properties.toml."""

    name: _Text
    title: _Text
    judul: _Text
    period: bool = False
    ngsi: list[AttributeTable] | Literal["device_measurement", "none"]
    why: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> PropertyTable:
        if (self.ngsi == "none") != bool(self.why):
            raise ValueError(f'{self.name}: `why` goes with ngsi = "none", and only with it')
        return self


class _UnitFile(Table):
    unit: list[UnitTable]


class _PropertyFile(Table):
    definition: Annotated[str, Field(pattern=r"^urn:[^{}]+\{name\}$")]
    property: list[PropertyTable]


@cache
def units() -> dict[str, UnitTable]:
    """Return the rows of units.toml by UCUM code. ValueError names what is wrong with the file."""
    rows = _UnitFile.model_validate(_toml("units.toml")).unit
    _once("units.toml", (row.ucum for row in rows))
    return {row.ucum: row for row in rows}


@cache
def properties() -> dict[str, PropertyTable]:
    """Return the rows of properties.toml by name. ValueError names what is wrong with the file."""
    rows = _file().property
    _once("properties.toml", (row.name for row in rows))
    return {row.name: row for row in rows}


def definition(name: str) -> str:
    """Return the URI of a property."""
    return _file().definition.format(name=name)


@cache
def _file() -> _PropertyFile:
    return _PropertyFile.model_validate(_toml("properties.toml"))


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _once(file: str, keys: Iterable[str]) -> None:
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise ValueError(f"{file} has more than one row for {', '.join(twice)}; keep one")

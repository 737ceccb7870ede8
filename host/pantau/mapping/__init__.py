"""Units and properties in the words of city platforms: data, read once from units.toml and properties.toml.

`unit` and `observed` are for every sink; `ngsi` says where a property stands in the Smart Data Models. What has no
mapping raises a ValueError with words, so that a sink can refuse the one observation that asks for it.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from pantau.mapping import _tables
from pantau.mapping._tables import Domain, EntityType
from pantau_wire import names as wire

__all__ = [
    "Attribute", "Domain", "EntityType", "Level", "Observed", "Unit", "UnmappedProperty", "UnmappedUnit",
    "attributes", "generic", "ngsi", "observed", "unit", "why_not_ngsi",
]  # fmt: skip

_ADVICE = "add one with title, judul and ngsi (the file's head explains them), then `make gen`"
_DIGITS = 12  # of a scaled value: what lies beyond is noise of the binary fraction


class UnmappedUnit(ValueError):  # noqa: N818  a fact about one observation, handled by its sink
    """No target can be told this unit."""


class UnmappedProperty(ValueError):  # noqa: N818  as above
    """No target, or not this one, can be told this property."""


class Unit(NamedTuple):
    """A unit by its UCUM code. `uncefact` and `qudt` are None where those lists have none."""

    ucum: str
    symbol: str
    name: str
    uncefact: str | None
    qudt: str | None


class Observed(NamedTuple):
    """An observed property. `period`: a count or an amount over the interval that ends at observed_at."""

    name: str
    title: str
    judul: str
    definition: str
    unit: Unit
    period: bool


class Level(NamedTuple):
    """An attribute beside another with a word for its value: that of the first bound that is not below it."""

    attribute: str
    upto: tuple[float, ...]
    words: tuple[str, ...]

    def word(self, value: float) -> str:
        """Return the word for `value`."""
        return self.words[bisect_left(self.upto, value)]


class Attribute(NamedTuple):
    """Where a property stands in a Smart Data Model. `code` is the unitCode of the value times `scale`.

    `words` are the texts for the values 1, 2, 3 and so on. `part` names an entity of its own beside the node's, `fixed`
    are its attributes that never change. With `domains` it holds at stations of these alone. `most` bounds the value told.
    """

    type: EntityType
    attribute: str
    code: str | None = None
    scale: float = 1.0
    whole: bool = False
    most: float | None = None
    level: Level | None = None
    words: tuple[str, ...] = ()
    domains: tuple[Domain, ...] = ()
    part: str | None = None
    fixed: tuple[tuple[str, str], ...] = ()

    def value(self, value: float) -> float | str:
        """Return `value` as the model wants it. UnmappedProperty for one that it cannot hold."""
        if self.words:
            if value not in range(1, len(self.words) + 1):
                raise UnmappedProperty(f"{self.attribute} has no word for {value:g}: it knows 1 to {len(self.words)}")
            return self.words[int(value) - 1]
        told = value if self.scale == 1 else float(f"{value * self.scale:.{_DIGITS}g}")
        if self.most is not None and told > self.most:
            raise UnmappedProperty(f"{self.attribute} is {self.most:g} at most, not {told:g}")
        return round(told) if self.whole else told


@cache
def unit(ucum: str) -> Unit:
    """Return the unit of a UCUM code. UnmappedUnit when units.toml has no row for it."""
    row = _tables.units().get(ucum)
    if row is None:
        raise UnmappedUnit(f"the unit {ucum!r} has no row in pantau/mapping/units.toml; add one")
    return Unit(row.ucum, row.symbol, row.name, row.uncefact, row.qudt)


@cache
def observed(name: str) -> Observed:
    """Return what targets are told about a property. UnmappedProperty, or UnmappedUnit, when a row is missing."""
    row = _row(name)
    return Observed(name, row.title, row.judul, _tables.definition(name), unit(_ucums()[name]), row.period)


@cache
def attributes(name: str) -> tuple[Attribute, ...]:
    """Return the attributes of which one holds a property, () when it is never sent as NGSI-LD. Raises as `observed`."""
    rows = _row(name).ngsi
    if rows == "none":
        return ()
    if isinstance(rows, str):
        return (generic(name),)
    return tuple(
        Attribute(
            row.type, row.attribute, row.code, row.scale, row.whole, row.most, _level(row.level), tuple(row.words),
            tuple(row.domains), row.part, tuple(row.fixed.items()),
        )
        for row in rows
    )  # fmt: skip


@cache
def generic(name: str) -> Attribute:
    """Return the attribute that can hold any number of any property, for what its own model cannot. Raises as `observed`."""
    return Attribute("DeviceMeasurement", "numValue", observed(name).unit.uncefact)


def ngsi(name: str, domain: str | None) -> Attribute:
    """Return the attribute that holds a property at a station of `domain`, None for an unknown one. Raises as `observed`."""
    for attribute in attributes(name):
        if not attribute.domains or domain in attribute.domains:
            return attribute
    raise UnmappedProperty(f"{name} is not sent as NGSI-LD: {why_not_ngsi(name) or f'no row for the domain {domain}'}")


def why_not_ngsi(name: str) -> str:
    """Return why a property is never sent as NGSI-LD, "" when it is. UnmappedProperty when it has no row."""
    return _row(name).why


def _level(row: _tables.LevelTable | None) -> Level | None:
    return None if row is None else Level(row.attribute, tuple(row.upto), tuple(row.words))


def _row(name: str) -> _tables.PropertyTable:
    row = _tables.properties().get(name)
    if row is None or name not in _ucums():
        file = "pantau/mapping/properties.toml" if row is None else "schemas/properties.toml"
        raise UnmappedProperty(f"the property {name!r} has no row in {file}; {_ADVICE}")
    return row


@cache
def _ucums() -> dict[str, str]:
    return {name: ucum for name, ucum, *_ in wire.PROPERTIES.values()}

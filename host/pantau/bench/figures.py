"""A figure that a model stands on: its value, its unit, how it is known and from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

PUBLISHED = "published"  # others measured it, or a maker says so
MEASURED = "measured"  # here, by the command or test that is named
DERIVED = "derived"  # from other figures that are named
ASSUMED = "assumed"  # nobody measured it; the text says what speaks for it
SET = "set"  # by us: a goal, a size, a convention
HOW = (PUBLISHED, MEASURED, DERIVED, ASSUMED, SET)


class Figure(NamedTuple):
    """One figure; `how` is one of HOW, `source` names a document, a command or the figures that it follows from."""

    value: float
    unit: str
    how: str
    source: str


def table(figures: Mapping[str, Figure]) -> dict[str, dict[str, Any]]:
    """Return the figures as a report has them."""
    return {name: figure._asdict() for name, figure in figures.items()}


def lines(figures: Mapping[str, Figure]) -> list[str]:
    """Return a line for each figure."""
    return [f"  {name:<24}{one.value:>10,.6g} {one.unit:<6}{one.how}: {one.source}" for name, one in figures.items()]

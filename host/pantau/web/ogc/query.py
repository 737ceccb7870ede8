"""The parameters of a question for items, checked: all mistakes are told at once. I/O-free."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.web.ogc.crs import CRS84, KNOWN, Crs
from pantau.web.query import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pantau.web.ogc.layers import Layer

DEFAULT_LIMIT, MAX_LIMIT = 1000, 10_000
MAX_OFFSET = 10_000_000
_MAX_TEXT = 128  # of a value: longer than any id
_ENDS = ("", "..")  # of an interval that is open
Box = tuple[float, float, float, float]


class Items(NamedTuple):
    """What is asked. `box`: west, south, east, north in degrees, west > east across the antimeridian; times are Unix ms UTC, both included."""

    limit: int
    offset: int
    box: Box | None
    from_ms: float
    to_ms: float
    timed: bool
    equal: tuple[tuple[str, Any], ...]
    crs: Crs


class _BadError(ValueError):
    """What is wrong with one value."""


def formats(pairs: Iterable[tuple[str, str]]) -> None:
    """Check that there is no parameter beside `f`."""
    _refuse({name[:_MAX_TEXT]: "unknown parameter; known is f" for name, _ in pairs if name != "f"})


def crs_only(pairs: Iterable[tuple[str, str]]) -> Crs:
    """Return the reference system in which one feature is asked for."""
    given, errors = _once(pairs, ("f", "crs"))
    crs = CRS84
    try:
        crs = _crs(given.get("crs"))
    except _BadError as error:
        errors["crs"] = str(error)
    _refuse(errors)
    return crs


def items(pairs: Iterable[tuple[str, str]], layer: Layer) -> Items:
    """Return the checked question. Raises RequestError 400 with every mistake."""
    asked = layer.asked
    given, errors = _once(pairs, ("f", "limit", "offset", "bbox", "bbox-crs", "datetime", "crs", *asked))
    found: dict[str, Any] = {"limit": DEFAULT_LIMIT, "offset": 0, "bbox-crs": CRS84, "crs": CRS84}
    read = {
        "limit": lambda text: _whole(text, 1, None, MAX_LIMIT),
        "offset": lambda text: _whole(text, 0, MAX_OFFSET, MAX_OFFSET),
        "crs": _crs,
        "bbox-crs": _crs,
        "bbox": lambda text: _box(text, found["bbox-crs"]),
        "datetime": _span,
    }
    for name in sorted(given.keys() & (read.keys() | asked.keys()), key=lambda name: name == "bbox"):
        try:
            found[name] = read[name](given[name]) if name in read else _value(given[name], asked[name].kind)
        except _BadError as error:
            errors[name] = str(error)
    _refuse(errors)
    first, last = found.get("datetime", (-math.inf, math.inf))
    return Items(
        found["limit"], found["offset"], found.get("bbox"), first, last, "datetime" in found,
        tuple((name, found[name]) for name in asked if name in found), found["crs"],
    )  # fmt: skip


def chosen(features: Iterable[dict[str, Any]], asked: Items, time: str | None) -> list[dict[str, Any]]:
    """Return the features that are asked for, all pages. Those without a place or a time match any box or time, as the standard has it."""
    return [
        feature
        for feature in features
        if all(feature["properties"].get(name) == value for name, value in asked.equal)
        and (asked.box is None or feature["geometry"] is None or _inside(feature["geometry"], asked.box))
        and (not asked.timed or time is None or _during(feature["properties"][time], asked))
    ]


def _inside(geometry: dict[str, Any], box: Box) -> bool:
    lon, lat = geometry["coordinates"]
    west, south, east, north = box
    return bool(south <= lat <= north and (west <= lon <= east if west <= east else (lon >= west or lon <= east)))


def _during(text: str | None, asked: Items) -> bool:
    return text is None or asked.from_ms <= datetime.fromisoformat(text).timestamp() * 1000 <= asked.to_ms


def _once(pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    given: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            errors[name[:_MAX_TEXT]] = f"unknown parameter; known are {', '.join(known)}"
        elif name in given:
            errors[name] = "given twice"
        given[name] = value
    return given, errors


def _refuse(errors: Mapping[str, str]) -> None:
    if errors:
        raise RequestError(400, "Bad parameters", "The request was not understood: see errors.", errors)


def _whole(text: str, least: int, most: int | None, capped: int) -> int:
    """Return a whole number. Without `most` a greater one means as many as there may be, as the standard has it for limit."""
    words = f"a whole number from {least}" + (f" to {most}" if most is not None else "")
    if not text.isascii() or not text.isdigit():
        raise _BadError(f"{words}, not {text[:20]!r}")
    number = int(text) if len(text) < 10 else capped + 1  # a number of a million digits is not worked out
    if number < least or (most is not None and number > most):
        raise _BadError(f"{words}, not {text[:20]!r}")
    return min(number, capped)


def _crs(text: str | None) -> Crs:
    crs = CRS84 if text is None else KNOWN.get(text)
    if crs is None:
        raise _BadError(f"one of {', '.join(KNOWN)}")
    return crs


def _box(text: str, crs: Crs) -> Box:
    first, second = crs.axes
    words = text.split(",")[:7]
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        raise _BadError(
            f"four numbers (least {first}, least {second}, most {first}, most {second}), or six with heights"
        )
    half = len(numbers) // 2  # heights select nothing: stations have none
    corners = [(numbers[0], numbers[1]), (numbers[half], numbers[half + 1])]
    for axis, name in enumerate(crs.axes):
        for corner in corners:
            if abs(corner[axis]) > crs.most[axis]:
                raise _BadError(f"{name} {corner[axis]:g} is beyond {crs.most[axis]:g}: the order is {first}, {second}")
    (west, south), (east, north) = (crs.back(*corner) for corner in corners)
    if south > north:
        raise _BadError("its south lies north of its north")
    if west > east and crs.axes == ("x", "y"):
        raise _BadError("its least x is more than its most x")
    return west, south, east, north


def _span(text: str) -> tuple[float, float]:
    """Return the first and the last instant that match: of an instant, a date, or an interval open at one end or both."""
    if len(text) > _MAX_TEXT:
        raise _BadError("too long for a time")
    parts = text.split("/")
    if len(parts) == 1:
        return _instant(parts[0])
    if len(parts) > 2:
        raise _BadError("an interval has two ends: 2026-11-24T00:00:00Z/..")
    first = -math.inf if parts[0] in _ENDS else _instant(parts[0])[0]
    last = math.inf if parts[1] in _ENDS else _instant(parts[1])[1]
    if first > last:
        raise _BadError("the interval ends before it begins")
    return first, last


def _instant(text: str) -> tuple[float, float]:
    """Return (first, last) ms of an RFC 3339 time, or of a date: a day of UTC."""
    try:
        if len(text) == len("2026-11-24"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day.timestamp() * 1000, (day + timedelta(days=1)).timestamp() * 1000 - 1
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not escaped arrives as a space
        if at.tzinfo is None:
            raise ValueError(text)
        return at.timestamp() * 1000, at.timestamp() * 1000
    except (ValueError, OverflowError):
        raise _BadError(
            f"not a time: {text[:40]!r}; as 2026-11-24T03:00:00Z, 2026-11-24, or an interval with / between and .. for an open end"
        ) from None


def _value(text: str, kind: str) -> Any:
    if len(text) > _MAX_TEXT:
        raise _BadError(f"longer than {_MAX_TEXT} characters")
    if kind == "integer":
        return _whole(text, 0, 1_000_000, 1_000_000)
    if kind == "boolean":
        if text not in ("true", "false"):
            raise _BadError("true or false")
        return text == "true"
    return text

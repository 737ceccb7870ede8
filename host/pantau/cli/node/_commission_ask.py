"""What a technician is asked at a station, and how lengths and positions are written."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pantau.node.commissioning import measures_distance
from pantau.node.words import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.node.commissioning import Given, Seen

    ParamOfMm = click.ParamType[int]
    ParamOfPlace = click.ParamType[tuple[float, float]]
else:
    ParamOfMm = ParamOfPlace = click.ParamType  # not generic before click 8.2

_HIGHEST_M = 10000


class _Metres(ParamOfMm):
    """Metres with a point or a comma; converts to mm."""

    name = "metres"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            metres = float(value.strip().removesuffix("m").replace(",", "."))
        except ValueError:
            metres = math.nan
        if not -_HIGHEST_M < metres < _HIGHEST_M:
            self.fail(f"{value!r}: give metres, as 2.45", param, ctx)
        return round(metres * 1000)


class _Position(ParamOfPlace):
    """Two numbers, degrees."""

    name = "position"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            lat, lon = (float(part) for part in value.split(","))
        except ValueError:
            lat = lon = math.nan
        if not (abs(lat) <= 90 and abs(lon) <= 180):
            self.fail(f"{value!r}: give degrees as LAT,LON: -6.17840,106.63190", param, ctx)
        return lat, lon


METRES, POSITION = _Metres(), _Position()


def rest(given: Given, seen: Seen, lang: str) -> Given:
    """Return what was given, and what the technician says to the rest; an empty answer leaves it out."""
    if not given.who:
        given = given._replace(who=click.prompt(say("commission.who", lang), err=True).strip())
    if given.mount_mm is None:
        given = given._replace(mount_mm=_ask("mount", METRES.convert, lang))
    if measures_distance(seen.test) and given.gauge_mm is None and given.zero_mm is None:
        given = given._replace(gauge_mm=_ask("gauge", METRES.convert, lang))
        if given.gauge_mm is None:
            given = given._replace(zero_mm=_ask("zero", METRES.convert, lang))
    if given.position is None:
        given = given._replace(position=_ask("position", POSITION.convert, lang))
    if given.photo is None:
        given = given._replace(photo=_ask("photo", _photo, lang))
    return given


def _ask(what: str, convert: Callable[[str, None, None], Any], lang: str) -> Any:
    def value(text: str) -> Any:
        return convert(text, None, None) if text.strip() else None

    label = say("commission.ask_" + what, lang)
    return click.prompt(label, default="", show_default=False, value_proc=value, err=True)


def _photo(text: str, _param: None, _ctx: None) -> tuple[str, str]:
    path = Path(text.strip())
    try:
        return path.name, hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}") from None

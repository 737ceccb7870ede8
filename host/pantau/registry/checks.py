"""What cannot be true together in a registry, found on the tables as they were written.

So a mistake in one key hides no contradiction between others: values of the wrong type are passed over here.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.problems import key_path
from pantau.registry.model import FIGURES
from pantau.registry.tables import EVER, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

Found = tuple[str, str]  # key path, what is wrong and what to do
Entry = tuple[int, dict[str, Any]]

_SUGGESTED = 20  # likenesses are looked for among all stations: dear, and after the first few nobody needs them
_CITY_KM = 300.0  # no city is wider: a station farther from the middle of the others has a slip in its position
_VAST = 1e9  # beyond any figure of a place; TOML's integers have no end
_ENOUGH = 3  # stations, for the middle to mean something
_KM_PER_DEGREE = 111.2
_SIAGA = ("siaga_1", "siaga_2", "siaga_3", "siaga_4")


def contradictions(tables: Mapping[str, object]) -> list[Found]:
    """Return every contradiction in `tables`, in the order in which the tables are explained."""
    stations = _entries(tables, "station")
    ids = Counter(name for _, s in stations if isinstance(name := s.get("id"), str))
    nodes, others = _entries(tables, "node"), {}
    for array in ("sensor", "calibration", "threshold"):
        others[array] = _entries(tables, array)
    return [
        *_doubles(stations, ids),
        *_positions(stations),
        *_unknown(stations, nodes, others, ids),
        *_rivers(stations),
        *_datums(stations),
        *_nodes(nodes, stations),
        *_sensors(others["sensor"], nodes),
        *_calibrations(others["calibration"]),
        *_thresholds(others["threshold"], stations),
    ]


def _entries(tables: Mapping[str, object], name: str) -> list[Entry]:
    """Return the tables of one array with their places, whatever is wrong within them."""
    array = tables.get(name)
    return [(i, entry) for i, entry in enumerate(array) if isinstance(entry, dict)] if isinstance(array, list) else []


def _doubles(stations: Iterable[Entry], ids: Counter[str]) -> Iterator[Found]:
    for index, station in stations:
        name = station.get("id")
        if isinstance(name, str) and ids[name] > 1:
            yield key_path(("station", index, "id")), f"{name} occurs {ids[name]} times; ids are unique"


# --- positions


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_VAST < value < _VAST:
        return None
    return float(value)


def _positions(stations: Iterable[Entry]) -> Iterator[Found]:
    placed = []
    for index, station in stations:
        latitude, longitude = _number(station.get("latitude")), _number(station.get("longitude"))
        if latitude is None or longitude is None:
            continue
        if abs(latitude) > 90 and abs(longitude) <= 90:
            yield _latitude(index), "latitude and longitude look exchanged"
        elif latitude == 0 and longitude == 0:
            yield _latitude(index), "0, 0 lies in the Gulf of Guinea; give the position of the station"
        elif abs(latitude) <= 90 and abs(longitude) <= 180:
            placed.append((index, latitude, longitude))
    yield from _far(placed)


def _latitude(index: int) -> str:
    return key_path(("station", index, "latitude"))


def _far(placed: list[tuple[int, float, float]]) -> Iterator[Found]:
    """Yield stations that lie far from the middle of them all, as a lost digit places them."""
    if len(placed) < _ENOUGH:
        return
    middle, meridian = median(p[1] for p in placed), median(p[2] for p in placed)
    for index, latitude, longitude in placed:
        east = (longitude - meridian + 180) % 360 - 180
        km = _KM_PER_DEGREE * math.hypot(latitude - middle, east * math.cos(math.radians(middle)))
        if km > _CITY_KM:
            yield _latitude(index), f"lies {km:.0f} km from the middle of the stations; correct latitude or longitude"


# --- references


def _unknown(
    stations: list[Entry], nodes: list[Entry], others: Mapping[str, list[Entry]], ids: Counter[str]
) -> Iterator[Found]:
    """Yield references to stations and nodes that do not exist, or to the station itself."""
    suggested = 0
    named: list[tuple[tuple[int | str, ...], object]] = [
        ((array, i, "station"), entry.get("station"))
        for array, entries in (("node", nodes), *others.items())
        for i, entry in entries
    ]
    for index, station in stations:
        near = station.get("neighbours")
        links = [(("station", index, "neighbours", i), n) for i, n in enumerate(near if isinstance(near, list) else [])]
        for place, other in [*links, (("station", index, "downstream"), station.get("downstream"))]:
            if isinstance(other, str) and other == station.get("id"):
                yield key_path(place), "is the station itself; name another or leave it out"
            named.append((place, other))
    for place, name in named:
        if isinstance(name, str) and name not in ids:
            suggested += 1
            close = difflib.get_close_matches(name, ids, n=1) if suggested <= _SUGGESTED else []
            hint = f"did you mean {close[0]}?" if close else "add it or correct this"
            yield key_path(place), f"no station has the id {name}; {hint}"


def _rivers(stations: Iterable[Entry]) -> Iterator[Found]:
    """Yield one station of each circle that `downstream` runs in."""
    rivers = [(i, s) for i, s in stations if isinstance(s.get("id"), str) and isinstance(s.get("downstream"), str)]
    down = {s["id"]: s["downstream"] for _, s in rivers}
    place = {s["id"]: index for index, s in rivers}
    done: set[str] = set()
    for first in down:
        way: dict[str, None] = {}
        here = first
        while here in down and here not in done and here not in way:
            way[here] = None
            here = down[here]
        if here in way and down[here] != here:
            circle = [*list(way)[list(way).index(here) :], here]
            yield key_path(("station", place[here], "downstream")), f"water runs in a circle: {' > '.join(circle)}"
        done |= way.keys()


# --- times


class _Span(NamedTuple):
    at: int
    entry: dict[str, Any]
    start: datetime
    end: datetime

    def meets(self, other: _Span) -> bool:
        return self.start < other.end and other.start < self.end


def _spans(entries: Iterable[Entry]) -> list[_Span]:
    """Return the entries with usable times, by start; a time without a zone, or that is none, has its own message."""
    timed = [_Span(i, e, e.get("from", EVER), e.get("to", NEVER)) for i, e in entries]
    return sorted((s for s in timed if _aware(s.start) and _aware(s.end)), key=lambda s: s.start)


def _aware(time: object) -> bool:
    return isinstance(time, datetime) and time.tzinfo is not None


def _backward(array: str, spans: Iterable[_Span]) -> Iterator[Found]:
    return ((key_path((array, s.at, "to")), "is not after from") for s in spans if s.end <= s.start)


def _overlaps(
    array: str, spans: Iterable[_Span], of: Callable[[dict[str, Any]], Hashable | None], says: Callable[[_Span], str]
) -> Iterator[Found]:
    """Yield each span that begins before an earlier one of the same subject has ended; `says` names the earlier."""
    last: dict[Hashable, _Span] = {}
    for span in spans:
        subject = of(span.entry)
        if subject is None:
            continue
        before = last.get(subject)
        if before is not None and span.start < before.end:
            what = f"{says(before)}; give that entry a `to` no later than this `from`"
            yield key_path((array, span.at, "from")), what
        if before is None or span.end > before.end:
            last[subject] = span


def _texts(*keys: str) -> Callable[[dict[str, Any]], Hashable | None]:
    """Return a function that gives the values of `keys`, None where one of them is missing or no text."""

    def of(entry: dict[str, Any]) -> Hashable | None:
        values = tuple(entry.get(key) for key in keys)
        return values if all(isinstance(value, str) for value in values) else None

    return of


def _nodes(nodes: Iterable[Entry], stations: Iterable[Entry]) -> Iterator[Found]:
    spans = _spans(nodes)
    yield from _backward("node", spans)
    yield from _overlaps("node", spans, _texts("id"), lambda s: f"{s.entry['id']} is still at {s.entry.get('station')}")
    bounds = {
        s["id"]: bound
        for _, s in stations
        if isinstance(s.get("id"), str) and type(bound := s.get("nodes_at_once")) is int
    }
    there: dict[str, list[_Span]] = defaultdict(list)
    for span in spans:
        where = span.entry.get("station")
        if not isinstance(where, str) or where not in bounds:
            continue
        there[where] = [s for s in there[where] if s.end > span.start]
        # The same node twice has its own message.
        same = [str(s.entry.get("id")) for s in there[where] if s.entry.get("id") != span.entry.get("id")]
        if len(same) >= bounds[where]:
            what = f"{where} still has {', '.join(same)}, and nodes_at_once = {bounds[where]}"
            yield key_path(("node", span.at, "from")), f"{what}; end those with `to`, or raise nodes_at_once"
        there[where].append(span)


def _sensors(sensors: Iterable[Entry], nodes: Iterable[Entry]) -> Iterator[Found]:
    spans = _spans(sensors)
    yield from _backward("sensor", spans)

    def name(entry: dict[str, Any]) -> Hashable | None:
        return _texts("station", "name")({**entry, "name": entry.get("id", entry.get("model"))})

    yield from _overlaps(
        "sensor", spans, name, lambda s: f"{s.entry['station']} still has this sensor (or give each an `id`)"
    )
    yield from _overlaps(
        "sensor", spans, _texts("model", "serial"), lambda s: f"this serial is still at {s.entry.get('station')}"
    )
    stays: dict[object, list[_Span]] = defaultdict(list)
    for stay in _spans(nodes):
        if isinstance(stay.entry.get("id"), str):
            stays[stay.entry["id"]].append(stay)
    for span in spans:
        node, where = span.entry.get("node"), span.entry.get("station")
        if isinstance(node, str) and not any(s.meets(span) and s.entry.get("station") == where for s in stays[node]):
            what = f"{node} does not stand at {where} in that time; correct node, station or times"
            yield key_path(("sensor", span.at, "node")), what


def _calibrations(calibrations: list[Entry]) -> Iterator[Found]:
    spans = _spans(calibrations)
    yield from _backward("calibration", spans)
    versions = Counter(_version(entry) for _, entry in calibrations)
    for index, entry in calibrations:
        if _version(entry) is not None and versions[_version(entry)] > 1:
            what = (
                f"version {entry['version']} of {entry['station']} occurs {versions[_version(entry)]} times; number on"
            )
            yield key_path(("calibration", index, "version")), what
        if not any(figure in entry for figure in FIGURES):
            yield key_path(("calibration", index)), f"says nothing; give at least one of {', '.join(FIGURES)}"
    for figure in FIGURES:
        yield from _overlaps(
            "calibration",
            (span for span in spans if figure in span.entry),
            _texts("station"),
            lambda s, figure=figure: f"{figure} of version {s.entry.get('version')} still holds",  # type: ignore[misc]
        )


def _version(entry: dict[str, Any]) -> tuple[str, int] | None:
    station, version = entry.get("station"), entry.get("version")
    return (station, version) if isinstance(station, str) and type(version) is int else None


def _thresholds(thresholds: list[Entry], stations: Iterable[Entry]) -> Iterator[Found]:
    spans = _spans(thresholds)
    yield from _backward("threshold", spans)
    yield from _overlaps(
        "threshold", spans, _texts("station", "property", "name"), lambda s: f"{s.entry['name']} has a value already"
    )
    by_id = {s["id"]: s for _, s in stations if isinstance(s.get("id"), str)}
    datums = {name: s.get("datum") for name, s in by_id.items()}
    for index, entry in thresholds:
        where, datum = entry.get("station"), entry.get("datum")
        if isinstance(where, str) and where in datums and isinstance(datum, str) and datum != datums[where]:
            here = datums[where] if isinstance(datums[where], str) else "no datum"
            what = f"is not that of {where} ({here}): levels are compared on one scale; convert value to it"
            yield key_path(("threshold", index, "datum")), what
        if (
            isinstance(where, str)
            and entry.get("name") in _SIAGA
            and entry["name"] in _table(by_id.get(where), "flood")
        ):
            what = f"{where} has {entry['name']} in its flood table too; keep it in one place"
            yield key_path(("threshold", index, "name")), what
    yield from _siaga(spans)


def _siaga(spans: Iterable[_Span]) -> Iterator[Found]:
    """Yield levels of the four states that do not rise to state 1, the worst, where they hold at the same time."""
    by_station: dict[object, list[_Span]] = defaultdict(list)
    for span in spans:
        level = _number(span.entry.get("value"))
        if span.entry.get("property") == "water_level" and span.entry.get("name") in _SIAGA and level is not None:
            where = span.entry.get("station")
            for other in by_station[where] if isinstance(where, str) else ():
                worse = str(span.entry["name"]) < str(other.entry["name"])  # siaga_1 is worse than siaga_2
                higher = level > other.entry["value"]
                if span.entry["name"] != other.entry["name"] and span.meets(other) and worse != higher:
                    what = f"{span.entry['name']} does not fit {other.entry['name']} = {other.entry['value']}"
                    yield key_path(("threshold", span.at, "value")), f"{what}: siaga_1 is the worst and the highest"
            if isinstance(where, str):
                by_station[where].append(span)


def _table(entry: dict[str, Any] | None, name: str) -> dict[str, Any]:
    found = entry.get(name) if entry is not None else None
    return found if isinstance(found, dict) else {}


def _datums(stations: Iterable[Entry]) -> Iterator[Found]:
    for index, station in stations:
        datum, here = _table(station, "flood").get("datum"), station.get("datum")
        if isinstance(datum, str) and datum and isinstance(here, str) and datum != here:
            yield key_path(("station", index, "flood", "datum")), f"is not the station's ({here}); leave this one out"

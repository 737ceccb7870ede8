"""registry.toml: the stations of a city, and which node stood where, when."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from pantau.config import read_toml
from pantau.problems import ConfigError, Problem, Table, explain, key_path
from pantau_wire import topics

if TYPE_CHECKING:
    from pathlib import Path

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)

StationId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]


class Station(Table):
    """A place that is observed. Figures that are not known are left out rather than guessed."""

    id: StationId
    name: Annotated[str, Field(min_length=1, max_length=80)]
    domain: Literal["flood", "traffic", "air"]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    kemendagri: Annotated[str, Field(pattern=r"^\d{2}(\.\d{2}(\.\d{2}(\.\d{4})?)?)?$")] | None = None
    sensor_height_m: Annotated[float, Field(gt=0, le=100)] | None = None
    tip_mm: Annotated[float, Field(gt=0, le=10)] | None = None
    report_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 900


class Placement(Table):
    """One node at one station from `start` (included) to `end` (excluded); a node may have several, one after another."""

    id: str
    station: str
    start: Annotated[AwareDatetime, Field(alias="from")] = _EVER
    end: Annotated[AwareDatetime, Field(alias="to")] = _NEVER

    @field_validator("id")
    @classmethod
    def _node_id(cls, value: str) -> str:
        if not topics.valid_id(value):
            msg = "a node id is 1 to 23 of a-z, 0-9 and -"
            raise ValueError(msg)
        return value


class _File(Table):
    station: list[Station] = Field(default_factory=list)
    node: list[Placement] = Field(default_factory=list)


class Registry:
    """Stations by id, and the place of each node over time."""

    def __init__(self, stations: list[Station], placements: list[Placement]) -> None:
        self.stations = {station.id: station for station in stations}
        self._placements: dict[str, list[Placement]] = defaultdict(list)
        for placement in sorted(placements, key=lambda p: p.start):
            self._placements[placement.id].append(placement)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return every node that has a place now or had one before."""
        return tuple(self._placements)

    def knows(self, node: str) -> bool:
        """Return whether frames of `node` are ours to keep: a node that was taken down may still deliver its backlog."""
        return node in self._placements

    def station_of(self, node: str, at_ms: int) -> Station | None:
        """Return where `node` stood at `at_ms` (Unix ms UTC), None when it had no place then."""
        for placement in self._placements.get(node, ()):
            if placement.start.timestamp() * 1000 <= at_ms < placement.end.timestamp() * 1000:
                return self.stations[placement.station]
        return None

    def nodes_at(self, station: str, at_ms: int) -> tuple[str, ...]:
        """Return the nodes that stood at `station` at `at_ms` (Unix ms UTC)."""
        return tuple(n for n in self._placements if (s := self.station_of(n, at_ms)) is not None and s.id == station)


def load(path: Path) -> Registry:
    """Return the registry in `path`; ConfigError lists every mistake."""
    tables = read_toml(path)
    problems = []
    file = _File()
    try:
        file = _File.model_validate(tables)
    except ValidationError as error:
        problems = explain(path, _File, error.errors())
    problems += [Problem(str(path), key, message) for key, message in _contradictions(tables)]
    if problems:
        raise ConfigError(problems)
    return Registry(file.station, file.node)


def _entries(tables: dict[str, object], name: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the tables of one array with their places, whatever is wrong within them."""
    array = tables.get(name)
    return [(i, entry) for i, entry in enumerate(array) if isinstance(entry, dict)] if isinstance(array, list) else []


def _contradictions(tables: dict[str, object]) -> list[tuple[str, str]]:
    """Return (key path, message) for what cannot be true together, also where single keys are wrong or missing."""
    found = []
    stations = _entries(tables, "station")
    ids = Counter(station["id"] for _, station in stations if isinstance(station.get("id"), str))
    for index, station in stations:
        name = station.get("id")
        if isinstance(name, str) and ids[name] > 1:
            found.append((key_path(("station", index, "id")), f"{name} occurs {ids[name]} times; ids are unique"))
    for index, place in _entries(tables, "node"):
        where = place.get("station")
        if isinstance(where, str) and where not in ids:
            found.append(
                (key_path(("node", index, "station")), f"no station has the id {where}; add it or correct this")
            )
    return found + _overlaps(_entries(tables, "node"))


def _overlaps(nodes: list[tuple[int, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Return (key path, message) for times that end before they begin, and for nodes that stand at two places at once."""
    found = []
    timed = [(i, p, p.get("from", _EVER), p.get("to", _NEVER)) for i, p in nodes if isinstance(p.get("id"), str)]
    last: dict[str, tuple[datetime, object]] = {}
    # a time without a zone, or that is none, has its own message
    for index, place, start, end in sorted((t for t in timed if _aware(t[2]) and _aware(t[3])), key=itemgetter(2)):
        if end <= start:
            found.append((key_path(("node", index, "to")), "is not after from"))
        before = last.get(place["id"])
        if before is not None and start < before[0]:
            where = f"{place['id']} is still at {before[1]}; give that entry a `to` no later than this `from`"
            found.append((key_path(("node", index, "from")), where))
        last[place["id"]] = (end, place.get("station"))
    return found


def _aware(time: object) -> bool:
    return isinstance(time, datetime) and time.tzinfo is not None

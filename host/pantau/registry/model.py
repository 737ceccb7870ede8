"""What the registry knows, by place and time: slotted values and look-ups, no files, no checks.

Times are Unix ms UTC; a period holds from `start_ms` (included) to `end_ms` (excluded).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pantau.quality.site import AirSite, FloodSite, RainSite, RoadSite

EVER_MS = 0
NEVER_MS = 253_370_764_800_000  # 9999-01-01: the greatest year that TOML can write

Domain = Literal["flood", "traffic", "air"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `value` on (in the property's unit) the station is in state `name`; it leaves it `hysteresis` below."""

    station: str
    property: str
    name: str
    value: float
    hysteresis: float = 0.0
    datum: str | None = None
    start_ms: int = EVER_MS
    end_ms: int = NEVER_MS


@dataclass(frozen=True, slots=True)
class Calibration:
    """Figures that hold at a station for a time, before those of the station itself; None leaves a figure as it was."""

    station: str
    version: int
    sensor_height_m: float | None = None
    level_offset_m: float | None = None
    level_slope: float | None = None
    tip_mm: float | None = None
    pm_profile: str | None = None
    start_ms: int = EVER_MS
    end_ms: int = NEVER_MS


FIGURES = ("sensor_height_m", "level_offset_m", "level_slope", "tip_mm", "pm_profile")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of a station for a time; `node` where it is said which of several nodes reads it."""

    station: str
    id: str
    model: str
    properties: tuple[str, ...] = ()
    serial: str | None = None
    node: str | None = None
    start_ms: int = EVER_MS
    end_ms: int = NEVER_MS


@dataclass(frozen=True, slots=True)
class Placement:
    """One node at one station for a time; a node may have several, one after another."""

    id: str
    station: str
    start_ms: int = EVER_MS
    end_ms: int = NEVER_MS


@dataclass(frozen=True, slots=True)
class Station:
    """A place that is observed, with the figures of one period. What is not known is None rather than guessed.

    Heights: `sensor_height_m` is the sensor's zero above the station's zero, `datum_height_m` the station's zero above
    what `datum` names, `mounting_height_m` the sensor above the ground or road. `calibrations` are the versions in force.
    """

    id: str
    name: str
    domain: Domain
    latitude: float
    longitude: float
    kemendagri: str | None = None
    owner: str | None = None
    photo: str | None = None
    report_interval_s: int = 900
    datum: str | None = None
    datum_height_m: float | None = None
    mounting_height_m: float | None = None
    sensor_height_m: float | None = None
    level_offset_m: float = 0.0
    level_slope: float = 1.0
    tip_mm: float | None = None
    pm_profile: str | None = None
    neighbours: tuple[str, ...] = ()
    downstream: str | None = None
    nodes_at_once: int | None = None
    calibrations: tuple[int, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    flood: FloodSite | None = None
    rain: RainSite | None = None
    road: RoadSite | None = None
    air: AirSite | None = None

    def level_m(self, distance_m: float) -> float | None:
        """Return the water level above the station's zero for a distance from the sensor, None without its height."""
        if self.sensor_height_m is None:
            return None
        return self.sensor_height_m + self.level_offset_m - self.level_slope * distance_m


class Epoch(NamedTuple):
    """A station's figures from `start_ms` until the next epoch."""

    start_ms: int
    station: Station


class _Period(Protocol):
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


_P = TypeVar("_P", bound=_Period)
_start = attrgetter("start_ms")


class Registry:
    """Stations by id, and the place of each node over time. Look-ups do not grow with the number of nodes."""

    __slots__ = ("_beside", "_epochs", "_sensors", "_stays", "_there", "stations")

    def __init__(
        self,
        stations: Iterable[Station],
        placements: Iterable[Placement],
        *,
        sensors: Iterable[Sensor] = (),
        calibrations: Iterable[Calibration] = (),
        thresholds: Iterable[Threshold] = (),
    ) -> None:
        """Take what was checked before: one place at a time for each node, no two calibrations of one figure at once."""
        profiles = _grouped(calibrations, attrgetter("station"))
        limits = _grouped(thresholds, attrgetter("station"))
        plain = {station.id: station for station in stations}
        # Only stations whose figures change have epochs; the others are one object each.
        self._epochs = {
            name: _epochs(plain[name], profiles.get(name, ()), limits.get(name, ()))
            for name in dict.fromkeys([*profiles, *limits])
            if name in plain
        }
        # Every station with the figures that hold last; `station` gives those of an instant.
        self.stations: Mapping[str, Station] = plain | {name: then[-1].station for name, then in self._epochs.items()}
        stays = sorted(placements, key=_start)
        self._stays = _grouped(stays, attrgetter("id"))
        self._there = _grouped(stays, attrgetter("station"))
        self._sensors = _grouped(sorted(sensors, key=_start), attrgetter("station"))
        self._beside = _beside(self.stations.values())

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return every node that has a place now or had one before."""
        return tuple(self._stays)

    def knows(self, node: str) -> bool:
        """Return whether frames of `node` are ours to keep: a node that was taken down may still deliver its backlog."""
        return node in self._stays

    def placements(self, node: str) -> tuple[Placement, ...]:
        """Return where `node` stood, in order of time."""
        return self._stays.get(node, ())

    def place_of(self, node: str, at_ms: int) -> Placement | None:
        """Return the placement of `node` at `at_ms`, None when it had no place then."""
        stays = self._stays.get(node)
        if stays is None:
            return None
        found = stays[0] if len(stays) == 1 else stays[bisect_right(stays, at_ms, key=_start) - 1]
        return found if found.start_ms <= at_ms < found.end_ms else None

    def station_of(self, node: str, at_ms: int) -> Station | None:
        """Return where `node` stood at `at_ms`, with the figures of then; None when it had no place."""
        place = self.place_of(node, at_ms)
        return None if place is None else self.station(place.station, at_ms)

    def station(self, name: str, at_ms: int) -> Station | None:
        """Return a station with the figures that held at `at_ms`, None when there is no such station."""
        epochs = self._epochs.get(name)
        if epochs is None:
            return self.stations.get(name)
        return epochs[max(0, bisect_right(epochs, at_ms, key=_start) - 1)].station

    def epochs(self, name: str) -> tuple[Epoch, ...]:
        """Return the figures of a station through time, in order; () when there is no such station."""
        if name in self._epochs:
            return self._epochs[name]
        return (Epoch(EVER_MS, self.stations[name]),) if name in self.stations else ()

    def nodes_at(self, station: str, at_ms: int) -> tuple[str, ...]:
        """Return the nodes that stood at `station` at `at_ms`."""
        return tuple(place.id for place in _at(self._there.get(station, ()), at_ms))

    def placements_at(self, station: str) -> tuple[Placement, ...]:
        """Return every node that stood at `station`, in order of time."""
        return self._there.get(station, ())

    def sensors_at(self, station: str, at_ms: int) -> tuple[Sensor, ...]:
        """Return the sensors of `station` at `at_ms`."""
        return tuple(_at(self._sensors.get(station, ()), at_ms))

    def sensors_of(self, station: str) -> tuple[Sensor, ...]:
        """Return the sensors that `station` has or had, in order of time."""
        return self._sensors.get(station, ())

    def beside(self, station: str) -> tuple[str, ...]:
        """Return the stations that can confirm `station`: neighbours, next upstream, next downstream.

        It is enough that one of two names the other.
        """
        return self._beside.get(station, ())


def _beside(stations: Iterable[Station]) -> dict[str, tuple[str, ...]]:
    near: dict[str, dict[str, None]] = defaultdict(dict)
    for station in stations:
        for other in (*station.neighbours, *([station.downstream] if station.downstream else [])):
            near[station.id][other] = near[other][station.id] = None
    return {name: tuple(others) for name, others in near.items()}


def _grouped(items: Iterable[_P], of: attrgetter[str]) -> dict[str, tuple[_P, ...]]:
    groups: dict[str, list[_P]] = defaultdict(list)
    for item in items:
        groups[of(item)].append(item)
    return {name: tuple(group) for name, group in groups.items()}


def _at(periods: Iterable[_P], at_ms: int) -> Iterator[_P]:
    return (period for period in periods if period.start_ms <= at_ms < period.end_ms)


def _epochs(
    station: Station, calibrations: Iterable[Calibration], thresholds: Iterable[Threshold]
) -> tuple[Epoch, ...]:
    """Return the figures of `station` from each instant at which something in them changes."""
    periods: list[Calibration | Threshold] = [*calibrations, *thresholds]
    cuts = sorted({EVER_MS} | {p.start_ms for p in periods} | {p.end_ms for p in periods if p.end_ms < NEVER_MS})
    return tuple(Epoch(cut, _figures(station, calibrations, thresholds, cut)) for cut in cuts)


def _figures(
    station: Station, calibrations: Iterable[Calibration], thresholds: Iterable[Threshold], at_ms: int
) -> Station:
    valid = sorted(_at(calibrations, at_ms), key=attrgetter("version"))
    figures = {name: value for c in valid for name in FIGURES if (value := getattr(c, name)) is not None}
    limits = tuple(sorted(_at(thresholds, at_ms), key=attrgetter("property", "value", "name")))
    return replace(station, calibrations=tuple(c.version for c in valid), thresholds=limits, **figures)

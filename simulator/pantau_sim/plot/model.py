"""What a plot shows, as values: made by gather.py from a run, drawn by picture.py and page.py. Times are Unix ms UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["alert", "fault", "ailment", "client"]


class Judged(NamedTuple):
    """A reading of the platform with its QARTOD flag; `value` is None when missing. `late`: it waited in a node's outbox."""

    at_ms: int
    value: float | None
    quality: int
    reason: str
    late: bool = False


class Band(NamedTuple):
    """Something that goes on for a time. `severity` is an alert's, else 0; `past`: it tells of a backlog."""

    start_ms: int
    end_ms: int
    severity: int = 0
    past: bool = False


class Lane(NamedTuple):
    """Bands of one name on one line."""

    kind: Kind
    name: str
    bands: tuple[Band, ...]


class Event(NamedTuple):
    """One line of the table. `text` is in the chart's language."""

    at_ms: int
    station: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity at one station: `what` and `unit` are keys of words.py; truth and node are (ms, value)."""

    what: str
    unit: str
    truth: tuple[tuple[int, float], ...]
    node: tuple[tuple[int, float], ...]
    judged: tuple[Judged, ...]
    limits: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A station with its panels and what happened there."""

    id: str
    title: str
    panels: tuple[Panel, ...]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """All of it. `lanes` are those of the whole city."""

    title: str
    name: str
    seed: int
    start_ms: int
    end_ms: int
    places: tuple[Place, ...]
    lanes: tuple[Lane, ...]
    events: tuple[Event, ...]

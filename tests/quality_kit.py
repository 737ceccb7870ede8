"""Frames for quality control: columns of raw integers, an assessor over a station, and what it said last of each reading."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from built import T0_S, records
from pantau.decode import Decoder
from pantau.quality.assessor import Assessor
from pantau_wire import names as T

IDS = {row[0]: number for number, row in T.PROPERTIES.items()}


@dataclass(frozen=True)
class Stand:
    """A station with everything that quality control may ask for."""

    id: str = "jembatan-1"
    sensor_height_m: float | None = None
    tip_mm: float | None = None
    flood: Any = None
    rain: Any = None
    road: Any = None
    air: Any = None
    latitude: float | None = None
    longitude: float | None = None
    thresholds: tuple = ()

    def level_m(self, distance_m):
        return None if self.sensor_height_m is None else self.sensor_height_m - distance_m


@dataclass
class Stands:
    """A registry: node -> station, everyone else at the first one."""

    places: list = field(default_factory=lambda: [Stand()])
    nodes: dict = field(default_factory=dict)

    def __post_init__(self):
        self.stations = {place.id: place for place in self.places}

    def station_of(self, node, at_ms):
        return self.stations[self.nodes[node]] if node in self.nodes else self.places[0]


class City:
    """An assessor, and by key what a sink would hold after revisions."""

    def __init__(self, *places, nodes=None, state=None):
        self.registry = Stands(list(places) or [Stand()], nodes or {})
        self.decoder = Decoder(self.registry)
        self.assessor = Assessor(self.registry, state)
        self.held = {}
        self.seq = 0

    def decoded(self, columns, **given):
        """Return a frame as the decoder hands it over; columns by name: raws, or (raws, quality codes)."""
        return self.decoder.decode(records({IDS[name]: raws for name, raws in columns.items()}, **given))

    def take(self, decoded):
        said = self.assessor.assess(decoded)
        for seen in said.observations:
            self.held[seen.key] = seen
        for key, quality, reason, tests, at in said.revisions:
            assert key in self.held, key
            self.held[key] = replace(self.held[key], quality=quality, reason=reason, tests=tests, observed_at_ms=at)
        assert not self.assessor.defects, self.assessor.last_defect
        return said

    def feed(self, *, size=15, start_s=T0_S, step_s=60, codes=None, **columns):
        """Assess series of raws, in frames of `size` records; return what each frame gave."""
        out = []
        n = len(next(iter(columns.values())))
        for at in range(0, n, size):
            self.seq += 1
            part = {name: raws[at : at + size] for name, raws in columns.items()}
            for name, marks in (codes or {}).items():
                part[name] = (part[name], marks[at : at + size])
            frame = {"seq": self.seq, "base_s": start_s + at * step_s, "interval_s": step_s}
            out.append(self.take(self.decoded(part, **frame)))
        return out

    def of(self, name, node="flood-01"):
        """Return what is held of a property, in order of time."""
        rows = [o for o in self.held.values() if o.property == name and o.node == node]
        return sorted(rows, key=lambda o: (o.observed_at_ms, o.key))

    def flags(self, name, test, **given):
        """Return the flags of one test, 9 for a missing reading."""
        return [flag_of(seen, test) for seen in self.of(name, **given)]


def flag_of(seen, test):
    tests = dict(part.split("=") for part in seen.tests.split())
    return int(tests[test]) if tests else 9

"""What all ailments share: a span of time, a measure, and noise that depends on the instant alone.

An ailment sits between the world and an emulator. The bytes that come of it are faultless; only what they say is wrong.
So truth stays truth, and a score can compare.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, ClassVar, Protocol

from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.scenario.plan import Span
    from pantau_sim.sensors.base import Pass

DISTANCE = frozenset({"water_distance"})
PARTICLES = frozenset({"pm1", "pm2_5", "pm4", "pm10", "particles_0_3"})
RAIN = frozenset({"rain_rate", "rain_accumulated"})
NO_ECHO_M = 99.0  # beyond what any ultrasonic hears: its emulator tells of a lost echo in its own way
_TICK_S = 0.05  # noise is another in each: no sensor here measures more often than every 100 ms
_UTC_OFFSET_H = 7  # western Indonesia
_GRID = 6  # decimals that values keep: the last bits of libm differ between machines


class Truth(Protocol):
    """What emulators ask: a property at an instant (Unix s), and the vehicles that pass in (t0_s, t1_s]."""

    def __call__(self, name: str, t_s: float, /) -> float:
        """Value in the property's unit."""

    def passes(self, t0_s: float, t1_s: float, /) -> list[Pass]:
        """Vehicles in order of their time."""


class Ailment:
    """One span of one ailment over the truth of one station. A subclass says what it changes, and how.

    Values are a pure function of seed, span and instant: whatever was asked before, and in which process.
    """

    ABOUT: ClassVar[str]  # one line for people; its figures are those of strength 1
    DOMAIN: ClassVar[str]
    CHANGES: ClassVar[frozenset[str]]  # the properties of the truth; "passes" for vehicles
    LASTS: ClassVar[bool] = False  # what it did stays in the value afterwards: a sum that missed something

    def __init__(self, truth: Truth, span: Span, seed: int) -> None:
        self.truth = truth
        self.strength = span.strength
        self.start_s, self.end_s = span.start_us / 1e6, span.end_us / 1e6
        self._key = (seed, zlib.crc32(f"{span.kind}/{span.station or ''}".encode()), span.start_us)
        self.setup(Prng(*self._key))

    def setup(self, rng: Prng) -> None:
        """Draw what is one for the whole span."""

    def __call__(self, name: str, t_s: float) -> float:
        """Value of a property with this ailment alone."""
        value = self.truth(name, t_s)
        return self.change(name, t_s, value) if name in self.CHANGES and self.covers(t_s) else value

    def passes(self, t0_s: float, t1_s: float) -> list[Pass]:
        """Vehicles with this ailment alone."""
        vehicles = self.truth.passes(t0_s, t1_s)
        if "passes" not in self.CHANGES:
            return vehicles
        told = (self.seen(vehicle) if self.covers(vehicle[0]) else vehicle for vehicle in vehicles)
        return [vehicle for vehicle in told if vehicle is not None]

    def change(self, _name: str, _t_s: float, value: float) -> float:
        """Return what is seen in place of `value`; asked within the span only, and where it LASTS from its start on."""
        return value

    def seen(self, vehicle: Pass) -> Pass | None:
        """Return what is seen of a vehicle, None for nothing."""
        return vehicle

    def covers(self, t_s: float) -> bool:
        """Return whether the ailment shows at t_s."""
        return self.start_s <= t_s and (self.LASTS or t_s < self.end_s)

    def progress(self, t_s: float) -> float:
        """Return how much of the span is over, 0..1: what wears, wears evenly."""
        return min(1.0, max(0.0, (t_s - self.start_s) / (self.end_s - self.start_s)))

    def noise(self, t_s: float) -> Prng:
        """Return random numbers of this span and instant."""
        return Prng(*self._key, int(t_s / _TICK_S))


def among(lot: float, rows: Sequence[tuple[float, float, float]]) -> float:
    """Return what a lot in [0, 1) draws of rows (share, least, most), evenly within a row."""
    for share, least, most in rows:
        if lot < share:
            return least + (most - least) * lot / share
        lot -= share
    return rows[-1][2]


def grid(value: float) -> float:
    """Return a value that is the same on machines whose sin and exp differ in the last bit."""
    return round(value, _GRID)


def sunshine(t_s: float) -> float:
    """Return the height of the sun near the equator by the local hour, 0 at night to 1 at noon: a parabola, as good as a sine."""
    hour = (t_s / 3600 + _UTC_OFFSET_H) % 24
    return max(0.0, 1 - ((hour - 12) / 6) ** 2)

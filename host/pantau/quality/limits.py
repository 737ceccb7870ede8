"""The default limits of each observed property, as data (docs/quality.md shows the same table). Stations may override them.

Sources: WMO = CBS/OPAG-IOS ET AWS-1 Doc. 9(2) as quoted by ZAMG; FloodNet = flood-filters; AirGradient = its open
firmware; P = proposed here until a year of local data says better.
"""

from __future__ import annotations

from typing import NamedTuple

_H = 3600.0
_INF = float("inf")
Span = tuple[float, float]


class Limits(NamedTuple):
    """Limits of one property in its unit; None switches a test off. Rates are per second, times seconds.

    A series is flat while it stays within less than `flat_tolerance`; above `flat_above` it may.
    """

    fail: Span | None = None
    suspect: Span | None = None
    rate: float | None = None
    rate_fail: float | None = None
    spike: float | None = None
    spike_fail: float | None = None
    flat_s: float | None = None
    flat_fail_s: float | None = None
    flat_tolerance: float = 0.0
    flat_above: float = _INF
    source: str = "P"

    @property
    def has_neighbours(self) -> bool:
        """Whether a test of these needs other readings of the series."""
        return self.rate is not None or self.spike is not None or self.flat_s is not None


_MASS = Limits((0, 1000), source="AirGradient")
_SPEED = Limits((0, 120), (5, 100), source="LD2451 manual; P")

BY_PROPERTY: dict[str, Limits] = {
    "water_distance": Limits(
        (0, 20), None, 0.0042, None, 0.06, 0.2, 6 * _H, 24 * _H, 0.0005, source="FloodNet (rate); P"
    ),
    "water_distance_corrected": Limits((0, 20)),
    "water_level": Limits(None, None, 0.0015, None, 0.06, 0.2, 6 * _H, 24 * _H, 0.0005),
    "water_depth": Limits((-0.05, 20), None, 0.0015),
    "vehicle_speed_mean": _SPEED._replace(flat_s=_H, flat_tolerance=0.05),
    "vehicle_speed_85": _SPEED,
    "occupancy": Limits((0, 100), source="by definition"),
    "pm1": _MASS,
    "pm2_5": Limits(
        (0, 1000), (1, 500), 200 / 60, None, 100, 300, _H, 6 * _H, 0.05, source="AirGradient (range); P"
    ),
    "pm4": _MASS,
    "pm10": _MASS,
    "air_temperature": Limits(
        (-40, 85), (18, 42), 3 / 60, None, 3, 6, 3 * _H, None, 0.1, source="WMO (rate); P"
    ),
    "relative_humidity": Limits(
        (0, 104), (25, 100), 10 / 60, None, 10, 20, 12 * _H, None, 1.0, 97, source="WMO (rate); P"
    ),
    "air_pressure": Limits(
        (630, 1060), (995, 1020), 0.5 / 60, None, 1, 3, 6 * _H, None, 0.1, source="WMO (range); P, at sea level"
    ),
    "co2": Limits(
        (0, 10_000), (380, 2000), 500 / 60, None, 200, 1000, 6 * _H, None, 0.5, source="AirGradient (range); P"
    ),
}  # fmt: skip

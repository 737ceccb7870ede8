"""registry.toml: the stations of a city, which node stood where, when, and which figures were valid there then."""

from pantau.registry.file import load, read
from pantau.registry.model import EVER_MS, NEVER_MS, Calibration, Placement, Registry, Sensor, Station, Threshold

__all__ = [
    "EVER_MS", "NEVER_MS", "Calibration", "Placement", "Registry", "Sensor", "Station", "Threshold", "load", "read",
]  # fmt: skip

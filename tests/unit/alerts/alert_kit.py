"""A small city, frames as they come after quality control, and rules in a few words."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pantau.alerts import files
from pantau.alerts.engine import Engine
from pantau.decode import Decoded
from pantau.model import Observation, Revision
from pantau.registry.model import Placement, Registry, Station

T0 = 1_800_000_000_000
MINUTE = 60_000
GOOD, UNKNOWN, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
UNITS = {"rain_amount": "mm", "rain_intensity_15min": "mm/h"}

LEVEL = """
[[rule]]
id = "level"
kind = "threshold"
name = "Water level"
name_id = "Tinggi muka air"
property = "water_level"
readings = 1
of = 1
qualities = ["good"]
hysteresis = 0.05
clear_s = 120
same_event_s = 0
levels = [
  {value = 1.0, severity = "minor", name = "Waspada"},
  {value = 1.5, severity = "moderate", name = "Siaga"},
  {value = 2.0, severity = "severe", name = "Awas"},
]
"""

ALARM = (
    LEVEL
    + """
[[rule]]
id = "alarm"
kind = "node_alarm"
name = "Alarm"
name_id = "Alarm"
confirmed_by = ["level"]
clear_s = 120
"""
)


def rules(text: str):
    return files.check(Path("alerts.toml"), tomllib.loads(text))


def city(*names: str, interval_s: int = 60, **more) -> Registry:
    """Stations a, b, ... a kilometre apart along a river, with node na at a and so on."""
    stations = [
        Station(
            id=name, name=f"Kali {name}", domain="flood", latitude=-6.2, longitude=106.6 + 0.009 * index,
            report_interval_s=interval_s, **more,
        )
        for index, name in enumerate(names or ("a",))
    ]  # fmt: skip
    return Registry(stations, [Placement(f"n{s.id}", s.id) for s in stations])


def engine(text: str = LEVEL, registry: Registry | None = None, state=None) -> Engine:
    return Engine(rules(text), registry or city(), state)


class Feed:
    """Makes the frames of a city in the order of the log."""

    def __init__(self) -> None:
        self.id = 0
        self.seqs: dict[tuple[str, int], int] = {}

    def frame(
        self, station="a", *, at, values=(), name="water_level", quality=GOOD, alarm=False, received=None,
        every=MINUTE, boot=1, dated=True, clock=3, reason="ok", **more,
    ) -> Decoded:  # fmt: skip
        """`values` end at `at`, one each `every` ms: numbers, or (number, quality)."""
        node = f"n{station}"
        self.id += 1
        seq = self.seqs[node, boot] = self.seqs.get((node, boot), -1) + 1
        received = at if received is None else received
        pairs = [v if isinstance(v, tuple) else (v, quality) for v in values]
        rows = tuple(
            Observation(
                node, boot, seq, index, name, value, UNITS.get(name, "m"), flag, reason,
                at - (len(pairs) - 1 - index) * every if dated else None,
                None if dated else at - T0 - (len(pairs) - 1 - index) * every, clock if dated else 0, received, station,
            )
            for index, (value, flag) in enumerate(pairs)
        )  # fmt: skip
        more.setdefault("alarm", alarm)
        return Decoded(self.id, node, boot, seq, received, rows, clock=clock, **more)

    def health(self, station="a", *, at, received=None, **fields) -> Decoded:
        return self.frame(station, at=at, received=received, alarm=None, health={"utc_ms": at} | fields)


def failed(frame: Decoded, index: int, quality: int = FAIL, reason: str = "spike") -> Revision:
    seen = frame.observations[index]
    return Revision(seen.key, quality, reason, f"{reason}={quality}", seen.observed_at_ms)


def told(decisions) -> list[str]:
    """Decisions in short: "open a:minor", with ! for unconfirmed, ? for muted, < for past."""
    short = []
    for made in decisions:
        alert = getattr(made, "decision", made).alert
        action = getattr(made, "decision", made).action
        marks = ("" if alert.confirmed else "!") + ("?" if alert.muted else "") + ("<" if alert.past else "")
        severity = ("none", "minor", "moderate", "severe", "extreme")[alert.severity]
        short.append(f"{action} {alert.station}:{severity}{marks}")
    return short


def run(engine, series, *, name="water_level", station="a", feed=None, start=T0, **more):
    """One frame a minute with one value each."""
    feed = feed or Feed()
    out = []
    for index, value in enumerate(series):
        at = start + index * MINUTE
        out += engine.observe(feed.frame(station, at=at, values=[value], name=name, **more))
    return out

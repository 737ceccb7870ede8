"""Frames as a node would build them, and a small registry: what host tests are fed with."""

from __future__ import annotations

from dataclasses import dataclass

from pantau.model import StoredFrame
from pantau_wire import frame
from pantau_wire import names as T

KEY = bytes(32)
T0_S = 1_795_000_000  # a Unix second in November 2026
T0_MS = T0_S * 1000


@dataclass(frozen=True)
class Place:
    """A station with the figures that derivation needs."""

    id: str = "cisadane-pintu-10"
    sensor_height_m: float | None = 6.5
    tip_mm: float | None = 0.2

    def level_m(self, distance_m: float) -> float | None:
        return None if self.sensor_height_m is None else self.sensor_height_m - distance_m


@dataclass(frozen=True)
class Places:
    """A registry in which every node stands at one place, or nowhere."""

    place: Place | None = None

    def station_of(self, node: str, at_ms: int) -> Place | None:
        return self.place


def _stored(f: frame.Frame, node: str, ident: int | None, received_ms: int) -> StoredFrame:
    payload = frame.encode(f, node, KEY)
    return StoredFrame(f.seq if ident is None else ident, node, f.boot, f.seq, received_ms, payload)


def records(
    columns: dict, *, node="flood-01", boot=1, seq=1, base_s=T0_S, clock=3, interval_s=60, alarm=False, ident=None,
    received_ms=None,
) -> StoredFrame:  # fmt: skip
    """Return a stored records frame; a column is a list of raws or (raws, quality codes)."""
    f = frame.Frame(T.K_RECORDS)
    f.boot, f.seq, f.base_s, f.clock, f.interval_s, f.alarm = boot, seq, base_s, clock, interval_s, alarm
    f.columns = {number: (c if isinstance(c, tuple) else (c, None)) for number, c in columns.items()}
    f.count = len(next(iter(f.columns.values()))[0])
    last_ms = 1000 * (base_s + interval_s * (f.count - 1)) if clock else T0_MS
    return _stored(f, node, ident, last_ms + 500 if received_ms is None else received_ms)


def health(fields: dict, *, node="flood-01", boot=1, seq=1, clock=3, ident=None, received_ms=T0_MS) -> StoredFrame:
    """Return a stored health frame."""
    f = frame.Frame(T.K_HEALTH)
    f.boot, f.seq, f.clock, f.base_s, f.fields = boot, seq, clock, T0_S, fields
    return _stored(f, node, ident, received_ms)

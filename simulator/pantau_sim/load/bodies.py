"""What load frames say: columns of 15 one-minute records as flood, traffic and air stations send them, encoded once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = 15
INTERVAL_S = 60
VARIANTS = 128  # of each domain
DOMAINS = ("flood", "traffic", "air")
_MISSING_SHARE = 8  # in every eighth variant the main sensor misses one reading
_HEAD = 9  # bytes before the columns in _encode's frame: two of flags, boot, seq, four of base, profile
Column = tuple[list[int | None], list[int] | None]


class Body(NamedTuple):
    """The columns of a frame, decoded and encoded."""

    columns: dict[int, Column]
    data: bytes


def _walk(rng: random.Random, start: int, step: int, low: int, high: int) -> list[int | None]:
    value, out = start, []
    for _ in range(RECORDS):
        value = max(low, min(high, value + rng.randint(-step, step)))
        out.append(value)
    return list(out)


def _counts(rng: random.Random, mean: float) -> list[int | None]:
    return [max(0, round(rng.gauss(mean, mean**0.5))) for _ in range(RECORDS)]


def _flood(rng: random.Random) -> dict[int, list[int | None]]:
    wet = rng.random() < 0.2
    return {
        T.WATER_DISTANCE: _walk(rng, rng.randint(800, 5200), 6, 250, 5900),
        T.WATER_DISTANCE_SPREAD: _walk(rng, 2, 1, 0, 12),
        T.WATER_DISTANCE_N: [7] * RECORDS,
        T.RAIN_TIPS: _counts(rng, 2.0) if wet else [0] * RECORDS,
        T.AIR_TEMPERATURE: _walk(rng, rng.randint(2400, 3300), 5, 2200, 3600),
        T.RELATIVE_HUMIDITY: _walk(rng, rng.randint(5500, 9500), 20, 4500, 10000),
    }


def _traffic(rng: random.Random) -> dict[int, list[int | None]]:
    busy = rng.choice((4.0, 18.0, 35.0))
    return {
        T.VEHICLE_COUNT_APPROACHING: _counts(rng, busy),
        T.VEHICLE_COUNT_RECEDING: _counts(rng, busy * 0.8),
        T.VEHICLE_SPEED_MEAN: _walk(rng, rng.randint(150, 450), 30, 80, 600),
        T.VEHICLE_SPEED_85: _walk(rng, rng.randint(460, 600), 30, 300, 800),
        T.OCCUPANCY: _walk(rng, rng.randint(50, 400), 30, 0, 1000),
        T.PULSE_COUNT: _counts(rng, busy * 1.5),
    }


def _air(rng: random.Random) -> dict[int, list[int | None]]:
    pm = rng.randint(100, 1200)
    return {
        T.PM1: _walk(rng, pm * 6 // 10, 12, 0, 5000),
        T.PM2_5: _walk(rng, pm, 15, 0, 5000),
        T.PM10: _walk(rng, pm * 13 // 10, 20, 0, 6000),
        T.PARTICLES_0_3: _walk(rng, rng.randint(2000, 9000), 100, 300, 20000),
        T.PM2_5_SPREAD: _walk(rng, 8, 3, 0, 60),
        T.PM_N: [60] * RECORDS,
        T.AIR_TEMPERATURE: _walk(rng, rng.randint(2400, 3300), 5, 2200, 3600),
        T.RELATIVE_HUMIDITY: _walk(rng, rng.randint(5500, 9500), 20, 4500, 10000),
        T.AIR_PRESSURE: _walk(rng, 100_800, 3, 99_800, 101_800),
    }


_MAKERS: dict[str, Callable[[random.Random], dict[int, list[int | None]]]] = {
    "flood": _flood,
    "traffic": _traffic,
    "air": _air,
}


def _encode(columns: dict[int, Column]) -> bytes:
    """Return the columns as the wire codec writes them behind a header."""
    f = wire.Frame(T.K_RECORDS)
    f.boot = f.seq = f.profile = 1
    f.clock, f.count, f.interval_s = 3, RECORDS, INTERVAL_S
    f.columns = columns
    return bytes(wire.encode(f, "n", bytes(32))[_HEAD : -tag.SIZE])


def variants(domain: str, seed: int, count: int = VARIANTS) -> tuple[Body, ...]:
    """Return `count` bodies of a domain that follow from the seed."""
    rng = random.Random(f"{domain} {seed}")
    out = []
    for number in range(count):
        columns: dict[int, Column] = {ident: (values, None) for ident, values in _MAKERS[domain](rng).items()}
        if number % _MISSING_SHARE == 0:
            ident, at = next(iter(columns)), rng.randrange(RECORDS)
            values = list(columns[ident][0])
            codes = [0] * RECORDS
            values[at], codes[at] = None, wire.quality(T.R_TIMEOUT)
            columns[ident] = (values, codes)
        out.append(Body(columns, _encode(columns)))
    return tuple(out)

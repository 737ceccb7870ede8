"""Series of a flood node for benchmarks: read from CSV, or generated from a seed in the same form."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

COLUMNS = ("unix_s", "distance_mm", "rain_tips", "battery_mv", "rssi_dbm")
START_S = 1700000000
DRY_MM = 3000


class Sample(NamedTuple):
    """One record of the series: Unix seconds, millimetres to the water, bucket tips since the record before."""

    unix_s: int
    distance_mm: int
    rain_tips: int
    battery_mv: int = 0
    rssi_dbm: int = 0


class Batch(NamedTuple):
    """What one message carries: the records, the message's number, the sampling interval."""

    records: Sequence[Sample]
    seq: int
    interval_s: int


def read(path: Path) -> list[Sample]:
    """Read a CSV with the columns of COLUMNS (the last two may be absent); ValueError names file and line that are wrong."""
    try:
        return _read(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV text file: {error}") from None


def _read(path: Path) -> list[Sample]:
    samples: list[Sample] = []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS[:3] if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}; the first line must name {', '.join(COLUMNS)}")
        for row in rows:
            try:
                sample = Sample(*(int(row.get(name) or 0) for name in COLUMNS))
            except ValueError:
                raise ValueError(f"{path}, line {rows.line_num}: every value must be a whole number") from None
            if not (0 <= sample.unix_s < 1 << 32 and 0 <= sample.distance_mm < 1 << 16 and 0 <= sample.rain_tips < 256):
                raise ValueError(f"{path}, line {rows.line_num}: out of range: {sample}")
            samples.append(sample)
    if not samples:
        raise ValueError(f"{path}: no rows")
    return samples


def generate(
    seed: int, days: int = 7, interval_s: int = 60, noise_mm: float = 2.0, off_share: float = 0.02, storms: int = 3
) -> list[Sample]:
    """Make a series: storms, daily swing, Gaussian noise of `noise_mm`, `off_share` of the time stamps off by a second."""
    rng = Random(seed)
    count = days * 86400 // interval_s
    peaks = [(rng.randrange(count), rng.uniform(400, 1300), rng.uniform(60, 240)) for _ in range(storms)]
    samples = []
    for i in range(count):
        swing = 2.0 * math.sin(2 * math.pi * i * interval_s / 86400)
        rise = sum(_storm(i - start, height, length) for start, height, length in peaks)
        off = rng.choice((-1, 1)) if rng.random() < off_share else 0
        samples.append(
            Sample(
                START_S + i * interval_s + off,
                round(DRY_MM + swing - rise + rng.gauss(0, noise_mm)),
                sum(_tips(rng, i - start, length) for start, _, length in peaks),
                3900 - 10 * (i * 40 // count),
                -67 + round(rng.gauss(0, 2)),
            )
        )
    return samples


def _storm(age: float, height: float, length: float) -> float:
    """Return how far the water has risen `age` records after the rain began: fast up, slowly down."""
    return 0.0 if age <= 0 else height * (age / length) * math.exp(1 - age / length)


def _tips(rng: Random, age: float, length: float) -> int:
    if not 0 <= age < length:
        return 0
    return max(0, round(rng.gauss(3 * math.sin(math.pi * age / length), 1)))


def batches(samples: Sequence[Sample], size: int) -> list[Batch]:
    """Cut a series into batches of `size` records, seq rising from 1; the last one may be shorter."""
    steps = Counter(b.unix_s - a.unix_s for a, b in itertools.pairwise(samples))
    interval_s = steps.most_common(1)[0][0] if steps else 60
    return [Batch(samples[i : i + size], seq, interval_s) for seq, i in enumerate(range(0, len(samples), size), 1)]

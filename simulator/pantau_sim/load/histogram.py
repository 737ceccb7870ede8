"""Latencies, in buckets that grow with the value: bounded memory, percentiles that are never told too low. I/O-free."""

from __future__ import annotations

import math
from collections import Counter

_STEPS = 64  # buckets per doubling: a percentile is told at most 1.1 % too high
_LEAST_S = 1e-6
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_BAR = 50
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Histogram:
    """Seconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.greatest_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self._buckets[math.ceil(math.log2(max(seconds, _LEAST_S)) * _STEPS)] += 1
        self.count += 1
        self.greatest_s = max(self.greatest_s, seconds)

    def quantile_s(self, share: float) -> float:
        """Return the upper edge of the bucket that holds this share of all; 0 when nothing was counted."""
        rank, seen = share * self.count, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return float(min(2 ** (bucket / _STEPS), self.greatest_s))
        return self.greatest_s

    def figures_ms(self) -> dict[str, float]:
        """Return the percentiles and the maximum in milliseconds."""
        figures = {name: round(1000 * self.quantile_s(share), 3) for name, share in QUANTILES.items()}
        return figures | {"max": round(1000 * self.greatest_s, 3)}

    def lines(self) -> list[str]:
        """Return a picture: a row for each doubling, from the first that holds anything to the last."""
        rows: Counter[int] = Counter()
        for bucket, count in self._buckets.items():
            rows[math.ceil(bucket / _STEPS)] += count
        if not rows:
            return ["nothing came"]
        most = max(rows.values())
        out = []
        for row in range(min(rows), max(rows) + 1):
            eighths = math.ceil(8 * _BAR * rows[row] / most)
            bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
            edge = 1000 * 2.0**row
            label = f"≤ {edge:.0f} ms" if edge > 100 else f"≤ {edge:.3g} ms"
            out.append(f"{label:>12} {rows[row]:9} {bar}".rstrip())
        return out

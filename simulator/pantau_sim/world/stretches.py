"""Where a smooth quantity is above a level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def stretches(
    value: Callable[[float], float], begins_at: float, ends_below: float, window_s: tuple[float, float], scan_s: float
) -> list[tuple[float, float]]:
    """Return (start, end) in whole seconds: it has reached `begins_at` at the start and is below `ends_below` at the end, or the window ends.

    Looks every `scan_s`, between which `value` is taken for straight.
    """
    t0_s, t1_s = window_s
    found: list[tuple[float, float]] = []
    start: float | None = None
    before_s, before = t0_s, value(t0_s)
    if before >= begins_at:
        start = t0_s
    steps = math.ceil((t1_s - t0_s) / scan_s)
    for k in range(1, steps + 1):
        now_s = min(t1_s, t0_s + k * scan_s)
        now = value(now_s)
        if start is None and now >= begins_at:
            start = _second(before_s, before, now_s, now, begins_at)
        elif start is not None and now < ends_below:
            found.append((start, _second(before_s, before, now_s, now, ends_below)))
            start = None
        before_s, before = now_s, now
    if start is not None:
        found.append((start, t1_s))
    return found


def _second(t0_s: float, v0: float, t1_s: float, v1: float, level: float) -> float:
    """The first whole second, from t0_s on, at which the straight line from v0 to v1 has come to `level`."""
    return min(t1_s, t0_s + math.ceil((level - v0) / (v1 - v0) * (t1_s - t0_s) - 1e-9))

"""When to try again: decorrelated jitter, so that a city of clients does not come back in step.

Source: M. Brooker, "Exponential Backoff And Jitter" (2015): next = min(cap, uniform(base, 3 * previous)).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waiting times in seconds. A success shorter than `settled_s` does not count: it would restart a storm."""

    base_s: float = 0.5
    cap_s: float = 30.0
    settled_s: float = 10.0
    rng: random.Random = field(default_factory=random.Random)
    _last_s: float = 0.0

    def next(self) -> float:
        """Return how long to wait before the next try."""
        self._last_s = min(self.cap_s, self.rng.uniform(self.base_s, 3 * max(self.base_s, self._last_s)))
        return self._last_s

    def worked(self, lasted_s: float) -> None:
        """Note that a try succeeded and for how long; start over when that was long enough."""
        if lasted_s >= self.settled_s:
            self._last_s = 0.0

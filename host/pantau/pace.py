"""How long to let messages gather under load before reading on: a read of many costs little more than a read of one. I/O-free.

Sixty-four connections at 50,000 messages a second, each read as soon as it has something, are a system call or two for
every message, here and at the broker. Network cards have moderated their interrupts for the same reason for decades.
"""

from __future__ import annotations

_BUSY = 10_000.0  # messages a second; below that every message is read at once
_EACH, _MOST_EACH = 8, 20  # messages a connection that a pause is to gather
MOST_S = 0.05
_MEMORY_S = 0.2  # over which the rate is smoothed


class Pace:
    """Follows the rate. Times are any monotonic seconds."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._each = _EACH
        self._rate = 0.0
        self._at: float | None = None

    def use_window(self, window: int) -> None:
        """Gather what a window of so many messages a connection lets come, and never all of it: the broker would wait."""
        self._each = max(1, min(_MOST_EACH, window // 2))

    @property
    def busy(self) -> bool:
        """Return whether the rate is one at which reading moderates itself."""
        return self._rate >= _BUSY

    def pause_s(self, messages: int, now: float) -> float:
        """Return how long not to read, after `messages` were taken at `now`."""
        if self._at is None or now <= self._at:
            self._at = now
            return 0.0
        over_s = now - self._at
        share = min(1.0, over_s / _MEMORY_S)
        self._rate += (messages / over_s - self._rate) * share
        self._at = now
        if not self.busy:
            return 0.0
        return min(MOST_S, self._connections * self._each / self._rate)

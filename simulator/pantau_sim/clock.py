"""Where a simulated node's time comes from."""

import time


class RealClock:
    """Unix microseconds that never step: the wall clock once, the monotonic clock from then on."""

    virtual = False

    def __init__(self) -> None:
        self._offset_us = time.time_ns() // 1000 - time.monotonic_ns() // 1000

    def now_us(self) -> int:
        """Unix time in us."""
        return self._offset_us + time.monotonic_ns() // 1000


class VirtualClock:
    """Unix microseconds that only a scheduler moves; start_s is an arbitrary but fixed date (1 Jan 2026, 00:00 UTC)."""

    virtual = True

    def __init__(self, start_s: int = 1767225600) -> None:
        self._now_us = start_s * 1000000

    def now_us(self) -> int:
        """Unix time in us."""
        return self._now_us

    def advance_to(self, t_us: int) -> None:
        """Move on; ValueError for a step back."""
        if t_us < self._now_us:
            raise ValueError(f"virtual time cannot go back from {self._now_us} to {t_us} us")
        self._now_us = t_us


Clock = RealClock | VirtualClock

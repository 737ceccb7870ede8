"""Tipping-bucket rain gauge: a reed closes for some 100 ms at each tip (facts/sensors.md 1.1 e, 1.5).

Bounce comes within 20 ms of the closing edge. Truth `rain_accumulated` in mm, never falling.
"""

from .base import Prng, PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

TIP_MM = 0.2
CLOSED_US = 100000
_BOUNCE_US = 20000


class Emulator(PulseEmulator):
    """A bucket of tip_mm; `bounce` is the largest number of extra closings per tip."""

    MODEL = "tipping_bucket"

    def __init__(self, truth: "Truth", seed: int = 0, *, tip_mm: float = TIP_MM, bounce: int = 2):
        self._truth = truth
        self._seed = seed
        self._tip_mm = tip_mm
        self._bounce = bounce
        self._later: list[tuple[int, int]] = []

    def tips(self, t0_us: int, t1_us: int) -> "list[int]":
        """Instants (us, whole ms) of the tips in (t0_us, t1_us]; the same for any split into windows."""
        out = []
        low = self._count(t0_us // 1000)
        high = self._count(t1_us // 1000)
        for k in range(low + 1, high + 1):
            a, b = t0_us // 1000, t1_us // 1000
            while b - a > 1:
                middle = (a + b) // 2
                if self._count(middle) >= k:
                    b = middle
                else:
                    a = middle
            out.append(b * 1000)
        return out

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """Closing and opening edges with their bounce."""
        events = self._later
        for at in self.tips(t0_us, t1_us):
            rng = Prng(self._seed, at // 1000)
            events.append((at, 0))
            step = at
            for _ in range(rng.below(self._bounce + 1)):
                step += 500 + rng.below(_BOUNCE_US // (2 * self._bounce) - 500)
                events.append((step, 1))
                step += 500 + rng.below(_BOUNCE_US // (2 * self._bounce) - 500)
                events.append((step, 0))
            events.append((at + CLOSED_US, 1))
        events.sort()
        self._later = [event for event in events if event[0] > t1_us]
        return [event for event in events if event[0] <= t1_us]

    def _count(self, t_ms: int) -> int:
        return int(self._truth("rain_accumulated", t_ms / 1000) / self._tip_mm)

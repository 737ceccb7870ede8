"""Tipping-bucket rain gauge: a reed closes for 50 to 200 ms at each tip (facts/sensors.md 1.1 e, 1.5).

Bounce comes within 20 ms of both edges. Truth `rain_accumulated` in mm, never falling.
Faults hit the next n tips: `double_tip` the bucket rocks back within half a second; `stuck_closed` the contact closes with
the first of them and opens at the tip after the last; `clog` no water reaches the bucket.
"""

from .base import Prng, PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

TIP_MM = 0.2
_CLOSED_US = (50000, 200000)
_BOUNCE_US = 20000


class Emulator(PulseEmulator):
    """A bucket of tip_mm; `bounce` is the largest number of extra closings per tip."""

    MODEL = "tipping_bucket"
    FAULTS = ("double_tip", "stuck_closed", "clog")

    def __init__(self, truth: "Truth", seed: int = 0, *, tip_mm: float = TIP_MM, bounce: int = 2):
        self._truth = truth
        self._seed = seed
        self._tip_mm = tip_mm
        self._bounce = bounce
        self._later: list[tuple[int, int]] = []
        self._stuck = False
        self.bounces = 0  # closings beside those of the tips

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
            if self.hit("clog"):
                continue
            if self.hit("stuck_closed"):
                if not self._stuck:
                    events.append((at, 0))
                self._stuck = True
                continue
            if self._stuck:
                self._stuck = False
                events.append((at, 1))
                at += 2000
            rng = Prng(self._seed, at // 1000)
            self._close(events, at, rng)
            if self.hit("double_tip"):
                self._close(events, at + 250000 + rng.below(200000), rng)
        events.sort()
        self._later = [event for event in events if event[0] > t1_us]
        return [event for event in events if event[0] <= t1_us]

    def _close(self, events: "list[tuple[int, int]]", at: int, rng: Prng) -> None:
        least, most = _CLOSED_US
        self._edge(events, at, 0, rng)
        self._edge(events, at + least + rng.below(most - least), 1, rng)

    def _edge(self, events: "list[tuple[int, int]]", at: int, level: int, rng: Prng) -> None:
        events.append((at, level))
        for _ in range(rng.below(self._bounce + 1)):
            for now in (1 - level, level):
                at += 500 + rng.below(_BOUNCE_US // (2 * self._bounce) - 500)
                events.append((at, now))
            self.bounces += 1

    def _count(self, t_ms: int) -> int:
        return int(self._truth("rain_accumulated", t_ms / 1000) / self._tip_mm)

"""Loop detector relay: closed while a vehicle is on the loop (facts/sensors.md 1.2 b, 1.5)."""

from .base import Prng, PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Traffic

LOOP_M = 2.0
_LONGEST_S = 30.0  # a vehicle that left the window's start behind may still be on the loop
_BOUNCE_US = 20000
_AGAIN_US = 70000  # less than the shortest closure: four metres at 120 km/h


class Emulator(PulseEmulator):
    """Truth: `passes`; the loop sees both directions.

    Faults hit the next n closures: `bounce` of the contact when it closes; `stuck_closed` closes with the first of them and opens with
    the one after the last; `double` lets go of a vehicle between its axles, and sees a second one.
    """

    MODEL = "pulse"
    FAULTS = ("bounce", "stuck_closed", "double")

    def __init__(self, truth: "Traffic", seed: int = 0, *, loop_m: float = LOOP_M):
        self._truth = truth
        self._loop_m = loop_m
        self._rng = Prng(seed, 0x100F)
        self._later: list[tuple[int, int]] = []
        self._stuck = False

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """Closing at arrival, opening when the tail has left; vehicles that overlap give one pulse."""
        events = self._later
        for start, end in self._spans(t0_us, t1_us):
            if t0_us < start <= t1_us:
                self._close(events, start)
            if t0_us < end <= t1_us and not self._stuck:
                events.append((end, 1))
        events.sort()
        self._later = [event for event in events if event[0] > t1_us]
        return [event for event in events if event[0] <= t1_us]

    def _close(self, events: "list[tuple[int, int]]", at: int) -> None:
        stuck = self.hit("stuck_closed")
        if stuck and self._stuck:
            return
        if self._stuck:
            events.append((at - 1000, 1))
        self._stuck = stuck
        events.append((at, 0))
        if self.hit("bounce"):
            opens = at + 1000 + self._rng.below(_BOUNCE_US // 2)
            events += [(opens, 1), (opens + 1000 + self._rng.below(_BOUNCE_US // 2 - 2000), 0)]
        if self.hit("double"):
            events += [(at + _AGAIN_US // 2, 1), (at + _AGAIN_US, 0)]

    def level(self, t_us: int) -> int:
        """0 while a vehicle is on the loop."""
        if self._stuck:
            return 0
        return 0 if any(start <= t_us < end for start, end in self._spans(t_us, t_us)) else 1

    def _spans(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """(arrival, departure) of what is on the loop in the window and shortly before; what overlaps is one."""
        spans: list[tuple[int, int]] = []
        for at_s, _approaching, speed_kmh, _side, length_m in self._truth.passes(t0_us / 1e6 - _LONGEST_S, t1_us / 1e6):
            start = int(at_s * 1000) * 1000
            end = start + int((length_m + self._loop_m) * 3600 / max(speed_kmh, 1.0)) * 1000
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((start, end))
        return spans

"""Loop detector relay: closed while a vehicle is on the loop (facts/sensors.md 1.2 b)."""

from .base import PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Traffic

LOOP_M = 2.0
_LONGEST_S = 30.0  # a vehicle that left the window's start behind may still be on the loop


class Emulator(PulseEmulator):
    """Truth: `passes`; the loop sees both directions."""

    MODEL = "pulse"

    def __init__(self, truth: "Traffic", seed: int = 0, *, loop_m: float = LOOP_M):
        self._truth = truth
        self._loop_m = loop_m

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """Closing at arrival, opening when the tail has left; vehicles that overlap give one pulse."""
        out = []
        for start, end in self._spans(t0_us, t1_us):
            out += [(at, level) for at, level in ((start, 0), (end, 1)) if t0_us < at <= t1_us]
        return out

    def level(self, t_us: int) -> int:
        """0 while a vehicle is on the loop."""
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

"""Float switch, a contact that the water closes (or opens) at a height (facts/sensors.md 1.1 e)."""

from .base import PulseEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_STEP_US = 1000000  # edges are looked for this often, then to the millisecond


class Emulator(PulseEmulator):
    """Truth `water_contact`, wet from 0.5 on; with mount_m: wet while `water_distance` is at most that many m.

    Faults show in the next n looks: chatter gives the other level once, stuck_closed and stuck_open say what they are.
    """

    MODEL = "float_switch"
    FAULTS = ("chatter", "stuck_closed", "stuck_open")

    def __init__(self, truth: "Truth", seed: int = 0, *, mount_m: float = 0.0, closed_is_wet: bool = True):
        self._truth = truth
        self._mount_m = mount_m
        self._wet_level = 0 if closed_is_wet else 1

    def level(self, t_us: int) -> int:
        """0 while the contact is closed."""
        if self.hit("stuck_closed"):
            return 0
        if self.hit("stuck_open"):
            return 1
        level = self._true_level(t_us)
        return 1 - level if self.hit("chatter") else level

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """Each change of the true level, at the ms in which it came."""
        out = []
        before = self._true_level(t0_us)
        at = t0_us
        while at < t1_us:
            end = min(at + _STEP_US, t1_us)
            level = self._true_level(end)
            if level != before:
                a, b = at, end
                while b - a > 1000:
                    middle = (a + b) // 2
                    if self._true_level(middle) == before:
                        a = middle
                    else:
                        b = middle
                out.append((b, level))
                before = level
            at = end
        return out

    def _true_level(self, t_us: int) -> int:
        t_s = t_us / 1000000
        if self._mount_m:
            wet = self._truth("water_distance", t_s) <= self._mount_m
        else:
            wet = self._truth("water_contact", t_s) >= 0.5
        return self._wet_level if wet else 1 - self._wet_level

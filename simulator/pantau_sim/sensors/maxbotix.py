"""MaxBotix HRXL-MaxSonar-WR ultrasonic distance, UART 9600 8N1 (facts/sensors.md 1.1 c, datasheet PD11500).

Line: R, four digits in mm, CR. 5 m parts report 300..4999 and 5000 for no target, 10 m parts 500..9998 and 9999; what is
nearer is reported as the least. MB736x: RS-232 polarity, the line idles low. Six lines of text come at power-on.
"""

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

# model: (least mm, greatest mm, no target mm, period us, inverted)
PARTS = {
    "mb7389": (300, 4999, 5000, 150000, False),
    "mb7369": (300, 4999, 5000, 150000, True),
    "mb7388": (500, 9998, 9999, 181000, False),
    "mb7368": (500, 9998, 9999, 181000, True),
}
# As noted by a public library from a part of the same series; it is sent from 65 ms to 160 ms after power-on.
BANNER = b"HRXL-MaxSonar-WRL\rPN:%s\rCopyright 2011-2013\rMaxBotix Inc.\rRoHS 1.8b090  0713\rTempI\r"
_BANNER_US = 65000
_PAUSE_US = 20000


def packet(distance_mm: int) -> bytes:
    """The line for distance_mm."""
    return ("R%04d\r" % distance_mm).encode()


class Emulator(UartEmulator):
    """Truth `water_distance` in m, corrected for its temperature by the sensor itself."""

    MODEL = "mb7389"
    FAULTS = ("no_echo", "floor", "stray_ff", "split", "inverted", "stuck", "bad_digit")

    def __init__(self, truth: "Truth", seed: int = 0, *, model: str = "mb7389", noise_mm: float = 1.0):
        self._least, self._greatest, self._nothing, period_us, inverted = PARTS[model]
        super().__init__(period_us)
        self.MODEL, self.INVERTED = model, inverted
        self._truth = truth
        self._rng = Prng(seed, 0x7389)
        self._noise_mm = noise_mm
        self._last_mm = self._nothing

    def power_on(self, t_us: int) -> None:
        """The text, then a line each period."""
        super().power_on(t_us)
        self._flight.append((t_us + _BANNER_US, BANNER.replace(b"%s", self.MODEL.upper().encode())))
        self._line_free_us = t_us + 2 * self._period_us
        self._next_us = self._line_free_us

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """One line each period; a split one in two pieces."""
        out = []
        while self._next_us <= t_us:
            at = self._next_us
            self._next_us += self._period_us
            if self.hit("no_echo"):
                mm = self._nothing
            elif self.hit("floor"):
                mm = self._least
            elif self.hit("stuck"):
                mm = self._last_mm
            else:
                mm = self._last_mm = self._measure(at)
            line = packet(mm)
            if self.hit("stray_ff"):
                cut = self._rng.below(len(line) + 1)
                line = line[:cut] + b"\xff" + line[cut:]
            if self.hit("bad_digit"):
                line = self.corrupt(line, self._rng)
            if self.hit("inverted"):
                line = bytes([byte ^ 255 for byte in line])
            if self.hit("split"):
                cut = 1 + self._rng.below(len(line) - 1)
                out.append((at, line[:cut]))
                at, line = at + _PAUSE_US, line[cut:]
            out.append((at, line))
        return out

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """A line has no sum: only a digit that becomes none is noticed."""
        at = 1 + rng.below(4)
        return packet[:at] + bytes([packet[at] ^ (64 << rng.below(2))]) + packet[at + 1 :]

    def _measure(self, t_us: int) -> int:
        mm = self._truth("water_distance", t_us / 1000000) * 1000 + self._noise_mm * self._rng.gauss()
        return self._nothing if mm > self._greatest else rounded(mm, self._least, self._greatest)

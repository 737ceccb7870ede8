"""DYP-A02 / DFRobot A02YYUW ultrasonic distance, and the family with its packet (facts/sensors.md 1.1 a).

Packet: FF, high, low, sum of the first three; distance in mm, 30..4500; 9600 8N1, free-running while powered.
"""

from .base import Prng, UartEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

# model: (nearest, furthest) in mm; nearer targets read as the edge of the blind zone (facts/sensors.md 1.1 a and b)
LIMITS = {"a02yyuw": (30, 4500), "a01nyub": (280, 7500), "jsn_sr04t": (200, 6000), "aj_sr04m": (200, 6000)}
BLIND_MM, RANGE_MM = LIMITS["a02yyuw"]
NO_ECHO_MM = 0  # checksum-valid; some DYP parts send 65535
WARM_UP_PACKETS = 3  # the first packets after power-on are not to be trusted
_START_US = 60000  # first packet after power-on
_NOISES = 1024  # of them made beforehand; sixteen packets in a row take theirs from anywhere among them


def packet(distance_mm: int) -> bytes:
    """The four bytes for distance_mm."""
    high, low = distance_mm >> 8 & 255, distance_mm & 255
    return bytes([255, high, low, 255 + high + low & 255])


_packets: "dict[int, bytes]" = {}  # of distances that were sent: some hundreds, as the noise is a few mm


def _remember(mm: int) -> bytes:
    _packets[mm] = data = packet(mm)
    return data


class Emulator(UartEmulator):
    """Truth `water_distance` in m. `fast` = RX tied low: 100 ms real-time output; else 300 ms processed output.

    sound_m_s: the speed of sound that a module without a thermometer assumes (JSN-SR04T: 340): it then measures the echo's
    time in air of the truth's `air_temperature`. 0: it corrects itself.
    """

    MODEL = "a02yyuw"
    SIZE = 4
    AHEAD = False  # a node reads seven of a minute's packets: to make all of them early costs more than to ask when it reads
    FAULTS = ("bad_sum", "zero", "ffff", "lost_echo", "stuck", "warm_up")

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        fast: bool = True,
        noise_mm: float = 1.5,
        no_echo_rate: float = 0.0,
        sound_m_s: float = 0.0,
        model: str = "a02yyuw",
    ):
        super().__init__(100000 if fast else 300000)
        self.MODEL = model
        self._blind_mm, self._range_mm = LIMITS[model]
        self._truth = truth
        self._rng = Prng(seed, 0xA02)
        self._noises = [noise_mm * self._rng.gauss() for _ in range(_NOISES)]
        self._no_echo_rate = no_echo_rate
        self._sound_m_s = sound_m_s
        self._sent = 0
        self._last_mm = NO_ECHO_MM
        self._sixteen = self._second = -1  # which packets share a stretch of noise; which second is at hand
        self._first = 0
        self._low_mm = self._rise_mm = 0.0

    def power_on(self, t_us: int) -> None:
        """Start counting warm-up packets; a fragment opens the stream, as a node that opens mid-packet sees it."""
        super().power_on(t_us)
        self._next_us = t_us + _START_US
        self._sent = 0
        self._flight.append((t_us, packet(self._measure(t_us))[2:]))

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """One packet each period."""
        out = []
        while self._next_us <= t_us:
            count = 1
            if self._sent < WARM_UP_PACKETS or self.ails():
                out.append((self._next_us, self._ailing()))
            else:
                count = (t_us - self._next_us) // self._period_us + 1
                self._healthy(out, count)
            self._next_us += count * self._period_us
            self._sent += count
        return out

    def _ailing(self) -> bytes:
        """The next packet, with what is wrong with it."""
        if self.hit("stuck"):
            data = packet(self._last_mm)
        elif self.hit("zero"):
            data = packet(0)
        elif self.hit("ffff"):
            data = packet(0xFFFF)
        elif self.hit("lost_echo"):
            data = packet(self._range_mm)
        else:
            self._last_mm = self._measure(self._next_us)
            data = packet(self._last_mm)
        if self.hit("bad_sum"):
            data = data[:3] + bytes([data[3] ^ 1 << self._rng.below(8)])
        return data

    def _healthy(self, out: "list[tuple[int, bytes]]", count: int) -> None:
        """The next `count` packets of a module that nothing is wrong with; the same however they are asked for."""
        at_us, period_us = self._next_us, self._period_us
        smooth = getattr(self._truth, "SMOOTH_S", 0) >= 1
        for n in range(self._sent, self._sent + count):
            if n >> 4 != self._sixteen:
                self._sixteen = n >> 4
                self._first = self._rng.below(_NOISES - 16)
            true_mm = self._between_mm(at_us) if smooth else self._true_mm(at_us)
            self._last_mm = mm = self._reported(true_mm + self._noises[self._first + (n & 15)])
            out.append((at_us, _packets.get(mm) or _remember(mm)))
            at_us += period_us

    def _between_mm(self, t_us: int) -> float:
        """As _true_mm, straight between whole seconds."""
        second = t_us // 1000000
        if second != self._second:
            self._second = second
            self._low_mm = self._true_mm(second * 1000000)
            self._rise_mm = self._true_mm(second * 1000000 + 1000000) - self._low_mm
        return self._low_mm + self._rise_mm * ((t_us - second * 1000000) / 1000000)

    def skip(self, count: int) -> None:
        """Warm-up packets that no one could read are over too."""
        super().skip(count)
        self._sent += count

    def _measure(self, t_us: int) -> int:
        """Distance in mm as the module reports it."""
        if self._sent < WARM_UP_PACKETS or self.hit("warm_up"):
            return self._blind_mm + self._rng.below(self._range_mm - self._blind_mm)
        return self._reported(self._true_mm(t_us) + self._noises[self._rng.below(_NOISES)])

    def _true_mm(self, t_us: int) -> float:
        """What a module without noise would measure."""
        t_s = t_us / 1000000
        true_mm = self._truth("water_distance", t_s) * 1000
        if self._sound_m_s:
            true_mm *= self._sound_m_s / (331.3 * (1 + self._truth("air_temperature", t_s) / 273.15) ** 0.5)
        return true_mm

    def _reported(self, mm: float) -> int:
        if mm > self._range_mm or (self._no_echo_rate and self._rng.unit() < self._no_echo_rate):
            return NO_ECHO_MM
        return int(mm + 0.5) if mm > self._blind_mm else self._blind_mm

"""TI ADS1115 with a submersible pressure transducer at an input, I2C 0x48..0x4B (facts/sensors.md 1.1 d).

Registers of 16 bits, big-endian, behind a pointer: 0 conversion, 1 configuration (8583 after power-on), 2 and 3 thresholds.
The code is a signed 16-bit number of the range of PGA; OS reads 0 while a conversion runs, 1/DR s.
"""

from .base import I2cEmulator, Prng, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

RESET = 0x8583
FULL_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
RATES = (8, 16, 32, 64, 128, 250, 475, 860)
_BUSY_US = 200000  # of the fault: far more than a slow clock


def packet(value: int) -> bytes:
    """The two bytes of a register or of a signed code."""
    return bytes([value >> 8 & 255, value & 255])


class Emulator(I2cEmulator):
    """Truth `water_depth` in m over the transducer; with mount_m: what `water_distance` leaves of that height in m.

    volts_at: input volts at (no depth, whole span): 0.6 and 3.0 V are 4 and 20 mA over 150 ohm. Other inputs are at 0 V.
    """

    MODEL = "ads1115"
    ADDRESS = 0x48
    FAULTS = ("busy", "open_loop", "short_loop", "saturated", "stuck", "other_device", "wrong_address")

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        channel: int = 0,
        span_m: float = 5.0,
        mount_m: float = 0.0,
        volts_at: "tuple[float, float]" = (0.6, 3.0),
        noise_v: float = 0.0002,
    ):
        self._truth = truth
        self._rng = Prng(seed, 0x1115)
        self._channel = channel
        self._span_m = span_m
        self._mount_m = mount_m
        self._volts_at = volts_at
        self._noise_v = noise_v
        self._up_us = 1 << 62
        self._reset()

    def _reset(self) -> None:
        self._registers = [0, RESET, 0x8000, 0x7FFF]
        self._pointer = 0
        self._done_us: int | None = None
        self._strange = False

    def power_on(self, t_us: int) -> None:
        """Registers as after a reset; ready after 50 us."""
        self._reset()
        self._up_us = t_us + 50

    def write(self, t_us: int, data: bytes) -> bool:
        """Pointer, then the register's two bytes."""
        if t_us < self._up_us or (len(data) >= 3 and self.hit("wrong_address")):
            return False
        self._settle(t_us)
        if data:
            self._pointer = data[0] & 3
        if len(data) >= 3 and self._pointer:
            self._registers[self._pointer] = data[1] << 8 | data[2]
            if self._pointer == 1:
                self._configured(t_us)
        return True

    def read(self, t_us: int, size: int) -> "bytes | None":
        """The register, again and again."""
        if t_us < self._up_us:
            return None
        self._settle(t_us)
        value = self._registers[self._pointer]
        if self._pointer == 1:
            value = 0x1234 if self._strange else value & 0x7FFF | (0x8000 if self._done_us is None else 0)
        return (packet(value) * size)[:size]

    def _configured(self, t_us: int) -> None:
        self._strange = self.hit("other_device")
        config = self._registers[1]
        if config & 0x8000 or not config & 0x100:  # started, or continuous
            self._done_us = t_us + 1000000 // RATES[config >> 5 & 7]
            if self.hit("busy"):
                self._done_us += _BUSY_US

    def _settle(self, t_us: int) -> None:
        """Finish the conversion that is due."""
        if self._done_us is None or t_us < self._done_us:
            return
        if not self.hit("stuck"):
            self._registers[0] = self._measure(self._done_us) & 0xFFFF
        single = self._registers[1] & 0x100
        self._done_us = None if single else t_us + 1000000 // RATES[self._registers[1] >> 5 & 7]

    def _measure(self, t_us: int) -> int:
        if self.hit("saturated"):
            return 0x7FFF
        full_v = FULL_V[self._registers[1] >> 9 & 7]
        mux = self._registers[1] >> 12 & 7
        if mux >= 4:
            volts = self._input_v(t_us, mux - 4)
        else:
            plus, minus = ((0, 1), (0, 3), (1, 3), (2, 3))[mux]
            volts = self._input_v(t_us, plus) - self._input_v(t_us, minus)
        return rounded(volts * 32768 / full_v, -32768, 32767)

    def _input_v(self, t_us: int, channel: int) -> float:
        if channel != self._channel:
            return 0.0
        noise = self._noise_v * self._rng.gauss()
        if self.hit("open_loop"):
            return noise
        low, high = self._volts_at
        if self.hit("short_loop"):
            return high + (high - low) * 0.125  # 22 mA, to which a transmitter limits
        t_s = t_us / 1000000
        depth_m = (
            self._mount_m - self._truth("water_distance", t_s) if self._mount_m else self._truth("water_depth", t_s)
        )
        return low + (high - low) * max(0.0, depth_m) / self._span_m + noise

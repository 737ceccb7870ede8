"""Sensirion SGP41 VOC and NOx sensor, I2C 0x59 (facts/sensors.md 1.3; SGP41 datasheet 3, 4).

Two-byte commands with two argument words (humidity, temperature), words with CRC-8 each. The raw signals are logarithms
of resistances: they fall as reducing gas (VOC) and rise as oxidising gas (NOx) comes.
"""

import math

from .base import I2cEmulator, Prng, rounded
from .sht4x import crc8, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_CONDITION, _MEASURE, _SELF_TEST, _HEATER_OFF, _SERIAL, _FEATURES = 0x2612, 0x2619, 0x280E, 0x3615, 0x3682, 0x202F
_BUSY_US = {_CONDITION: 50000, _MEASURE: 50000, _SELF_TEST: 320000, _FEATURES: 10000}  # the others: 1 ms
_SETTLE_US = (15000000, 75000000)  # time constants of the pixels once the plate is hot


def packet(voc: int, nox: int) -> bytes:
    """Six bytes of raw signals."""
    return word(voc) + word(nox)


class Emulator(I2cEmulator):
    """Truth `voc` and `nox` as multiples of clean air's."""

    MODEL = "sgp41"
    ADDRESS = 0x59
    FAULTS = ("self_test", "crc", "busy", "clock_stretch")

    def __init__(self, truth: "Truth", seed: int = 0, *, noise: float = 3.0, features: int = 0x3240):
        self._truth = truth
        self._seed = seed
        self._rng = Prng(seed, 0x5641)
        self._noise = noise
        self._features = features
        self._answer = b""
        self._busy_until_us = 0
        self._hot_us: int | None = None
        self._conditioning_us: int | None = None
        self.conditioned_us = 0  # the longest conditioning: more than 10 s harms a real one

    def power_on(self, t_us: int) -> None:
        """Cold and idle; the bus answers after 0.6 ms."""
        self._answer = b""
        self._hot_us = self._conditioning_us = None
        self._busy_until_us = t_us + 600

    @property
    def hot(self) -> bool:
        """Whether the plate is heated."""
        return self._hot_us is not None

    def write(self, t_us: int, data: bytes) -> bool:
        """Take a command; refused while busy."""
        if t_us < self._busy_until_us:
            return False
        if not data:
            return True
        command = data[0] << 8 | data[1] if len(data) > 1 else 0
        takes = 8 if command in (_CONDITION, _MEASURE) else 2
        if len(data) != takes or (takes == 8 and (crc8(data[2:4]) != data[4] or crc8(data[5:7]) != data[7])):
            return False
        if command == _MEASURE and self.hit("busy"):
            return False
        self._answer = b""
        self._busy_until_us = t_us + _BUSY_US.get(command, 1000)
        return self._obey(t_us, command)

    def read(self, t_us: int, size: int) -> "bytes | None":
        """The last answer, once."""
        if t_us < self._busy_until_us or not self._answer:
            return None
        answer, self._answer = self._answer, b""
        return (answer + b"\xff" * size)[:size]

    def _obey(self, t_us: int, command: int) -> bool:
        if command == _CONDITION:
            self._heat(t_us, True)
            self._answer = word(self._signals(t_us)[0])
        elif command == _MEASURE:
            self._heat(t_us, False)
            reply = packet(*self._signals(t_us))
            self._answer = reply[:5] + bytes([reply[5] ^ 4]) if self.hit("crc") else reply
        elif command == _SELF_TEST:
            self._cool(t_us)
            self._answer = word(0xD403 if self.hit("self_test") else 0xD400)
        elif command == _HEATER_OFF:
            self._cool(t_us)
        elif command == _SERIAL:
            self._answer = word(0) + word(self._seed >> 16 & 0xFFFF) + word(self._seed & 0xFFFF)
        elif command == _FEATURES:
            self._answer = word(self._features)
        else:
            return False
        return True

    def _heat(self, t_us: int, conditioning: bool) -> None:
        self._settle(t_us)
        if conditioning and self._conditioning_us is None:
            self._conditioning_us = t_us
        elif not conditioning:
            self._conditioning_us = None
        if self._hot_us is None:
            self._hot_us = t_us

    def _cool(self, t_us: int) -> None:
        self._settle(t_us)
        self._hot_us = self._conditioning_us = None

    def _settle(self, t_us: int) -> None:
        if self._conditioning_us is not None:
            self.conditioned_us = max(self.conditioned_us, t_us - self._conditioning_us)

    def _signals(self, t_us: int) -> "tuple[int, int]":
        t_s = t_us / 1000000
        hot = 0 if self._hot_us is None else t_us - self._hot_us
        out = []
        for name, clean, slope, settle in (("voc", 31000, -3000.0, 0), ("nox", 15500, 2000.0, 1)):
            away = math.exp(-hot / _SETTLE_US[settle])
            level = clean + slope * math.log(self._truth(name, t_s)) - 4000.0 * away
            out.append(rounded(level + self._noise * self._rng.gauss(), 0, 65535))
        return out[0], out[1]

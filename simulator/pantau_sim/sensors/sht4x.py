"""Sensirion SHT4x temperature and humidity, I2C 0x44 (facts/sensors.md 1.3).

One-byte commands; two words with CRC-8 (poly 0x31, init 0xFF) each; T = -45 + 175 S/65535, RH = -6 + 125 S/65535.
While it measures, and when nothing was measured, the read address is not acknowledged.
"""

from .base import I2cEmulator, Prng, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_BUSY_US = {0xFD: 8300, 0xF6: 4500, 0xE0: 1600}  # longest measuring time by repeatability
_SERIAL, _RESET = 0x89, 0x94
_HEATER_US = {0x39: 1100000, 0x2F: 1100000, 0x1E: 1100000, 0x32: 110000, 0x24: 110000, 0x15: 110000}


def crc8(data: bytes) -> int:
    """CRC-8 with polynomial 0x31 and start 0xFF; BE EF gives 92."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def word(value: int) -> bytes:
    """Two bytes and their CRC."""
    data = bytes([value >> 8 & 255, value & 255])
    return data + bytes([crc8(data)])


def ticks(temperature_c: float, humidity_pct: float) -> "tuple[int, int]":
    """Raw words of a temperature and a humidity."""
    return (
        rounded((temperature_c + 45.0) * 65535 / 175.0, 0, 65535),
        rounded((humidity_pct + 6.0) * 65535 / 125.0, 0, 65535),
    )


class Emulator(I2cEmulator):
    """Truth `air_temperature` in Cel and `relative_humidity` in %."""

    MODEL = "sht4x"
    ADDRESS = 0x44

    def __init__(self, truth: "Truth", seed: int = 0, *, noise_c: float = 0.04, noise_pct: float = 0.1):
        self._truth = truth
        self._seed = seed
        self._rng = Prng(seed, 0x447)
        self._noise = (noise_c, noise_pct)
        self._answer: bytes | None = None
        self._ready_us = 0

    def power_on(self, t_us: int) -> None:
        """Idle after 1 ms."""
        self._answer = None
        self._ready_us = t_us + 1000

    def write(self, t_us: int, data: bytes) -> bool:
        """Take a command; refused while measuring."""
        if t_us < self._ready_us:
            return False
        if not data:
            return True
        command = data[0]
        if command == _RESET:
            self.power_on(t_us)
        elif command == _SERIAL:
            self._answer = word(self._seed >> 16 & 0xFFFF) + word(self._seed & 0xFFFF)
        elif command in _BUSY_US or command in _HEATER_US:
            self._ready_us = t_us + (_BUSY_US[command] if command in _BUSY_US else _HEATER_US[command])
            self._answer = self._measure(t_us)
        else:
            return False
        return True

    def read(self, t_us: int, size: int) -> "bytes | None":
        """The last answer, once."""
        if t_us < self._ready_us or self._answer is None:
            return None
        answer = self._answer
        self._answer = None
        return (answer + b"\xff" * size)[:size]

    def _measure(self, t_us: int) -> bytes:
        t_s = t_us / 1000000
        temperature = self._truth("air_temperature", t_s) + self._noise[0] * self._rng.gauss()
        humidity = self._truth("relative_humidity", t_s) + self._noise[1] * self._rng.gauss()
        t_word, h_word = ticks(temperature, humidity)
        return word(t_word) + word(h_word)

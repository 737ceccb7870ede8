"""Sensirion SHT4x and SHT3x temperature and humidity, I2C 0x44 (facts/sensors.md 1.3).

Commands of one byte (SHT3x: two); two words with CRC-8 (poly 0x31, init 0xFF) each; T = -45 + 175 S/65535,
RH = -6 + 125 S/65535 (SHT3x: 100 S/65535).
While it measures, and when nothing was measured, the read address is not acknowledged.
"""

from .base import I2cEmulator, Prng, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

# Longest time in us of the commands that measure: by repeatability, and the heater's
_SHT4X_US = {0xFD: 8300, 0xF6: 4500, 0xE0: 1600, 0x39: 1100000, 0x2F: 1100000, 0x1E: 1100000}
_SHT4X_US.update({0x32: 110000, 0x24: 110000, 0x15: 110000})
_SHT3X_US = {0x2400: 15000, 0x240B: 6000, 0x2416: 4000}
_SERIAL, _RESET = (0x89, 0x3780), (0x94, 0x30A2)
_STATUS, _CLEAR, _HEATER_ON, _HEATER_OFF = 0xF32D, 0x3041, 0x306D, 0x3066  # SHT3x
_FETCH, _BREAK = 0xE000, 0x3093  # SHT3x: of the periodic mode
_ALERT, _HEATING, _WAS_RESET = 0x8000, 0x2000, 0x0010


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


def ticks(temperature_c: float, humidity_pct: float, model: str = "sht4x") -> "tuple[int, int]":
    """Raw words of a temperature and a humidity."""
    h_word = humidity_pct * 65535 / 100.0 if model == "sht3x" else (humidity_pct + 6.0) * 65535 / 125.0
    return rounded((temperature_c + 45.0) * 65535 / 175.0, 0, 65535), rounded(h_word, 0, 65535)


def packet(temperature_c: float, humidity_pct: float, model: str = "sht4x") -> bytes:
    """The six bytes of a measurement."""
    t_word, h_word = ticks(temperature_c, humidity_pct, model)
    return word(t_word) + word(h_word)


class Emulator(I2cEmulator):
    """Truth `air_temperature` in Cel and `relative_humidity` in %.

    Faults hit the next n measurements: `not_ready` takes half as long again as the longest time, `wet` has water on the
    sensor; and the next n transactions: `clock_stretch` holds the clock until the bus gives up, which the bus asks for.
    periodic: an SHT3x that was left measuring by itself; it takes nothing but fetch, break and reset.
    """

    MODEL = "sht4x"
    FAULTS = ("not_ready", "wet", "clock_stretch")
    ADDRESS = 0x44

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        model: str = "sht4x",
        noise_c: float = 0.04,
        noise_pct: float = 0.1,
        periodic: bool = False,
    ):
        self.MODEL = model
        self._truth = truth
        self._seed = seed
        self._rng = Prng(seed, 0x447)
        self._noise = (noise_c, noise_pct)
        self._busy_us = _SHT3X_US if model == "sht3x" else _SHT4X_US
        self._answer: bytes | None = None
        self._ready_us = 0
        self._status = 0
        self._left = periodic  # as the node finds it: the supply came up long before
        self._periodic = False

    def power_on(self, t_us: int) -> None:
        """Idle after 1 ms."""
        self._answer = None
        self._periodic, self._left = self._left, False
        self._ready_us = t_us + 1000
        self._status = _ALERT | _WAS_RESET

    def write(self, t_us: int, data: bytes) -> bool:
        """Take a command; refused while measuring."""
        if t_us < self._ready_us:
            return False
        if not data:
            return True
        long = self._busy_us is _SHT3X_US
        command = data[0] << 8 | data[1] if long and len(data) > 1 else data[0]
        if self._periodic and command not in (_FETCH, _BREAK, _RESET[1]):
            return False
        if command == _RESET[long]:
            self.power_on(t_us)
        elif command == _SERIAL[long]:
            self._answer = word(self._seed >> 16 & 0xFFFF) + word(self._seed & 0xFFFF)
        elif command in self._busy_us:
            busy_us = self._busy_us[command]
            self._ready_us = t_us + (busy_us * 3 // 2 if self.hit("not_ready") else busy_us)
            self._answer = self._measure(t_us)
        elif long and command == _BREAK:
            self._periodic, self._answer = False, None
            self._ready_us = t_us + 1000
        elif self._periodic:
            self._answer = self._measure(t_us)
        elif long and command in (_STATUS, _CLEAR, _HEATER_ON, _HEATER_OFF):
            self._set(command)
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

    def _set(self, command: int) -> None:
        if command == _STATUS:
            self._answer = word(self._status)
        elif command == _CLEAR:
            self._status &= _HEATING
        else:
            self._status = self._status & ~_HEATING | (_HEATING if command == _HEATER_ON else 0)

    def _measure(self, t_us: int) -> bytes:
        t_s = t_us / 1000000
        temperature = self._truth("air_temperature", t_s) + self._noise[0] * self._rng.gauss()
        humidity = self._truth("relative_humidity", t_s) + self._noise[1] * self._rng.gauss()
        return packet(temperature, 200.0 if self.hit("wet") else humidity, self.MODEL)

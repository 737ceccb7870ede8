"""Sensirion SCD40/41 CO2 sensor, I2C 0x62 (facts/sensors.md 1.3; SCD4x datasheet 3.5 to 3.9).

Two-byte commands, words with CRC-8 each. While it measures, it obeys only stop, read, ready and pressure; stopping takes
500 ms. A reading every 5 s, which can be read once; without one the read address is not acknowledged.
"""

from .base import I2cEmulator, Prng, rounded
from .sht4x import crc8, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 5000000
_START, _STOP, _READ, _READY, _PRESSURE = 0x21B1, 0x3F86, 0xEC05, 0xE4B8, 0xE000
_SERIAL, _ASC, _REINIT = 0x3682, 0x2416, 0x3646
_POWER_DOWN, _WAKE = 0x36E0, b"\x36\xf6"  # SCD41
_WHILE_MEASURING = (_STOP, _READ, _READY, _PRESSURE)
_BUSY_US = {_STOP: 500000, _REINIT: 30000, _START: 0}  # the others: 1 ms


def packet(ppm: int, t_ticks: int, rh_ticks: int) -> bytes:
    """Nine bytes of a reading."""
    return word(ppm) + word(t_ticks) + word(rh_ticks)


class Emulator(I2cEmulator):
    """Truth `co2` in ppm, `air_temperature` in Cel, `relative_humidity` in %; it heats itself.

    asleep: an SCD41 that was left powered down; it is deaf until it is woken with 36 F6, which it does not acknowledge.
    """

    MODEL = "scd4x"
    ADDRESS = 0x62
    FAULTS = ("not_ready", "crc", "restart", "clock_stretch")

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        noise_ppm: float = 3.0,
        self_heating_c: float = 4.0,
        asleep: bool = False,
    ):
        self._truth = truth
        self._seed = seed
        self._rng = Prng(seed, 0x5CD4)
        self._noise = noise_ppm
        self._heating = self_heating_c
        self.asc = True
        self.pressure_hpa = 1013
        self._answer = b""
        self._busy_until_us = 0
        self._started_us: int | None = None
        self._taken = 0
        self._left = asleep  # as the node finds it: the supply came up long before
        self._asleep = False

    def power_on(self, t_us: int) -> None:
        """Idle after 30 ms, self-calibration on."""
        self._asleep, self._left = self._left, False
        self.asc = True
        self.pressure_hpa = 1013
        self._answer = b""
        self._started_us = None
        self._busy_until_us = t_us + 30000

    @property
    def measuring(self) -> bool:
        """Whether it measures."""
        return self._started_us is not None

    def write(self, t_us: int, data: bytes) -> bool:
        """Take a command; refused while busy, and where it is not allowed."""
        if t_us < self._busy_until_us:
            return False
        if self._asleep:
            if data == _WAKE:
                self._asleep = False
                self._busy_until_us = t_us + 30000
            return False
        if not data:
            return True
        if len(data) not in (2, 5) or (len(data) == 5 and crc8(data[2:4]) != data[4]):
            return False
        command = data[0] << 8 | data[1]
        value = data[2] << 8 | data[3] if len(data) == 5 else 0
        if self._started_us is not None and command not in _WHILE_MEASURING:
            return False
        self._answer = b""
        self._busy_until_us = t_us + _BUSY_US.get(command, 1000)
        return self._obey(t_us, command, value)

    def read(self, t_us: int, size: int) -> "bytes | None":
        """The last answer, once."""
        if t_us < self._busy_until_us or not self._answer:
            return None
        answer, self._answer = self._answer, b""
        return (answer + b"\xff" * size)[:size]

    def _obey(self, t_us: int, command: int, value: int) -> bool:
        if command == _POWER_DOWN:
            self._asleep = True
        elif command == _START:
            self._started_us = t_us
            self._taken = 0
        elif command == _STOP:
            self._started_us = None
        elif command == _READY:
            self._answer = word(self._status(t_us))
        elif command == _READ:
            if self._ready(t_us):
                self._answer = self._reading(t_us)
        elif command == _PRESSURE:
            self.pressure_hpa = value
        elif command == _ASC:
            self.asc = value == 1
        elif command == _SERIAL:
            self._answer = packet(0xF896, self._seed >> 16 & 0xFFFF, self._seed & 0xFFFF)
        elif command == _REINIT:
            self.asc = True
        else:
            return False
        return True

    def _count(self, t_us: int) -> int:
        return 0 if self._started_us is None else (t_us - self._started_us) // _PERIOD_US

    def _ready(self, t_us: int) -> bool:
        return self._count(t_us) > self._taken

    def _status(self, t_us: int) -> int:
        if self.hit("restart"):
            self.power_on(t_us - 30000)
            self._busy_until_us = t_us + 1000
        return 0x8000 if self.hit("not_ready") or not self._ready(t_us) else 0x8006

    def _reading(self, t_us: int) -> bytes:
        self._taken = self._count(t_us)
        t_s = t_us / 1000000
        ppm = self._truth("co2", t_s) + self._noise * self._rng.gauss()
        inside = self._truth("air_temperature", t_s) + self._heating + 0.05 * self._rng.gauss()
        # The same water in warmer air: 6 % of the humidity less for each degree.
        humidity = self._truth("relative_humidity", t_s) * (1.0 - 0.06 * self._heating) + 0.1 * self._rng.gauss()
        reply = packet(
            rounded(ppm, 0, 40000),
            rounded((inside + 45.0) * 65535 / 175.0, 0, 65535),
            rounded(humidity * 65535 / 100.0, 0, 65535),
        )
        return reply[:5] + bytes([reply[5] ^ 1]) + reply[6:] if self.hit("crc") else reply

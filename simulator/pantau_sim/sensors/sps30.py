"""Sensirion SPS30 particle sensor by I2C 0x69 (facts/sensors.md 1.3; SPS30 datasheet 4, 6).

Two-byte commands, CRC-8 on each two bytes. Idle after power-on; measuring it has ten new floats each second, which can be
read as often as one likes; data-ready falls when they are read. Cleaning the fan takes 10 s without new values.
"""

import struct

from .base import I2cEmulator, Prng
from .sht4x import crc8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 1000000
_CLEAN_US = 10000000
_PULSE_US = 100000  # so long does its interface stay on after a start condition
_START, _STOP, _READY, _READ, _CLEAN, _RESET = 0x0010, 0x0104, 0x0202, 0x0300, 0x5607, 0xD304
_SLEEP, _WAKE = 0x1001, 0x1103  # firmware from 2.0 on
_PRODUCT, _SERIAL, _VERSION, _STATUS, _CLEAR = 0xD002, 0xD033, 0xD100, 0xD206, 0xD210
_BUSY_US = {_START: 20000, _STOP: 20000, _RESET: 100000}  # the others: 5 ms at most
FAN, LASER, SPEED = 1 << 4, 1 << 5, 1 << 21  # bits of the status register


def payload(values: "list[float]") -> bytes:
    """Forty bytes of ten values."""
    return struct.pack(">10f", *values)


def guarded(data: bytes) -> bytes:
    """A CRC after each two bytes."""
    out = b""
    for at in range(0, len(data), 2):
        out += data[at : at + 2] + bytes([crc8(data[at : at + 2])])
    return out


def packet(values: "list[float]") -> bytes:
    """Sixty bytes of ten values: mass up to 1/2.5/4/10 um, number up to 0.5/1/2.5/4/10 um, typical size."""
    return guarded(payload(values))


class Air:
    """What the sensor sees. Truth `pm1`, `pm2_5`, `pm10` in ug/m3; number and size as in captured packets."""

    def __init__(self, truth: "Truth", seed: int, noise: float):
        self._truth = truth
        self._rng = Prng(seed, 0x5930)
        self._noise = noise

    def values(self, t_us: int, spinning_us: int) -> "list[float]":
        """The ten values; the air in the channel is renewed within some seconds after the fan started."""
        t_s = t_us / 1000000
        level = min(1.0, spinning_us / 8000000) * (1.0 + self._noise * self._rng.gauss())
        pm1, pm2_5, pm10 = [self._truth(name, t_s) * level for name in ("pm1", "pm2_5", "pm10")]
        number = [6.45 * pm1 * share for share in (1.0, 1.197, 1.236, 1.243, 1.244)]
        return [pm1, pm2_5, pm2_5 + 0.83 * (pm10 - pm2_5), pm10] + number + [0.744]


class Emulator(I2cEmulator):
    """See Air for the truth it takes.

    asleep: a firmware from 2.0 on that was left sleeping; it is deaf until it is woken with 11 03, twice within 100 ms.
    """

    MODEL = "sps30"
    ADDRESS = 0x69
    FAULTS = ("not_ready", "crc", "restart", "nan", "fan", "laser", "speed", "clock_stretch")

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        noise: float = 0.02,
        product: bytes = b"00080000",
        version: "tuple[int, int]" = (2, 2),
        asleep: bool = False,
    ):
        self._air = Air(truth, seed, noise)
        self._seed = seed
        self._product = product
        self._version = version
        self._answer = b""
        self._busy_until_us = 0
        self._started_us: int | None = None
        self._cleaned_us = -_CLEAN_US
        self._taken = 0
        self._status = 0
        self._left = asleep  # as the node finds it: the supply came up long before
        self._asleep = False
        self._pulse_us = -_PULSE_US

    def power_on(self, t_us: int) -> None:
        """Idle, and on the bus within 100 ms."""
        self._asleep, self._left = self._left, False
        self._answer = b""
        self._started_us = None
        self._status = 0
        self._busy_until_us = t_us + 100000

    def write(self, t_us: int, data: bytes) -> bool:
        """Take a command; refused while busy."""
        if t_us < self._busy_until_us:
            return False
        command = data[0] << 8 | data[1] if len(data) > 1 else 0
        if self._asleep:
            awake = t_us - self._pulse_us < _PULSE_US  # the first start condition woke its interface
            self._pulse_us = t_us
            self._asleep = not (awake and command == _WAKE)
            self._busy_until_us = t_us if self._asleep else t_us + 5000
            return awake and command == _WAKE
        if not data:
            return True
        self._answer = b""
        self._busy_until_us = t_us + _BUSY_US.get(command, 4000)
        return self._obey(t_us, command, data[2:])

    def read(self, t_us: int, size: int) -> "bytes | None":
        """The answer to the last command."""
        if t_us < self._busy_until_us or self._asleep or not self._answer:
            return None
        return (self._answer + b"\xff" * size)[:size]

    def _obey(self, t_us: int, command: int, data: bytes) -> bool:
        if command == _START:
            if data != b"\x03\x00\xac" or self._started_us is not None:
                return False
            self._started_us = t_us
            self._taken = 0
        elif command == _STOP:
            self._started_us = None
        elif command == _SLEEP and self._version >= (2, 0) and self._started_us is None:
            self._asleep = True
        elif command == _READY:
            self._answer = guarded(bytes([0, self._fresh(t_us)]))
        elif command == _READ:
            self._answer = self._reading(t_us)
        elif command == _CLEAN:
            self._cleaned_us = t_us
        elif command == _RESET:
            self.power_on(t_us)
        elif command == _PRODUCT:
            self._answer = guarded(self._product)
        elif command == _SERIAL:
            self._answer = guarded(("%016X" % self._seed).encode() + bytes(16))
        elif command == _VERSION:
            self._answer = guarded(bytes(self._version))
        elif command in (_STATUS, _CLEAR) and self._version >= (2, 2):
            self._register(command == _CLEAR)
        else:
            return False
        return True

    def _register(self, clear: bool) -> None:
        """Answer with the status register, or clear it."""
        if clear:
            self._status = 0
            return
        for kind, bit in (("fan", FAN), ("laser", LASER), ("speed", SPEED)):
            if self.hit(kind):
                self._status |= bit
        self._answer = guarded(struct.pack(">I", self._status))

    def _count(self, t_us: int) -> int:
        return 0 if self._started_us is None else (t_us - self._started_us) // _PERIOD_US

    def _fresh(self, t_us: int) -> bool:
        if self.hit("restart"):
            self._started_us = None
        cleaning = t_us - self._cleaned_us < _CLEAN_US
        return not cleaning and not self.hit("not_ready") and self._count(t_us) > self._taken

    def _reading(self, t_us: int) -> bytes:
        if self._started_us is None:
            return b""
        self._taken = self._count(t_us)
        reply = packet(self._air.values(t_us, t_us - self._started_us))
        if self.hit("nan"):
            reply = guarded(b"\x7f\xc0\x00\x00") + reply[6:]
        return reply[:-1] + bytes([reply[-1] ^ 0x80]) if self.hit("crc") else reply

"""Plantower PMS5003 particle sensor, UART 9600 8N1 (facts/sensors.md 1.3).

Packet of 32 bytes: 42 4D 00 1C, 13 big-endian words, sum of the first 30. Commands 42 4D cmd 00 data sum16.
"""

import struct

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 1000000
_WARM_US = 10000000  # time constant of the fan: readings grow to 95 % within 30 s
_PASSIVE, _ACTIVE, _READ, _SLEEP, _WAKE = (0xE1, 0), (0xE1, 1), (0xE2, 0), (0xE4, 0), (0xE4, 1)
_VERSION = 0x97
_STRETCH_US = 10000000  # over which a truth that calls itself so smooth is taken for straight
# Of the larger bins, as in a captured packet of clean air (vectors pms5003_good1)
_SHARES = (1.0, 0.285, 0.043, 0.006, 0.002, 0.001)
_GREAT = 20000.0  # what is nearer to the end of a word than this is made one by one


def _summed(body: bytes) -> bytes:
    total = sum(body) & 0xFFFF
    return body + bytes([total >> 8, total & 255])


def packet(words: "list[int]") -> bytes:
    """32 bytes of 13 words: PM1/2.5/10 CF=1, PM1/2.5/10 atmospheric, six counts per 0.1 L, version and error."""
    return _summed(b"\x42\x4d\x00\x1c" + struct.pack(">13H", *[value & 0xFFFF for value in words]))


def acknowledge(command: "tuple[int, int]") -> bytes:
    """Eight bytes that answer sleep and passive."""
    return _summed(b"\x42\x4d\x00\x04" + bytes(command))


def concentrations(atmospheric: float) -> float:
    """CF=1 value of an atmospheric one: equal up to 30 ug/m3, then growing to 1.5 times (Plantower's factory curve)."""
    if atmospheric <= 30:
        return atmospheric
    return 30 + (atmospheric - 30) * 1.6 if atmospheric < 60 else atmospheric * 1.3


class Emulator(UartEmulator):
    """Truth `pm1`, `pm2_5`, `pm10` in ug/m3 (atmospheric words) and `particles_0_3` per 0.1 L.

    Faults: an answer between two packets, a fan that stands still, a laser that is dead (zero of everything), mass without particles, the error byte, and passive mode
    as after a brown-out.
    """

    MODEL = "pms5003"
    FAULTS = ("ack", "fan_stop", "dead", "n03_zero", "error", "passive")

    def __init__(self, truth: "Truth", seed: int = 0, *, noise: float = 0.02):
        super().__init__(_PERIOD_US)
        self._truth = truth
        self._rng = Prng(seed, 0x5003)
        self._noise = noise
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._fan_us = 0
        self._active = True
        self._asleep = False
        self._last: list[int] = []
        self._stretch = -1
        self._here: list[float] = []
        self._there: list[float] = []

    def power_on(self, t_us: int) -> None:
        """Active mode; the node opens the stream in the middle of a packet."""
        super().power_on(t_us)
        self._active, self._asleep, self._inbox, self._replies = True, False, b"", []
        self._wake(t_us)
        self._flight.append((t_us, self._report(t_us)[11:]))

    def receive(self, t_us: int, data: bytes) -> None:
        """Take commands; anything that is not one is ignored byte by byte."""
        self._inbox = (self._inbox + data)[-64:]
        while len(self._inbox) >= 7:
            head, self._inbox = self._inbox[:7], self._inbox[1:]
            if head[:2] == b"\x42\x4d" and _summed(head[:5]) == head:
                self._inbox = self._inbox[6:]
                self._obey(t_us, (head[2], head[4]))

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """A packet each second in active mode, and the answers to commands."""
        out = [reply for reply in self._replies if reply[0] <= t_us]
        self._replies = [reply for reply in self._replies if reply[0] > t_us]
        while self._next_us <= t_us:
            if self._active and not self._asleep and self.hit("passive"):
                self._active = False
            if self._active and not self._asleep and not self.ails() and self._next_us - self._fan_us >= 3 * _WARM_US:
                self._healthy(out, (t_us - self._next_us) // _PERIOD_US + 1)
                continue
            if self._active and not self._asleep:
                if self.hit("ack"):
                    out.append((self._next_us - 20000, acknowledge(_SLEEP)))
                out.append((self._next_us, self._report(self._next_us)))
            self._next_us += _PERIOD_US
        out.sort()
        return out

    def _healthy(self, out: "list[tuple[int, bytes]]", count: int) -> None:
        """The next `count` packets of a sensor that is warm and that nothing is wrong with; the same however they are asked for."""
        smooth = getattr(self._truth, "SMOOTH_S", 0) * 1000000 >= _STRETCH_US
        for _ in range(count):
            at_us = self._next_us
            self._next_us += _PERIOD_US
            fine_1, fine, coarse, number = self._between(at_us) if smooth else self._air(at_us)
            if max(fine_1, fine, coarse, number) > _GREAT:
                out.append((at_us, self._report(at_us)))
                continue
            level = 1.0 + self._noise * self._rng.gauss()
            mass = [fine_1 * level, fine * level, coarse * level]
            words = [int(concentrations(value) + 0.5) for value in mass]
            words += [int(value + 0.5) for value in mass]
            n = number * level
            self._last = words + [int(n * share + 0.5) for share in _SHARES]
            out.append((at_us, packet(self._last + [_VERSION << 8])))

    def _between(self, t_us: int) -> "list[float]":
        """As _air, straight between two of its instants."""
        k = t_us // _STRETCH_US
        if k != self._stretch:
            self._stretch = k
            self._here = self._air(k * _STRETCH_US)
            self._there = self._air((k + 1) * _STRETCH_US)
        share = (t_us - k * _STRETCH_US) / _STRETCH_US
        return [a + (b - a) * share for a, b in zip(self._here, self._there)]

    def _wake(self, t_us: int) -> None:
        self._asleep = False
        self._fan_us = t_us
        self._next_us = t_us + _PERIOD_US

    def _obey(self, t_us: int, command: "tuple[int, int]") -> None:
        soon = t_us + 2000
        if command == _WAKE:
            if self._asleep:
                self._wake(t_us)
        elif self._asleep:
            return
        elif command == _SLEEP:
            self._asleep = True
            self._replies.append((soon, acknowledge(command)))
        elif command == _PASSIVE:
            self._active = False
            self._replies.append((soon, acknowledge(command)))
        elif command == _ACTIVE:
            self._active = True
            self._next_us = t_us + _PERIOD_US
        elif command == _READ and not self._active:
            self._replies.append((soon, self._report(soon)))

    def _report(self, t_us: int) -> bytes:
        if not (self._last and self.hit("fan_stop")):
            self._last = self._measure(t_us)
        if self.hit("dead"):
            self._last = [0] * 12
        counts = [0] * 6 if self.hit("n03_zero") else self._last[6:]
        return packet(self._last[:6] + counts + [_VERSION << 8 | (1 if self.hit("error") else 0)])

    def _air(self, t_us: int) -> "list[float]":
        t_s = t_us / 1000000
        return [self._truth(name, t_s) for name in ("pm1", "pm2_5", "pm10", "particles_0_3")]

    def _measure(self, t_us: int) -> "list[int]":
        spin = min(1.0, (t_us - self._fan_us) / (3 * _WARM_US))
        level = spin * (1.0 + self._noise * self._rng.gauss())
        air = [value * level for value in self._air(t_us)]
        count = air.pop()
        words = [rounded(concentrations(value), 0, 65535) for value in air]
        words += [rounded(value, 0, 65535) for value in air]
        return words + [rounded(count * share, 0, 65535) for share in _SHARES]

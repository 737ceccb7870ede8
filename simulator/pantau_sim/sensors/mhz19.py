"""Winsen MH-Z19B carbon dioxide sensor, UART 9600 8N1, answers when asked (facts/sensors.md 1.3).

Command FF 01 code and five bytes, answer FF code and six, each with a checksum that makes the bytes after FF sum to zero.
"""

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_WARM_US = 180000000
_FIRST_US = 30000000  # so long it gives one number
_DELAY_US = 12000
_READ, _ZERO, _SPAN, _ABC, _RANGE = 0x86, 0x87, 0x88, 0x79, 0x99
_RANGES = (1000, 2000, 3000, 5000, 10000)


def nine(body: bytes) -> bytes:
    """FF, seven bytes and their checksum."""
    return b"\xff" + body + bytes([-sum(body) & 255])


def packet(ppm: int, celsius: int, status: int = 0) -> bytes:
    """The answer to a request for the reading."""
    return nine(bytes([_READ, ppm >> 8, ppm & 255, celsius + 40, status, 0, 0]))


class Emulator(UartEmulator):
    """Truth `co2` in ppm and `air_temperature` in Cel. `abc` and `range_ppm` are what the node has made of it.

    warm_ppm: the number that it repeats at first (400, 410 or 500 by the model). Faults: a reading that stays, one that
    ends at the range, the answer to another command than was given.
    """

    MODEL = "mhz19"
    FAULTS = ("stuck", "saturated", "other")

    def __init__(
        self, truth: "Truth", seed: int = 0, *, noise: float = 3.0, warm_ppm: int = 410, answers_abc: bool = True
    ):
        super().__init__(1 << 62)
        self._truth = truth
        self._rng = Prng(seed, 0x19)
        self._noise = noise
        self._warm_ppm = warm_ppm
        self._answers_abc = answers_abc
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._on_us = 0
        self._last = 0
        self.abc = True
        self.range_ppm = 5000

    def power_on(self, t_us: int) -> None:
        """Says nothing until it is asked."""
        super().power_on(t_us)
        self._inbox, self._replies = b"", []
        self._on_us = t_us

    def receive(self, t_us: int, data: bytes) -> None:
        """Take commands; anything that is not one is passed over byte by byte."""
        self._inbox = (self._inbox + data)[-45:]
        while len(self._inbox) >= 9:
            head, self._inbox = self._inbox[:9], self._inbox[1:]
            if head[:2] == b"\xff\x01" and nine(head[1:8]) == head:
                self._inbox = self._inbox[8:]
                answer = self._obey(t_us, head[2], head)
                if answer:
                    self._replies.append((t_us + _DELAY_US, answer))

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """The answers that are due."""
        out = [item for item in self._replies if item[0] <= t_us]
        self._replies = [item for item in self._replies if item[0] > t_us]
        return out

    def _obey(self, t_us: int, code: int, command: bytes) -> bytes:
        if code == _READ:
            return self._reading(t_us)
        if code == _ABC:
            self.abc = command[3] == 0xA0
            return nine(b"\x79\x01\x00\x00\x00\x00\x00") if self._answers_abc else b""
        if code == _RANGE and command[6] << 8 | command[7] in _RANGES:
            self.range_ppm = command[6] << 8 | command[7]
            return nine(b"\x99\x01\x00\x00\x00\x00\x00")
        return b""  # the calibrations are obeyed in silence

    def _reading(self, t_us: int) -> bytes:
        t_s = t_us / 1000000
        if self.hit("other"):
            return nine(b"\x9b\x01\x00\x00\x00\x00\x00")
        celsius = rounded(self._truth("air_temperature", t_s) + 3.0, -40, 215)  # its own heat
        age = t_us - self._on_us
        if not self.hit("stuck"):
            true = self._truth("co2", t_s) + self._noise * self._rng.gauss()
            share = min(1.0, max(0.0, (age - _FIRST_US) / (_WARM_US - _FIRST_US)))
            self._last = rounded(self._warm_ppm + share * (true - self._warm_ppm), 0, self.range_ppm)
        return packet(self.range_ppm if self.hit("saturated") else self._last, celsius)

"""Winsen ZE03, ZE07 and ZE25 electrochemical gas modules, UART 9600 8N1 (facts/sensors.md 1.3; ZE07-CO manual V1.2).

Active upload each second: FF, gas, unit, decimals, value BE16, full scale BE16, checksum. Q&A mode: FF 01 86 is answered.
"""

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 1000000
_WARM_US = 180000000
_DELAY_US = 20000
# model: (truth, gas code, unit 3 ppm or 4 ppb, decimals, full scale in last places, order for active upload, for Q&A)
MODELS = {
    "ze03_co": ("co", 0x04, 3, 0, 1000, 0x03, 0x04),
    "ze03_no2": ("no2", 0x2C, 3, 1, 200, 0x03, 0x04),
    "ze03_so2": ("so2", 0x2B, 3, 1, 200, 0x03, 0x04),
    "ze07_co": ("co", 0x04, 3, 1, 5000, 0x40, 0x41),
    "ze25_o3": ("o3", 0x2A, 4, 0, 10000, 0x40, 0x41),
}


def nine(body: bytes) -> bytes:
    """FF, seven bytes and their checksum."""
    return b"\xff" + body + bytes([-sum(body) & 255])


def packet(gas: int, unit: int, decimals: int, value: int, full: int) -> bytes:
    """Nine bytes of active upload."""
    return nine(bytes([gas, unit, decimals, value >> 8, value & 255, full >> 8, full & 255]))


class Emulator(UartEmulator):
    """Truth `co`, `no2`, `so2` or `o3` in ppb, by the model. As delivered it uploads by itself.

    Faults: a reading that stays, the gas code of another cell, full scale, an answer between two packets, a module that
    someone has set to wait for questions.
    """

    FAULTS = ("stuck", "other_gas", "full_scale", "reply", "passive")

    def __init__(self, truth: "Truth", seed: int = 0, *, model: str = "ze07_co", noise: float = 0.01):
        super().__init__(_PERIOD_US)
        self.MODEL = model
        self._truth = truth
        self._rng = Prng(seed, 0x2E)
        self._noise = noise
        self._kind = MODELS[model]
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._on_us = 0
        self._active = True
        self._last = 0

    def power_on(self, t_us: int) -> None:
        """The node opens the stream in the middle of a packet; after a loss of power it uploads again."""
        super().power_on(t_us)
        self._inbox, self._replies, self._active = b"", [], True
        self._on_us = t_us
        self._next_us = t_us + _PERIOD_US
        self._flight.append((t_us, self._report(t_us)[5:]))

    def receive(self, t_us: int, data: bytes) -> None:
        """Take commands; anything that is not one is passed over byte by byte."""
        self._inbox = (self._inbox + data)[-45:]
        while len(self._inbox) >= 9:
            head, self._inbox = self._inbox[:9], self._inbox[1:]
            if head[:2] == b"\xff\x01" and nine(head[1:8]) == head:
                self._inbox = self._inbox[8:]
                self._obey(t_us, head[2], head[3])

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """A packet each second in active upload, and the answers."""
        out = [item for item in self._replies if item[0] <= t_us]
        self._replies = [item for item in self._replies if item[0] > t_us]
        while self._next_us <= t_us:
            at = self._next_us
            if self._active and self.hit("passive"):
                self._active = False
            if self._active:
                if self.hit("reply"):
                    out.append((at - 20000, self._answer(at)))
                out.append((at, self._report(at)))
            self._next_us += _PERIOD_US
        out.sort()
        return out

    def _obey(self, t_us: int, code: int, data: int) -> None:
        if code == 0x78 and data in self._kind[5:]:
            self._active = data == self._kind[5]
            self._next_us = t_us + _PERIOD_US
            self._replies.append((t_us + _DELAY_US, nine(b"\x78\x01\x00\x00\x00\x00\x00")))
        elif code == 0x86 and not self._active:
            self._replies.append((t_us + _DELAY_US, self._answer(t_us)))

    def _answer(self, t_us: int) -> bytes:
        """The form of the ZE03 as public libraries read it; unverified, as the families differ."""
        self._measure(t_us)
        return nine(bytes([0x86, self._last >> 8, self._last & 255, self._kind[1], 0, 0, 0]))

    def _measure(self, t_us: int) -> None:
        name, _, unit, decimals, full, _, _ = self._kind
        true = self._truth(name, t_us / 1000000) * (1.0 + self._noise * self._rng.gauss())
        true *= min(1.0, max(0.0, (t_us - self._on_us) / _WARM_US))
        places = 1
        for _ in range(decimals):
            places *= 10
        self._last = rounded(true * places / (1000.0 if unit == 3 else 1.0), 0, full)

    def _report(self, t_us: int) -> bytes:
        _, gas, unit, decimals, full, _, _ = self._kind
        if not self.hit("stuck"):
            self._measure(t_us)
        value = full if self.hit("full_scale") else self._last
        return packet(0x31 if self.hit("other_gas") else gas, unit, decimals, value, full)

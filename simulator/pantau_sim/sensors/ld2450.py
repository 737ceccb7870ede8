"""HLK-LD2450 radar for people, UART 256000 8N1 (facts/sensors.md 1.2 b).

AA FF 03 00, three slots of x, y, speed, resolution as LE16, 55 CC; bit 15 set is positive; an empty slot is zeros.
"""

from .base import Prng, UartEmulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 100000
_SLOTS = 3
_RESOLUTION_MM = 320
_HEAD, _TAIL = b"\xaa\xff\x03\x00", b"\x55\xcc"


def word(value: int) -> bytes:
    """A signed number as the radar writes it."""
    raw = value | 0x8000 if value >= 0 else -value
    return bytes([raw & 255, raw >> 8])


def packet(targets: "list[tuple[int, int, int, int]]") -> bytes:
    """30 bytes of up to three targets (x mm, y mm, speed cm/s, resolution mm)."""
    body = b""
    for x, y, speed, resolution in targets:
        body += word(x) + word(y) + word(speed) + bytes([resolution & 255, resolution >> 8])
    return _HEAD + body + bytes(8 * (_SLOTS - len(targets))) + _TAIL


class Emulator(UartEmulator):
    """Truth `people`: how many are in front of it; the radar sees three at most. Faults: `tail` breaks a packet's end."""

    MODEL = "ld2450"
    BAUD = 256000
    FAULTS = ("tail",)

    def __init__(self, truth: "Truth", seed: int = 0):
        super().__init__(_PERIOD_US)
        self._truth = truth
        self._rng = Prng(seed, 0x2450)

    def power_on(self, t_us: int) -> None:
        """The node opens the stream in the middle of a packet."""
        super().power_on(t_us)
        self._next_us = t_us + _PERIOD_US
        self._flight.append((t_us, packet([])[13:]))

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """A packet each 100 ms, also of an empty room."""
        out = []
        while self._next_us <= t_us:
            data = packet(self._targets(self._next_us))
            if self.hit("tail"):
                data = data[:-1] + b"\x00"
            out.append((self._next_us, data))
            self._next_us += _PERIOD_US
        return out

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """No checksum: only a broken tail is noticed."""
        return packet[:-1] + bytes([packet[-1] ^ 1 << rng.below(8)])

    def _targets(self, t_us: int) -> "list[tuple[int, int, int, int]]":
        count = min(_SLOTS, max(0, int(self._truth("people", t_us / 1000000) + 0.5)))
        found = []
        for _ in range(count):
            x, y = self._rng.below(4000) - 2000, 300 + self._rng.below(5700)
            found.append((x, y, self._rng.below(200) - 100, _RESOLUTION_MM))
        return found

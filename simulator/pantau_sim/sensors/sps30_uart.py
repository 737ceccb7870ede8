"""Sensirion SPS30 particle sensor by UART 115200 8N1, SHDLC frames (facts/sensors.md 1.3; SPS30 datasheet 4, 5).

Asked: 7E 00 command length data sum 7E. It answers: 7E 00 command state length data sum 7E; 7E 7D 11 13 are stuffed.
"""

import struct

from .base import Prng, UartEmulator
from .sps30 import FAN, LASER, SPEED, Air, payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 1000000
_CLEAN_US = 10000000
_START, _STOP, _READ, _CLEAN, _PRODUCT, _VERSION, _STATUS, _RESET = 0x00, 0x01, 0x03, 0x56, 0xD0, 0xD1, 0xD2, 0xD3
_SLEEP, _WAKE = 0x10, 0x11  # firmware from 2.0 on
_PULSE_US = 100000  # so long does its receiver stay on after a byte
_NO_COMMAND, _NOT_NOW, _INTERNAL, _FLAGGED = 0x02, 0x43, 0x28, 0x80  # states


def stuffed(data: bytes) -> bytes:
    """Bytes as they travel between two 7E."""
    out = b""
    for byte in data:
        out += bytes([0x7D, byte ^ 0x20]) if byte in (0x7E, 0x7D, 0x11, 0x13) else bytes([byte])
    return out


def unstuffed(data: bytes) -> bytes:
    """What stuffed() was given."""
    out = b""
    escaped = False
    for byte in data:
        if escaped or byte != 0x7D:
            out += bytes([byte ^ 0x20 if escaped else byte])
        escaped = byte == 0x7D and not escaped
    return out


def answer(command: int, data: bytes, state: int = 0) -> bytes:
    """A whole frame of the sensor."""
    body = bytes([0, command, state, len(data)]) + data
    return b"\x7e" + stuffed(body + bytes([~sum(body) & 255])) + b"\x7e"


def packet(command: int, values: "list[float]", state: int = 0) -> bytes:
    """A whole frame of ten values, or of none."""
    return answer(command, payload(values) if values else b"", state)


class Emulator(UartEmulator):
    """See sps30.Air for the truth it takes.

    Fault `stuffing`: an escape that is cut off or, each second time, of a byte that needs none.
    asleep: a firmware from 2.0 on that was left sleeping; a first byte wakes its receiver for 100 ms, the order 11 the rest.
    """

    MODEL = "sps30_uart"
    BAUD = 115200
    FAULTS = ("empty", "stuffing", "state", "restart", "nan", "fan", "laser", "speed")

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
        super().__init__(_PERIOD_US)
        self._air = Air(truth, seed, noise)
        self._product = product
        self._version = version
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._started_us: int | None = None
        self._cleaned_us = -_CLEAN_US
        self._taken = 0
        self._status = 0
        self._left = asleep  # as the node finds it: the supply came up long before
        self._asleep = False
        self._pulse_us = -_PULSE_US

    def power_on(self, t_us: int) -> None:
        """Idle; it says nothing unasked."""
        self._asleep, self._left = self._left, False
        super().power_on(t_us)
        self._inbox, self._replies = b"", []
        self._started_us = None
        self._status = 0

    def receive(self, t_us: int, data: bytes) -> None:
        """Take frames; what is none is ignored."""
        if self._asleep:
            awake = t_us - self._pulse_us < _PULSE_US
            self._pulse_us = t_us
            data = data if awake else b"\xff" + data[1:]
        parts = (self._inbox + data).split(b"\x7e")
        self._inbox = parts[-1][-64:]
        for part in parts[:-1]:
            body = unstuffed(part)
            if len(body) >= 4 and len(body) == body[2] + 4 and sum(body) & 255 == 255 and body[0] == 0:
                if self._asleep and body[1] != _WAKE:
                    continue
                state, reply = self._obey(t_us, body[1], body[3:-1])
                state |= _FLAGGED if self._status else 0
                sent = answer(body[1], reply, state)
                if body[1] == _READ and self.hit("stuffing"):
                    sent = sent[:-1] + (b"\x7d\x7e" if self.injected["stuffing"] & 1 else b"\x7d\x41\x7e")
                self._replies.append((t_us + 3000, sent))

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """The answers that are due."""
        out = [reply for reply in self._replies if reply[0] <= t_us]
        self._replies = [reply for reply in self._replies if reply[0] > t_us]
        return out

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """A bit of the command turned: no stuffing comes or goes, the length stays."""
        return packet[:2] + bytes([packet[2] ^ 0x20 << rng.below(2)]) + packet[3:]

    def _obey(self, t_us: int, command: int, data: bytes) -> "tuple[int, bytes]":
        """(state, data) of the answer."""
        if command == _START:
            if self._started_us is not None:
                return _NOT_NOW, b""
            self._started_us = t_us
            self._taken = 0
        elif command == _STOP:
            if self._started_us is None:
                return _NOT_NOW, b""
            self._started_us = None
        elif command == _READ:
            return self._reading(t_us)
        elif command == _SLEEP and self._version >= (2, 0) and self._started_us is None:
            self._asleep = True
        elif command == _WAKE and self._asleep:
            self._asleep = False
        elif command == _CLEAN:
            self._cleaned_us = t_us
        elif command == _RESET:
            self._started_us = None
            self._status = 0
        elif command == _PRODUCT and data == b"\x00":
            return 0, self._product + b"\x00"
        elif command == _VERSION:
            return 0, bytes(self._version) + b"\x00\x07\x00\x02\x00"
        elif command == _STATUS and self._version >= (2, 2):
            return 0, self._register(data == b"\x01")
        else:
            return _NO_COMMAND, b""
        return 0, b""

    def _register(self, clear: bool) -> bytes:
        if not clear:
            for kind, bit in (("fan", FAN), ("laser", LASER), ("speed", SPEED)):
                if self.hit(kind):
                    self._status |= bit
        reply = struct.pack(">I", self._status) + b"\x00"
        if clear:
            self._status = 0
        return reply

    def _reading(self, t_us: int) -> "tuple[int, bytes]":
        if self.hit("restart"):
            self._started_us = None
        if self._started_us is None:
            return _NOT_NOW, b""
        if self.hit("state"):
            return _INTERNAL, b""
        count = (t_us - self._started_us) // _PERIOD_US
        if self.hit("empty") or count <= self._taken or t_us - self._cleaned_us < _CLEAN_US:
            return 0, b""
        self._taken = count
        data = payload(self._air.values(t_us, t_us - self._started_us))
        return 0, b"\x7f\xc0\x00\x00" + data[4:] if self.hit("nan") else data

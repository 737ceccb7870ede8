"""HLK-LD2451 24 GHz vehicle radar, UART 115200 8N1 (maker's protocol V1.03, 2024-7-1; facts/sensors.md 1.2 a).

Report ten times a second: F4 F3 F2 F1, length LE16, count, alarm, count x (angle+0x80, distance m, 1 = approaching,
speed km/h, SNR), F8 F7 F6 F5; nothing in sight: length 0. Commands FD FC FB FA .. 04 03 02 01, answered with 0x0100 set.
"""

import math

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Pass, Traffic

    Target = tuple[int, int, int, int, int]

_HEAD, _TAIL = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
_COMMAND, _COMMAND_END = b"\xfd\xfc\xfb\xfa", b"\x04\x03\x02\x01"
_PERIOD_US = 100000
_MAX_TARGETS = 5
_BEAM_DEG = 20
_NEAREST_M = 3.0
_BLOCK_S = 10  # passes are asked for in blocks, and kept as long as a vehicle at walking speed stays in the beam
_AROUND_S = 45
_BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800)
_DEFAULTS = (bytes([100, 2, 5, 1]), bytes([1, 0, 0, 0]))  # range m, direction, speed km/h, delay s; trigger, SNR
_FIRMWARE = bytes([0x51, 0x24, 0x01, 0x01, 0x10, 0x15, 0x05, 0x24])  # type 0x2451, V1.01.24051510


def packet(targets: "list[Target]") -> bytes:
    """Bytes of (angle deg, distance m, approaching 0/1, speed km/h, SNR) tuples."""
    if not targets:
        return _HEAD + b"\x00\x00" + _TAIL
    alarm = 1 if any(target[2] for target in targets) else 0
    body = bytes([len(targets), alarm])
    for angle, distance, approaching, speed, snr in targets:
        body += bytes([angle + 0x80, distance, approaching, speed, snr])
    return _HEAD + bytes([len(body), 0]) + body + _TAIL


def answer(command: int, value: bytes = b"", status: int = 0) -> bytes:
    """The acknowledgement of a command word."""
    body = bytes([command & 255, 1, status, 0]) + value
    return _COMMAND + bytes([len(body), 0]) + body + _COMMAND_END


class Emulator(UartEmulator):
    """Truth: `passes`. `silent_when_empty` is the habit of some units to send nothing without a target.

    fast: set to 256000 baud, as some come. Faults of a report: its tail is lost; it says one target more than it has; a
    walker at 2 m is in it (`ghost`), or walkers fill all five places (`crowd`).
    """

    MODEL = "ld2451"
    BAUD = 115200
    FAULTS = ("tail", "count", "ghost", "crowd")

    def __init__(self, truth: "Traffic", seed: int = 0, *, silent_when_empty: bool = False, fast: bool = False):
        super().__init__(_PERIOD_US)
        self._truth = truth
        self._rng = Prng(seed, 0x2451)
        self._silent = silent_when_empty
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._configuring = False
        self._detect, self._sense = _DEFAULTS
        self._next_baud = 256000 if fast else self.BAUD
        self._block = -1
        self._near: list[Pass] = []

    def power_on(self, t_us: int) -> None:
        """Reports begin half a second later; settings survive, a chosen baud rate takes effect."""
        super().power_on(t_us)
        self.BAUD = self._next_baud
        self._next_us = t_us + 500000
        self._inbox, self._replies, self._configuring = b"", [], False

    def receive(self, t_us: int, data: bytes) -> None:
        """Take commands; garbage is skipped."""
        self._inbox = (self._inbox + data)[-128:]
        while True:
            start = self._inbox.find(_COMMAND)
            if start < 0 or len(self._inbox) < start + 6:
                return
            size = self._inbox[start + 4] | self._inbox[start + 5] << 8
            end = start + 6 + size
            if size > 32:
                self._inbox = self._inbox[start + 4 :]
                continue
            if len(self._inbox) < end + 4:
                return
            body, tail = self._inbox[start + 6 : end], self._inbox[end : end + 4]
            self._inbox = self._inbox[end + 4 :]
            if tail == _COMMAND_END and size >= 2:
                self._obey(t_us, body[0] | body[1] << 8, body[2:])

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """Reports while not in configuration, and answers."""
        out = [reply for reply in self._replies if reply[0] <= t_us]
        self._replies = [reply for reply in self._replies if reply[0] > t_us]
        while self._next_us <= t_us:
            if not self._configuring:
                targets = self.targets(self._next_us)
                if targets or not self._silent:
                    out.append((self._next_us, self._report(targets)))
            self._next_us += _PERIOD_US
        out.sort()
        return out

    def _report(self, targets: "list[Target]") -> bytes:
        """The report of these targets, with what is wrong with it now."""
        ghosts = _MAX_TARGETS if self.hit("crowd") else 1 if self.hit("ghost") else 0
        for _ in range(ghosts):
            way = self._rng.below(2)
            targets.insert(0, ((2 * way - 1) * (30 + self._rng.below(50)), 2, way, 3, 255))
        data = packet(targets[:_MAX_TARGETS])
        if len(data) > 10 and self.hit("count"):
            data = data[:6] + bytes([data[6] + 1]) + data[7:]
        return data[:-4] if self.hit("tail") else data

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """There is no checksum: only a broken tail is sure to be noticed."""
        return packet[:-1] + bytes([packet[-1] ^ 1 << rng.below(8)])

    def targets(self, t_us: int) -> "list[Target]":
        """What the radar tracks at t_us, nearest first, at most five."""
        t_s = t_us / 1000000
        seen = []
        for at_s, approaching, speed_kmh, side_m, length_m in self._around(t_s):
            ahead_m = speed_kmh / 3.6 * (at_s - t_s if approaching else t_s - at_s)
            reach_m = min(self._detect[0], 50 if length_m < 3 else 90)  # a motorcycle is seen half as far as a car
            if not _NEAREST_M <= ahead_m <= reach_m:
                continue
            angle = math.atan2(side_m, ahead_m) * 57.29578
            wanted = self._detect[1] == 2 or self._detect[1] == (1 if approaching else 0)
            if abs(angle) > _BEAM_DEG or not wanted or speed_kmh < self._detect[2]:
                continue
            radial = speed_kmh * math.cos(angle / 57.29578) + 0.5 * self._rng.gauss()
            snr = (30 if length_m < 3 else 60) - ahead_m * 0.4 + 2 * self._rng.gauss()
            away_m = rounded(math.sqrt(ahead_m * ahead_m + side_m * side_m), 0, 255)
            seen.append(
                (
                    away_m,
                    rounded(angle, -90, 90),
                    1 if approaching else 0,
                    rounded(radial, 0, 120),
                    rounded(snr, 4, 255),
                )
            )
        seen.sort()
        return [(angle, away, way, speed, snr) for away, angle, way, speed, snr in seen[:_MAX_TARGETS]]

    def _around(self, t_s: float) -> "list[Pass]":
        block = int(t_s) // _BLOCK_S
        if block != self._block:
            self._block = block
            start = block * _BLOCK_S
            self._near = self._truth.passes(start - _AROUND_S, start + _BLOCK_S + _AROUND_S)
        return self._near

    def _obey(self, t_us: int, command: int, value: bytes) -> None:
        soon = t_us + 5000
        if command == 0xFF:
            self._configuring = True
            reply = answer(command, b"\x01\x00\x40\x00")
        elif not self._configuring:
            return
        else:
            reply = self._configure(t_us, command, value)
        self._replies.append((soon, reply))

    def _configure(self, t_us: int, command: int, value: bytes) -> bytes:
        """Answer to a command inside configuration; status 1 for what is unknown or too short."""
        if command == 0xFE:
            self._configuring = False
        elif command == 0x02 and len(value) >= 4:
            self._detect = value[:4]
        elif command == 0x03 and len(value) >= 4:
            self._sense = value[:4]
        elif command == 0x12:
            return answer(command, self._detect)
        elif command == 0x13:
            return answer(command, self._sense)
        elif command == 0xA0:
            return answer(command, _FIRMWARE)
        elif command == 0xA1 and value and 1 <= value[0] <= len(_BAUDS):
            self._next_baud = _BAUDS[value[0] - 1]
        elif command == 0xA2:
            self._detect, self._sense = _DEFAULTS
        elif command == 0xA3:
            self._configuring = False
            self.BAUD = self._next_baud
            self._next_us = t_us + 1000000
        else:
            return answer(command, b"", 1)
        return answer(command)

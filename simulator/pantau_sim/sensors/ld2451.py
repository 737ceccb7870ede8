"""HLK-LD2451 24 GHz vehicle radar, UART 115200 8N1 (maker's protocol V1.03, 2024-7-1; facts/sensors.md 1.2 a).

Report ten times a second: F4 F3 F2 F1, length LE16, count, alarm, count x (angle+0x80, distance m, 1 = approaching,
speed km/h, SNR), F8 F7 F6 F5; nothing in sight: length 0. Commands FD FC FB FA .. 04 03 02 01, answered with 0x0100 set.
"""

import math

from .base import Prng, UartEmulator, mix, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Pass, Traffic

    Target = tuple[int, int, int, int, int]

HEAD, TAIL = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
_COMMAND, _COMMAND_END = b"\xfd\xfc\xfb\xfa", b"\x04\x03\x02\x01"
PERIOD_US = 100000
MAX_TARGETS = 5
_LONGEST = 12 + 5 * MAX_TARGETS  # bytes of a report
NEAREST_M = 3.0
BEAM = 0.36397  # tangent of half the beam, 20 degrees
# Tangents of 0.5, 1.5 ... 19.5 degrees: an angle in whole degrees is how many of them it has passed, on every machine.
TANGENTS = (
    0.008727, 0.026186, 0.043661, 0.061163, 0.078702, 0.096289, 0.113936, 0.131652, 0.149451, 0.167343,
    0.185339, 0.203452, 0.221695, 0.240079, 0.258618, 0.277325, 0.296213, 0.315299, 0.334595, 0.354119,
)  # fmt: skip
SPEED_NOISE, SNR_NOISE = 0.5 / 147.8, 2 / 147.8  # km/h and steps for one of four_bytes(), whose deviation is 147.8
WAY_KEY = 0x5EED  # tells two vehicles of one instant apart
_BLOCK_S = 10  # passes are asked for in blocks
AROUND_S = 65  # from a pass: so long a vehicle at walking speed, 5 km/h, is in the beam
_BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800)
_DEFAULTS = (bytes([100, 2, 5, 1]), bytes([1, 0, 0, 0]))  # range m, direction, speed km/h, delay s; trigger, SNR
_FIRMWARE = bytes([0x51, 0x24, 0x01, 0x01, 0x10, 0x15, 0x05, 0x24])  # type 0x2451, V1.01.24051510


def packet(targets: "list[Target]") -> bytes:
    """Bytes of (angle deg, distance m, approaching 0/1, speed km/h, SNR) tuples."""
    if not targets:
        return HEAD + b"\x00\x00" + TAIL
    alarm = 1 if any(target[2] for target in targets) else 0
    body = bytes([len(targets), alarm])
    for angle, distance, approaching, speed, snr in targets:
        body += bytes([angle + 0x80, distance, approaching, speed, snr])
    return HEAD + bytes([len(body), 0]) + body + TAIL


def answer(command: int, value: bytes = b"", status: int = 0) -> bytes:
    """The acknowledgement of a command word."""
    body = bytes([command & 255, 1, status, 0]) + value
    return _COMMAND + bytes([len(body), 0]) + body + _COMMAND_END


def four_bytes(word: int) -> int:
    """A number of mean 0 and deviation 147.8 within +-510 from 32 random bits: the sum of their bytes."""
    return (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24) - 510


def vehicle_key(seed: int, vehicle: "Pass") -> int:
    """32 bits that are a vehicle's own. Its noise at an instant follows from both, whatever else was asked before."""
    return mix(seed ^ (int(vehicle[0] * 1000) & 0xFFFFFFFF) ^ (WAY_KEY if vehicle[1] else 0))


class Emulator(UartEmulator):
    """Truth: `passes`. `silent_when_empty` is the habit of some units to send nothing without a target.

    fast: set to 256000 baud, as some come. Faults of a report: its tail is lost; it says one target more than it has; a
    walker at 2 m is in it (`ghost`), or walkers fill all five places (`crowd`).
    """

    MODEL = "ld2451"
    BAUD = 115200
    FAULTS = ("tail", "count", "ghost", "crowd")

    def __init__(self, truth: "Traffic", seed: int = 0, *, silent_when_empty: bool = False, fast: bool = False):
        super().__init__(PERIOD_US)
        self._truth = truth
        self._rng = Prng(seed, 0x2451)
        self._seed = Prng(seed, 0x2451A).bits()
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
            self._next_us += PERIOD_US
        out.sort()
        return out

    def stretch(self, until_us: int) -> "tuple[list[int], list[int], bytes]":
        """As every sensor; undisturbed reports are made many at once."""
        if self.bulk is None:
            return super().stretch(until_us)
        starts, ends, data = super().stretch(min(until_us, self._next_us - 1))  # what is on the line still
        first = self._next_us
        n = (until_us - _LONGEST * 10000000 // self.BAUD - first) // PERIOD_US + 1
        busy = self._silent or self._configuring or self._replies or self._flight
        if n > 0 and not busy and not self.troubled():
            self._next_us = first + n * PERIOD_US
            vehicles = self._truth.passes(first / 1000000 - AROUND_S, self._next_us / 1000000 + AROUND_S)
            wanted = [v for v in vehicles if self._wants(v[1], v[2])]
            reach_m = [self.reach_m(v[4]) for v in wanted]
            found = self.bulk(wanted, reach_m, self._seed, first, n)
            ends += [len(data) + end for end in found[0]]
            starts += range(first, self._next_us, PERIOD_US)
            data += found[1]
        last = super().stretch(until_us)
        return starts + last[0], ends + [len(data) + end for end in last[1]], data + last[2]

    def _report(self, targets: "list[Target]") -> bytes:
        """The report of these targets, with what is wrong with it now."""
        ghosts = MAX_TARGETS if self.hit("crowd") else 1 if self.hit("ghost") else 0
        for _ in range(ghosts):
            way = self._rng.below(2)
            targets.insert(0, ((2 * way - 1) * (30 + self._rng.below(50)), 2, way, 3, 255))
        data = packet(targets[:MAX_TARGETS])
        if len(data) > 10 and self.hit("count"):
            data = data[:6] + bytes([data[6] + 1]) + data[7:]
        return data[:-4] if self.hit("tail") else data

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """There is no checksum: only a broken tail is sure to be noticed."""
        return packet[:-1] + bytes([packet[-1] ^ 1 << rng.below(8)])

    def targets(self, t_us: int) -> "list[Target]":
        """What the radar tracks at t_us, nearest first, at most five."""
        t_s = t_us / 1000000
        tick = t_us // 1000 & 0xFFFFFFFF
        seen = []
        for vehicle in self._around(t_s):
            at_s, approaching, speed_kmh, side_m, length_m = vehicle
            ahead_s = at_s - t_s if approaching else t_s - at_s
            ahead_m = speed_kmh / 3.6 * ahead_s
            if ahead_s > AROUND_S or not NEAREST_M <= ahead_m <= self.reach_m(length_m):
                continue
            if not self._wants(approaching, speed_kmh):
                continue
            tangent = abs(side_m) / ahead_m
            if tangent > BEAM:
                continue
            angle = 0
            while angle < 20 and tangent >= TANGENTS[angle]:
                angle += 1
            noise = mix(vehicle_key(self._seed, vehicle) ^ tick)
            away_m = math.sqrt(ahead_m * ahead_m + side_m * side_m)
            radial = speed_kmh * ahead_m / away_m + SPEED_NOISE * four_bytes(noise)
            snr = (30 if length_m < 3 else 60) - ahead_m * 0.4 + SNR_NOISE * four_bytes(mix(noise ^ 0x9E3779B9))
            seen.append(
                (
                    rounded(away_m, 0, 255),
                    -angle if side_m < 0 else angle,
                    1 if approaching else 0,
                    rounded(radial, 0, 120),
                    rounded(snr, 4, 255),
                )
            )
        seen.sort()
        return [(angle, away, way, speed, snr) for away, angle, way, speed, snr in seen[:MAX_TARGETS]]

    def reach_m(self, length_m: float) -> float:
        """How far a vehicle is seen: a motorcycle half as far as a car, none beyond the range that was set."""
        return min(self._detect[0], 50 if length_m < 3 else 90)

    def _wants(self, approaching: bool, speed_kmh: float) -> bool:
        return self._detect[1] in (2, 1 if approaching else 0) and speed_kmh >= self._detect[2]

    def _around(self, t_s: float) -> "list[Pass]":
        block = int(t_s) // _BLOCK_S
        if block != self._block:
            self._block = block
            start = block * _BLOCK_S
            self._near = self._truth.passes(start - AROUND_S, start + _BLOCK_S + AROUND_S)
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

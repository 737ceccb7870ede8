"""QST QMC5883L magnetometer in or beside a lane, I2C 0x0D (facts/sensors.md 1.2 c, 1.5).

00-05 X, Y, Z LE16, 06 status (1 ready, 2 overflow, 4 overrun; reading data clears it), 07-08 temperature, 09 and 0A control,
0B set/reset period, 0D identity FF. Stands by after power-on. Without the set/reset period the axes carry an offset.
"""

import math

from .base import I2cEmulator, Prng, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Pass, Traffic

_EARTH_MG = (390.0, 0.0, -230.0)  # near the equator: mostly north
_RATES = (10, 50, 100, 200)
_LSB_MG = (12.0, 3.0)  # of 2 and 8 G
_DRDY, _OVL, _DOR = 1, 2, 4
_OFFSET_MG = 300.0
_AROUND_S = 20
_BLOCK_S = 10


def packet(x: int, y: int, z: int, status: int = _DRDY, centi_c: int = 2500) -> bytes:
    """The registers 00 to 08; the temperature counts from 50 Cel."""
    out = b""
    for value in (x, y, z):
        out += bytes([value & 255, value >> 8 & 255])
    t = centi_c - 5000
    return out + bytes([status, t & 255, t >> 8 & 255])


def moment_mg(length_m: float) -> float:
    """What a vehicle adds to the field a metre away."""
    return 90.0 if length_m < 3 else 350.0 if length_m < 6 else 1200.0


class Emulator(I2cEmulator):
    """Truth: `passes`. offset_m: where across the road it lies; depth_m below the vehicles; drift_mg a day of the temperature."""

    MODEL = "qmc5883l"
    ADDRESS = 0x0D
    # Too much field, an overrun, another chip's identity (one answer each); the next vehicle saturates it.
    FAULTS = ("ovl", "dor", "id", "bus")

    def __init__(
        self,
        truth: "Traffic",
        seed: int = 0,
        *,
        offset_m: float = 2.5,
        depth_m: float = 0.6,
        noise_mg: float = 2.0,
        drift_mg: float = 30.0,
    ):
        self._truth = truth
        self._rng = Prng(seed, 0x5883)
        self._place = (offset_m, depth_m)
        self._noise_mg = noise_mg
        self._drift_mg = drift_mg
        self._block = -1
        self._near: list[Pass] = []
        self._bus_at: float | None = None
        self.power_on(0)

    def power_on(self, t_us: int) -> None:
        """Registers as after a reset."""
        self._registers = bytearray(14)
        self._registers[0x0D] = 0xFF
        self._pointer = 0
        self._from_us = t_us
        self._seen = 0  # samples since the mode was set that were read or overwritten

    def write(self, t_us: int, data: bytes) -> bool:
        """Set the register pointer, and registers from there on."""
        if data:
            self._pointer = data[0]
        for value in data[1:]:
            if self._pointer == 0x0A and value & 0x80:
                self.power_on(t_us)
            elif self._pointer < 14:
                self._registers[self._pointer] = value
            if self._pointer == 0x09:
                self._from_us, self._seen = t_us, 0
            self._pointer += 1
        return True

    def read(self, t_us: int, size: int) -> "bytes | None":
        """Registers from the pointer on."""
        self._measure(t_us)
        out = bytes(self._registers[self._pointer : self._pointer + size])
        if self._pointer == 0x0D and self.hit("id"):
            out = b"\x3c"
        if self._pointer < 6 and self._registers[6]:
            self._registers[6] = 0
        self._pointer += size
        return (out + b"\xff" * size)[:size]

    def _measure(self, t_us: int) -> None:
        """Bring data and status up to t_us."""
        control = self._registers[0x09]
        if not control & 1:
            return
        period_us = 1000000 // _RATES[control >> 2 & 3]
        made = (t_us - self._from_us) // period_us
        if made == self._seen:
            return
        overrun = made - self._seen > 1 or self._registers[6] & _DRDY
        self._seen = made
        at_s = (self._from_us + made * period_us) / 1e6
        lsb = _LSB_MG[control >> 4 & 1]
        wanted = [mg * lsb for mg in self.field_mg(at_s)]
        status = _DRDY | (_DOR if overrun or self.hit("dor") else 0)
        if self.hit("ovl") or max(abs(v) for v in wanted) > 32767:
            status |= _OVL
            wanted = [40000.0 if v >= 0 else -40000.0 for v in wanted]
        x, y, z = [rounded(v, -32768, 32767) for v in wanted]
        self._registers[:9] = packet(x, y, z, status, rounded(2800 + 500 * _day(at_s), -4000, 8500))

    def field_mg(self, t_s: float) -> "tuple[float, float, float]":
        """The field: earth, vehicles, drift, noise."""
        x, y, z = [v + self._noise_mg * self._rng.gauss() for v in _EARTH_MG]
        x += self._drift_mg * _day(t_s)
        if self._registers[0x0B] != 1:
            x, y, z = x + _OFFSET_MG, y - _OFFSET_MG, z + _OFFSET_MG
        for vehicle in self._around(t_s):
            along, across = self._bump(vehicle, t_s)
            x, z = x + along, z + across
        return x, y, z

    def _bump(self, vehicle: "Pass", t_s: float) -> "tuple[float, float]":
        """What a vehicle adds along the road and downwards: greatest beside its body, falling with the third power."""
        at_s, approaching, speed_kmh, side_m, length_m = vehicle
        moved = speed_kmh / 3.6 * (t_s - at_s) - length_m / 2  # of its middle past the sensor
        beyond = max(0.0, abs(moved) - length_m / 2)
        apart = math.sqrt((side_m - self._place[0]) ** 2 + self._place[1] ** 2 + beyond * beyond)
        moment = moment_mg(length_m)
        if beyond == 0.0 and self._bus_at is None and self.hit("bus"):
            self._bus_at = at_s
        if self._bus_at == at_s:
            if beyond < 1.0:
                return 40000.0, 40000.0
            self._bus_at = None
        way = 1.0 if approaching else -1.0
        field = moment / max(apart, 0.5) ** 3
        return 0.5 * field * (1.0 + 0.3 * way * max(-1.0, min(1.0, moved / length_m))), -field

    def _around(self, t_s: float) -> "list[Pass]":
        block = int(t_s) // _BLOCK_S
        if block != self._block:
            self._block = block
            start = block * _BLOCK_S
            self._near = self._truth.passes(start - _AROUND_S, start + _BLOCK_S + _AROUND_S)
        return self._near


def _day(t_s: float) -> float:
    """-1 to 1 over a day."""
    return math.sin(t_s / 86400 * 2 * math.pi)

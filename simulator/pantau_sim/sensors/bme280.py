"""Bosch BME280 temperature, pressure and humidity, I2C 0x76/0x77 (datasheet BST-BME280-DS002; facts/sensors.md 1.3).

Register map with forced mode; a BMP280 is the same without humidity. Raw values come from searching the compensation formula (its double form) for the truth.
"""

from .base import I2cEmulator, Prng

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Truth

# Bosch's worked example for T and P; humidity trims of a production part (facts/sensors.md, vectors bme280).
CALIBRATION = {
    "T": (27504, 26435, -1000),
    "P": (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000),
    "H": (75, 376, 0, 286, 50, 30),
}
_ID, _RESET, _CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG, _DATA = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xF5, 0xF7
_BME280, _BMP280 = 0x60, 0x58
_AROUND = 64  # counts: over so many the formulas are nearly straight
_LATE_US = 15000  # more than the longest time


def _le16(value: int) -> "list[int]":
    return [value & 255, value >> 8 & 255]


def calibration_bytes(trim: "dict[str, tuple[int, ...]]") -> "tuple[bytes, bytes]":
    """Registers 88..A1 and E1..E7 of a calibration set; H4 and H5 share E5."""
    low: list[int] = []
    for value in trim["T"] + trim["P"]:
        low += _le16(value)
    h1, h2, h3, h4, h5, h6 = trim["H"]
    high = _le16(h2) + [h3, h4 >> 4 & 255, h4 & 15 | (h5 & 15) << 4, h5 >> 4 & 255, h6 & 255]
    return bytes(low + [0, h1]), bytes(high)


def packet(raw_t: int, raw_p: int, raw_h: int) -> bytes:
    """Registers F7..FE of the three raw values: pressure, temperature, humidity."""
    out = []
    for raw in (raw_p, raw_t):
        out += [raw >> 12, raw >> 4 & 255, raw << 4 & 255]
    return bytes(out + [raw_h >> 8, raw_h & 255])


_SKIPPED = packet(0x80000, 0x80000, 0x8000)  # data registers before any measurement


def t_fine(adc: int, trim: "dict[str, tuple[int, ...]]") -> float:
    """Fine temperature; 5120 per Cel."""
    t1, t2, t3 = trim["T"]
    step = adc / 131072.0 - t1 / 8192.0
    return (adc / 16384.0 - t1 / 1024.0) * t2 + step * step * t3


def pressure_pa(adc: int, fine: float, trim: "dict[str, tuple[int, ...]]") -> float:
    """Pressure in Pa; falls with adc."""
    p = (0,) + trim["P"]
    v1 = fine / 2.0 - 64000.0
    v2 = v1 * v1 * p[6] / 32768.0 + v1 * p[5] * 2.0
    v2 = v2 / 4.0 + p[4] * 65536.0
    v1 = (p[3] * v1 * v1 / 524288.0 + p[2] * v1) / 524288.0
    v1 = (1.0 + v1 / 32768.0) * p[1]
    out = (1048576.0 - adc - v2 / 4096.0) * 6250.0 / v1
    return out + (p[9] * out * out / 2147483648.0 + out * p[8] / 32768.0 + p[7]) / 16.0


def humidity_pct(adc: int, fine: float, trim: "dict[str, tuple[int, ...]]") -> float:
    """Relative humidity in %; rises with adc."""
    h1, h2, h3, h4, h5, h6 = trim["H"]
    v = fine - 76800.0
    v = (adc - (h4 * 64.0 + h5 / 16384.0 * v)) * (
        h2 / 65536.0 * (1.0 + h6 / 67108864.0 * v * (1.0 + h3 / 67108864.0 * v))
    )
    return max(0.0, min(100.0, v * (1.0 - h1 * v / 524288.0)))


def search(target: float, form: "Callable[[int], float]", bits: int, rising: bool, near: int = -1) -> int:
    """The adc value of `bits` bits whose form(adc) is nearest above target; looked for beside `near` first."""
    low, high = 0, (1 << bits) - 1
    if _AROUND < near < high - _AROUND:
        here = form(near)
        slope = form(near + _AROUND) - here
        guess = near + int((target - here) * _AROUND / slope) if slope else near
        inside = low < guess - 2 and guess + 2 < high
        if inside and _below(form, guess - 2, target, rising) and not _below(form, guess + 2, target, rising):
            low, high = guess - 1, guess + 2
    while low < high:
        middle = (low + high) // 2
        if _below(form, middle, target, rising):
            low = middle + 1
        else:
            high = middle
    return low


def _below(form: "Callable[[int], float]", adc: int, target: float, rising: bool) -> bool:
    return (form(adc) < target) == rising


class Emulator(I2cEmulator):
    """Truth `air_temperature` in Cel, `relative_humidity` in %, `air_pressure` in hPa.

    chip_id: what it says it is; 58 makes it a BMP280. Faults hit the next n measurements: `not_ready` takes longer than the
    longest time, `reset_values` leaves the registers as at power-up, `wet` has water on the humidity sensor; and the next n
    transactions: `clock_stretch` holds the clock until the bus gives up, which the bus asks for.
    """

    MODEL = "bme280"
    FAULTS = ("not_ready", "reset_values", "wet", "clock_stretch")
    ADDRESS = 0x76

    def __init__(
        self,
        truth: "Truth",
        seed: int = 0,
        *,
        noise: "tuple[float, float, float]" = (0.005, 0.02, 0.002),
        chip_id: int = _BME280,
        trim: "dict[str, tuple[int, ...]]" = CALIBRATION,
    ):
        self._truth = truth
        self._chip_id = chip_id
        self._trim = trim
        self._rng = Prng(seed, 0x280)
        self._noise = noise
        self._low, self._high = calibration_bytes(trim)
        if chip_id == _BMP280:
            self._high = bytes(7)
        self._raw = (0, 0, 0)  # of the last measurement
        self._reset(0)

    def power_on(self, t_us: int) -> None:
        """Sleep mode, data registers at their reset value."""
        self._reset(t_us)

    def write(self, t_us: int, data: bytes) -> bool:
        """A register pointer, or (register, value) pairs."""
        if t_us < self._start_us:
            return False
        if len(data) == 1:
            self._pointer = data[0]
        for k in range(0, len(data) - 1, 2):
            self._set(t_us, data[k], data[k + 1])
        return True

    def read(self, t_us: int, size: int) -> "bytes | None":
        """Registers from the pointer on."""
        if t_us < self._start_us:
            return None
        self._settle(t_us)
        out = bytes([self._get(t_us, self._pointer + k & 255) for k in range(size)])
        self._pointer = self._pointer + size & 255
        return out

    def _reset(self, t_us: int) -> None:
        self._start_us = t_us + 2000  # start-up time, table 1
        self._pointer = 0
        self._hum = self._hum_latched = self._meas = self._config = 0
        self._values = self._pending = _SKIPPED
        self._measuring = False
        self._done_us = 0

    def _set(self, t_us: int, register: int, value: int) -> None:
        self._settle(t_us)
        if register == _RESET and value == 0xB6:
            self._reset(t_us)
        elif register == _CTRL_HUM and self._chip_id != _BMP280:
            self._hum = value & 7  # takes effect with the next write of ctrl_meas
        elif register == _CONFIG:
            self._config = value
        elif register == _CTRL_MEAS:
            self._hum_latched = self._hum
            self._meas = value
            if value & 3 and t_us >= self._done_us:
                self._measure(t_us)

    def _settle(self, t_us: int) -> None:
        """Publish a measurement that has ended; in normal mode start the next one."""
        if self._measuring and t_us >= self._done_us:
            self._measuring = False
            self._values = self._pending
            if self._meas & 3 != 3:
                self._meas &= 0xFC
        if self._meas & 3 == 3 and t_us >= self._done_us:
            self._measure(t_us)

    def _get(self, t_us: int, register: int) -> int:
        if 0x88 <= register <= 0xA1:
            return self._low[register - 0x88]
        if 0xE1 <= register <= 0xE7:
            return self._high[register - 0xE1]
        if _DATA <= register <= 0xFE:
            return self._values[register - _DATA]
        if register == _STATUS:
            return 8 if t_us < self._done_us else 0
        return {_ID: self._chip_id, _CTRL_HUM: self._hum, _CTRL_MEAS: self._meas, _CONFIG: self._config}.get(
            register, 0
        )

    def _measure(self, t_us: int) -> None:
        over = [
            0 if bits == 0 else 1 << min(bits, 5) - 1
            for bits in (self._meas >> 5, self._meas >> 2 & 7, self._hum_latched)
        ]
        # Longest measuring time, section 9.1.
        self._done_us = t_us + 1250 + 2300 * sum(over) + 575 * ((over[1] > 0) + (over[2] > 0))
        if self.hit("not_ready"):
            self._done_us += _LATE_US
        self._measuring = True
        t_s = t_us / 1000000
        rng, noise = self._rng, self._noise
        celsius = self._truth("air_temperature", t_s) + noise[0] * rng.gauss()
        percent = self._truth("relative_humidity", t_s) + noise[1] * rng.gauss()
        pascal = (self._truth("air_pressure", t_s) + noise[2] * rng.gauss()) * 100.0
        trim = self._trim
        raw_t = search(celsius * 5120.0, lambda adc: t_fine(adc, trim), 20, True, self._raw[0])
        fine = t_fine(raw_t, trim)
        _, near_p, near_h = self._raw
        raw_p = search(pascal, lambda adc: pressure_pa(adc, fine, trim), 20, False, near_p) if over[1] else 0x80000
        raw_h = search(percent, lambda adc: humidity_pct(adc, fine, trim), 16, True, near_h) if over[2] else 0x8000
        self._raw = raw_t, raw_p, raw_h
        if self.hit("wet"):
            raw_h = 0xFFFF
        if not over[0]:
            raw_t = 0x80000
        self._pending = _SKIPPED if self.hit("reset_values") else packet(raw_t, raw_p, raw_h)

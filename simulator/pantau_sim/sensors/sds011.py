"""Nova SDS011 particle sensor, UART 9600 8N1 (facts/sensors.md 1.3; control protocol V1.3).

Packet AA C0, PM2.5 and PM10 in tenths LE16, id, sum of the six, AB. Commands AA B4 of 19 bytes are answered with AA C5.
"""

from .base import Prng, UartEmulator, rounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Truth

_PERIOD_US = 1000000
_WARM_US = 15000000
_ANY = b"\xff\xff"
_MODE, _QUERY, _ID, _SLEEP, _FIRMWARE, _PERIOD = 2, 4, 5, 6, 7, 8
_LONGEST_MIN = 30


def packet(pm2_5: int, pm10: int, device: int) -> bytes:
    """Ten bytes of two tenths of ug/m3 and the device's id."""
    return _framed(0xC0, bytes([pm2_5 & 255, pm2_5 >> 8, pm10 & 255, pm10 >> 8, device >> 8, device & 255]))


def reply(code: int, value: bytes, device: int) -> bytes:
    """Ten bytes that answer a command with three of value."""
    return _framed(0xC5, bytes([code]) + value + bytes([device >> 8, device & 255]))


def _framed(kind: int, body: bytes) -> bytes:
    return bytes([0xAA, kind]) + body + bytes([sum(body) & 255, 0xAB])


class Emulator(UartEmulator):
    """Truth `pm2_5` and `pm10` in ug/m3. Mode, sleep and period survive a loss of power, as they do in the sensor.

    Faults: an answer between two packets; a fan that stands still; a sensor that someone has set to wait for queries.
    """

    MODEL = "sds011"
    FAULTS = ("ack", "fan_stop", "passive")

    def __init__(self, truth: "Truth", seed: int = 0, *, device: int = 0xA160, noise: float = 0.02):
        super().__init__(_PERIOD_US)
        self._truth = truth
        self._rng = Prng(seed, 0x5011)
        self._noise = noise
        self._device = device
        self._inbox = b""
        self._replies: list[tuple[int, bytes]] = []
        self._fan_us = 0
        self._active, self._asleep, self._minutes = True, False, 0
        self._last = b""

    def power_on(self, t_us: int) -> None:
        """The node opens the stream in the middle of a packet."""
        super().power_on(t_us)
        self._inbox, self._replies = b"", []
        self._wake(t_us)
        if self._active and not self._asleep:
            self._flight.append((t_us, self._report(t_us)[4:]))

    def receive(self, t_us: int, data: bytes) -> None:
        """Take commands; anything that is not one is passed over byte by byte."""
        self._inbox = (self._inbox + data)[-95:]
        while len(self._inbox) >= 19:
            head, self._inbox = self._inbox[:19], self._inbox[1:]
            if head[:2] == b"\xaa\xb4" and head[18] == 0xAB and sum(head[2:17]) & 255 == head[17]:
                self._inbox = self._inbox[18:]
                device = bytes([self._device >> 8, self._device & 255])
                if head[15:17] in (_ANY, device):
                    self._obey(t_us, head[2], head[3:15])

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """A packet each second, or one after each period; the answers to commands."""
        out = [item for item in self._replies if item[0] <= t_us]
        self._replies = [item for item in self._replies if item[0] > t_us]
        while self._next_us <= t_us:
            at = self._next_us
            if self._active and not self._asleep and self.hit("passive"):
                self._active = False
            if self._active and not self._asleep:
                if self.hit("ack"):
                    out.append((at - 20000, reply(_MODE, b"\x00\x00\x00", self._device)))
                out.append((at, self._last if self._last and self.hit("fan_stop") else self._report(at)))
            self._next_us += self._minutes * 60000000 or _PERIOD_US
        out.sort()
        return out

    def _wake(self, t_us: int) -> None:
        self._fan_us = t_us
        self._next_us = t_us + _PERIOD_US

    def _obey(self, t_us: int, code: int, data: bytes) -> None:
        soon = t_us + 20000
        if self._asleep and not (code == _SLEEP and data[:2] == b"\x01\x01"):
            return
        if code == _QUERY:
            self._replies.append((soon, self._report(soon)))
            return
        value = bytes([data[0], data[1], 0])
        if code == _MODE:
            if data[0]:
                self._active = data[1] == 0
            value = bytes([data[0], 0 if self._active else 1, 0])
        elif code == _SLEEP:
            if data[0] and data[1] == 0:
                self._asleep = True
            elif data[0] and self._asleep:
                self._asleep = False
                self._wake(t_us)
            value = bytes([data[0], 0 if self._asleep else 1, 0])
        elif code == _PERIOD:
            if data[0] and data[1] <= _LONGEST_MIN:
                self._minutes = data[1]
                self._next_us = min(self._next_us, t_us + (self._minutes * 60000000 or _PERIOD_US))
            value = bytes([data[0], self._minutes, 0])
        elif code == _FIRMWARE:
            value = b"\x0f\x07\x0a"
        elif code == _ID:
            self._device = data[10] << 8 | data[11]
            value = b"\x00\x00\x00"
        else:
            return
        self._replies.append((soon, reply(code, value, self._device)))

    def _report(self, t_us: int) -> bytes:
        t_s = t_us / 1000000
        spin = min(1.0, max(0.0, (t_us - self._fan_us) / _WARM_US))
        level = 10.0 * spin * (1.0 + self._noise * self._rng.gauss())
        fine, coarse = [rounded(self._truth(name, t_s) * level, 0, 9999) for name in ("pm2_5", "pm10")]
        self._last = packet(fine, coarse, self._device)
        return self._last

"""Faults on a node's buses: asked for by sensor model, counted when they have really happened."""

from collections.abc import Callable

from pantau_sim.sensors.base import Prng, UartEmulator


class Faults:
    """What is to go wrong. A count lasts for that many packets or transactions; `injected` counts what hit, by kind."""

    def __init__(self, seed: int = 0) -> None:
        self.injected: dict[str, int] = {}
        self._rng = Prng(seed, 0xFA17)
        self._due: dict[tuple[str, str], int] = {}
        self._silent_until_us: dict[str, int] = {}
        self._silence_s: dict[str, float] = {}
        self._calm = True  # nothing was ever asked for: most nodes, most of the time

    def corrupt_next(self, sensor: str, n: int = 1) -> None:
        """Turn a bit in the next n packets or answers, so that their check fails."""
        self._add("corrupt", sensor, n)

    def drop(self, sensor: str, n: int = 1) -> None:
        """Lose the next n packets; on a pulse input: the next n edges."""
        self._add("drop", sensor, n)

    def truncate(self, sensor: str, n: int = 1) -> None:
        """Cut the next n packets or answers in half."""
        self._add("truncate", sensor, n)

    def garbage(self, sensor: str, n: int = 1) -> None:
        """Put 1..16 stray bytes before the next n packets."""
        self._add("garbage", sensor, n)

    def nack(self, sensor: str, n: int = 1) -> None:
        """Do not acknowledge the next n I2C transactions."""
        self._add("nack", sensor, n)

    def silence(self, sensor: str, seconds: float) -> None:
        """Nothing from the sensor for some seconds, from its next sign of life on; each thing lost counts."""
        self._silence_s[sensor] = seconds
        self._calm = False

    def pending(self) -> int:
        """Faults that were asked for and have not hit yet."""
        return sum(self._due.values()) + len(self._silence_s)

    def rests(self, sensor: str, t_us: int) -> bool:
        """Whether nothing is asked for or in force for this sensor at t_us."""
        asked = sensor in self._silence_s or any(n for (_, model), n in self._due.items() if model == sensor)
        return not asked and t_us >= self._silent_until_us.get(sensor, 0)

    def uart(self, emulator: UartEmulator) -> Callable[[int, bytes], bytes]:
        """The filter for one UART emulator's packets."""

        def apply(t_us: int, packet: bytes) -> bytes:
            if self._calm:
                return packet
            sensor = emulator.MODEL
            if self.silenced(sensor, t_us) or self._take("drop", sensor):
                return b""
            if self._take("corrupt", sensor):
                packet = emulator.corrupt(packet, self._rng)
            if self._take("truncate", sensor):
                packet = packet[: max(1, len(packet) // 2)]
            if self._take("garbage", sensor):
                packet = bytes(self._rng.below(256) for _ in range(1 + self._rng.below(16))) + packet
            return packet

        return apply

    def refuses(self, sensor: str, t_us: int) -> bool:
        """Whether an I2C transaction is not acknowledged."""
        return not self._calm and (self.silenced(sensor, t_us) or self._take("nack", sensor))

    def answer(self, sensor: str, data: bytes) -> bytes:
        """An I2C answer after its faults; what is cut off reads as FF, as an open bus does."""
        if self._calm:
            return data
        if self._take("corrupt", sensor) and data:
            at = self._rng.below(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self._rng.below(8)]) + data[at + 1 :]
        if self._take("truncate", sensor):
            half = len(data) // 2
            data = data[:half] + b"\xff" * (len(data) - half)
        return data

    def edge_lost(self, sensor: str, t_us: int) -> bool:
        """Whether a pulse edge is lost."""
        return not self._calm and (self.silenced(sensor, t_us) or self._take("drop", sensor))

    def silenced(self, sensor: str, t_us: int) -> bool:
        """Whether the sensor is silent at t_us; counted."""
        seconds = self._silence_s.pop(sensor, None)
        if seconds is not None:
            self._silent_until_us[sensor] = t_us + int(seconds * 1000000)
        if t_us < self._silent_until_us.get(sensor, 0):
            self._count("silence", sensor)
            return True
        return False

    def _add(self, kind: str, sensor: str, n: int) -> None:
        self._due[kind, sensor] = self._due.get((kind, sensor), 0) + n
        self._calm = False

    def _take(self, kind: str, sensor: str) -> bool:
        left = self._due.get((kind, sensor), 0)
        if not left:
            return False
        self._due[kind, sensor] = left - 1
        self._count(kind, sensor)
        return True

    def _count(self, kind: str, sensor: str) -> None:
        for name in (kind, f"{kind}:{sensor}"):
            self.injected[name] = self.injected.get(name, 0) + 1

"""What all emulators share: seeded noise, bytes that arrive one by one on a UART, the three kinds of bus.

Times are Unix microseconds (`t_us`), truth is asked in Unix seconds. Everything here runs in MicroPython too.
"""

TYPE_CHECKING = False  # type checkers take this name for true; the VM has no `typing`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    Truth = Callable[[str, float], float]

    class Traffic(Protocol):
        """Truth that knows single vehicles."""

        def passes(self, t0_s: float, t1_s: float) -> "list[Pass]":
            """Vehicles that pass the sensor in (t0_s, t1_s], in order."""

    # (instant of passing the sensor in s, approaching, speed km/h, side offset m, length m)
    Pass = tuple[float, bool, float, float, float]


class Prng:
    """xorshift32 over a mixed seed: the same numbers on CPython and in every VM."""

    def __init__(self, *seeds: int):
        state = 0x9E3779B9
        for seed in seeds:
            state = mix(state ^ (seed & 0xFFFFFFFF))
            state = mix(state ^ (seed >> 32 & 0xFFFFFFFF))
        self._state = state or 1

    def bits(self) -> int:
        """A number in 1..2**32-1."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        return self.bits() % limit

    def unit(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() - 1) / 4294967296.0

    def gauss(self) -> float:
        """Mean 0, deviation 1, within +-3.46: twelve coins would be slower and no truer for sensor noise."""
        return (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.7320508


def mix(x: int) -> int:
    """Spread 32 bits over 32 bits (the finaliser of MurmurHash3, public domain)."""
    x ^= x >> 16
    x = x * 0x85EBCA6B & 0xFFFFFFFF
    x ^= x >> 13
    x = x * 0xC2B2AE35 & 0xFFFFFFFF
    return x ^ x >> 16


def rounded(value: float, low: int, high: int) -> int:
    """`value` to the nearest integer, held within low..high."""
    return max(low, min(high, int(value + 0.5) if value >= 0 else -int(0.5 - value)))


class Emulator:
    """What can go wrong in a sensor itself: a subclass names its FAULTS, asks hit() where one would show, and counts so.

    What goes wrong on the wire (a turned bit, a lost or halved packet, garbage, silence) is pantau_sim.faults.
    """

    MODEL = ""
    FAULTS: "tuple[str, ...]" = ()
    _due: "dict[str, int] | None" = None
    injected: "dict[str, int]"

    def inject(self, kind: str, n: int = 1) -> None:
        """Let the fault show in the next n packets or answers."""
        if kind not in self.FAULTS:
            raise ValueError(f"{self.MODEL} has no fault {kind}; it has: {', '.join(self.FAULTS)}")
        if self._due is None:
            self._due, self.injected = {}, {}
        self._due[kind] = self._due.get(kind, 0) + n

    def ails(self) -> bool:
        """Whether a fault is still to show."""
        return self._due is not None and any(self._due.values())

    def hit(self, kind: str) -> bool:
        """Whether the fault shows now; counted in `injected`."""
        if self._due is None or not self._due.get(kind):
            return False
        self._due[kind] -= 1
        self.injected[kind] = self.injected.get(kind, 0) + 1
        return True

    def troubled(self) -> bool:
        """Whether a fault waits to show."""
        return self._due is not None and any(self._due.values())


class UartEmulator(Emulator):
    """A sensor that talks on a UART; a subclass gives whole packets, this class lets their bytes arrive in time."""

    BUS = "uart"
    BAUD = 9600
    SIZE = 0  # bytes of each periodic packet, where all have as many
    INVERTED = False  # the line idles low
    AHEAD = True  # what it sends follows from its past and its truth, so it can be asked early: see stretch()
    # A faster form of what a subclass computes, byte for byte the same; set by the host, never in a VM.
    bulk: "Callable[..., tuple[list[int], bytes]] | None" = None

    def __init__(self, period_us: int) -> None:
        self.fault: "Callable[[int, bytes], bytes] | None" = None  # set by the bus; b"" loses the packet
        self.skipped = 0  # packets never made because no one could have read them
        self._period_us = period_us
        self._next_us = 1 << 62  # without power nothing is sent
        self._flight: list[tuple[int, bytes]] = []
        self._line_free_us = 0

    def power_on(self, t_us: int) -> None:
        """Supply comes up at t_us."""
        self._flight = []
        self._line_free_us = t_us

    def receive(self, t_us: int, data: bytes) -> None:
        """Bytes from the node; most free-running sensors do not listen."""

    def packets(self, t_us: int) -> "list[tuple[int, bytes]]":
        """(start in us, bytes) of everything whose sending began up to t_us and was not given before."""
        raise NotImplementedError

    def skip(self, count: int) -> None:
        """Leave the next count periodic packets out."""
        self._next_us += count * self._period_us
        self.skipped += count

    def produce(self, t_us: int, room: int = -1) -> bytes:
        """The bytes that have arrived since the last call; the packet on the line may be cut by t_us.

        With `room`, packets that would arrive after that many bytes are skipped: the reader's buffer is full, they are lost.
        """
        if room >= 0:
            self._fill(t_us, room)
        return b"".join([data for _, data in self._arrived(t_us)])

    def stretch(self, until_us: int) -> "tuple[list[int], list[int], bytes]":
        """What arrives up to until_us: when each packet began in us, where each ends in the bytes, the bytes."""
        starts, ends, out = [], [], []
        total = 0
        for start, data in self._arrived(until_us):
            total += len(data)
            starts.append(start)
            ends.append(total)
            out.append(data)
        return starts, ends, b"".join(out)

    def _arrived(self, t_us: int) -> "list[tuple[int, bytes]]":
        """(start us, bytes) of what has arrived since the last call; the last of them may be cut by t_us."""
        self._send(self.packets(t_us))
        byte_us = 10000000 // self.BAUD
        whole = 0
        for start, data in self._flight:
            if start + len(data) * byte_us > t_us:
                break
            whole += 1
        out, self._flight = self._flight[:whole], self._flight[whole:]
        if self._flight:
            start, data = self._flight[0]
            done = max(0, (t_us - start) // byte_us)
            if done:
                out.append((start, data[:done]))
                self._flight[0] = (start + done * byte_us, data[done:])
        return out

    def _fill(self, t_us: int, room: int) -> None:
        queued = sum([len(data) for _, data in self._flight])
        while self._next_us <= t_us and queued < room:
            fits = (room - queued - 1) // self.SIZE if self.SIZE else 0  # beside the next one
            queued += self._send(self.packets(min(t_us, self._next_us + fits * self._period_us)))
        if t_us - self._next_us > self._period_us:
            self.skip((t_us - self._next_us) // self._period_us)

    def _send(self, packets: "list[tuple[int, bytes]]") -> int:
        """Put packets on the line, one after the other; the number of bytes."""
        byte_us = 10000000 // self.BAUD
        fault, flight, free_us = self.fault, self._flight, self._line_free_us
        total = 0
        for start, data in packets:
            sent = fault(start, data) if fault else data
            if sent:
                begin = max(start, free_us)
                free_us = begin + len(sent) * byte_us
                flight.append((begin, sent))
                total += len(sent)
        self._line_free_us = free_us
        return total

    def corrupt(self, packet: bytes, rng: Prng) -> bytes:
        """`packet` with one bit turned where its check must notice: by default just before the last byte."""
        at = max(0, len(packet) - 2)
        return packet[:at] + bytes([packet[at] ^ 1 << rng.below(8)]) + packet[at + 1 :]


class I2cEmulator(Emulator):
    """A sensor on I2C; False and None mean: not acknowledged."""

    BUS = "i2c"
    ADDRESS = 0

    def power_on(self, t_us: int) -> None:
        """Supply comes up at t_us."""

    def write(self, t_us: int, data: bytes) -> bool:
        """A write transaction (empty = address probe); True if acknowledged."""
        raise NotImplementedError

    def read(self, t_us: int, size: int) -> "bytes | None":
        """A read transaction of size bytes, or None if not acknowledged."""
        raise NotImplementedError


class PulseEmulator(Emulator):
    """A contact against ground with a pull-up: idle is 1."""

    BUS = "pulse"

    def power_on(self, t_us: int) -> None:
        """Supply comes up at t_us."""

    def edges(self, t0_us: int, t1_us: int) -> "list[tuple[int, int]]":
        """(instant us, level) in (t0_us, t1_us], in order; calls come with growing, joined windows."""
        raise NotImplementedError

    def level(self, t_us: int) -> int:
        """The level at t_us, for a contact that is asked for its state."""
        raise NotImplementedError

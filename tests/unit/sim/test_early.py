"""UARTs that are asked early: the same bytes at the same instants as from a sensor that is asked each time."""

import struct
from array import array

import pytest

from pantau_sim.bus import Bus, Faults
from pantau_sim.sensors import a02yyuw, ld2450, ld2451, maxbotix, mhz19, pms5003, sds011, sps30_uart
from pantau_sim.sensors.base import Prng

S = 1000000
T0 = 1767225600 * S
INIT, READ, WRITE, EARLY = 1, 2, 3, 19
ENABLE = bytes.fromhex("FDFCFBFA0400FF00010004030201")
DETECT = bytes.fromhex("FDFCFBFA0200120004030201")
GAS = bytes.fromhex("FF0186000000000079")


class Road:
    """Vehicles of both ways, sides and sizes, in knots of up to nine."""

    def __init__(self, seed):
        rng = Prng(seed, 0x20AD)
        at, self._passes = T0 / S - 60, []
        while at < T0 / S + 900:
            at = round(at + (0.4 if rng.below(3) else 9) * rng.unit(), 3)
            side, length = 9 * rng.unit() - 3, (2.0, 4.5, 9.0)[rng.below(3)]
            self._passes.append((at, rng.below(2) == 1, 2 + 80 * rng.unit(), side, length))

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


class Truth(Road):
    def __call__(self, name, t_s):
        return {"water_distance": 2.0 + t_s % 60 / 100}.get(name, 20.0 + t_s % 50)


def made(make, *, early):
    """A bus with one UART sensor, as the node has initialised it."""
    emulator = make()
    bus = Bus({"uart": {1: emulator}}, Faults(1), {}, 60 * S if early else 0)
    bus.power_on(T0)
    bus.begin(T0)
    bus.handle(INIT, 0, struct.pack("<BIHB", 1, emulator.BAUD, 2048, int(emulator.INVERTED)))
    return bus


class Node:
    """What shims/vm/machine.py does with the windows, told anew: every byte with the instant of its arrival."""

    def __init__(self, bus):
        self.bus, self.until_us, self.coming = bus, -1, []

    def read(self, t_us):
        got = b""
        if t_us > self.until_us:
            got = bytes(byte for _, byte in self.coming)
            reply = self.bus.handle(EARLY, t_us, struct.pack("<BHI", 1, 0, 0))
            self.until_us, byte_us, n, there = struct.unpack_from("<QHHH", reply)
            starts, ends = array("i", reply[14 : 14 + 4 * n]), array("H", reply[14 + 4 * n : 14 + 6 * n])
            data = reply[14 + 6 * n + there :]
            got += reply[14 + 6 * n : 14 + 6 * n + there]
            self.coming = [
                (t_us + start + byte_us * (k + 1), data[begin + k])
                for start, begin, end in zip(starts, [0, *ends], ends, strict=False)
                for k in range(end - begin)
            ]
            assert len(self.coming) == len(data)
            assert all(at <= self.until_us for at, _ in self.coming)
        got += bytes(byte for at, byte in self.coming if at <= t_us)
        self.coming = [(at, byte) for at, byte in self.coming if at > t_us]
        return got

    def write(self, t_us, data):
        got = self.read(t_us)
        self.until_us, self.coming = -1, []
        self.bus.handle(WRITE, t_us, b"\x01" + data)
        return got


def asked(bus, t_us):
    return bus.handle(READ, t_us, struct.pack("<BH", 1, 65535))


def ahead(emulator):
    """An emulator that leaves it to others to say so: too much of what it makes early would be thrown away."""
    emulator.AHEAD = True
    return emulator


MAKES = {
    "a02yyuw": lambda: ahead(a02yyuw.Emulator(Truth(1), 3, no_echo_rate=0.1)),
    "maxbotix": lambda: maxbotix.Emulator(Truth(1), 3),
    "ld2450": lambda: ld2450.Emulator(Truth(1), 3),
    "ld2451": lambda: ld2451.Emulator(Truth(1), 3),
    "ld2451 silent": lambda: ld2451.Emulator(Truth(1), 3, silent_when_empty=True),
    "mhz19": lambda: mhz19.Emulator(Truth(1), 3),
    "pms5003": lambda: pms5003.Emulator(Truth(1), 3),
    "sds011": lambda: sds011.Emulator(Truth(1), 3),
    "sps30": lambda: sps30_uart.Emulator(Truth(1), 3),
}


@pytest.mark.parametrize("model", MAKES)
def test_the_bytes_and_their_instants_are_those_of_a_sensor_that_is_asked_each_time(model):
    late, node = made(MAKES[model], early=False), Node(made(MAKES[model], early=True))
    rng, t_us, total = Prng(7), 0, 0
    for step in range(500):
        t_us += 1 + rng.below(2 * S)
        if step % 100 == 50:  # a command in the middle of a window, understood or not
            got, want = node.write(t_us, GAS + ENABLE + DETECT), asked(late, t_us)
            late.handle(WRITE, t_us, b"\x01" + GAS + ENABLE + DETECT)
        else:
            got, want = node.read(t_us), asked(late, t_us)
        assert got == want, (step, t_us)
        total += len(got)
    assert total > 0 or model == "sps30"
    assert node.bus.requests < late.requests / 3


@pytest.mark.parametrize("seed", range(6))
def test_reports_made_many_at_once_are_those_made_one_by_one(seed):
    radar = pytest.importorskip("pantau_sim.radar")
    plain, quick = (ld2451.Emulator(Road(seed), seed) for _ in range(2))
    quick.bulk = radar.reports
    rng, t_us, fullest = Prng(seed), T0, 0
    for emulator in (plain, quick):
        emulator.power_on(T0)
        if seed % 3 == 1:
            emulator._detect = bytes([70, seed % 2, 2 * seed, 1])
    while t_us < T0 + 600 * S:
        t_us += rng.below(90 * S)
        want = plain.stretch(t_us)
        assert quick.stretch(t_us) == want
        fullest = max([fullest, *(end - begin for begin, end in zip([0, *want[1]], want[1], strict=False))])
    assert fullest == 12 + 5 * 5 or seed % 3 == 1


def test_no_sensor_is_asked_beyond_the_next_thing_that_is_planned():
    node = Node(made(MAKES["a02yyuw"], early=True))
    node.bus.horizon_us = lambda: T0 + 3 * S
    node.read(S // 2)
    node.read(26 * S // 10)
    assert node.until_us == 3 * S
    node.bus.horizon_us = lambda: T0 + 100 * S
    node.bus.faults.corrupt_next("a02yyuw", 2)
    node.read(4 * S)
    assert node.until_us == 4 * S and node.bus.faults.injected["corrupt"] == 2
    node.read(5 * S)
    assert 6 * S < node.until_us < 20 * S
    node.bus.faults.silence("a02yyuw", 5)
    node.read(20 * S)
    assert node.until_us == 20 * S  # a sensor in trouble is asked each time


def test_a_restart_or_a_cold_start_in_a_window_begins_at_its_own_instant():
    late, early = (made(MAKES["pms5003"], early=early) for early in (False, True))
    node = Node(early)
    for t_us in (20 * S, 40 * S, 41 * S):
        assert node.read(t_us) == asked(late, t_us)
    for bus in (late, early):
        bus.begin(T0 + 45 * S)
        bus.handle(INIT, 0, struct.pack("<BIHB", 1, 9600, 2048, 0))
    node = Node(early)
    assert node.read(6 * S) == asked(late, 6 * S) != b""
    asked(late, 7 * S)
    for bus in (late, early):
        bus.power_on(T0 + 52 * S)
        bus.begin(T0 + 52 * S)
    node = Node(early)
    assert node.read(30 * S) == asked(late, 30 * S) != b""

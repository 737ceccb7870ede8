"""The loop relay on its emulator: each vehicle once, whatever the contact does, and its faults as they look from here."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.sensors import pulse
from pantau_wire import names as T
from sensor_harness import Contact, collect, read


class Road:
    def __init__(self, *passes):
        self._passes = sorted(passes)

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


def loop(clock, n, gap_s=6.0, speed=50.0, length=4.5, **options):
    """A relay that sees n vehicles, the first of them in three seconds."""
    emulator = pulse.Emulator(Road(*[(clock.s + 3 + gap_s * k, True, speed, 2.5, length) for k in range(n)]), 3)
    return emulator, driver("pulse", Contact(clock, emulator), **options)


def counted(clock, sensor, seconds=60):
    collect(clock, sensor, seconds)
    return read(sensor)[T.PULSE_COUNT]


def test_each_vehicle_of_the_world_is_counted(clock, truth):
    sensor = driver("pulse", Contact(clock, pulse.Emulator(truth, 3)))
    start, total = clock.s, 0
    for _ in range(10):
        n, reason = counted(clock, sensor)
        assert reason == T.R_OK
        total += n
    assert 0.7 * len(truth.passes(start, clock.s)) <= total <= len(truth.passes(start, clock.s))  # two abreast are one
    assert sensor.counters.errors() == [] and sensor.counters.good == total


# fault: what one of them adds to the count and to the bounce; the input cannot tell the last two from the road
FAULTS = {"bounce": (0, 1), "double": (1, 0), "stuck_closed": (0, 0)}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_what_it_looks_like(clock, kind):
    more, bounce = FAULTS[kind]
    emulator, sensor = loop(clock, 30)
    for n in range(1, 4):
        emulator.inject(kind)
        assert counted(clock, sensor) == (10 + more, T.R_OK)
        assert emulator.injected[kind] == n and sensor.counters.bounce == n * bounce
    assert sensor.counters.good == 30 + 3 * more


def test_a_relay_that_stays_closed_is_one_vehicle_and_then_silence(clock):
    emulator, sensor = loop(clock, 40)
    assert counted(clock, sensor) == (10, T.R_OK)
    emulator.inject("stuck_closed", 20)
    assert [counted(clock, sensor)[0] for _ in range(3)] == [1, 0, 10]
    assert sensor.counters.errors() == []


@pytest.mark.parametrize("speed, debounce_ms, seen", [(100.0, None, 20), (120.0, None, 20), (120.0, 50, 10)])
def test_the_axles_of_a_tandem_are_two(clock, speed, debounce_ms, seen):
    second = 1.3 * 3600 / speed / 1000
    axles = [(clock.s + 3 + 5 * k + late, True, speed, 2.5, -1.5) for k in range(10) for late in (0, second)]
    emulator = pulse.Emulator(Road(*axles), 3)  # of a tube: closed for half a metre
    sensor = driver("pulse", Contact(clock, emulator), debounce_ms=debounce_ms)
    assert counted(clock, sensor)[0] == seen

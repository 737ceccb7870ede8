"""The LD2450's driver on its emulator: people counted, faults counted, silence told."""

import pytest

from pantau_sim.faults import Faults
from pantau_sim.sensors import ld2450
from pantau_wire import names as T
from sensor_harness import collect, on_uart, read

FAULTS = {"tail": "framing"}


def radar(clock, people, faults=None):
    emulator = ld2450.Emulator(lambda _name, _t_s: people[0], 3)
    return emulator, on_uart(clock, "ld2450", emulator, faults or Faults(1))


def count(sensor):
    return read(sensor)[T.RADAR_TARGET_COUNT]


@pytest.mark.parametrize("people, seen", [(0, 0), (1, 1), (3, 3), (7, 3)])
def test_the_greatest_number_in_view_is_told_and_three_are_the_most(clock, people, seen):
    here = [people]
    _, sensor = radar(clock, here)
    collect(clock, sensor, 10)
    here[0] = 0
    collect(clock, sensor, 5)
    assert count(sensor) == (seen, T.R_OK)
    collect(clock, sensor, 5)
    assert count(sensor) == (0, T.R_OK)
    assert sensor.counters.errors() == []


@pytest.mark.parametrize("kind, counter", FAULTS.items())
def test_each_fault_is_counted_once(clock, kind, counter):
    emulator, sensor = radar(clock, [1])
    collect(clock, sensor, 5)
    for _ in range(5):
        emulator.inject(kind)
        collect(clock, sensor, 2)
    assert getattr(sensor.counters, counter) == emulator.injected[kind] == 5
    assert count(sensor) == (1, T.R_OK)


def test_absent_only_damaged_silent_and_back(clock):
    faults = Faults(1)
    emulator, sensor = radar(clock, [2], faults)
    assert count(sensor) == (None, T.R_ABSENT)
    collect(clock, sensor, 5)
    assert count(sensor) == (2, T.R_OK)
    faults.silence("ld2450", 30)
    collect(clock, sensor, 20)
    count(sensor)  # of the moments before
    collect(clock, sensor, 5)
    assert count(sensor) == (None, T.R_TIMEOUT)
    collect(clock, sensor, 6)
    count(sensor)
    emulator.inject("tail", 80)
    collect(clock, sensor, 7)
    assert count(sensor) == (None, T.R_CHECKSUM)
    collect(clock, sensor, 5)
    assert count(sensor) == (2, T.R_OK)

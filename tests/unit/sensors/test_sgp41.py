"""The SGP41 on its emulator: raw signals, conditioning never too long, every fault counted once, refused on batteries."""

import pytest

from pantau_node.sensors.catalog import driver, load
from pantau_node.sleep import refusal
from pantau_sim.faults import Faults
from pantau_sim.sensors import sgp41
from pantau_wire import names as T
from sensor_harness import I2c, collect, read


def clean(_name, _t_s):
    return 1.0


def connect(clock, faults=None, **options):
    faults = faults or Faults(1)
    emulator = sgp41.Emulator(clean, 4, **options)
    sensor = driver("sgp41", I2c(clock, emulator, faults))
    clock.ms += 1000
    return emulator, faults, sensor


def warmed(clock):
    found = connect(clock)
    collect(clock, found[2], 320, 8000)
    read(found[2])
    collect(clock, found[2], 8, 8000)
    assert read(found[2])[T.NOX_RAW][1] == T.R_OK
    return found


def test_raw_signals_settle_and_each_pixel_has_its_warm_up(clock):
    emulator, _, sensor = connect(clock)
    seen = []
    for _ in range(8):
        collect(clock, sensor, 56, 8000)
        clock.ms += 4000
        got = read(sensor)
        seen.append((got[T.VOC_RAW][1], got[T.NOX_RAW][1]))
    assert seen[0] == (T.R_WARMING, T.R_WARMING) and seen[2] == (T.R_OK, T.R_WARMING) and seen[-1] == (T.R_OK, T.R_OK)
    assert abs(got[T.VOC_RAW][0] - 31000) < 10 and abs(got[T.NOX_RAW][0] - 15500) < 80
    assert 0 < emulator.conditioned_us <= 10000000 and emulator.hot
    assert [r for r, _ in sensor.counters.errors()] == [T.R_WARMING]


def test_conditioning_is_bounded_and_done_once_whatever_the_bus_does(clock):
    for nacks in range(12):
        faults = Faults(nacks)
        emulator, _, sensor = connect(clock, faults)
        faults.nack("sgp41", nacks)
        collect(clock, sensor, 80, 8000)
        once = emulator.conditioned_us
        assert 0 < once <= 10000000
        faults.silence("sgp41", 16)
        collect(clock, sensor, 80, 8000)
        emulator.conditioned_us = 0
        collect(clock, sensor, 80, 8000)
        assert emulator.conditioned_us == 0


@pytest.mark.parametrize(
    "kind, counter, reason",
    [
        ("crc", "checksum", None),
        ("busy", "timeout", None),
        ("clock_stretch", "timeout", None),
        ("self_test", "fault", T.R_DEVICE_FAULT),
    ],
)
def test_what_the_sensor_does_wrong_is_counted_once(clock, kind, counter, reason):
    emulator, faults, sensor = warmed(clock)
    before = sensor.counters.timeout
    for _ in range(3):
        emulator.inject(kind)
        if kind == "self_test":  # it is asked again when it was away
            faults.nack("sgp41", 2)
            clock.ms += 60000
            read(sensor)
            before += 2
        clock.ms += 60000
        assert read(sensor)[T.VOC_RAW][1] == (reason or T.R_OK)
    assert emulator.injected == {kind: 3}
    counters = sensor.counters
    got = counters.timeout - before if counter == "timeout" else getattr(counters, counter)
    assert got == 3


def test_the_kinds_above_are_all_there_are():
    assert set(sgp41.Emulator.FAULTS) == {"self_test", "crc", "busy", "clock_stretch"}


@pytest.mark.parametrize("kind, counter", [("corrupt_next", "checksum"), ("truncate", "checksum"), ("nack", "timeout")])
def test_what_the_bus_does_wrong_is_counted_once_and_repeated(clock, kind, counter):
    _, faults, sensor = warmed(clock)
    for _ in range(5):
        getattr(faults, kind)("sgp41")
        clock.ms += 60000
        assert read(sensor)[T.NOX_RAW][1] == T.R_OK
    assert faults.pending() == 0
    assert getattr(sensor.counters, counter) == 5


def test_an_sgp40_is_another_device_and_left_cold(clock):
    emulator, _, sensor = connect(clock, features=0x3220)
    assert read(sensor)[T.VOC_RAW] == (None, T.R_DEVICE_FAULT)
    assert sensor.counters.fault == 1 and not emulator.hot


def test_absent_pulled_out_and_plugged_in_again(clock):
    faults = Faults(1)
    faults.silence("sgp41", 30)
    emulator, _, sensor = connect(clock, faults)
    assert read(sensor)[T.VOC_RAW] == (None, T.R_ABSENT) and sensor.counters.absent == 2
    clock.ms += 40000
    collect(clock, sensor, 80, 8000)
    read(sensor)
    clock.ms += 8000
    assert read(sensor)[T.VOC_RAW][1] == T.R_OK
    faults.silence("sgp41", 60)
    clock.ms += 60000
    assert read(sensor)[T.VOC_RAW] == (None, T.R_TIMEOUT) and sensor.counters.absent == 2
    emulator.power_on(clock.us)
    clock.ms += 60000
    assert read(sensor)[T.VOC_RAW][1] == T.R_WARMING  # the plate was cold


def test_deadlines_are_kept(clock):
    for deadline_ms in (0, 1, 60, 330, 500, 2300, 3000):
        *_, sensor = connect(clock)
        for _ in range(4):
            start = clock.ms
            assert len(read(sensor, deadline_ms)) == 2
            assert clock.ms - start <= deadline_ms


def test_a_node_that_sleeps_cannot_have_one():
    assert refusal([load("sgp41")]) is not None and refusal([load("sps30"), load("scd4x")]) is None

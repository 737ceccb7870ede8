"""The SCD4x on its emulator: values, every fault counted once, set up as told, pulled out and plugged in again."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import scd4x
from pantau_wire import names as T
from sensor_harness import I2c, collect, read


def air(name, t_s):
    return {"co2": 500 + t_s % 600 / 2, "air_temperature": 28.0, "relative_humidity": 80.0}[name]


def connect(clock, faults=None, truth=air, asleep=False, **options):
    faults = faults or Faults(1)
    emulator = scd4x.Emulator(truth, 4, asleep=asleep)
    sensor = driver("scd4x", I2c(clock, emulator, faults), **options)
    clock.ms += 1000
    return emulator, faults, sensor


def started(clock, **options):
    found = connect(clock, **options)
    collect(clock, found[2], 16, 8000)
    assert read(found[2])[T.CO2][1] == T.R_OK
    return found


def minute(clock, sensor):
    clock.ms += 60000
    return read(sensor)[T.CO2]


def test_carbon_dioxide_follows_the_truth_and_the_first_comes_after_five_seconds(clock):
    _, _, sensor = connect(clock)
    assert read(sensor)[T.CO2] == (None, T.R_WARMING)
    collect(clock, sensor, 6)
    for _ in range(30):
        collect(clock, sensor, 56, 8000)
        clock.ms += 4000
        value, reason = read(sensor)[T.CO2]
        assert reason == T.R_OK and abs(value - air("co2", clock.s - 5)) <= 15
    for _ in range(10):  # a record each second: the latest reading again
        clock.ms += 1000
        assert read(sensor, 900)[T.CO2][1] == T.R_OK
    assert sensor.counters.errors() == [(T.R_WARMING, 1)]


def test_it_is_set_up_as_told_and_only_for_this_start(clock):
    emulator, *_ = started(clock)
    assert (emulator.asc, emulator.pressure_hpa, emulator.measuring) == (False, 1013, True)
    emulator, *_ = started(clock, asc=True, pressure_hpa=990)
    assert (emulator.asc, emulator.pressure_hpa) == (True, 990)
    with pytest.raises(ValueError, match="700 to 1200"):
        connect(clock, pressure_hpa=101)


def test_a_sensor_that_was_left_measuring_is_set_up_too(clock):
    emulator, faults, _ = started(clock, asc=True)
    sensor = driver("scd4x", I2c(clock, emulator, faults))  # the node was reset, and so is the emulator: measure again
    clock.ms += 1000
    emulator.write(clock.us, b"\x21\xb1")
    clock.ms += 20000
    collect(clock, sensor, 8, 8000)
    assert emulator.asc is False
    collect(clock, sensor, 8, 8000)
    assert read(sensor)[T.CO2][1] == T.R_OK and sensor.counters.errors() == []


@pytest.mark.parametrize(
    "kind, counter, reason",
    [
        ("not_ready", "timeout", T.R_TIMEOUT),
        ("crc", "checksum", T.R_CHECKSUM),
        ("restart", "timeout", T.R_TIMEOUT),
        ("clock_stretch", "timeout", T.R_OK),
    ],
)
def test_what_the_sensor_does_wrong_is_counted_once(clock, kind, counter, reason):
    emulator, _, sensor = started(clock)
    for _ in range(3):
        emulator.inject(kind)
        value, said = minute(clock, sensor)
        assert said == reason and (value is None) == (reason != T.R_OK)
        collect(clock, sensor, 24, 8000)
        assert read(sensor)[T.CO2][1] == T.R_OK
    assert emulator.injected == {kind: 3}
    assert {sensor.counters.FAULTS[r]: n for r, n in sensor.counters.errors()} == {counter: 3}


def test_the_kinds_above_are_all_there_are():
    assert set(scd4x.Emulator.FAULTS) == {"not_ready", "crc", "restart", "clock_stretch"}


@pytest.mark.parametrize("kind, counter", [("corrupt_next", "checksum"), ("truncate", "checksum"), ("nack", "timeout")])
def test_what_the_bus_does_wrong_is_counted_once_and_repeated(clock, kind, counter):
    _, faults, sensor = started(clock)
    for _ in range(5):
        getattr(faults, kind)("scd4x")
        assert minute(clock, sensor)[1] == T.R_OK  # it falls on the question whether there is a reading
    assert faults.pending() == 0
    assert {sensor.counters.FAULTS[r]: n for r, n in sensor.counters.errors()} == {counter: 5}


def test_out_of_range_keeps_its_value_and_a_stuck_one_is_said(clock):
    def garage(name, t_s):
        return 6000.0 if name == "co2" else air(name, t_s)

    _, _, sensor = started(clock)
    sensor._bus._emulator._truth = garage
    value, reason = minute(clock, sensor)
    assert abs(value - 6000) < 15 and reason == T.R_OUT_OF_RANGE and sensor.counters.out_of_range == 1


def test_absent_pulled_out_and_plugged_in_again(clock):
    faults = Faults(1)
    faults.silence("scd4x", 30)
    emulator, _, sensor = connect(clock, faults)
    assert read(sensor)[T.CO2] == (None, T.R_ABSENT) and sensor.counters.absent == 2
    clock.ms += 40000
    collect(clock, sensor, 16, 8000)
    assert read(sensor)[T.CO2][1] == T.R_OK
    faults.silence("scd4x", 60)
    assert minute(clock, sensor) == (None, T.R_TIMEOUT) and sensor.counters.absent == 2
    emulator.power_on(clock.us)
    clock.ms += 60000
    collect(clock, sensor, 16, 8000)
    assert read(sensor)[T.CO2][1] == T.R_OK and emulator.asc is False


def test_one_that_was_left_powered_down_is_woken(clock):
    *_, sensor = connect(clock, asleep=True)
    collect(clock, sensor, 16, 8000)
    assert read(sensor)[T.CO2][1] == T.R_OK
    assert sensor.counters.errors() == [(T.R_ABSENT, 1)]  # the one order that it did not hear


def test_the_emulated_sensor_powers_down_and_wakes_as_the_datasheet_says():
    chip = scd4x.Emulator(air, 4)
    chip.power_on(0)
    assert chip.write(100000, b"\x36\xe0")
    for t_us, order, taken in (
        (200000, b"\x3f\x86", False),
        (300000, b"\x36\xf6", False),  # never acknowledged
        (329000, b"\x3f\x86", False),
        (330000, b"\x3f\x86", True),
    ):
        assert chip.write(t_us, order) is taken, t_us


def test_deadlines_are_kept(clock):
    for deadline_ms in (0, 1, 3, 499, 503, 540, 546, 600):
        *_, sensor = connect(clock, asleep=deadline_ms > 503)
        for _ in range(4):
            start = clock.ms
            assert len(read(sensor, deadline_ms)) == 1
            assert clock.ms - start <= deadline_ms

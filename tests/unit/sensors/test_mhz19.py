"""MH-Z19: the driver against its emulator, fault by fault; nothing of either knows the other."""

import pytest

from pantau_sim.faults import Faults
from pantau_sim.sensors import mhz19, winsen_ze
from pantau_wire import names as T
from sensor_harness import on_uart, read

STEADY = {"co2": 620.0, "air_temperature": 29.0}


def air(name, _t_s):
    return STEADY[name]


def running(clock, age_s=200, emulator_options=None, **options):
    """Return (emulator, faults, driver) `age_s` after power-on."""
    faults = Faults(1)
    emulator = mhz19.Emulator(air, 3, **(emulator_options or {}))
    sensor = on_uart(clock, "mhz19", emulator, faults, **options)
    clock.ms += age_s * 1000
    read(sensor)
    return emulator, faults, sensor


def co2(clock, sensor, deadline_ms=20000):
    clock.ms += 10000
    start = clock.ms
    value, reason = read(sensor, deadline_ms)[T.CO2]
    assert clock.ms - start <= deadline_ms
    return value, reason


def test_it_reads_the_truth_after_three_minutes_and_says_so_before(clock):
    sensor = running(clock, 0)[2]
    assert co2(clock, sensor) == (410, T.R_WARMING)
    clock.ms += 150000
    assert co2(clock, sensor)[1] == T.R_WARMING
    clock.ms += 30000
    for _ in range(20):
        value, reason = co2(clock, sensor)
        assert reason == T.R_OK and abs(value - 620) <= 12
    assert sensor.counters.warming == 3 and sensor.counters.good == 23


@pytest.mark.parametrize("answers_abc", [True, False])
@pytest.mark.parametrize("abc", [True, False])
def test_the_automatic_calibration_is_off_unless_wanted_and_the_range_is_left(clock, abc, answers_abc):
    emulator, _, sensor = running(clock, emulator_options={"answers_abc": answers_abc}, abc=abc)
    assert emulator.abc == abc and emulator.range_ppm == 5000
    assert co2(clock, sensor)[1] == T.R_OK and sensor.counters.errors() == []


FAULTS = {
    "stuck": (T.R_STUCK, "stuck"),
    "saturated": (T.R_OUT_OF_RANGE, "out_of_range"),
    "other": (T.R_OK, "fault"),  # asked again
}


@pytest.mark.parametrize("kind", mhz19.Emulator.FAULTS)
def test_each_fault_of_the_sensor_is_told_as_often_as_it_happened(clock, kind):
    reason, counter = FAULTS[kind]
    emulator, _, sensor = running(clock, stuck_s=5)
    for _ in range(4):
        emulator.inject(kind)
        assert co2(clock, sensor)[1] == reason
    assert emulator.injected[kind] == 4
    assert sensor.counters.errors() == [(code, 4) for code, name in sensor.counters.FAULTS.items() if name == counter]
    STEADY["co2"] += 40
    assert co2(clock, sensor)[1] == T.R_OK
    STEADY["co2"] -= 40


def test_full_scale_keeps_the_value(clock):
    emulator, _, sensor = running(clock)
    emulator.inject("saturated")
    assert co2(clock, sensor) == (5000, T.R_OUT_OF_RANGE)


def test_a_disturbed_answer_is_asked_for_again_and_counted(clock):
    _, faults, sensor = running(clock)
    for inject in (faults.corrupt_next, faults.truncate, faults.garbage, faults.drop):
        for _ in range(3):
            inject("mhz19")
            assert co2(clock, sensor)[1] == T.R_OK
    done = faults.injected
    assert sensor.counters.checksum == done["corrupt"] + done["truncate"]  # half an answer has no checksum
    assert (sensor.counters.framing, sensor.counters.timeout) == (done["garbage"], done["drop"])


def test_only_broken_answers_are_a_checksum_error(clock):
    _, faults, sensor = running(clock)
    faults.corrupt_next("mhz19", 2)
    assert co2(clock, sensor) == (None, T.R_CHECKSUM)


def test_absent_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    emulator = mhz19.Emulator(air, 3)
    sensor = on_uart(clock, "mhz19", emulator, faults)
    faults.silence("mhz19", 600)
    assert co2(clock, sensor) == (None, T.R_ABSENT)
    clock.ms += 600000
    assert co2(clock, sensor)[1] == T.R_WARMING and not emulator.abc
    clock.ms += 180000
    assert co2(clock, sensor)[1] == T.R_OK
    faults.silence("mhz19", 60)
    assert co2(clock, sensor) == (None, T.R_TIMEOUT)
    emulator.abc = True  # another one is plugged in
    clock.ms += 60000
    assert co2(clock, sensor)[1] == T.R_WARMING and not emulator.abc


def test_another_module_on_the_wire_is_a_device_fault(clock):
    sensor = on_uart(clock, "mhz19", winsen_ze.Emulator(lambda _name, _t_s: 3000.0, 1), Faults(1))
    clock.ms += 995
    assert co2(clock, sensor, 3000)[1] in (T.R_ABSENT, T.R_DEVICE_FAULT)
    reasons = []
    for _ in range(40):
        clock.ms += 37
        reasons.append(co2(clock, sensor)[1])
    assert T.R_DEVICE_FAULT in reasons and T.R_OK not in reasons


@pytest.mark.parametrize("deadline_ms", [0, 1, 299, 300, 650, 900])
@pytest.mark.parametrize("silent_s", [0, 1e6])
def test_the_deadline_is_kept(clock, deadline_ms, silent_s):
    _, faults, sensor = running(clock)
    if silent_s:
        faults.silence("mhz19", silent_s)
    assert co2(clock, sensor, deadline_ms)[1] == (T.R_OK if deadline_ms >= 300 and not silent_s else T.R_TIMEOUT)

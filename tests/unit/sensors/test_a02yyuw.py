"""The A02YYUW family on its emulator: the truth's distance, and every fault of its own and of the wire counted once."""

import pytest

from pantau_sim.faults import Faults
from pantau_sim.sensors import a02yyuw
from pantau_wire import names as T
from sensor_harness import on_uart, read

CLEAR = ("checksum", "framing", "no_echo", "out_of_range", "timeout", "absent", "stuck", "fault")


def steady(**values):
    return lambda name, _t_s: values[name]


def sensor_on(clock, faults, emulator, model="a02yyuw", **options):
    sensor = on_uart(clock, model, emulator, faults, **options)
    clock.ms += 2000
    for _ in range(4):  # past the packets of the power-up
        read(sensor, 900)
        clock.ms += 100
    return sensor


def counted(sensor):
    return {name: getattr(sensor.counters, name) for name in CLEAR if getattr(sensor.counters, name)}


@pytest.mark.parametrize(
    "kind, counter",
    [("bad_sum", "checksum"), ("zero", "no_echo"), ("ffff", "no_echo"), ("lost_echo", "no_echo"), ("warm_up", None)],
)
def test_two_of_six_are_counted_once_each_and_move_no_median(clock, kind, counter):
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 3)
    sensor = sensor_on(clock, Faults(1), emulator, period_ms=100)
    for _ in range(8):
        emulator.inject(kind, 2)
        clock.ms += 600
        value, reason = read(sensor, 650)[T.WATER_DISTANCE]  # short: it takes what came, not seven fresh ones
        assert reason == T.R_OK and abs(value - 2000) <= 5
    clock.ms += 600
    read(sensor, 650)
    assert emulator.injected == {kind: 16}
    assert counted(sensor) == ({counter: 16} if counter else {})  # a plausible wrong distance is seen by no one


@pytest.mark.parametrize(
    "inject, counter",
    [("corrupt_next", "checksum"), ("truncate", "framing"), ("garbage", "framing"), ("drop", None)],
)
def test_what_goes_wrong_on_the_wire_is_counted_once(clock, inject, counter):
    faults = Faults(5)
    sensor = sensor_on(clock, faults, a02yyuw.Emulator(steady(water_distance=2.0), 3))
    for _ in range(12):
        getattr(faults, inject)("a02yyuw")
        clock.ms += 500
        assert read(sensor, 250)[T.WATER_DISTANCE][1] == T.R_OK
    assert faults.pending() == 0
    assert counted(sensor) == ({counter: 12} if counter else {})


def test_a_stuck_value_is_told_after_its_time_in_every_record(clock):
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 3)
    sensor = sensor_on(clock, Faults(1), emulator, stuck_s=600)
    emulator.inject("stuck", 1000000)
    reasons = []
    for _ in range(15):
        clock.ms += 60000
        reasons.append(read(sensor)[T.WATER_DISTANCE][1])
    assert reasons == [T.R_OK] * 10 + [T.R_STUCK] * 5
    assert sensor.counters.stuck == 5


def test_the_first_packets_after_power_up_are_told_and_not_believed(clock):
    sensor = on_uart(clock, "a02yyuw", a02yyuw.Emulator(steady(water_distance=2.0), 3), Faults(1))
    clock.ms += 100
    assert read(sensor, 150)[T.WATER_DISTANCE] == (None, T.R_WARMING)
    for _ in range(3):
        clock.ms += 900
        value, reason = read(sensor, 900)[T.WATER_DISTANCE]
        assert reason in (T.R_OK, T.R_SPREAD) and abs(value - 2000) <= 5


def test_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 3)
    sensor = sensor_on(clock, faults, emulator)
    faults.silence("a02yyuw", 120)
    clock.ms += 2000
    read(sensor)
    start = clock.ms
    assert read(sensor)[T.WATER_DISTANCE] == (None, T.R_TIMEOUT)
    assert clock.ms - start <= 20000
    clock.ms += 120000
    value, reason = read(sensor)[T.WATER_DISTANCE]
    assert reason == T.R_OK and abs(value - 2000) <= 5


@pytest.mark.parametrize("deadline_ms", [900, 20000])
@pytest.mark.parametrize("seed", range(6))
def test_after_a_brown_out_the_first_packets_are_not_believed_again(clock, seed, deadline_ms):
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), seed, fast=False)
    sensor = sensor_on(clock, Faults(1), emulator)
    emulator._next_us, emulator._flight = 1 << 62, []  # without power
    clock.ms += 60000
    read(sensor, deadline_ms)
    assert read(sensor, deadline_ms)[T.WATER_DISTANCE] == (None, T.R_TIMEOUT)
    emulator.power_on(clock.us)
    for _ in range(3):
        clock.ms += 500
        value, spread = [read(sensor, deadline_ms)[ident][0] for ident in (T.WATER_DISTANCE, T.WATER_DISTANCE_SPREAD)]
        assert value is None or (abs(value - 2000) <= 5 and spread <= 5)


def test_a_quiet_surface_is_stuck_only_without_any_scatter(clock):
    emulator = a02yyuw.Emulator(steady(water_distance=2.0), 3, noise_mm=0)
    sensor = sensor_on(clock, Faults(1), emulator, stuck_s=600)
    real, odd = emulator._reported, []

    def reported(mm):
        odd.append(mm)
        return real(mm) + len(odd) % 3 - 1  # the median is the same each time, the scatter 1 mm

    emulator._reported = reported
    for _ in range(15):
        clock.ms += 60000
        got = read(sensor)
        assert got[T.WATER_DISTANCE] == (2000, T.R_OK) and got[T.WATER_DISTANCE_SPREAD] == (1, T.R_OK)


def test_a_module_without_a_thermometer_says_which_speed_of_sound_it_assumes(clock):
    celsius = 34.0
    true_m_s = 331.3 * (1 + celsius / 273.15) ** 0.5
    emulator = a02yyuw.Emulator(steady(water_distance=3.0, air_temperature=celsius), 3, sound_m_s=340)
    sensor = sensor_on(clock, Faults(1), emulator, "jsn_sr04t", period_ms=100)
    clock.ms += 60000
    value, reason = read(sensor)[T.WATER_DISTANCE]
    assert reason == T.R_OK and abs(value - 3000 * 340 / true_m_s) <= 3
    assert sensor.sound_mm_s == 340000
    assert abs(value * true_m_s * 1000 / sensor.sound_mm_s - 3000) <= 3


@pytest.mark.parametrize(
    "model, options, mm_s",
    [("a02yyuw", {}, 0), ("a01nyub", {}, 0), ("aj_sr04m", {}, 340000), ("jsn_sr04t", {"sound_m_s": 343}, 343000)],
)
def test_the_assumed_speed_of_sound_is_the_models_or_the_configurations(clock, model, options, mm_s):
    sensor = on_uart(clock, model, a02yyuw.Emulator(steady(water_distance=3.0), 3), Faults(1), **options)
    assert sensor.sound_mm_s == mm_s

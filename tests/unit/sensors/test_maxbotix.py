"""MaxBotix on its emulator: the truth's distance, every fault of the line counted once, and a wrong polarity told."""

import pytest

from pantau_node.sensors.catalog import load
from pantau_sim.faults import Faults
from pantau_sim.sensors import maxbotix
from pantau_wire import names as T
from sensor_harness import Uart, on_uart, read

NAMES = ("checksum", "framing", "no_echo", "out_of_range", "timeout", "absent", "stuck", "fault")


def steady(metres):
    return lambda _name, _t_s: metres


def counted(sensor):
    return {name: getattr(sensor.counters, name) for name in NAMES if getattr(sensor.counters, name)}


def started(clock, faults, emulator, **options):
    sensor = on_uart(clock, emulator.MODEL, emulator, faults, **options)
    clock.ms += 2000
    read(sensor, 300)
    return sensor


@pytest.mark.parametrize("model, metres", [("mb7389", 2.31), ("mb7369", 4.9), ("mb7388", 7.5), ("mb7368", 0.9)])
def test_distance_is_the_truths_and_the_banner_is_no_reading(clock, model, metres):
    sensor = on_uart(clock, model, maxbotix.Emulator(steady(metres), 1, model=model), Faults(1))
    for _ in range(20):
        got = read(sensor)
        assert got[T.WATER_DISTANCE][1] == T.R_OK and got[T.WATER_DISTANCE_N] == (7, T.R_OK)
        assert abs(got[T.WATER_DISTANCE][0] - 1000 * metres) <= 3
        clock.ms += 60000
    assert sensor.counters.errors() == []
    assert sensor.sound_mm_s == 0
    assert (model in load(model).INVERTED) == maxbotix.Emulator(steady(1), model=model).INVERTED


def test_it_follows_the_world_each_minute_and_each_second(clock, truth):
    sensor = on_uart(clock, "mb7389", maxbotix.Emulator(truth, 1), Faults(1))
    for step_ms, deadline_ms in ((60000, 20000),) * 20 + ((1000, 900),) * 20:
        clock.ms += step_ms
        value, reason = read(sensor, deadline_ms)[T.WATER_DISTANCE]
        assert reason == T.R_OK and abs(value - 1000 * truth("water_distance", clock.s)) <= 5


@pytest.mark.parametrize(
    "kind, counter",
    [
        ("no_echo", "no_echo"),
        ("floor", "out_of_range"),
        ("stray_ff", None),
        ("split", None),
        ("inverted", "fault"),
        ("bad_digit", "framing"),
    ],
)
def test_injected_is_counted_when_every_line_is_read(clock, kind, counter):
    emulator = maxbotix.Emulator(steady(2.0), 3)
    sensor = started(clock, Faults(1), emulator)
    for _ in range(10):
        emulator.inject(kind, 2)
        for _ in range(4):
            clock.ms += 400
            value, reason = read(sensor, 300)[T.WATER_DISTANCE]
            assert value is None or abs(value - 2000) <= 5 or (value, reason) == (300, T.R_OUT_OF_RANGE)
    assert emulator.injected == {kind: 20}
    assert counted(sensor) == ({counter: 20} if counter else {})


@pytest.mark.parametrize(
    "inject, counter", [("corrupt_next", "framing"), ("truncate", "framing"), ("garbage", "framing"), ("drop", None)]
)
def test_what_goes_wrong_on_the_wire_is_counted_once(clock, inject, counter):
    faults = Faults(5)
    emulator = maxbotix.Emulator(steady(2.0), 3)
    sensor = started(clock, faults, emulator)
    for _ in range(15):
        getattr(faults, inject)("mb7389")
        for _ in range(3):
            clock.ms += 400
            value = read(sensor, 300)[T.WATER_DISTANCE][0]
            assert abs(value - 2000) <= 5
    assert faults.pending() == 0
    assert counted(sensor) == ({counter: 15} if counter else {})


def test_a_stuck_line_is_told_in_every_record_after_its_time(clock):
    emulator = maxbotix.Emulator(steady(2.0), 3)
    sensor = started(clock, Faults(1), emulator, stuck_s=600)
    emulator.inject("stuck", 1000000)
    reasons = []
    for _ in range(15):
        clock.ms += 60000
        reasons.append(read(sensor)[T.WATER_DISTANCE][1])
    assert reasons == [T.R_OK] * 10 + [T.R_STUCK] * 5 and sensor.counters.stuck == 5


@pytest.mark.parametrize(
    "model, metres, value, reason",
    [
        ("mb7389", 5.4, None, T.R_NO_ECHO),
        ("mb7389", 0.12, 300, T.R_OUT_OF_RANGE),
        ("mb7388", 5.0, 5000, T.R_OK),
        ("mb7388", 11.0, None, T.R_NO_ECHO),
        ("mb7388", 0.2, 500, T.R_OUT_OF_RANGE),
    ],
)
def test_the_ends_of_the_range_are_told(clock, model, metres, value, reason):
    sensor = on_uart(clock, model, maxbotix.Emulator(steady(metres), 1, model=model, noise_mm=0), Faults(1))
    clock.ms += 5000
    assert read(sensor)[T.WATER_DISTANCE] == (value, reason)


def test_silence_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    emulator = maxbotix.Emulator(steady(2.0), 3)
    faults.silence("mb7389", 30)
    sensor = on_uart(clock, "mb7389", emulator, faults)
    emulator._flight.clear()  # nor the banner
    for _ in range(2):
        assert read(sensor)[T.WATER_DISTANCE] == (None, T.R_ABSENT)
    clock.ms += 60000
    assert read(sensor)[T.WATER_DISTANCE][1] == T.R_OK
    faults.silence("mb7389", 60)
    clock.ms += 10000
    start = clock.ms
    assert read(sensor)[T.WATER_DISTANCE] == (None, T.R_TIMEOUT)
    assert clock.ms - start <= 20000
    clock.ms += 60000
    emulator.power_on(clock.us)
    clock.ms += 3000
    value, reason = read(sensor)[T.WATER_DISTANCE]
    assert reason == T.R_OK and abs(value - 2000) <= 3


class Turned(Uart):
    """A line whose polarity the UART was not told."""

    def read(self):
        data = super().read()
        return data and bytes(byte ^ 255 for byte in data)


def test_a_line_of_the_other_polarity_is_a_device_fault(clock):
    module = load("mb7389")
    sensor = module.Driver(Turned(clock, maxbotix.Emulator(steady(2.0), 1), Faults(1), module.RXBUF))
    clock.ms += 2000
    for _ in range(3):
        assert read(sensor)[T.WATER_DISTANCE] == (None, T.R_DEVICE_FAULT)
        clock.ms += 60000
    assert counted(sensor) == {"fault": sensor.counters.fault} and sensor.counters.good == 0
    assert sensor.counters.fault >= 3 * 7  # each line is one

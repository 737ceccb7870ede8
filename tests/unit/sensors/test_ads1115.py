"""The level transducer on its emulator: depth against the truth, every fault told and counted once."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import ads1115
from pantau_wire import names as T
from sensor_harness import I2c, read


def steady(metres):
    return lambda _name, _t_s: metres


def on_bus(clock, faults, truth, options=None, **emulated):
    emulator = ads1115.Emulator(truth, 4, **emulated)
    bus = I2c(clock, emulator, faults)
    clock.ms += 1000
    return emulator, driver("ads1115", bus, **(options or {}))


@pytest.mark.parametrize(
    "options, emulated",
    [
        ({}, {}),
        ({"channel": 3, "shunt_ohm": 100, "span_mm": 10000}, {"channel": 3, "volts_at": (0.4, 2.0), "span_m": 10.0}),
        ({"signal": "0.5-4.5v"}, {"volts_at": (1 / 3, 3.0)}),
        ({"signal": "0.5-4.5v", "divider": (1, 2), "span_mm": 2000}, {"volts_at": (0.25, 2.25), "span_m": 2.0}),
    ],
)
def test_depth_is_the_truths(clock, options, emulated):
    for metres in (0.0, 0.3, 1.7):
        emulator, sensor = on_bus(clock, Faults(1), steady(metres), options, **emulated)
        low, high = emulated.get("volts_at", (0.6, 3.0))
        for _ in range(5):
            clock.ms += 60000
            got = read(sensor, 500)
            volts = low + (high - low) * metres / emulated.get("span_m", 5.0)
            assert got[T.WATER_DEPTH][1] == got[T.TRANSDUCER_VOLTAGE][1] == T.R_OK
            assert abs(got[T.WATER_DEPTH][0] - 1000 * metres) <= 3
            assert abs(got[T.TRANSDUCER_VOLTAGE][0] - 10000 * volts) <= 5
        assert sensor.counters.errors() == [] and sensor.counters.good == 25
        assert emulator.ADDRESS == 0x48


def test_depth_follows_the_worlds_water_and_zero_is_added(clock, truth):
    _, sensor = on_bus(clock, Faults(1), truth, {"zero_mm": 250}, mount_m=5.0)
    for _ in range(20):
        clock.ms += 60000
        value, reason = read(sensor, 500)[T.WATER_DEPTH]
        true = 5000 - 1000 * truth("water_distance", clock.s) + 250
        assert reason == T.R_OK and abs(value - true) <= 4


@pytest.mark.parametrize(
    "kind, counter, reason",
    [
        ("open_loop", "fault", T.R_DEVICE_FAULT),
        ("short_loop", "fault", T.R_DEVICE_FAULT),
        ("saturated", "out_of_range", T.R_OUT_OF_RANGE),
        ("busy", "timeout", T.R_TIMEOUT),
        ("other_device", "fault", T.R_DEVICE_FAULT),
        ("wrong_address", "timeout", T.R_TIMEOUT),
    ],
)
def test_every_fault_is_counted_once_and_told_when_it_lasts(clock, kind, counter, reason):
    emulator, sensor = on_bus(clock, Faults(1), steady(1.0))
    assert read(sensor, 500)[T.WATER_DEPTH][1] == T.R_OK
    emulator.inject(kind)  # one of five is outvoted, or tried again
    clock.ms += 60000
    value, said = read(sensor, 500)[T.WATER_DEPTH]
    assert said == T.R_OK and abs(value - 1000) <= 3
    lost = kind in ("busy", "other_device", "wrong_address")
    emulator.inject(kind, 2 if lost else 5)
    clock.ms += 60000
    got = read(sensor, 500)
    assert got[T.WATER_DEPTH][1] == got[T.TRANSDUCER_VOLTAGE][1] == reason
    assert (got[T.WATER_DEPTH][0] is None) == lost  # a broken loop keeps its value
    assert getattr(sensor.counters, counter) == emulator.injected[kind] == (3 if lost else 6)
    assert sum(n for _, n in sensor.counters.errors()) == emulator.injected[kind]
    clock.ms += 60000
    assert read(sensor, 500)[T.WATER_DEPTH][1] == T.R_OK


def test_a_stuck_converter_is_told_in_every_record_after_its_time(clock):
    emulator, sensor = on_bus(clock, Faults(1), steady(1.0), {"stuck_s": 600})
    clock.ms += 60000
    read(sensor, 500)
    emulator.inject("stuck", 100000)
    reasons = []
    for _ in range(15):
        clock.ms += 60000
        reasons.append(read(sensor, 500)[T.WATER_DEPTH][1])
    assert reasons == [T.R_OK] * 10 + [T.R_STUCK] * 5 and sensor.counters.stuck == 5


def test_what_goes_wrong_on_the_wire_moves_no_median(clock):
    faults = Faults(3)
    _, sensor = on_bus(clock, faults, steady(1.0))
    assert read(sensor, 500)[T.WATER_DEPTH][1] == T.R_OK
    for inject in (faults.nack, faults.corrupt_next, faults.truncate) * 5:
        inject("ads1115")
        clock.ms += 60000
        value, reason = read(sensor, 500)[T.WATER_DEPTH]
        assert reason == T.R_OK and abs(value - 1000) <= 3
    assert faults.pending() == 0 and sensor.counters.timeout == faults.injected["nack"] == 5


def test_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    emulator, sensor = on_bus(clock, faults, steady(1.0))
    assert read(sensor, 500)[T.WATER_DEPTH][1] == T.R_OK
    faults.silence("ads1115", 100)
    for _ in range(2):
        assert read(sensor, 500)[T.WATER_DEPTH] == (None, T.R_TIMEOUT)
        clock.ms += 60000
    emulator.power_on(clock.us)
    clock.ms += 1000
    assert read(sensor, 500)[T.WATER_DEPTH][1] == T.R_OK


@pytest.mark.parametrize("deadline_ms", [0, 1, 9, 10, 25, 60])
def test_the_deadline_is_kept_busy_or_not(clock, deadline_ms):
    for kind in (None, "busy"):
        emulator, sensor = on_bus(clock, Faults(1), steady(1.0))
        if kind:
            emulator.inject(kind, 99)
        start = clock.ms
        value, reason = read(sensor, deadline_ms)[T.WATER_DEPTH]
        assert clock.ms - start <= deadline_ms
        assert (value is None) == (kind is not None or deadline_ms < 10)
        assert value is not None or reason == T.R_TIMEOUT

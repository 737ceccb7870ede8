"""Drivers against the emulators, which know nothing of them: values against the world's truth, counters against the faults."""

import asyncio

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import a02yyuw, bme280, ld2451, pms5003, pulse, sht4x, tipping_bucket
from pantau_wire import names as T
from sensor_harness import T0_S, Contact, I2c, collect, on_uart, read


@pytest.mark.parametrize("fast", [True, False])
def test_water_distance_follows_the_world(clock, truth, fast):
    sensor = on_uart(clock, "a02yyuw", a02yyuw.Emulator(truth, 1, fast=fast), Faults(1))
    for _ in range(30):
        clock.ms += 60000 - clock.ms % 60000
        got = read(sensor)
        assert got[T.WATER_DISTANCE][1] == T.R_OK and got[T.WATER_DISTANCE_N] == (7, T.R_OK)
        assert abs(got[T.WATER_DISTANCE][0] - 1000 * truth("water_distance", clock.s)) <= 5
    assert sensor.counters.errors() == []


def test_water_distance_each_second(clock, truth):
    sensor = on_uart(clock, "a02yyuw", a02yyuw.Emulator(truth, 1), Faults(1))
    reasons = []
    for _ in range(40):
        clock.ms += 1000 - clock.ms % 1000
        value, reason = read(sensor, 900)[T.WATER_DISTANCE]
        reasons.append(reason)
        if reason == T.R_OK:
            assert abs(value - 1000 * truth("water_distance", clock.s)) <= 5
    assert reasons.count(T.R_OK) >= 39


@pytest.mark.parametrize("model", ["a02yyuw", "pms5003", "ld2451"])
def test_counters_equal_the_faults_on_the_line(clock, truth, model):
    faults = Faults(3)
    emulator = {"a02yyuw": a02yyuw, "pms5003": pms5003, "ld2451": ld2451}[model].Emulator(truth, 2)
    sensor = on_uart(clock, model, emulator, faults)
    pace_ms = 1000 if model == "pms5003" else 300

    async def hear(packets):
        for _ in range(packets):
            clock.ms += pace_ms
            await (sensor.collect() if hasattr(sensor, "collect") else sensor.read(250))

    asyncio.run(hear(12))
    assert (sensor.counters.checksum, sensor.counters.framing) == (0, 0)
    for inject in (faults.corrupt_next, faults.truncate, faults.garbage, faults.drop):
        for _ in range(5):
            inject(model)
            asyncio.run(hear(4))
    asyncio.run(hear(12))
    done = faults.injected
    assert faults.pending() == 0 and done["corrupt"] == 5
    sums = 0 if model == "ld2451" else done["corrupt"]  # the radar has no checksum: a broken tail is a framing error
    assert sensor.counters.checksum == sums
    assert sensor.counters.framing == done["truncate"] + done["garbage"] + done["corrupt"] - sums


def test_a_silent_ultrasonic_is_timed_out_and_comes_back(clock, truth):
    faults = Faults(1)
    sensor = on_uart(clock, "a02yyuw", a02yyuw.Emulator(truth, 1), faults)
    clock.ms += 5000
    assert read(sensor)[T.WATER_DISTANCE][1] == T.R_OK
    faults.silence("a02yyuw", 30)
    clock.ms += 2000
    read(sensor, 900)
    clock.ms += 5000
    assert read(sensor)[T.WATER_DISTANCE] == (None, T.R_TIMEOUT)
    clock.ms += 60000
    assert read(sensor)[T.WATER_DISTANCE][1] == T.R_OK


@pytest.mark.parametrize("silent_when_empty", [False, True])
def test_vehicles_are_counted_within_a_tenth_of_the_truth(clock, truth, silent_when_empty):
    emulator = ld2451.Emulator(truth, 5, silent_when_empty=silent_when_empty)
    sensor = on_uart(clock, "ld2451", emulator, Faults(1))
    collect(clock, sensor, 30)
    read(sensor)
    start = clock.s
    counts, speeds = [0, 0], []
    for _ in range(15):
        collect(clock, sensor, 60)
        got = read(sensor)
        assert got[T.OCCUPANCY][1] == T.R_OK
        counts[0] += got[T.VEHICLE_COUNT_APPROACHING][0]
        counts[1] += got[T.VEHICLE_COUNT_RECEDING][0]
        if got[T.VEHICLE_SPEED_MEAN][0] is not None:
            speeds.append(got[T.VEHICLE_SPEED_MEAN][0] / 10)
            assert got[T.VEHICLE_SPEED_85][0] / 10 >= speeds[-1] - 5
    for i, name in enumerate(("vehicle_count_approaching", "vehicle_count_receding")):
        true = truth.interval(name, start, clock.s)
        assert true > 30 and abs(counts[i] - true) <= max(2, 0.1 * true), (name, counts[i], true)
    true = truth.interval("vehicle_speed_mean", start, clock.s)
    assert abs(sum(speeds) / len(speeds) - true) < 2


def test_particles_follow_the_world_after_warm_up(clock, truth):
    sensor = on_uart(clock, "pms5003", pms5003.Emulator(truth, 4, noise=0.0), Faults(1))
    collect(clock, sensor, 20)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 15)
    read(sensor)
    for _ in range(10):
        collect(clock, sensor, 60)
        got = read(sensor)
        for ident, name in ((T.PM1, "pm1"), (T.PM2_5, "pm2_5"), (T.PM10, "pm10")):
            assert got[ident][1] == T.R_OK
            assert abs(got[ident][0] / 10 - truth(name, clock.s - 30)) <= 1.0, name
    assert sensor.counters.good in (634, 635)  # the last one is on the line


def test_air_over_i2c_follows_the_world_and_counts_its_faults(clock, truth):
    faults = Faults(2)
    air = driver("sht4x", I2c(clock, sht4x.Emulator(truth, 1), faults))
    box = driver("bme280", I2c(clock, bme280.Emulator(truth, 1), faults))
    for minute in range(20):
        clock.ms += 60000
        if minute == 5:
            faults.nack("sht4x")
        if minute in (8, 9, 10):
            faults.corrupt_next("sht4x")
        if minute == 12:
            faults.nack("bme280")
        for got in (read(air), read(box)):
            for ident, name, step in (
                (T.AIR_TEMPERATURE, "air_temperature", 0.2),
                (T.RELATIVE_HUMIDITY, "relative_humidity", 0.5),
                (T.AIR_PRESSURE, "air_pressure", 0.05),
            ):
                if ident in got:
                    assert got[ident][1] == T.R_OK, (minute, name)
                    assert abs(got[ident][0] / 100 - truth(name, clock.s)) <= step, name
    assert faults.pending() == 0
    assert (air.counters.timeout, air.counters.checksum, box.counters.timeout) == (1, 3, 1)


def test_rain_is_the_worlds_tips_whatever_the_bounce(clock):
    def storm(_name, t_s):
        return 30.0 * (t_s - T0_S) / 3600  # 30 mm/h

    gauge = driver("tipping_bucket", Contact(clock, tipping_bucket.Emulator(storm, 3, bounce=3)))
    total = 0
    for _ in range(30):
        clock.ms += 60000
        n, reason = read(gauge)[T.RAIN_TIPS]
        assert reason == T.R_OK
        total += n
    assert total == int(15.0 / tipping_bucket.TIP_MM)
    assert gauge.counters.bounce > 10


def test_loop_pulses_are_the_worlds_vehicles(clock, truth):
    loop = driver("pulse", Contact(clock, pulse.Emulator(truth)))
    start = clock.s
    total = 0
    for _ in range(15):
        clock.ms += 60000
        total += read(loop)[T.PULSE_COUNT][0]
    true = truth.interval("pulse_count", start, clock.s)
    assert 0.85 * true <= total <= true  # two vehicles on the loop at once close it once

"""The magnetometer's driver on its emulator."""

import asyncio

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import qmc5883l
from pantau_wire import names as T
from sensor_harness import I2c, read


class Road:
    def __init__(self, *passes):
        self._passes = list(passes)

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


class Bus(I2c):
    """Only the emulator's own address answers."""

    address = 0x0D

    def writeto(self, address, data):
        if address != self.address:
            raise OSError(19)
        super().writeto(address, data)

    def readfrom_mem(self, address, register, size):
        if address != self.address:
            raise OSError(19)
        return super().readfrom_mem(address, register, size)


def magnetometer(clock, truth, faults=None, **options):
    emulator = qmc5883l.Emulator(truth, 4, **options)
    bus = Bus(clock, emulator, faults or Faults(1))
    return emulator, bus, driver("qmc5883l", bus)


def listen(clock, sensor, seconds, step_ms=15):
    async def steps():
        for _ in range(seconds * 1000 // step_ms):
            clock.ms += step_ms
            await sensor.collect()

    asyncio.run(steps())


def stands(sensor, from_s, until_s):
    """Let a vehicle stand there."""
    emulator = sensor._bus._emulator
    real = emulator.field_mg
    emulator.field_mg = lambda t_s: [v + (300 if from_s <= t_s < until_s else 0) for v in real(t_s)]


def lane(clock, n, gap_s=4.0, length=4.5, speed=36.0, side=2.5, start=5.0):
    return [(clock.s + start + gap_s * k, False, speed, side, length) for k in range(n)]


def test_vehicles_of_the_lane_are_counted_once(clock):
    _, _, sensor = magnetometer(
        clock, Road(*lane(clock, 6), *lane(clock, 6, length=2.0, start=30), *lane(clock, 3, length=9.0, start=55))
    )
    listen(clock, sensor, 75)
    got = read(sensor)
    assert got[T.VEHICLE_COUNT] == (15, T.R_OK)
    assert 50 <= got[T.OCCUPANCY][0] <= 250
    assert sensor.counters.errors() == []


def test_a_day_of_the_world_is_counted_within_a_tenth(clock, truth):
    _, _, sensor = magnetometer(clock, truth)
    listen(clock, sensor, 5)
    read(sensor)
    start, total = clock.s, 0
    for _ in range(10):
        listen(clock, sensor, 60)
        count, reason = read(sensor)[T.VEHICLE_COUNT]
        assert reason == T.R_OK
        total += count
    seen = [p for p in truth.passes(start, clock.s) if not p[1] or p[4] > 6]  # of the far lane: trucks only
    assert abs(total - len(seen)) <= max(3, 0.12 * len(seen)), (total, len(seen))


def test_noise_and_drift_alone_are_no_vehicle(clock):
    _, _, sensor = magnetometer(clock, Road(), drift_mg=2000.0)
    listen(clock, sensor, 3)
    read(sensor)
    listen(clock, sensor, 600)
    assert read(sensor) == {T.VEHICLE_COUNT: (0, T.R_OK), T.OCCUPANCY: (0, T.R_OK)}


def test_the_first_seconds_are_warm_up(clock):
    _, _, sensor = magnetometer(clock, Road())
    listen(clock, sensor, 1)
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_WARMING)
    listen(clock, sensor, 3)
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_OK)


def test_a_bus_that_saturates_the_range_is_a_vehicle_and_no_error(clock):
    emulator, _, sensor = magnetometer(clock, Road(*lane(clock, 4, length=9.0)))
    emulator.inject("bus", 2)
    listen(clock, sensor, 40)
    assert emulator.injected == {"bus": 2}
    assert read(sensor)[T.VEHICLE_COUNT] == (4, T.R_OK) and sensor.counters.errors() == []


def test_one_overflow_is_a_spark_and_no_vehicle(clock):
    emulator, _, sensor = magnetometer(clock, Road())
    listen(clock, sensor, 4)
    emulator.inject("ovl")
    listen(clock, sensor, 4)
    assert emulator.injected == {"ovl": 1} and read(sensor)[T.VEHICLE_COUNT] == (0, T.R_OK)


def test_overruns_are_counted(clock):
    emulator, _, sensor = magnetometer(clock, Road())
    listen(clock, sensor, 4)
    assert sensor.counters.timeout == 0
    emulator.inject("dor", 5)
    listen(clock, sensor, 4)
    assert sensor.counters.timeout == 5 == emulator.injected["dor"]
    clock.ms += 200  # the node itself was late
    listen(clock, sensor, 1)
    assert sensor.counters.timeout == 6


def test_another_identity_is_a_device_fault_until_it_is_right(clock):
    emulator, _, sensor = magnetometer(clock, Road())
    emulator.inject("id", 3)
    listen(clock, sensor, 2)
    assert read(sensor)[T.VEHICLE_COUNT] == (None, T.R_DEVICE_FAULT)
    listen(clock, sensor, 6)
    assert sensor.counters.fault == 3 == emulator.injected["id"]
    read(sensor)
    listen(clock, sensor, 2)
    assert read(sensor)[T.VEHICLE_COUNT][1] == T.R_OK


def test_refused_transfers_are_counted_one_by_one(clock):
    faults = Faults(1)
    _, _, sensor = magnetometer(clock, Road(), faults)
    listen(clock, sensor, 4)
    for _ in range(6):
        faults.nack("qmc5883l")
        listen(clock, sensor, 1)
    assert faults.pending() == 0 and sensor.counters.timeout == 6
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_OK)


def test_unplugged_and_plugged_in_again(clock):
    emulator, bus, sensor = magnetometer(clock, Road(*lane(clock, 2, start=30.0)))
    listen(clock, sensor, 4)
    read(sensor)
    bus.address = 0x7F
    listen(clock, sensor, 10)
    assert read(sensor)[T.VEHICLE_COUNT] == (None, T.R_TIMEOUT)
    assert sensor.counters.absent <= 15  # looked for once a second
    bus.address = 0x0D
    emulator.power_on(clock.us)  # standing by: it must be set up again
    listen(clock, sensor, 30)
    assert read(sensor)[T.VEHICLE_COUNT] == (2, T.R_OK)


def test_a_chip_that_was_reset_under_way_is_set_up_again(clock):
    emulator, _, sensor = magnetometer(clock, Road())
    listen(clock, sensor, 4)
    emulator.power_on(clock.us)
    listen(clock, sensor, 5)
    read(sensor)
    listen(clock, sensor, 2)
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_OK)


@pytest.mark.parametrize("address, register, identity", [(0x1E, 0x0A, b"H43"), (0x2C, 0x00, b"\x80")])
def test_the_chips_of_look_alike_boards_are_told(clock, address, register, identity):
    class Other:
        def readfrom_mem(self, at, where, size):
            if (at, where) != (address, register):
                raise OSError(19)
            return identity[:size]

    sensor = driver("qmc5883l", Other())
    listen(clock, sensor, 3)
    assert read(sensor)[T.VEHICLE_COUNT] == (None, T.R_DEVICE_FAULT) and sensor.counters.fault >= 1


def test_a_chip_that_answers_and_never_measures_is_one_timeout_a_record(clock):
    _, bus, sensor = magnetometer(clock, Road())
    bus.writeto_mem = lambda _address, _register, _data: None  # its mode is not taken
    for n in range(1, 4):
        listen(clock, sensor, 60)
        assert read(sensor) == {T.VEHICLE_COUNT: (None, T.R_TIMEOUT), T.OCCUPANCY: (None, T.R_TIMEOUT)}
        assert sensor.counters.errors() == [(T.R_TIMEOUT, n)]


def test_a_vehicle_that_stood_there_at_the_start_is_no_five_minutes_of_occupancy(clock):
    truth = Road(*lane(clock, 10, gap_s=15.0, start=70.0))
    _, _, sensor = magnetometer(clock, truth)
    stands(sensor, clock.s, clock.s + 12)
    listen(clock, sensor, 30)
    assert read(sensor)[T.VEHICLE_COUNT][1] == T.R_WARMING  # left 18 s ago, and looks like one that came
    listen(clock, sensor, 30)
    read(sensor)
    assert not sensor._detector.occupied
    listen(clock, sensor, 160)
    got = read(sensor)
    assert got[T.VEHICLE_COUNT] == (10, T.R_OK) and got[T.OCCUPANCY][0] < 150
    assert sensor.counters.stuck == 0


def test_nothing_there_is_absent(clock):
    _, bus, sensor = magnetometer(clock, Road())
    bus.address = 0x7F
    listen(clock, sensor, 3)
    assert read(sensor, 0) == {T.VEHICLE_COUNT: (None, T.R_ABSENT), T.OCCUPANCY: (None, T.R_ABSENT)}


def test_what_was_parked_there_becomes_the_baseline(clock):
    _, _, sensor = magnetometer(clock, Road(*lane(clock, 3, start=430.0)))
    stands(sensor, clock.s + 70, clock.s + 1000)
    reasons, counts = [], []
    for _ in range(8):
        listen(clock, sensor, 60)
        count, reason = read(sensor)[T.VEHICLE_COUNT]
        reasons.append(reason)
        counts.append(count)
    assert sensor.counters.stuck == reasons.count(T.R_STUCK) == 1
    assert counts == [0, 1, 0, 0, 0, 0, 0, 3]

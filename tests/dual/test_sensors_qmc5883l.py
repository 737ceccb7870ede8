"""The magnetometer's numbers and its detector, and the pace at which it is read."""

import asyncio

from sensor_rig import Clock, I2c, give_back, read, run

from pantau_node.sensors import base, qmc5883l
from pantau_node.sensors.catalog import driver
from pantau_node.stations import Station
from pantau_wire import names as T

EARTH = (1170, 0, -690)  # 390, 0, -230 mG


def teardown_function():
    give_back()


def test_registers_are_signed_little_endian():
    assert qmc5883l.parse(b"\x52\x12\x1e\x00\x1a\xf5\x01\x9a\xf7") == (4690, 30, -2790, 1, 2850)
    assert qmc5883l.parse(b"\xff\xff\x00\x80\xff\x7f\x03\x3c\xf6") == (-1, -32768, 32767, 3, 2500)
    assert qmc5883l.parse(b"\x01\x00\x02\x00\x03\x00") == (1, 2, 3, None, None)
    assert qmc5883l.parse(b"\x01\x00\x02\x00\x03\x00\x04") == (1, 2, 3, 4, None)


def test_the_root_is_exact():
    for x, y, z in (
        (0, 0, 0),
        (1, 0, 0),
        (3, 4, 0),
        (1170, 0, -690),
        (-32768, 32767, -32768),
        (32767, 0, 0),
        (7, 11, 13),
    ):
        square = 256 * (x * x + y * y + z * z)
        root = qmc5883l.magnitude(x, y, z)
        assert root * root <= square < (root + 1) * (root + 1), (x, y, z)


def detector(on=60, off=30, hold_ms=200, calm=3000):
    """A detector that has learnt the earth's field and then was calm for so many samples, and the instant."""
    made = qmc5883l.Detector(on, off, hold_ms)
    t = (1 << 30) - 2500  # the clock wraps soon
    for _ in range(100):
        assert not made.ready() and made.step(t, *EARTH) == 0
        t = (t + 20) & ((1 << 30) - 1)
    assert made.ready()
    for _ in range(calm):
        assert made.step(t, *EARTH) == 0
        t = (t + 20) & ((1 << 30) - 1)
    return made, t


def feed(made, t, *fields):
    """Give samples of the field along x; return (vehicles, instant)."""
    n = 0
    for extra in fields:
        n += made.step(t, EARTH[0] + extra, EARTH[1], EARTH[2])
        t = (t + 20) & ((1 << 30) - 1)
    return n, t


def test_a_vehicle_counts_once_though_it_dips_between_its_axles():
    made, t = detector()
    n, t = feed(made, t, *([0] * 9 + [40, 90, 200, 90, 20, 0, 0, -20, -120, -200, -90, 10] + [0] * 30))
    assert n == 1 and not made.occupied
    assert 300 <= made.busy_ms <= 440
    n, t = feed(made, t, *([200] * 5 + [0] * 15 + [200] * 5 + [0] * 15))
    assert n == 2


def test_one_sample_is_a_spark_and_less_than_on_is_noise():
    made, t = detector()
    assert feed(made, t, *([0] * 5 + [3000] + [0] * 20 + [40] * 50))[0] == 0


def test_between_off_and_on_a_vehicle_stays_and_does_not_begin():
    made, t = detector()
    assert feed(made, t, *([45] * 20))[0] == 0
    made, t = detector()
    n, t = feed(made, t, *([100] * 5 + [45] * 50))
    assert n == 1 and made.occupied
    n, t = feed(made, t, *([0] * 11))
    assert n == 0 and not made.occupied


def test_the_baseline_follows_drift_and_is_frozen_while_occupied():
    made, t = detector()
    for k in range(6000):  # 200 mG in two minutes
        assert feed(made, t, k // 10)[0] == 0
        t = (t + 20) & ((1 << 30) - 1)
    made, t = detector()
    n, t = feed(made, t, *([300] * 6000))  # two minutes on the spot
    assert n == 1 and made.occupied
    n, t = feed(made, t, *([0] * 20))
    assert n == 0 and not made.occupied


def test_after_five_minutes_what_stands_there_is_the_baseline():
    made, t = detector()
    n = 0
    for _ in range(15100):
        n += made.step(t, EARTH[0] + 300, EARTH[1], EARTH[2])
        t = (t + 20) & ((1 << 30) - 1)
    assert n == 0 and not made.occupied  # came once, was given up once
    n, t = feed(made, t, *([300] * 100 + [0] * 5))
    assert n == 1  # it drives away


def test_a_baseline_that_was_learnt_under_a_vehicle_is_given_up_early_and_told():
    made, t = detector(calm=500)  # ten seconds of a vehicle that stands there
    n, t = feed(made, t, *([-300] * 500))  # it leaves
    assert n == 1 and made.occupied and not made.ready()
    n, t = feed(made, t, *([-300] * 700))
    assert n == 0 and not made.occupied and made.ready() and made.busy_ms == 0
    n, t = feed(made, t, *([0] * 10 + [-300] * 20))
    assert n == 1 and not made.occupied  # it came and left: the baseline is sure
    n, t = feed(made, t, *([0] * 1100))
    assert n == 1 and made.occupied and made.ready()  # and a vehicle that stays longer is one


def chip(status=1, ident=0xFF):
    registers = {0x0D: bytes((ident,)), 0x06: bytes((status,)), 0x00: b"\x92\x04\x00\x00\x4e\xfd"}
    return I2c(lambda _address, order: b"" if order is None else registers[order[0]])


def listen(clock, sensor, samples):
    for _ in range(samples):
        clock.t += 20
        run(sensor.collect())


def test_every_state_is_told_apart():
    clock = Clock()
    sensor = driver("qmc5883l", I2c(lambda _address, _order: None))
    assert read(sensor)[T.VEHICLE_COUNT] == (None, T.R_ABSENT)
    sensor = driver("qmc5883l", chip(ident=0x3C))
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_DEVICE_FAULT)
    sensor = driver("qmc5883l", chip(status=0))  # never ready
    listen(clock, sensor, 200)
    assert read(sensor)[T.VEHICLE_COUNT] == (None, T.R_TIMEOUT)
    bus = chip()
    sensor = driver("qmc5883l", bus)
    listen(clock, sensor, 50)
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_WARMING)
    listen(clock, sensor, 100)
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_OK)
    listen(clock, sensor, 10)
    clock.t += 900
    assert read(sensor)[T.VEHICLE_COUNT] == (0, T.R_SPREAD)  # most of the samples are missing
    bus.reply = lambda _address, _order: None
    listen(clock, sensor, 100)
    read(sensor)
    assert read(sensor, 0) == {T.VEHICLE_COUNT: (None, T.R_TIMEOUT), T.OCCUPANCY: (None, T.R_TIMEOUT)}


def test_an_overflow_is_a_vehicle():
    clock = Clock()
    bus = chip()
    sensor = driver("qmc5883l", bus)
    listen(clock, sensor, 150)
    read(sensor)
    good = bus.reply
    bus.reply = lambda address, order: b"\x03" if order == b"\x06" else good(address, order)
    listen(clock, sensor, 20)
    bus.reply = good
    listen(clock, sensor, 30)
    got = read(sensor)
    assert got[T.VEHICLE_COUNT] == (1, T.R_OK) and 400 <= got[T.OCCUPANCY][0] <= 650
    assert sensor.counters.errors() == []


class Fast:
    COLLECT_MS = 15
    PROPERTIES = ()

    def __init__(self):
        self.at = []

    async def collect(self):
        self.at.append(base.now())
        if len(self.at) == 2:
            raise ValueError("a bug")


class Slow(Fast):
    COLLECT_MS = 1000


def test_a_driver_with_a_pace_of_its_own_is_collected_at_it():
    """The tasks are driven by hand: each turn of one is one collect and one wait."""
    clock = Clock()
    made = []
    real = asyncio.create_task
    asyncio.create_task = made.append
    try:
        station = Station({"qmc5883l": Fast(), "pulse": Slow()})
        assert run(station.run()) is None and len(made) == 2
        waits = []

        class StopError(Exception):
            pass

        async def wait(ms):
            waits.append(ms)
            clock.t += ms
            if len(waits) % 5 == 0:
                raise StopError

        base.sleep_ms = wait
        for task in made:
            try:
                task.send(None)
            except StopError:
                pass
    finally:
        asyncio.create_task = real
    assert waits == [15] * 5 + [1000] * 5
    assert len(station.drivers["qmc5883l"].at) == 5 and station.broken == 2

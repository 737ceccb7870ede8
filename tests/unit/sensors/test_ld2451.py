"""The radar's driver on its emulator: its own faults, both baud rates, the speed classes."""

import asyncio

import pytest

from pantau_node.sensors.catalog import driver, load
from pantau_sim.faults import Faults
from pantau_sim.sensors import ld2451
from pantau_wire import names as T
from sensor_harness import Uart, collect, read


class Tunable(Uart):
    """A UART whose rate can be set: at another than the sensor's there is only garbage."""

    def __init__(self, clock, emulator, faults):
        super().__init__(clock, emulator, faults, load("ld2451").RXBUF)
        self._baud = load("ld2451").BAUD
        self.rates = [self._baud]

    def init(self, baudrate):
        self._baud = baudrate
        self.rates.append(baudrate)
        super().read()

    def read(self):
        data = super().read()
        if data is None or self._baud == self._emulator.BAUD:
            return data
        return bytes(byte * 151 + 85 & 255 for byte in data)

    def write(self, data):
        if self._baud == self._emulator.BAUD:
            super().write(data)


class Road:
    def __init__(self, *passes):
        self._passes = list(passes)

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


def radar(clock, truth, faults=None, **options):
    emulator = ld2451.Emulator(truth, 5, **options)
    uart = Tunable(clock, emulator, faults or Faults(1))
    return emulator, uart, driver("ld2451", uart)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_unit_of_either_rate_is_found_and_keeps_it(clock, fast, silent):
    _, uart, sensor = radar(clock, Road(), fast=fast, silent_when_empty=silent)
    collect(clock, sensor, 30)
    assert uart.rates == ([115200, 256000] if fast else [115200])
    assert read(sensor)[T.VEHICLE_COUNT_APPROACHING] == (0, T.R_OK)
    collect(clock, sensor, 600)
    assert read(sensor)[T.OCCUPANCY] == (0, T.R_OK) and len(uart.rates) == 1 + fast


def test_a_unit_that_was_unplugged_for_a_minute_is_looked_for_at_its_own_rate_only(clock):
    faults = Faults(1)
    _, uart, sensor = radar(clock, Road(), faults)
    collect(clock, sensor, 10)
    faults.silence("ld2451", 60)
    collect(clock, sensor, 40)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_TIMEOUT) and uart.rates == [115200]
    collect(clock, sensor, 30)
    assert read(sensor)[T.OCCUPANCY] == (0, T.R_OK)


@pytest.mark.parametrize("fast", [False, True])
def test_a_spare_of_the_other_rate_is_found_after_five_minutes_of_silence(clock, fast):
    emulator, uart, sensor = radar(clock, Road(), fast=not fast)
    collect(clock, sensor, 60)
    assert read(sensor)[T.OCCUPANCY] == (0, T.R_OK)
    spare = ld2451.Emulator(Road(), 6, fast=fast)
    spare.fault, uart._emulator = emulator.fault, spare
    spare.power_on(clock.us)
    collect(clock, sensor, 240)
    assert read(sensor)[T.OCCUPANCY][1] in (T.R_TIMEOUT, T.R_CHECKSUM) and uart._baud != spare.BAUD
    collect(clock, sensor, 120)
    read(sensor)
    assert read(sensor)[T.OCCUPANCY] == (0, T.R_OK) and uart._baud == spare.BAUD
    rates = len(uart.rates)
    collect(clock, sensor, 900)
    assert len(uart.rates) == rates


def test_without_a_unit_the_rates_take_turns(clock):
    faults = Faults(1)
    faults.silence("ld2451", 1000)
    _, uart, sensor = radar(clock, Road(), faults)
    collect(clock, sensor, 60, 1500)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_ABSENT)
    assert uart.rates[:4] == [115200, 256000, 115200, 256000]


@pytest.mark.parametrize("kind, counted", [("tail", 1), ("count", 1), ("ghost", 0), ("crowd", 0)])
def test_faults_of_reports_are_counted_and_no_vehicle_is_lost_or_made(clock, kind, counted):
    at = clock.s + 20
    cars = [(at + 6 * k, k % 2 == 0, 36.0, 2.5, 4.5) for k in range(6)]
    emulator, _, sensor = radar(clock, Road(*cars))
    collect(clock, sensor, 2)
    for _ in range(7):
        clock.ms += 9000
        emulator.inject(kind)
        for _ in range(10):
            clock.ms += 100
            asyncio.run(sensor.collect())
    collect(clock, sensor, 10)
    done = emulator.injected[kind]
    assert done >= 5
    assert sensor.counters.framing == counted * done and sensor.counters.checksum == 0
    got = read(sensor)
    assert got[T.VEHICLE_COUNT_APPROACHING][0] == got[T.VEHICLE_COUNT_RECEDING][0] == 3
    assert [got[T.VEHICLE_SPEED_BIN_1 + k][0] for k in range(8)] == [0, 0, 6, 0, 0, 0, 0, 0]


def test_speed_classes_follow_the_world(clock, truth):
    _, _, sensor = radar(clock, truth)
    collect(clock, sensor, 30)
    read(sensor)
    start = clock.s
    bins, counts = [0] * 8, 0
    for _ in range(15):
        collect(clock, sensor, 60)
        got = read(sensor)
        bins = [n + got[T.VEHICLE_SPEED_BIN_1 + k][0] for k, n in enumerate(bins)]
        counts += got[T.VEHICLE_COUNT_APPROACHING][0] + got[T.VEHICLE_COUNT_RECEDING][0]
    assert abs(sum(bins) - counts) <= 3  # those in view at the start and at the end
    for k in range(8):
        true = truth.interval(f"vehicle_speed_bin_{k + 1}", start, clock.s)
        assert abs(bins[k] - true) <= max(4, 0.25 * true), (k, bins, true)

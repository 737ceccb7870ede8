"""The SPS30 by I2C on its emulator: values, every fault counted once, another device, power lost, pulled out."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import sps30
from pantau_wire import names as T
from sensor_harness import I2c, collect, read

MASSES = ((T.PM1, "pm1"), (T.PM2_5, "pm2_5"), (T.PM10, "pm10"))
ALL = (T.PM1, T.PM2_5, T.PM4, T.PM10, T.PARTICLES_0_5, T.TYPICAL_PARTICLE_SIZE, T.PM2_5_SPREAD, T.PM_N)


def connect(clock, truth, faults=None, **options):
    faults = faults or Faults(1)
    emulator = sps30.Emulator(truth, 4, **options)
    bus = I2c(clock, emulator, faults)
    clock.ms += 1000
    return emulator, faults, bus, driver("sps30", bus)


def warmed(clock, truth, **options):
    found = connect(clock, truth, **options)
    collect(clock, found[3], 40)
    assert read(found[3])[T.PM2_5][1] == T.R_OK
    return found


def minute(clock, sensor):
    """A record a minute without collect(): one reading each."""
    clock.ms += 60000
    got = read(sensor)
    assert tuple(got) == ALL
    return got


def test_particles_follow_the_world_after_warm_up(clock, truth):
    *_, sensor = connect(clock, truth, noise=0.0)
    collect(clock, sensor, 20)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 16, 8000)
    read(sensor)
    for _ in range(10):
        collect(clock, sensor, 56, 8000)
        clock.ms += 4000
        got = read(sensor)
        for ident, name in MASSES:
            assert got[ident][1] == T.R_OK
            assert abs(got[ident][0] / 10 - truth(name, clock.s - 30)) <= 0.5, name
        assert got[T.PM2_5][0] < got[T.PM4][0] < got[T.PM10][0]
        assert abs(got[T.PARTICLES_0_5][0] - 645 * truth("pm1", clock.s - 30)) < 300
        assert got[T.TYPICAL_PARTICLE_SIZE] == (744, T.R_OK)
        assert got[T.PM_N] == (8, T.R_OK) and got[T.PM2_5_SPREAD][0] <= 3
    assert sensor.counters.errors() == [(T.R_WARMING, 1)]


def test_spread_is_the_noise(clock, truth):
    *_, sensor = warmed(clock, truth, noise=0.1)
    collect(clock, sensor, 300)
    got = read(sensor)
    assert got[T.PM_N][0] in (300, 301)
    assert abs(got[T.PM2_5_SPREAD][0] / got[T.PM2_5][0] - 0.1) < 0.02


@pytest.mark.parametrize(
    "kind, counter, reason",
    [
        ("crc", "checksum", None),  # repeated, and then good
        ("not_ready", "timeout", T.R_TIMEOUT),
        ("restart", "timeout", T.R_TIMEOUT),
        ("nan", "fault", T.R_DEVICE_FAULT),
        ("fan", "fault", T.R_DEVICE_FAULT),
        ("laser", "fault", T.R_DEVICE_FAULT),
        ("speed", "fault", T.R_DEVICE_FAULT),
        ("clock_stretch", "timeout", None),
    ],
)
def test_what_the_sensor_does_wrong_is_counted_once(clock, truth, kind, counter, reason):
    emulator, _, _, sensor = warmed(clock, truth)
    before = getattr(sensor.counters, counter)
    seen = []
    for _ in range(3):
        emulator.inject(kind)
        seen.append(minute(clock, sensor)[T.PM2_5][1])
        collect(clock, sensor, 40)  # it is started again where it stopped
        assert read(sensor)[T.PM2_5][1] == T.R_OK
    assert emulator.injected == {kind: 3}
    assert seen == [reason or T.R_OK] * 3
    assert getattr(sensor.counters, counter) - before == 3
    others = [r for r, _ in sensor.counters.errors() if sensor.counters.FAULTS[r] not in (counter, "warming")]
    assert others == []


def test_the_kinds_above_are_all_there_are():
    assert set(sps30.Emulator.FAULTS) == {
        "crc", "not_ready", "restart", "nan", "fan", "laser", "speed", "clock_stretch",
    }  # fmt: skip


@pytest.mark.parametrize("kind, counter", [("corrupt_next", "checksum"), ("truncate", "checksum"), ("nack", "timeout")])
def test_what_the_bus_does_wrong_is_counted_once_and_repeated(clock, truth, kind, counter):
    _, faults, _, sensor = warmed(clock, truth)
    for _ in range(5):
        getattr(faults, kind)("sps30")
        assert minute(clock, sensor)[T.PM2_5][1] == T.R_OK
    assert faults.pending() == 0 and sum(faults.injected.values()) == 10  # each also by sensor
    assert getattr(sensor.counters, counter) == 5


def test_another_device_is_a_fault_and_an_old_firmware_is_none(clock, truth):
    *_, sensor = connect(clock, truth, product=b"00080001")
    assert read(sensor)[T.PM1] == (None, T.R_DEVICE_FAULT) and sensor.counters.fault == 1
    *_, sensor = warmed(clock, truth, version=(1, 0))  # it has no status register
    assert minute(clock, sensor)[T.PM1][1] == T.R_OK and sensor.counters.absent == 0


def test_cleaning_the_fan_is_no_fault(clock, truth):
    _, _, bus, sensor = warmed(clock, truth)
    bus.writeto(0x69, b"\x56\x07")
    collect(clock, sensor, 60)
    got = read(sensor)
    assert got[T.PM2_5][1] == T.R_OK and 45 <= got[T.PM_N][0] <= 52
    assert sensor.counters.timeout == 0


def test_absent_pulled_out_and_plugged_in_again(clock, truth):
    faults = Faults(1)
    faults.silence("sps30", 30)
    *_, sensor = connect(clock, truth, faults)
    assert read(sensor)[T.PM1] == (None, T.R_ABSENT) and sensor.counters.absent == 2
    clock.ms += 40000
    collect(clock, sensor, 40)
    assert read(sensor)[T.PM1][1] == T.R_OK
    faults.silence("sps30", 60)
    assert minute(clock, sensor)[T.PM1] == (None, T.R_TIMEOUT) and sensor.counters.absent == 2
    sensor._bus._emulator.power_on(clock.us)
    clock.ms += 60000
    collect(clock, sensor, 10)
    assert read(sensor)[T.PM1][1] == T.R_WARMING  # started anew
    collect(clock, sensor, 30)
    assert read(sensor)[T.PM1][1] == T.R_OK


def test_one_that_was_left_asleep_is_woken(clock, truth):
    *_, sensor = connect(clock, truth, asleep=True)
    collect(clock, sensor, 40)
    assert read(sensor)[T.PM2_5][1] == T.R_OK
    assert sensor.counters.absent == 1  # the one order that it did not hear


def test_heavy_smoke_is_kept_and_out_of_range(clock):
    *_, sensor = connect(clock, lambda name, _t: {"pm1": 1300.0, "pm2_5": 1900.0, "pm10": 2000.0}[name], noise=0.0)
    collect(clock, sensor, 60)
    got = read(sensor)
    assert got[T.PM2_5] == (19000, T.R_OUT_OF_RANGE) and got[T.PM_N][0] >= 30 and sensor.counters.fault == 0


def test_the_emulated_sensor_sleeps_and_wakes_as_the_datasheet_says(clock, truth):
    chip = sps30.Emulator(truth, 4)
    chip.power_on(0)
    assert chip.write(100000, b"\x10\x01")
    for t_us, order, taken in (
        (200000, b"\xd0\x02", False),
        (400000, b"\x11\x03", False),  # too long after the first start condition
        (450000, b"\x11\x03", True),
        (452000, b"\xd0\x02", False),  # 5 ms
        (455000, b"\xd0\x02", True),
    ):
        assert chip.write(t_us, order) is taken, t_us


def test_deadlines_are_kept(clock, truth):
    for deadline_ms in (0, 1, 7, 30, 40, 42, 60, 200):
        *_, sensor = connect(clock, truth, asleep=deadline_ms < 60)
        for _ in range(4):
            start = clock.ms
            assert len(read(sensor, deadline_ms)) == len(ALL)
            assert clock.ms - start <= deadline_ms

"""The SHT4x and SHT3x driver on its emulator: the truth and every fault by its name."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.faults import Faults
from pantau_sim.sensors import sht4x
from pantau_wire import names as T
from sensor_harness import I2c, read

# What one fault makes rise; each costs one try of two: the reading is good.
FAULTS = {
    "not_ready": "timeout",
    "clock_stretch": "timeout",
    "nack": "timeout",  # it was heard before
    "corrupt": "checksum",
    "truncate": "checksum",
}


@pytest.fixture(params=["sht4x", "sht3x"])
def rig(clock, truth, request):
    """(bus, driver, faults) of a sensor that has just been powered."""
    faults = Faults(1)
    bus = I2c(clock, sht4x.Emulator(truth, 1, model=request.param), faults)
    return bus, driver(request.param, bus), faults


def minute(clock, sensor):
    clock.ms += 60000
    return read(sensor)


def true(clock, truth, got):
    return all(
        got[ident][1] == T.R_OK and abs(got[ident][0] / 100 - truth(name, clock.s)) <= step
        for ident, name, step in (
            (T.AIR_TEMPERATURE, "air_temperature", 0.2),
            (T.RELATIVE_HUMIDITY, "relative_humidity", 0.5),
        )
    )


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_counted_once_and_costs_one_try(clock, truth, rig, kind):
    bus, sensor, faults = rig
    model = bus._emulator.MODEL
    assert true(clock, truth, minute(clock, sensor))
    for n in range(1, 6):
        if kind in sht4x.Emulator.FAULTS:
            bus._emulator.inject(kind)
        else:
            {"nack": faults.nack, "corrupt": faults.corrupt_next, "truncate": faults.truncate}[kind](model)
        assert true(clock, truth, minute(clock, sensor)), n
        assert getattr(sensor.counters, FAULTS[kind]) == n
        assert true(clock, truth, minute(clock, sensor))
    assert sum(n for _, n in sensor.counters.errors()) == 5 and sensor.counters.good == 11
    assert (bus._emulator if kind in sht4x.Emulator.FAULTS else faults).injected[kind] == 5


def test_twice_in_a_row_has_no_numbers_and_says_why(clock, truth, rig):
    bus, sensor, faults = rig
    model = bus._emulator.MODEL
    for inject, reason in (
        (lambda: bus._emulator.inject("clock_stretch", 2), T.R_TIMEOUT),
        (lambda: faults.nack(model, 2), T.R_TIMEOUT),
        (lambda: faults.corrupt_next(model, 2), T.R_CHECKSUM),
    ):
        inject()
        assert set(minute(clock, sensor).values()) == {(None, reason)}
        assert true(clock, truth, minute(clock, sensor))
    assert sensor.counters.errors() == [(T.R_TIMEOUT, 4), (T.R_CHECKSUM, 2)]


def test_a_wet_sensor_is_fog_to_the_node_and_its_temperature_stays_good(clock, truth, rig):
    bus, sensor, _ = rig
    bus._emulator.inject("wet", 70)
    reasons = []
    for _ in range(70):
        got = minute(clock, sensor)
        assert got[T.RELATIVE_HUMIDITY][0] == 10000 and got[T.AIR_TEMPERATURE][1] == T.R_OK
        reasons.append(got[T.RELATIVE_HUMIDITY][1])
    assert reasons == [T.R_OK] * 70  # above 97 % it may stay so: the host compares
    assert true(clock, truth, minute(clock, sensor)) and sensor.counters.errors() == []


def test_absent_then_there_then_pulled_out_then_there(clock, truth, rig):
    bus, sensor, _ = rig
    chip = bus._emulator
    for reason in (T.R_ABSENT, T.R_TIMEOUT, T.R_TIMEOUT):
        bus.plug(None)
        assert set(minute(clock, sensor).values()) == {(None, reason)}
        bus.plug(chip)
        assert true(clock, truth, minute(clock, sensor))
    assert sensor.counters.errors() == [(T.R_ABSENT, 2), (T.R_TIMEOUT, 4)]


def test_an_sht3x_left_measuring_by_itself_is_stopped(clock, truth):
    bus = I2c(clock, sht4x.Emulator(truth, 1, model="sht3x", periodic=True), Faults(1))
    sensor = driver("sht3x", bus)
    for _ in range(3):
        assert true(clock, truth, minute(clock, sensor))
    assert sensor.counters.errors() == [(T.R_ABSENT, 1)]  # the one order that it refused


def test_the_emulated_sht3x_knows_its_periodic_mode(clock, truth):
    chip = sht4x.Emulator(truth, 1, model="sht3x", periodic=True)
    chip.power_on(0)
    assert not chip.write(2000, b"\x24\x00") and not chip.write(2000, b"\xf3\x2d")
    assert chip.write(2000, b"\xe0\x00") and len(chip.read(2000, 6)) == 6
    assert chip.write(3000, b"\x30\x93") and not chip.write(3500, b"\x24\x00") and chip.write(4000, b"\x24\x00")
    chip.power_on(5000)  # a real one: nothing is left of it
    assert chip.write(6000, b"\x24\x00")


def test_the_other_family_at_the_address_does_not_take_the_order(clock, truth):
    """An SHT3x does not know the one-byte order. An SHT4x takes 24 00 for its heater: it heats, and has no result in time."""
    bus = I2c(clock, sht4x.Emulator(truth, 1, model="sht3x"), Faults(1))
    assert set(minute(clock, driver("sht4x", bus)).values()) == {(None, T.R_ABSENT)}
    bus.plug(sht4x.Emulator(truth, 1))
    assert set(minute(clock, driver("sht3x", bus)).values()) == {(None, T.R_TIMEOUT)}


def test_a_deadline_is_kept_also_none(clock, rig):
    bus, sensor, _ = rig
    enough = 16 if bus._emulator.MODEL == "sht3x" else 9
    for deadline_ms in (0, 1, enough - 1, enough, 2 * enough - 1):
        clock.ms += 60000
        before = clock.ms
        assert read(sensor, deadline_ms)[T.AIR_TEMPERATURE][1] == (T.R_OK if deadline_ms >= enough else T.R_TIMEOUT)
        bus._emulator.inject("not_ready")
        clock.ms += 60000
        before, tries = clock.ms, sensor.counters.timeout
        read(sensor, deadline_ms)
        assert clock.ms - before <= deadline_ms
        assert sensor.counters.timeout - tries == (deadline_ms >= enough)
        bus._emulator._due.clear()
    assert sensor.counters.absent == 0


def test_a_constant_chip_is_stuck_and_what_no_air_can_be_is_out_of_range(clock):
    now = {"air_temperature": 28.0, "relative_humidity": 80.0}
    bus = I2c(clock, sht4x.Emulator(lambda name, _t: now[name], 1, noise_c=0, noise_pct=0), Faults(1))
    sensor = driver("sht4x", bus)
    for _ in range(60):
        assert {reason for _, reason in minute(clock, sensor).values()} == {T.R_OK}
    assert {reason for _, reason in minute(clock, sensor).values()} == {T.R_STUCK} and sensor.counters.stuck == 1
    now["air_temperature"] = -44.0
    assert minute(clock, sensor)[T.AIR_TEMPERATURE] == (-4400, T.R_OUT_OF_RANGE)


@pytest.mark.parametrize("humidity, reason", [(80.0, T.R_STUCK), (97.1, T.R_OK)])
def test_humidity_alone_that_stands_still_is_stuck_unless_it_is_fog(clock, humidity, reason):
    air = {"air_temperature": 28.0, "relative_humidity": humidity}
    bus = I2c(clock, sht4x.Emulator(lambda name, _t: air[name], 1, noise_pct=0), Faults(1))
    sensor = driver("sht4x", bus)
    got = [minute(clock, sensor)[T.RELATIVE_HUMIDITY][1] for _ in range(62)]
    assert got[:60] == [T.R_OK] * 60 and got[-1] == reason
    for _ in range(61):  # less than a hundredth each time: it lives
        air["relative_humidity"] += 0.0024
        assert minute(clock, sensor)[T.RELATIVE_HUMIDITY][1] == T.R_OK


def test_the_sht3x_says_its_status_and_forgets_its_reset(clock, truth):
    chip = sht4x.Emulator(truth, 1, model="sht3x")
    chip.power_on(0)

    def status():
        assert chip.write(2000, b"\xf3\x2d")
        return chip.read(2000, 3)

    assert status() == b"\x80\x10\xe1"  # an alert and a reset, as after power-up
    for order, word in ((b"\x30\x41", 0x0000), (b"\x30\x6d", 0x2000), (b"\x30\x66", 0x0000)):
        assert chip.write(2000, order)
        assert status()[:2] == bytes((word >> 8, word & 255))
    assert not chip.write(2000, b"\x24\x01") and not chip.write(2000, b"\xfd")

"""PMS5003: the driver against its emulator, fault by fault; nothing of either knows the other."""

import pytest

from pantau_node.sensors import pms5003 as driver_file
from pantau_sim.faults import Faults
from pantau_sim.sensors import pms5003
from pantau_wire import names as T
from sensor_harness import collect, on_uart, read, reasons_of

STEADY = {"pm1": 12.0, "pm2_5": 20.0, "pm10": 31.0, "particles_0_3": 3600.0}


def air(name, _t_s):
    return STEADY[name]


def running(clock, *, faults=None, **options):
    """Return (emulator, faults, driver) in the minute after a warm-up; a record each second from here."""
    faults = faults or Faults(1)
    emulator = pms5003.Emulator(air, 3)
    sensor = on_uart(clock, "pms5003", emulator, faults, **options)
    collect(clock, sensor, 40)
    clock.ms += 500  # between two packets
    read(sensor)
    return emulator, faults, sensor


def test_means_spread_and_number_are_those_of_the_packets(clock):
    sensor = running(clock)[2]
    collect(clock, sensor, 60)
    got = read(sensor)
    assert got[T.PM_N] == (60, T.R_OK)
    for ident, true in ((T.PM1, 120), (T.PM2_5, 200), (T.PM10, 310), (T.PM2_5_CF1, 200)):
        assert got[ident][1] == T.R_OK and abs(got[ident][0] - true) <= 2, ident
    assert abs(got[T.PARTICLES_0_3][0] - 3600) <= 40
    assert 2 <= got[T.PM2_5_SPREAD][0] <= 8  # noise of 2 % and whole ug/m3
    assert sensor.counters.errors() == []


@pytest.mark.parametrize(
    "kind, reason, counter",
    [
        ("n03_zero", T.R_DEVICE_FAULT, "fault"),
        ("error", T.R_DEVICE_FAULT, "fault"),
        ("fan_stop", T.R_STUCK, "stuck"),
        ("ack", None, None),
        ("passive", T.R_TIMEOUT, "timeout"),
    ],
)
def test_each_fault_of_the_sensor_is_told_as_often_as_it_happened(clock, kind, reason, counter):
    emulator, _, sensor = running(clock, stuck_s=1)
    n = 1 if kind == "passive" else 4
    before, good = sensor.counters.errors(), sensor.counters.good
    emulator.inject(kind, n)
    reasons = reasons_of(clock, sensor, T.PM2_5, 12, 6000 if kind == "passive" else 1000)
    assert emulator.injected[kind] == n
    if counter is None:
        assert set(reasons) == {T.R_OK} and sensor.counters.errors() == before
        assert sensor.counters.good == good + 12 + n
        return
    told = [r for r in reasons if r not in (T.R_OK, T.R_NO_SAMPLE, T.R_WARMING)]
    assert told == [reason] * n and getattr(sensor.counters, counter) == n


def test_every_fault_of_the_emulator_is_in_the_table():
    table = test_each_fault_of_the_sensor_is_told_as_often_as_it_happened.pytestmark[0].args[1]
    assert {row[0] for row in table} | {"dead"} == set(pms5003.Emulator.FAULTS)


def test_a_dead_laser_is_clean_air_for_an_hour_and_then_stuck(clock):
    emulator, _, sensor = running(clock)
    collect(clock, sensor, 60)
    read(sensor)
    emulator.inject("dead", 3800)
    collect(clock, sensor, 2)
    read(sensor)
    reasons = []
    for _ in range(62):
        collect(clock, sensor, 60)
        value, reason = read(sensor)[T.PM2_5]
        assert value == 0
        reasons.append(reason)
    assert reasons[:59] == [T.R_OK] * 59 and reasons[-1] == T.R_STUCK
    assert sensor.counters.stuck == reasons.count(T.R_STUCK) and emulator.injected["dead"] > 3700


@pytest.mark.parametrize("faulty", [False, True])
def test_the_first_record_comes_before_it_had_time_to_speak(clock, faulty):
    faults = Faults(1)
    faults.silence("pms5003", 1e6 if faulty else 1)
    sensor = on_uart(clock, "pms5003", pms5003.Emulator(air, 3), faults)
    assert reasons_of(clock, sensor, T.PM2_5, 1) == [T.R_NO_SAMPLE] and sensor.counters.errors() == []
    if faulty:
        assert (
            reasons_of(clock, sensor, T.PM2_5, 6) == [T.R_NO_SAMPLE] * 3 + [T.R_ABSENT] * 3
            and sensor.counters.absent == 3
        )
    else:
        assert reasons_of(clock, sensor, T.PM2_5, 3)[-1] == T.R_WARMING


def test_faults_of_the_wire_are_counted_one_by_one(clock):
    _, faults, sensor = running(clock)
    for inject in (faults.corrupt_next, faults.truncate, faults.garbage, faults.drop):
        for _ in range(3):
            inject("pms5003")
            reasons_of(clock, sensor, T.PM2_5, 4)
    assert faults.pending() == 0
    done = faults.injected
    assert (sensor.counters.checksum, sensor.counters.framing) == (done["corrupt"], done["truncate"] + done["garbage"])


def test_a_record_of_broken_packets_alone_is_a_checksum_error(clock):
    _, faults, sensor = running(clock)
    faults.corrupt_next("pms5003", 3)
    assert reasons_of(clock, sensor, T.PM2_5, 3) == [T.R_CHECKSUM] * 3


def test_a_brown_out_into_passive_mode_or_sleep_is_ended_by_the_driver(clock):
    for order in (b"\x42\x4d\xe1\x00\x00\x01\x70", b"\x42\x4d\xe4\x00\x00\x01\x73"):
        emulator, _, sensor = running(clock)
        emulator.receive(clock.us, order)
        reasons = reasons_of(clock, sensor, T.PM2_5, 60)
        assert reasons.count(T.R_TIMEOUT) <= 2 and reasons[-1] == T.R_OK
        first = reasons.index(T.R_WARMING)
        assert T.R_OK not in reasons[first : first + 29]  # the fan may have stood still: it warms up once more


def test_unplugged_plugged_in_again_and_plugged_in_late(clock):
    faults = Faults(1)
    faults.silence("pms5003", 100)
    sensor = on_uart(clock, "pms5003", pms5003.Emulator(air, 3), faults)
    collect(clock, sensor, 60)
    assert read(sensor)[T.PM2_5] == (None, T.R_ABSENT) and sensor.counters.absent == 1
    collect(clock, sensor, 60)  # it came 40 s after the end of any warm-up since boot
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 60)
    assert read(sensor)[T.PM2_5][1] == T.R_OK
    faults.silence("pms5003", 70)
    collect(clock, sensor, 5)
    read(sensor)
    collect(clock, sensor, 55)
    assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)
    collect(clock, sensor, 25)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 60)
    assert read(sensor)[T.PM2_5][1] == T.R_OK
    assert sensor.counters.timeout == 1


def test_a_spider_before_the_laser_is_out_of_range_and_the_value_is_kept(clock, monkeypatch):
    sensor = running(clock, stuck_s=60)[2]
    monkeypatch.setitem(STEADY, "pm10", 3000.0)
    for _ in range(3):
        collect(clock, sensor, 60)
        got = read(sensor)
    assert got[T.PM10][1] == T.R_OUT_OF_RANGE and got[T.PM10][0] > 10000
    assert got[T.PM2_5][1] == T.R_OK and sensor.counters.out_of_range == 3


def test_the_order_that_wakes_it_is_the_manuals(clock):
    assert bytes.fromhex("424DE400010174") + bytes.fromhex("424DE100010171") == driver_file.Driver.CALL

"""SDS011: the driver against its emulator, fault by fault; nothing of either knows the other."""

import pytest

from pantau_node.sensors import sds011 as driver_file
from pantau_sim.faults import Faults
from pantau_sim.sensors import sds011
from pantau_wire import names as T
from sensor_harness import collect, on_uart, read, reasons_of

STEADY = {"pm2_5": 23.4, "pm10": 41.0}


def air(name, _t_s):
    return STEADY[name]


def running(clock, **options):
    """Return (emulator, faults, driver) after a warm-up, between two packets."""
    faults = Faults(1)
    emulator = sds011.Emulator(air, 3)
    sensor = on_uart(clock, "sds011", emulator, faults, **options)
    collect(clock, sensor, 30)
    clock.ms += 500
    read(sensor)
    return emulator, faults, sensor


def test_means_spread_and_number_after_the_warm_up(clock):
    sensor = on_uart(clock, "sds011", sds011.Emulator(air, 3), Faults(1))
    collect(clock, sensor, 10)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 10)
    read(sensor)
    collect(clock, sensor, 60)
    got = read(sensor)
    assert got[T.PM_N] == (60, T.R_OK) and sensor.device_id == 0xA160
    assert got[T.PM2_5][1] == T.R_OK and abs(got[T.PM2_5][0] - 234) <= 2
    assert got[T.PM10][1] == T.R_OK and abs(got[T.PM10][0] - 410) <= 3
    assert 3 <= got[T.PM2_5_SPREAD][0] <= 7  # 2 % of 23.4
    assert (sensor.counters.warming, len(sensor.counters.errors())) == (1, 1)


FAULTS = {"ack": (None, None), "fan_stop": (T.R_STUCK, "stuck"), "passive": (T.R_TIMEOUT, "timeout")}


@pytest.mark.parametrize("kind", sds011.Emulator.FAULTS)
def test_each_fault_of_the_sensor_is_told_as_often_as_it_happened(clock, kind):
    reason, counter = FAULTS[kind]
    emulator, _, sensor = running(clock, stuck_s=1)
    n = 1 if kind == "passive" else 4
    before, good = sensor.counters.errors(), sensor.counters.good
    emulator.inject(kind, n)
    reasons = reasons_of(clock, sensor, T.PM2_5, 12, 6000 if kind == "passive" else 1000)
    assert emulator.injected[kind] == n
    if counter is None:
        assert set(reasons) == {T.R_OK} and sensor.counters.errors() == before
        assert sensor.counters.good == good + 12 + n
    else:
        told = [r for r in reasons if r not in (T.R_OK, T.R_NO_SAMPLE, T.R_WARMING)]
        assert told == [reason] * n and getattr(sensor.counters, counter) == n
    assert reasons[-1] == T.R_OK


def test_faults_of_the_wire_are_counted_one_by_one(clock):
    _, faults, sensor = running(clock)
    for inject in (faults.corrupt_next, faults.truncate, faults.garbage, faults.drop):
        for _ in range(3):
            inject("sds011")
            reasons_of(clock, sensor, T.PM2_5, 4)
    assert faults.pending() == 0
    done = faults.injected
    assert (sensor.counters.checksum, sensor.counters.framing) == (done["corrupt"], done["truncate"] + done["garbage"])


@pytest.mark.parametrize("code, data", [(2, b"\x01\x01"), (6, b"\x01\x00"), (8, b"\x01\x1e")])
def test_a_sensor_left_waiting_asleep_or_pausing_is_made_to_report(clock, code, data):
    emulator, _, sensor = running(clock)
    emulator.receive(clock.us, driver_file.command(code, data, b"\xa1\x60"))
    reasons = reasons_of(clock, sensor, T.PM2_5, 60)
    assert reasons.count(T.R_TIMEOUT) in (1, 2) and reasons[-1] == T.R_OK
    first = reasons.index(T.R_WARMING)
    assert T.R_OK not in reasons[first : first + 14]


def test_commands_for_another_device_are_not_obeyed(clock):
    emulator, _, sensor = running(clock)
    emulator.receive(clock.us, driver_file.command(6, b"\x01\x00", b"\x12\x34"))
    assert set(reasons_of(clock, sensor, T.PM2_5, 20)) == {T.R_OK}


def test_another_device_warms_up(clock):
    emulator, _, sensor = running(clock)
    emulator.receive(clock.us, driver_file.command(5, bytes(10) + b"\x58\xd9"))
    reasons = reasons_of(clock, sensor, T.PM2_5, 30)
    assert sensor.device_id == 0x58D9
    assert reasons.count(T.R_WARMING) == 15 and reasons[-1] == T.R_OK


def test_absent_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    faults.silence("sds011", 100)
    sensor = on_uart(clock, "sds011", sds011.Emulator(air, 3), faults)
    collect(clock, sensor, 60)
    assert read(sensor) == dict.fromkeys((T.PM2_5, T.PM10, T.PM2_5_SPREAD, T.PM_N), (None, T.R_ABSENT))
    collect(clock, sensor, 50)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 60)
    assert read(sensor)[T.PM2_5][1] == T.R_OK
    faults.silence("sds011", 1e6)
    collect(clock, sensor, 60)
    read(sensor)
    collect(clock, sensor, 60)
    assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)
    assert (sensor.counters.absent, sensor.counters.timeout) == (1, 1)


def test_the_emulator_answers_with_the_protocols_bytes(clock):
    emulator = sds011.Emulator(air, 3)
    emulator.power_on(clock.us)
    at = clock.us + 50000
    emulator.produce(at)  # the rest of a packet
    for code, data, answer in (
        (2, b"\x01\x01", "AA C5 02 01 01 00 A1 60 05 AB"),
        (6, b"\x01\x00", "AA C5 06 01 00 00 A1 60 08 AB"),
        (6, b"\x01\x01", "AA C5 06 01 01 00 A1 60 09 AB"),
        (8, b"\x01\x02", "AA C5 08 01 02 00 A1 60 0C AB"),
        (8, b"\x00", "AA C5 08 00 02 00 A1 60 0B AB"),
        (7, b"", "AA C5 07 0F 07 0A A1 60 28 AB"),
    ):
        emulator.produce(at)
        emulator.receive(at, driver_file.command(code, data, b"\xa1\x60"))
        at += 100000
        assert emulator.produce(at) == bytes.fromhex(answer)

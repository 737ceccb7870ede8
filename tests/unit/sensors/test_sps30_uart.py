"""The SPS30 by UART on its emulator: the same values as by I2C, and what SHDLC can do wrong."""

import pytest

from pantau_sim.faults import Faults
from pantau_sim.sensors import sps30_uart
from pantau_wire import names as T
from sensor_harness import collect, on_uart, read


def connect(clock, truth, faults=None, **options):
    faults = faults or Faults(1)
    emulator = sps30_uart.Emulator(truth, 4, **options)
    sensor = on_uart(clock, "sps30_uart", emulator, faults)
    clock.ms += 1000
    return emulator, faults, sensor


def warmed(clock, truth, **options):
    found = connect(clock, truth, **options)
    collect(clock, found[2], 40)
    assert read(found[2])[T.PM2_5][1] == T.R_OK
    return found


def test_particles_follow_the_world_after_warm_up(clock, truth):
    *_, sensor = connect(clock, truth, noise=0.0)
    collect(clock, sensor, 20)
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    collect(clock, sensor, 16, 8000)
    read(sensor)
    for _ in range(10):
        collect(clock, sensor, 60, 7500)
        got = read(sensor)
        for ident, name in ((T.PM1, "pm1"), (T.PM2_5, "pm2_5"), (T.PM10, "pm10")):
            assert got[ident][1] == T.R_OK
            assert abs(got[ident][0] / 10 - truth(name, clock.s - 30)) <= 0.5, name
        assert got[T.PM_N] == (8, T.R_OK)
    assert sensor.counters.errors() == [(T.R_WARMING, 1)]


@pytest.mark.parametrize(
    "kind, counter, reason",
    [
        ("empty", "timeout", T.R_TIMEOUT),
        ("state", "fault", T.R_DEVICE_FAULT),
        ("restart", "timeout", T.R_TIMEOUT),
        ("nan", "fault", T.R_DEVICE_FAULT),
        ("fan", "fault", T.R_DEVICE_FAULT),
        ("laser", "fault", T.R_DEVICE_FAULT),
        ("speed", "fault", T.R_DEVICE_FAULT),
    ],
)
def test_what_the_sensor_does_wrong_is_counted_once(clock, truth, kind, counter, reason):
    emulator, _, sensor = warmed(clock, truth)
    seen = []
    for _ in range(3):
        emulator.inject(kind)
        clock.ms += 60000
        seen.append(read(sensor)[T.PM2_5][1])
        collect(clock, sensor, 40)
        assert read(sensor)[T.PM2_5][1] == T.R_OK
    assert emulator.injected == {kind: 3}
    assert seen == [reason] * 3
    errors = {sensor.counters.FAULTS[r]: n for r, n in sensor.counters.errors()}
    errors.pop("warming", None)
    assert errors == {counter: 3}


def test_the_kinds_above_are_all_there_are():
    assert set(sps30_uart.Emulator.FAULTS) == {"empty", "stuffing", "state", "restart", "nan", "fan", "laser", "speed"}


def test_counters_equal_the_faults_on_the_line(clock, truth):
    emulator, faults, sensor = warmed(clock, truth)
    at = clock.ms + 300  # no new reading comes while it is asked again
    for inject, reason in (
        (faults.corrupt_next, T.R_CHECKSUM),  # the reading is lost, the sensor gives it away once
        (faults.truncate, T.R_CHECKSUM),
        (lambda _model: emulator.inject("stuffing"), T.R_CHECKSUM),
        (faults.garbage, T.R_OK),
        (faults.drop, T.R_TIMEOUT),
    ):
        for _ in range(5):
            inject("sps30_uart")
            at += 120000
            clock.ms = at - 60000
            assert read(sensor)[T.PM2_5][1] == reason
            clock.ms = at
            assert read(sensor)[T.PM2_5][1] == T.R_OK  # the next one, without starting anew
    done = faults.injected
    assert faults.pending() == 0
    counters = sensor.counters
    assert counters.checksum == done["corrupt"] == 5
    assert counters.framing == done["truncate"] + done["garbage"] + emulator.injected["stuffing"] == 15
    assert counters.timeout == done["drop"] == 5 and counters.absent == 0


def test_only_bad_answers_are_a_checksum_and_the_next_good_one_is_read(clock, truth):
    _, faults, sensor = warmed(clock, truth)
    faults.corrupt_next("sps30_uart", 2)  # the second one falls on the empty answer
    clock.ms += 60000
    assert read(sensor)[T.PM2_5] == (None, T.R_CHECKSUM)
    clock.ms += 60000
    assert read(sensor)[T.PM2_5][1] == T.R_OK and sensor.counters.checksum == 2


def test_another_device_is_a_fault_and_an_old_firmware_is_none(clock, truth):
    *_, sensor = connect(clock, truth, product=b"00080001")
    assert read(sensor)[T.PM1] == (None, T.R_DEVICE_FAULT) and sensor.counters.fault == 1
    *_, sensor = warmed(clock, truth, version=(1, 0))
    clock.ms += 60000
    assert read(sensor)[T.PM1][1] == T.R_OK and sensor.counters.fault == 0


def test_absent_pulled_out_and_plugged_in_again(clock, truth):
    faults = Faults(1)
    faults.silence("sps30_uart", 30)
    emulator, _, sensor = connect(clock, truth, faults)
    assert read(sensor)[T.PM1] == (None, T.R_ABSENT) and sensor.counters.absent == 2
    clock.ms += 40000
    collect(clock, sensor, 40)
    assert read(sensor)[T.PM1][1] == T.R_OK
    faults.silence("sps30_uart", 90)
    clock.ms += 60000
    assert read(sensor)[T.PM1] == (None, T.R_TIMEOUT) and sensor.counters.timeout == 2
    clock.ms += 90000
    emulator.power_on(clock.us)
    collect(clock, sensor, 10)
    assert read(sensor)[T.PM1][1] == T.R_WARMING
    collect(clock, sensor, 30)
    assert read(sensor)[T.PM1][1] == T.R_OK


def test_one_that_was_left_asleep_is_woken(clock, truth):
    *_, sensor = connect(clock, truth, asleep=True)
    collect(clock, sensor, 40)
    assert read(sensor)[T.PM2_5][1] == T.R_OK
    assert sensor.counters.absent == 1  # the one order that it did not hear


def test_the_emulated_sensor_sleeps_and_wakes_as_the_datasheet_says(clock, truth):
    chip = sps30_uart.Emulator(truth, 4)
    chip.power_on(0)
    wake, version = b"\x7e\x00\x7d\x31\x00\xee\x7e", b"\x7e\x00\xd1\x00\x2e\x7e"
    for t_us, order, answers in (
        (100000, b"\x7e\x00\x10\x00\xef\x7e", True),  # sleep
        (200000, b"\xff" + version, False),
        (400000, wake, False),  # its first byte is lost
        (600000, b"\xff" + wake, True),
        (700000, version, True),
    ):
        chip.receive(t_us, order)
        assert (len(chip.produce(t_us + 90000)) > 0) is answers, t_us


def test_deadlines_are_kept(clock, truth):
    for deadline_ms in (0, 1, 99, 130, 200, 215, 220, 450):
        *_, sensor = connect(clock, truth, asleep=200 < deadline_ms < 450)
        for _ in range(4):
            start = clock.ms
            assert len(read(sensor, deadline_ms)) == 8
            assert clock.ms - start <= deadline_ms

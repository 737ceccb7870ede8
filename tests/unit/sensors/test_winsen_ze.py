"""Winsen ZE modules: the driver against its emulator, fault by fault; nothing of either knows the other."""

import pytest

from pantau_sim.faults import Faults
from pantau_sim.sensors import winsen_ze
from pantau_wire import names as T
from sensor_harness import collect, on_uart, read, reasons_of

TRUE_PPB = {"co": 4300.0, "no2": 800.0, "so2": 1300.0, "o3": 62.0}
GASES = {"ze03_co": T.CO, "ze03_no2": T.NO2, "ze03_so2": T.SO2, "ze07_co": T.CO, "ze25_o3": T.O3}


def air(name, _t_s):
    return TRUE_PPB[name]


def running(clock, model="ze07_co", *, emulated=None, noise=0.01, **options):
    """Return (emulator, faults, driver) after a warm-up, between two packets."""
    faults = Faults(1)
    emulator = winsen_ze.Emulator(air, 3, model=emulated or model, noise=noise)
    sensor = on_uart(clock, model, emulator, faults, **options)
    collect(clock, sensor, 200, 8000)
    clock.ms += 500
    read(sensor)
    return emulator, faults, sensor


@pytest.mark.parametrize("model", GASES)
def test_every_model_gives_its_one_gas_in_ppb(clock, model):
    ident = GASES[model]
    sensor = on_uart(clock, model, winsen_ze.Emulator(air, 3, model=model), Faults(1))
    collect(clock, sensor, 170)
    assert read(sensor)[ident][1] == T.R_WARMING
    collect(clock, sensor, 20)
    read(sensor)
    collect(clock, sensor, 60)
    got = read(sensor)
    assert list(got) == [ident] == list(sensor.PROPERTIES)
    name, _, unit, decimals = winsen_ze.MODELS[model][:4]
    step = (1000 if unit == 3 else 1) / 10**decimals
    assert got[ident][1] == T.R_OK and abs(got[ident][0] - TRUE_PPB[name]) <= step / 2 + 0.01 * TRUE_PPB[name]
    assert sensor.counters.errors() == [(T.R_WARMING, 1)]


FAULTS = {
    "stuck": (T.R_STUCK, "stuck"),
    "other_gas": (T.R_DEVICE_FAULT, "fault"),
    "full_scale": (T.R_OUT_OF_RANGE, "out_of_range"),
    "reply": (None, None),
    "passive": (T.R_TIMEOUT, "timeout"),
}


@pytest.mark.parametrize("kind", winsen_ze.Emulator.FAULTS)
@pytest.mark.parametrize("model", ["ze03_so2", "ze07_co", "ze25_o3"])
def test_each_fault_of_the_module_is_told_as_often_as_it_happened(clock, model, kind):
    reason, counter = FAULTS[kind]
    # Every reading differs from the last: the noise is ten places and more.
    emulator, _, sensor = running(
        clock, model, noise=0.3 if kind == "stuck" else 0.01, stuck_s=1 if kind == "stuck" else 86400
    )
    n = 1 if kind == "passive" else 4
    before, good = sensor.counters.errors(), sensor.counters.good
    emulator.inject(kind, n)
    reasons = reasons_of(clock, sensor, GASES[model], 4, 6000 if kind == "passive" else 1000)
    assert emulator.injected[kind] == n
    if counter is None:
        assert set(reasons) == {T.R_OK} and sensor.counters.errors() == before
        assert sensor.counters.good == good + 4 + n
    else:
        assert [r for r in reasons if r not in (T.R_OK, T.R_NO_SAMPLE, T.R_WARMING)] == [reason] * n
        assert getattr(sensor.counters, counter) == n


def test_a_module_of_another_gas_is_a_fault_without_a_value(clock):
    sensor = running(clock, "ze03_no2", emulated="ze03_co")[2]
    collect(clock, sensor, 10)
    faults = sensor.counters.fault
    collect(clock, sensor, 10)
    assert read(sensor)[T.NO2] == (None, T.R_DEVICE_FAULT)
    assert sensor.gas == 0x04 and sensor.counters.fault == faults + 10


def test_full_scale_keeps_the_value(clock):
    emulator, _, sensor = running(clock)
    emulator.inject("full_scale", 60)
    collect(clock, sensor, 10)
    assert read(sensor)[T.CO] == (500000, T.R_OUT_OF_RANGE)


@pytest.mark.parametrize("model", GASES)
def test_a_module_left_in_question_mode_is_made_to_upload(clock, model):
    emulator, _, sensor = running(clock, model)
    mode = 0x04 if model.startswith("ze03") else 0x41
    emulator.receive(clock.us, bytes((0xFF, 1, 0x78, mode, 0, 0, 0, 0, -(0x79 + mode) & 0xFF)))
    reasons = reasons_of(clock, sensor, GASES[model], 20)
    assert reasons.count(T.R_TIMEOUT) in (1, 2) and reasons[-1] == T.R_WARMING
    collect(clock, sensor, 190)
    read(sensor)
    collect(clock, sensor, 10)
    assert read(sensor)[GASES[model]][1] == T.R_OK


def test_faults_of_the_wire_are_counted_one_by_one(clock):
    _, faults, sensor = running(clock)
    for inject in (faults.corrupt_next, faults.truncate, faults.garbage, faults.drop):
        for _ in range(3):
            inject("ze07_co")
            reasons_of(clock, sensor, T.CO, 4)
    assert faults.pending() == 0
    done = faults.injected
    counters = sensor.counters
    assert counters.checksum + counters.framing == done["corrupt"] + done["truncate"] + done["garbage"]


def test_absent_unplugged_and_plugged_in_again(clock):
    faults = Faults(1)
    faults.silence("ze07_co", 300)
    sensor = on_uart(clock, "ze07_co", winsen_ze.Emulator(air, 3), faults)
    collect(clock, sensor, 60)
    assert read(sensor) == {T.CO: (None, T.R_ABSENT)}
    collect(clock, sensor, 300)
    assert read(sensor)[T.CO][1] == T.R_WARMING
    collect(clock, sensor, 200)
    assert read(sensor)[T.CO][1] == T.R_OK
    faults.silence("ze07_co", 1e6)
    collect(clock, sensor, 10)
    read(sensor)
    collect(clock, sensor, 60)
    assert read(sensor)[T.CO] == (None, T.R_TIMEOUT)
    assert (sensor.counters.absent, sensor.counters.timeout) == (1, 1)

"""The float switch on its emulator, looked at every five seconds: wet and dry follow the water, chatter is counted and told."""

import asyncio

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.sensors import float_switch
from pantau_wire import names as T
from sensor_harness import Pin, read


def on_pin(clock, truth, options=None, **emulated):
    emulator = float_switch.Emulator(truth, 1, **emulated)
    return emulator, driver("float_switch", Pin(clock, emulator), **(options or {}))


def look(clock, sensor, times):
    async def looks():
        for _ in range(times):
            clock.ms += 5000
            await sensor.collect()

    asyncio.run(looks())


@pytest.mark.parametrize("closed_is_wet", [True, False])
def test_it_follows_the_water_within_ten_seconds(clock, closed_is_wet):
    start = clock.s

    def flood(_name, t_s):
        return 2.0 if 100 <= t_s - start < 200 else 3.0

    options = {"closed_is_wet": closed_is_wet}
    _, sensor = on_pin(clock, flood, options, mount_m=2.5, closed_is_wet=closed_is_wet)
    seen = []
    for _ in range(60):
        look(clock, sensor, 1)
        seen.append((clock.s - start, sensor.wet))
    wet = [t for t, state in seen if state]
    assert 105 <= wet[0] <= 110 and 200 <= wet[-1] <= 210 and len(wet) == (wet[-1] - wet[0]) / 5 + 1
    assert read(sensor)[T.WATER_CONTACT] == (0, T.R_OK)
    assert sensor.counters.errors() == [] and sensor.counters.good == 3  # dry, wet, dry


@pytest.mark.parametrize("wet", [0, 1])
def test_chatter_is_counted_told_once_and_changes_nothing(clock, wet):
    emulator, sensor = on_pin(clock, lambda _name, _t_s: wet)
    look(clock, sensor, 3)
    for _ in range(7):
        emulator.inject("chatter")
        look(clock, sensor, 3)
        assert sensor.wet == bool(wet)
        assert read(sensor)[T.WATER_CONTACT] == (wet, T.R_BOUNCE)
        assert read(sensor)[T.WATER_CONTACT] == (wet, T.R_OK)
    assert sensor.counters.bounce == emulator.injected["chatter"] == 7


@pytest.mark.parametrize("kind, truth, value", [("stuck_closed", 0, 1), ("stuck_open", 1, 0)])
def test_a_stuck_contact_reads_as_what_it_shows_and_no_fault_is_invented(clock, kind, truth, value):
    emulator, sensor = on_pin(clock, lambda _name, _t_s: truth)
    look(clock, sensor, 3)
    assert read(sensor)[T.WATER_CONTACT] == (truth, T.R_OK)
    emulator.inject(kind, 12)
    look(clock, sensor, 6)
    for _ in range(6):
        assert read(sensor)[T.WATER_CONTACT] == (value, T.R_OK)
    assert emulator.injected == {kind: 12}
    look(clock, sensor, 3)
    assert read(sensor)[T.WATER_CONTACT] == (truth, T.R_OK)


def test_edges_of_the_emulator_are_the_truths(clock):
    start = clock.s
    emulator = float_switch.Emulator(lambda _name, t_s: 1 if 10.25 <= t_s - start < 20.5 else 0, 1)
    edges = emulator.edges(clock.us, clock.us + 30000000)
    assert [level for _, level in edges] == [0, 1]
    assert [round((at - clock.us) / 1000) for at, _ in edges] == pytest.approx([10250, 20500], abs=1)
    parts = [e for k in range(30) for e in emulator.edges(clock.us + k * 1000000, clock.us + (k + 1) * 1000000)]
    assert len(parts) == 2

"""The rain gauge on its emulator: every tip once and dated, whatever the contact does."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.sensors import tipping_bucket
from pantau_wire import names as T
from sensor_harness import T0_S, Contact, collect, read

# What one fault makes rise; the two others cannot be told from a dry minute and must change nothing else.
FAULTS = {"bounce": "bounce", "double_tip": "bounce", "stuck_closed": "", "clog": ""}


def storm(mm_h):
    return lambda _name, t_s: mm_h * (t_s - T0_S + 3) / 3600  # a tip is in the middle of a second


def fallen(mm_h, clock):
    """Tips since the start."""
    return int(storm(mm_h)("", clock.s) / tipping_bucket.TIP_MM) - int(storm(mm_h)("", T0_S) / tipping_bucket.TIP_MM)


def gauge(clock, mm_h, **options):
    emulator = tipping_bucket.Emulator(storm(mm_h), 3, **options)
    return emulator, driver("tipping_bucket", Contact(clock, emulator))


def minute(clock, sensor, step_ms=10000):
    """(tips, reason, first age, last age) of a minute in which the station collects."""
    collect(clock, sensor, 60, step_ms)
    got = read(sensor)
    return got[T.RAIN_TIPS] + (got[T.RAIN_FIRST_TIP_AGE][0], got[T.RAIN_LAST_TIP_AGE][0])


@pytest.mark.parametrize("mm_h", [3, 12, 100, 300])
@pytest.mark.parametrize("step_ms", [10000, 60000])
def test_each_tip_is_counted_and_dated_as_it_fell(clock, mm_h, step_ms):
    emulator, sensor = gauge(clock, mm_h, bounce=2)
    total = 0
    for _ in range(20):
        start_us = clock.us
        n, reason, first, last = minute(clock, sensor, step_ms)
        tips = emulator.tips(start_us, clock.us)
        assert (n, reason) == (len(tips), T.R_OK)
        ages = [(clock.us - at + 50000) // 100000 for at in tips]
        assert (first, last) == ((ages[0], ages[-1]) if ages else (None, None))
        total += n
    assert total == fallen(mm_h, clock)


def test_bounce_is_thrown_away_and_counted(clock):
    emulator, sensor = gauge(clock, 30, bounce=3)
    for _ in range(30):
        assert minute(clock, sensor)[1] == T.R_OK  # closed for 50 to 200 ms, it chatters when it opens, too
    assert sensor.counters.bounce == emulator.bounces > 100
    assert sensor.counters.good == fallen(30, clock) > 60


def test_a_double_tip_is_one_flagged_and_counted(clock):
    emulator, sensor = gauge(clock, 12, bounce=0)
    for n in range(1, 6):
        assert minute(clock, sensor)[:2] == (1, T.R_OK)
        emulator.inject("double_tip")
        assert minute(clock, sensor)[:2] == (1, T.R_BOUNCE)  # no rain tips twice in half a second: the bucket rocked
        assert sensor.counters.bounce == n == emulator.injected["double_tip"]


@pytest.mark.parametrize("kind, seen", [("stuck_closed", 1), ("clog", 0)])
def test_a_contact_that_stays_closed_and_a_clogged_funnel_are_a_dry_time(clock, kind, seen):
    emulator, sensor = gauge(clock, 12, bounce=0)
    assert minute(clock, sensor)[:2] == (1, T.R_OK)
    emulator.inject(kind, 5)
    said = [minute(clock, sensor) for _ in range(5)]
    assert [n for n, _, _, _ in said] == [seen, 0, 0, 0, 0]
    assert {reason for _, reason, _, _ in said} == {T.R_OK}
    assert minute(clock, sensor)[:2] == (1, T.R_OK)
    assert emulator.injected[kind] == 5 and sensor.counters.errors() == []
    assert sensor.counters.good == 2 + seen


@pytest.mark.parametrize("mm_h, heavy", [(9, False), (11, True), (100, True)])
def test_heavy_rain_is_known_within_two_tips_and_over_within_one_spacing(clock, mm_h, heavy):
    emulator, sensor = gauge(clock, mm_h)
    assert not sensor.heavy
    collect(clock, sensor, 200, 10000)
    assert sensor.heavy is heavy
    emulator.inject("clog", 1000)
    collect(clock, sensor, 80, 10000)
    assert not sensor.heavy

"""The battery profile on all interpreters: when it wakes, when it connects, what it believes after a sleep."""

from sleep_rig import FLOOR_S, UTC_MS, Rig

from pantau_node import clock as clocks
from pantau_node import sleep
from pantau_node.journal import Batch
from pantau_node.ring import RingOutbox
from pantau_node.sensors.catalog import load
from pantau_node.sleep import Plan, Sleep
from pantau_sim.flash import NorFlash
from pantau_wire import names as T


def test_a_day_of_the_planner_is_a_record_a_minute_and_a_connection_a_report():
    r = Rig()
    r.run(24)
    assert [instant for instant, _ in r.records] == list(range(60, 60 * len(r.records) + 1, 60))
    assert 1439 <= len(r.records) <= 1441 and r.wakes >= len(r.records) - 3
    assert len(r.connects) in (97, 98)  # at the start, for the time, and then one a quarter of an hour
    assert all(-200 <= true - instant * 1000 - 2100 <= 200 for instant, true in r.records)


def test_a_slow_rtc_is_learnt_from_two_reports():
    r = Rig(drift_ppm=20000)
    r.run(3)
    assert abs(r.off_ms[0]) > 10000  # 2 % of a quarter of an hour
    assert all(abs(off) < 1000 for off in r.off_ms[2:])
    assert [instant for instant, _ in r.records] == list(range(60, 60 * len(r.records) + 1, 60))


def test_a_dead_broker_costs_ever_fewer_attempts_and_no_record():
    r = Rig()
    r.broker = False
    r.run(24)
    assert len(r.records) >= 1439 and r.nap.plan.failures > 3
    assert [round(ms / 60000) for ms in r.connects[:5]] == [0, 16, 47, 108, 229] and len(r.connects) == 15


def test_without_urgency_the_attempts_are_two_hours_apart():
    plan = Plan(60, 900, 0)
    now, tries = 0, 0
    while now < 86400000:
        if plan.due(now, False):
            tries += 1
            plan.done(now, False, False)
        now += 60000
    assert tries == 15  # after 0, 15, 45 and 105 minutes, then every two hours
    plan.done(now, True, False)
    assert not plan.due(now + 60000, True) or plan.try_at == 0
    assert plan.due(now + 900000, False) and not plan.due(now + 840000, False)


def test_an_alarm_connects_at_once_and_backs_off_to_the_report_interval():
    plan = Plan(60, 900, 0)
    plan.done(0, True, False)
    assert plan.due(60000, True) and not plan.due(60000, False)
    tries = []
    for now in range(60000, 7200000, 60000):
        if plan.due(now, True):
            tries.append(now // 60000)
            plan.done(now, False, False)
    gaps = [b - a for a, b in zip(tries, tries[1:])]
    assert gaps[:4] == [2, 4, 8, 15] and max(gaps) == 15


def test_the_reports_lie_on_a_grid_and_a_low_battery_quarters_them():
    plan = Plan(60, 900, 0)
    plan.done(905000, True, False)
    assert plan.report_at == 1800000
    plan.done(905000, True, True)
    assert plan.report_at == 3600000
    r = Rig()
    r.chip.mv = 3499
    r.run(4)
    # At the start, after 35 minutes for the time (how slow the RTC is was not known yet), then each hour.
    assert [round(ms / 60000) for ms in r.connects] == [0, 35, 60, 120, 180, 240]


def test_the_sleep_ends_before_the_warm_up_and_is_left_out_where_it_does_not_pay():
    plan = Plan(60, 900, 32000)
    assert plan.sleep_ms(0, 60) == 60000 - 32000 - plan.ready_ms
    assert plan.sleep_ms(25000, 60) == 0
    for _ in range(20):
        plan.woke(700)
    assert 690 <= plan.ready_ms <= 710
    plan.woke(100000)  # a missed wake is no slow start
    assert plan.ready_ms <= 710


def test_what_is_counted_refuses_the_profile():
    assert sleep.refusal([load("a02yyuw"), load("sht4x")]) is None
    assert "battery" in sleep.refusal([load("a02yyuw"), load("tipping_bucket")])
    assert sleep.refusal([load("ld2451")]) and sleep.refusal([load("pulse")])


def kept():
    """Return a rig that sleeps, and for how long."""
    r = Rig()
    r.chip.boot(0, 1)
    return r, r.run_one()


def woke(r, boot=1, last_boot=1, last_seq=5):
    nap = Sleep(r.conf, r.chip, r.chip)
    return nap.wake(boot, last_boot, last_seq), nap


def test_the_state_goes_on_with_boot_uptime_and_time_and_is_used_once():
    r, ms = kept()
    r.chip.boot(ms)
    state = r.chip.kept[4]
    good, nap = woke(r)
    assert good and nap.resume == (5, r.sampler.next_s) and nap.next_s == 60
    assert nap.uptime_ms == r.chip.true_ms  # this boot began with true time 0
    clock = clocks.Clock(r.chip.ticks, FLOOR_S, nap.uptime_ms)
    nap.set_clock(clock)
    assert clock.quality == clocks.CARRIED and abs(clock.utc_ms() - UTC_MS - r.chip.true_ms) <= 1
    assert woke(r)[0] is False and len(state) < 256


def test_a_state_that_does_not_fit_is_a_new_boot():
    r, ms = kept()
    r.chip.boot(ms)
    state = r.chip.kept[4]
    tries = [
        ({"boot": 2}, state, 0),
        ({"last_boot": 2}, state, 0),
        ({"last_seq": 6}, state, 0),
        ({}, state, 86400000),  # the RTC was set
        ({}, state, -86400000),
        ({}, b"", 0),
        ({}, state[: 8 * 16 + 1], 0),
        ({}, b"\x00" + state[1:], 0),
    ]
    tries += [({}, state[:size], 0) for size in range(1, len(state)) if size % 8 != 1]
    for given, data, jump in tries:
        r.chip.put(4, data)
        r.chip.rtc += jump
        good, nap = woke(r, **given)
        r.chip.rtc -= jump
        assert not good and nap.resume is None and nap.uptime_ms is None and nap.next_s == 0
        assert r.chip.get(4) is None  # consumed whatever it was
    r.chip.put(4, state)
    assert woke(r)[0]


def test_a_wake_too_early_sleeps_on_and_a_chip_that_cannot_sleep_stays_awake():
    r, ms = kept()
    r.chip.boot(ms // 2)  # by its timer or a pin
    rest = r.run_one()
    assert 0 < rest < ms // 2 + 2000 and not r.records
    r.chip.boot(rest)
    r.run_one()
    assert [instant for instant, _ in r.records] == [60]
    for _ in range(2):
        r.chip.boot(0, 2)  # reset at once, as on the emulated ESP32
        r.run_one()
    r.chip.boot(0, 2)
    try:
        stop_after(r, 4)
    except StoppedError:
        pass
    assert [instant for instant, _ in r.records][:4] == [60, 120, 180, 240]


class StoppedError(Exception):
    pass


def stop_after(r, count):
    """Run until there are so many records: this node does not sleep any more."""
    record = r.on_record

    def on_record(*args):
        record(*args)
        if len(r.records) >= count:
            raise StoppedError

    r.on_record = on_record
    r.run_one()


def test_missed_wakes_are_records_that_say_so():
    r, ms = kept()
    r.chip.boot(ms + 100000)  # it woke at 160 s, two instants late
    r.run_one()
    assert [instant for instant, _ in r.records] == [60, 120]
    assert r.sampler.late == 1 and r.sampler.next_s == 180


def test_nothing_sleeps_while_a_configuration_is_on_trial():
    r = Rig()
    r.node.restless_now = True
    r.chip.boot(0, 1)
    try:
        stop_after(r, 5)
    except StoppedError:
        pass
    assert len(r.records) == 5 and r.chip.get(4) is None


def test_whatever_ends_a_sleep_each_instant_of_a_boot_is_recorded_once_and_in_order():
    state = 1
    r = Rig()
    r.chip.boot(0, 1)
    seen = {}
    for _ in range(400):
        ms = r.run_one()
        seen[r.node.boot] = seen.get(r.node.boot, []) + [instant for instant, _ in r.records]
        r.records = []
        state = (state * 69069 + 1) & 0xFFFFFFFF
        dice = (state >> 16) % 20
        r.broker = dice > 2 if r.broker else dice > 10
        r.chip.drift_ppm = (state >> 8) % 60001 - 30000
        if dice == 0:  # power cut
            r.chip.kept = {}
            r.chip.rtc = 0
            r.chip.boot(0, 1)
        elif dice == 1:  # reset while asleep, or a pin
            r.chip.boot(ms // 3, 2 + (state >> 12) % 2 * 2)
        elif dice == 2:  # far too long
            r.chip.boot(ms + 90000)
        else:
            r.chip.boot(ms)
    assert len(seen) > 5 and sum(len(instants) for instants in seen.values()) > 300
    for instants in seen.values():
        assert instants == list(range(60, 60 * len(instants) + 1, 60))


def wear(mounted_anew):
    """Return (erases, bytes programmed) of 8 hours of minutes in a ring, which each wake mounts anew or which stays up."""
    flash = NorFlash(32)
    box = RingOutbox(flash)
    for i in range(480):
        if mounted_anew:
            box = RingOutbox(flash)
            assert i % 15 == 0 or box.batch.count == i % 15
        seq = 1 + i // 15
        if i % 15 == 0:
            box.open_batch(Batch(1, seq, 3, UTC_MS // 1000 + 60 * i, 60, 1, [2, T.TIME_OFFSET]))
        box.record({2: (3000 + i, 0)})
        if i % 15 == 14:
            box.seal(1, seq, bytes((seq,)) * 60, 15, 0, 15)
            box.ack(1, seq, 0)
    return sum(flash.erases), flash.programmed


def test_a_ring_that_each_wake_mounts_anew_keeps_its_batch_and_wears_no_faster():
    assert wear(True) == wear(False)

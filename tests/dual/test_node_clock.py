"""The node's clock on all interpreters: wrap of the ticks, whom it believes and how far."""

from pantau_node.clock import BRIDGE, CARRIED, COARSE, RTC, SNTP, SYNCED, TECHNICIAN, UNSET, Clock

FLOOR_S = 1672531200
T0_MS = 1700000000000
DAY_MS = 86400000


class Ticks:
    def __init__(self, now=0, bits=30):
        self.now = now
        self.mask = (1 << bits) - 1

    def __call__(self):
        return self.now & self.mask


def made(now=0, **start):
    """Return (ticks, clock) of a node whose ticks say `now`."""
    ticks = Ticks(now)
    return ticks, Clock(ticks, FLOOR_S, **start)


def test_uptime_goes_on_over_the_wrap_of_the_esp32():
    ticks = Ticks((1 << 30) - 500)
    clock = Clock(ticks, FLOOR_S, 0)
    for _ in range(5):
        ticks.now += 1 << 28
        clock.uptime_ms()
    assert clock.uptime_ms() == 5 << 28
    ticks.now += 700
    assert clock.uptime_ms() == (5 << 28) + 700


def test_uptime_is_the_same_on_a_port_whose_ticks_wrap_later():
    ticks = Ticks((1 << 30) - 1, 62)
    clock = Clock(ticks, FLOOR_S, 0)
    ticks.now += 2
    assert clock.uptime_ms() == 2


def test_the_names_of_quality_and_source_are_those_of_the_wire_and_of_the_log():
    assert (UNSET, CARRIED, COARSE, SYNCED) == (0, 1, 2, 3)
    assert (RTC, SNTP, TECHNICIAN, BRIDGE) == (1, 2, 3, 4)


def test_an_unset_clock_says_so_and_bases_on_uptime():
    clock = Clock(Ticks(61000), FLOOR_S)
    assert clock.quality == UNSET and clock.utc_ms() is None
    assert clock.base(60000) == (UNSET, 60)


def test_the_ticks_count_from_power_on_unless_uptime_goes_on_from_before():
    for start_ms, uptime in ((None, 61000), (0, 0), (5000000000, 5000000000)):
        ticks, clock = made(61000, start_ms=start_ms)
        assert clock.uptime_ms() == uptime
        ticks.now += 250
        assert clock.uptime_ms() == uptime + 250


def test_utc_goes_on_over_the_wrap_and_beyond_what_32_bits_hold():
    ticks, clock = made((1 << 30) - 1000)
    assert clock.set_utc(T0_MS, 0, SYNCED, BRIDGE) == "stepped"
    ticks.now += 999
    assert clock.utc_ms() == T0_MS + 999
    ticks.now += 1
    assert ticks() == 0 and clock.utc_ms() == T0_MS + 1000
    for _ in range(6):
        ticks.now += 10 * DAY_MS
        clock.uptime_ms()
    assert clock.uptime_ms() == (1 << 30) + 60 * DAY_MS  # 6.2e9
    assert clock.utc_ms() == T0_MS + 1000 + 60 * DAY_MS
    assert clock.base(clock.uptime_ms()) == (COARSE, 1700000001 + 60 * 86400)


def test_a_time_that_no_node_can_live_to_see_is_refused_whoever_says_so():
    for source in (RTC, SNTP, TECHNICIAN, BRIDGE):
        _, clock = made()
        for utc_ms in (-1, 0, 946684800000, FLOOR_S * 1000 - 1, 4102444800000, 1 << 62):
            assert clock.set_utc(utc_ms, 0, SYNCED, source) == "refused", utc_ms
        assert (clock.refused, clock.quality, clock.source, clock.epoch) == (6, UNSET, 0, 0)
        assert clock.utc_ms() is None
    for utc_ms in (FLOOR_S * 1000, 4102444799999):
        _, clock = made()
        assert clock.set_utc(utc_ms, 0, SYNCED, RTC) == "stepped" and clock.utc_ms() == utc_ms


def test_a_refused_time_changes_nothing():
    ticks, clock = made()
    clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
    ticks.now += 5000
    assert clock.set_utc(946684800000, 0, COARSE, BRIDGE) == "refused"
    assert clock.set_utc(T0_MS + DAY_MS, 0, COARSE, SNTP) == "refused"
    assert (clock.utc_ms(), clock.error_ms(5000)) == (T0_MS + 5000, 20)
    assert (clock.quality, clock.source, clock.epoch, clock.steps, clock.refused) == (SYNCED, BRIDGE, 1, 1, 2)


def test_the_raised_floor_binds_everybody_but_the_bridge():
    for source in (RTC, SNTP, TECHNICIAN):
        _, clock = made()
        clock.floor_s = T0_MS // 1000
        assert clock.set_utc(T0_MS - 1, 0, SYNCED, source) == "refused"
        assert clock.set_utc(T0_MS, 0, SYNCED, source) == "stepped"
    _, clock = made()
    clock.floor_s = T0_MS // 1000
    assert clock.set_utc(T0_MS - 1, 0, SYNCED, BRIDGE) == "stepped"  # a floor set too high must not lock it out
    assert clock.set_utc(FLOOR_S * 1000 - 1, 0, SYNCED, BRIDGE) == "refused"


def test_the_first_time_is_a_step_and_dates_earlier_instants():
    _, clock = made(5000)
    assert clock.set_utc(T0_MS, 100, COARSE, SNTP) == "stepped"
    assert (clock.epoch, clock.steps, clock.slews, clock.last_change_ms, clock.source) == (1, 1, 0, 0, SNTP)
    assert clock.utc_ms(2000) == T0_MS - 3000
    assert clock.base(5400) == (COARSE, T0_MS // 1000)
    assert clock.base(5500) == (COARSE, T0_MS // 1000 + 1)


def test_a_small_error_is_slewed_and_never_runs_backwards():
    for change in (-400, 400):
        ticks, clock = made()
        clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 10, SYNCED, BRIDGE) == "slewed"
        assert clock.utc_ms() == T0_MS
        last = T0_MS
        for i in range(1, 1001):
            ticks.now += 100
            now = clock.utc_ms()
            assert 99 <= now - last <= 101
            last = now
            if i == 400:
                assert now == T0_MS + 40000 + change // 2  # 1 ms in 200
        assert last == T0_MS + 100000 + change
        assert (clock.epoch, clock.steps, clock.slews, clock.last_change_ms) == (1, 1, 1, change)


def test_a_slew_arrives_the_same_however_seldom_the_clock_is_asked():
    for step_ms in (1, 199, 201, 7919, 79999):
        ticks, clock = made(5000)  # at 5 s of uptime
        clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
        clock.set_utc(T0_MS + 400, 10, SYNCED, BRIDGE)
        while ticks.now < 84999:
            ticks.now = min(ticks.now + step_ms, 84999)
            clock.utc_ms()
        assert clock.utc_ms() == T0_MS + 79999 + 399
        ticks.now += 1
        assert clock.utc_ms() == T0_MS + 80000 + 400
        ticks.now += DAY_MS
        assert clock.utc_ms() == T0_MS + 80000 + 400 + DAY_MS


def test_records_keep_their_order_through_a_slew():
    ticks, clock = made()
    clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
    clock.set_utc(T0_MS - 500, 10, SYNCED, BRIDGE)
    bases = []
    for second in range(120):
        ticks.now = second * 1000
        bases.append(clock.base(second * 1000)[1] - T0_MS // 1000)
    assert bases == sorted(bases) and clock.epoch == 1
    assert (bases[0], bases[99], bases[119]) == (0, 99, 119)  # -495 and -500 ms are rounded to the second
    assert clock.utc_ms() == T0_MS + 119000 - 500


def test_half_a_second_is_slewed_and_a_millisecond_more_is_a_step():
    for change in (-500, 500):
        _, clock = made()
        clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 10, SYNCED, BRIDGE) == "slewed"
        assert clock.utc_ms() == T0_MS
    for change in (-501, 501):
        _, clock = made()
        clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 10, SYNCED, BRIDGE) == "stepped"
        assert (clock.utc_ms(), clock.epoch, clock.steps, clock.slews) == (T0_MS + change, 2, 2, 0)
        assert clock.last_change_ms == change


def test_a_step_ends_a_slew():
    ticks, clock = made()
    clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
    clock.set_utc(T0_MS + 400, 10, SYNCED, BRIDGE)
    ticks.now = 20000
    assert clock.set_utc(T0_MS + 20000 + 2000, 10, SYNCED, BRIDGE) == "stepped"
    assert clock.last_change_ms == 1900  # 100 ms were slewed by then
    ticks.now = 200000
    assert clock.utc_ms() == T0_MS + 200000 + 2000


def test_a_difference_within_the_error_changes_nothing():
    _, clock = made()
    clock.set_utc(T0_MS, 0, SYNCED, BRIDGE)
    assert clock.set_utc(T0_MS + 900, 1000, SYNCED, BRIDGE) == "kept"
    assert (clock.utc_ms(), clock.error_ms(0)) == (T0_MS, 0)
    assert clock.set_utc(T0_MS + 1001, 1000, SYNCED, BRIDGE) == "stepped"  # no error explains that
    for change, did in ((200, "kept"), (201, "slewed")):
        _, clock = made()
        clock.set_utc(T0_MS, 100, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 100, SYNCED, BRIDGE) == did


def test_what_scheduling_alone_explains_is_not_worth_moving_for():
    for change, did in ((60, "kept"), (-60, "kept"), (61, "slewed"), (-61, "slewed")):
        ticks, clock = made()
        clock.set_utc(T0_MS, 300, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 10, SYNCED, BRIDGE) == did
        ticks.now = 100000
        assert clock.utc_ms() - 100000 - T0_MS == (0 if did == "kept" else change)
    _, clock = made()
    clock.set_utc(T0_MS, 300, SYNCED, BRIDGE)
    clock.set_utc(T0_MS + 60, 10, SYNCED, BRIDGE)
    assert clock.error_ms(0) == 70  # what it was off by, and what the source may be


def test_a_better_time_steps_and_a_worse_one_of_the_same_source_is_ignored():
    _, clock = made()
    clock.set_utc(T0_MS, 2000, CARRIED, RTC)
    assert clock.set_utc(T0_MS + 1500, 20, SYNCED, BRIDGE) == "stepped"
    assert (clock.last_change_ms, clock.quality, clock.source, clock.epoch) == (1500, SYNCED, BRIDGE, 2)
    assert clock.set_utc(T0_MS, 2000, COARSE, BRIDGE) == "kept"
    assert (clock.utc_ms(), clock.quality) == (T0_MS + 1500, SYNCED)


def test_the_error_grows_with_the_drift_until_synchronised_is_only_coarse():
    ticks, clock = made()
    clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
    assert [clock.error_ms(ms) for ms in (0, 9999, 10000, 9800000)] == [20, 20, 21, 1000]  # 100 ppm
    ticks.now = 9809999
    assert clock.base(9809999) == (SYNCED, T0_MS // 1000 + 9810) and clock.quality == SYNCED
    ticks.now = 9810000
    assert clock.base(9810000) == (COARSE, T0_MS // 1000 + 9810) and clock.quality == COARSE
    assert (clock.epoch, clock.source) == (1, BRIDGE)  # the mapping is the same
    assert clock.set_utc(T0_MS + 9810000 + 5, 20, SYNCED, BRIDGE) == "kept"
    assert clock.base(9810000) == (SYNCED, T0_MS // 1000 + 9810) and clock.error_ms(9810000) == 25


def test_what_was_set_as_coarse_or_carried_stays_so():
    for quality, error, source in ((COARSE, 0, BRIDGE), (CARRIED, 0, RTC)):
        ticks, clock = made()
        clock.set_utc(T0_MS, error, quality, source)
        for ms in (0, DAY_MS):
            ticks.now = ms
            assert clock.base(ms) == (quality, (T0_MS + ms) // 1000)


def test_nobody_moves_what_a_better_source_has_said():
    ranks = (RTC, SNTP, TECHNICIAN, BRIDGE)
    for i in range(4):
        for j in range(4):
            _, clock = made()
            clock.set_utc(T0_MS, 20, SYNCED, ranks[i])
            did = clock.set_utc(T0_MS + 5000, 30, COARSE, ranks[j])
            if j < i:
                assert (did, clock.utc_ms(), clock.source) == ("refused", T0_MS, ranks[i]), (i, j)
                assert (clock.quality, clock.refused, clock.steps) == (SYNCED, 1, 1)
            else:
                assert (did, clock.utc_ms(), clock.source) == ("stepped", T0_MS + 5000, ranks[j]), (i, j)
                assert (clock.quality, clock.refused, clock.steps) == (COARSE, 0, 2)


def test_contradiction_is_what_the_errors_of_both_do_not_explain():
    for change, did in ((50, "kept"), (-50, "kept"), (51, "refused"), (-51, "refused")):
        _, clock = made()
        clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
        assert clock.set_utc(T0_MS + change, 30, SYNCED, SNTP) == did
        assert (clock.utc_ms(), clock.source) == (T0_MS, BRIDGE)


def test_what_a_source_once_said_exactly_it_does_not_take_back_by_saying_it_vaguely():
    _, clock = made()
    clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
    assert clock.set_utc(T0_MS + 10, 1000, SYNCED, BRIDGE) == "kept"
    assert clock.set_utc(T0_MS + 51, 30, SYNCED, SNTP) == "refused"
    assert clock.set_utc(T0_MS + 5000, 100, SYNCED, BRIDGE) == "stepped"  # unless it says something else
    assert clock.set_utc(T0_MS, 30, SYNCED, SNTP) == "refused"
    assert clock.set_utc(T0_MS + 5130, 30, SYNCED, SNTP) == "slewed"


def test_a_worse_source_helps_within_the_drift_and_cannot_walk_away():
    ticks, clock = made()
    clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
    ticks.now = now = 10000000  # the drift may be 1000 ms by now
    assert clock.set_utc(T0_MS + now + 900, 30, SYNCED, SNTP) == "stepped"
    assert (clock.utc_ms(), clock.error_ms(now), clock.source) == (T0_MS + now + 900, 30, BRIDGE)
    assert clock.set_utc(T0_MS + now + 1051, 30, SYNCED, SNTP) == "refused"
    assert clock.set_utc(T0_MS + now + 1050, 29, SYNCED, SNTP) == "refused"
    assert clock.set_utc(T0_MS + now + 1049, 29, SYNCED, SNTP) == "slewed"
    ticks.now = now = 10100000
    assert clock.utc_ms() == T0_MS + now + 1049
    assert clock.set_utc(T0_MS + now + 1200, 30, SYNCED, SNTP) == "refused"
    assert clock.set_utc(T0_MS + now, 30, SYNCED, BRIDGE) == "stepped" and clock.utc_ms() == T0_MS + now


def test_a_better_source_is_trusted_for_seven_days():
    for after_ms, did, source in ((604799999, "refused", TECHNICIAN), (604800000, "stepped", SNTP)):
        ticks, clock = made()
        clock.set_utc(T0_MS, 1000, COARSE, TECHNICIAN)
        ticks.now = after_ms
        assert clock.set_utc(T0_MS + after_ms + DAY_MS, 30, SYNCED, SNTP) == did
        assert clock.source == source
        assert clock.utc_ms() == T0_MS + after_ms + (DAY_MS if did == "stepped" else 0)


def test_each_confirmation_of_the_bridge_begins_the_trust_anew():
    ticks, clock = made()
    clock.set_utc(T0_MS, 20, SYNCED, BRIDGE)
    ticks.now = 6 * DAY_MS
    assert clock.set_utc(T0_MS + 6 * DAY_MS, 20, SYNCED, BRIDGE) == "kept"
    ticks.now = 12 * DAY_MS
    assert clock.set_utc(T0_MS + 13 * DAY_MS, 20, SYNCED, SNTP) == "refused"


def test_a_technicians_local_time_gives_way_to_anything_exact_within_its_error():
    _, clock = made()
    clock.set_utc(T0_MS + 25200000, 50400000, COARSE, TECHNICIAN)  # UTC+7, within 14 h
    assert clock.set_utc(T0_MS, 30, SYNCED, SNTP) == "stepped"
    assert (clock.utc_ms(), clock.quality, clock.last_change_ms) == (T0_MS, SYNCED, -25200000)
    assert clock.set_utc(T0_MS + 25200000, 50400000, COARSE, TECHNICIAN) == "kept"
    assert (clock.utc_ms(), clock.quality) == (T0_MS, SYNCED)


def test_a_confirmation_under_way_is_no_second_slew_and_the_error_tells_what_is_still_to_come():
    _, clock = made()
    clock.set_utc(T0_MS, 10, SYNCED, BRIDGE)
    assert clock.set_utc(T0_MS - 400, 10, SYNCED, BRIDGE) == "slewed"
    assert clock.error_ms(clock.uptime_ms()) == 410
    for _ in range(3):
        assert clock.set_utc(T0_MS - 400, 10, SYNCED, BRIDGE) == "kept"
    assert clock.slews == 1


def test_a_vague_confirmation_by_the_bridge_makes_a_carried_time_more_than_carried():
    _, clock = made()
    clock.set_utc(T0_MS, 1500, CARRIED, RTC)
    assert clock.set_utc(T0_MS + 100, 2500, COARSE, BRIDGE) == "kept"
    assert clock.quality == COARSE and clock.source == BRIDGE and clock.error_ms(clock.uptime_ms()) == 1500

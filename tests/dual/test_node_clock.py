"""The node's clock on all interpreters: wrap of the ticks, civil dates, when a time is believed."""

from pantau_node.clock import CARRIED, COARSE, SYNCED, UNSET, Clock, civil_from_unix, unix_from_civil

FLOOR_S = 1672531200
T0_MS = 1700000000000


class Ticks:
    def __init__(self, now=0, bits=30):
        self.now = now
        self.mask = (1 << bits) - 1

    def __call__(self):
        return self.now & self.mask


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


def test_civil_dates_go_both_ways_without_an_epoch():
    for unix_s, civil in (
        (0, (1970, 1, 1, 3, 0, 0, 0)),
        (946684800, (2000, 1, 1, 5, 0, 0, 0)),
        (1709164799, (2024, 2, 28, 2, 23, 59, 59)),
        (1709164800, (2024, 2, 29, 3, 0, 0, 0)),
        (4107542400, (2100, 3, 1, 0, 0, 0, 0)),
        (1795491930, (2026, 11, 24, 1, 3, 45, 30)),
    ):
        year, month, day, _, hour, minute, second = civil
        assert unix_from_civil(year, month, day, hour, minute, second) == unix_s, civil
        assert civil_from_unix(unix_s) == civil, unix_s


def test_an_unset_clock_says_so_and_bases_on_uptime():
    clock = Clock(Ticks(61000), FLOOR_S)
    assert clock.quality == UNSET and clock.utc_ms() is None
    assert clock.base(60000) == (UNSET, 60)


def test_a_time_before_the_build_or_past_a_life_is_refused():
    clock = Clock(Ticks(), FLOOR_S)
    assert clock.set_utc(946684800000, 0, SYNCED) == "refused"
    assert clock.set_utc(4102444800000, 0, SYNCED) == "refused"
    assert clock.refused == 2 and clock.quality == UNSET and clock.epoch == 0


def test_the_first_time_is_a_step_and_dates_earlier_instants():
    ticks = Ticks(5000)
    clock = Clock(ticks, FLOOR_S)
    assert clock.set_utc(T0_MS, 100, COARSE) == "stepped"
    assert clock.epoch == 1 and clock.utc_ms(2000) == T0_MS - 3000
    assert clock.base(5400) == (COARSE, T0_MS // 1000)
    assert clock.base(5500) == (COARSE, T0_MS // 1000 + 1)


def test_a_small_error_is_slewed_and_never_runs_backwards():
    ticks = Ticks()
    clock = Clock(ticks, FLOOR_S)
    clock.set_utc(T0_MS, 0, SYNCED)
    assert clock.set_utc(T0_MS - 400, 10, SYNCED) == "slewed"
    last = clock.utc_ms()
    for _ in range(1000):
        ticks.now += 100
        now = clock.utc_ms()
        assert last < now
        last = now
    assert last == T0_MS - 400 + 100000 and clock.epoch == 1 and clock.slews == 1


def test_a_difference_within_the_error_changes_nothing():
    clock = Clock(Ticks(), FLOOR_S)
    clock.set_utc(T0_MS, 0, SYNCED)
    assert clock.set_utc(T0_MS + 900, 1000, SYNCED) == "kept"
    assert clock.utc_ms() == T0_MS


def test_a_better_source_steps_and_a_worse_one_is_ignored():
    clock = Clock(Ticks(), FLOOR_S)
    clock.set_utc(T0_MS, 2000, CARRIED)
    assert clock.set_utc(T0_MS + 1500, 20, SYNCED) == "stepped"
    assert clock.last_change_ms == 1500 and clock.quality == SYNCED and clock.epoch == 2
    assert clock.set_utc(T0_MS, 2000, COARSE) == "kept"
    assert clock.utc_ms() == T0_MS + 1500

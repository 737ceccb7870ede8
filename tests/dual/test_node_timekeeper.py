"""The time over resets: what the chip's RTC may be believed, and a floor that no power cut lowers."""

from pantau_node import BUILT_S
from pantau_node.clock import BRIDGE, CARRIED, COARSE, RTC, SNTP, SYNCED, TECHNICIAN, UNSET, Clock
from pantau_node.timekeeper import KEY, Timekeeper
from pantau_node.timestart import by_hand

YEAR_2000_S = 946684800
EARLIEST_S = 1672531200
NOW_S = BUILT_S + 8640000  # 100 days after the firmware was made
HOUR_MS = 3600000
HARD, DEEPSLEEP = 2, 4


class Chip:
    """Board and keep: an RTC that goes on over resets, and its memory."""

    def __init__(self, rtc_s=YEAR_2000_S):
        self.rtc_s = rtc_s
        self.written = []
        self.kept = {}
        self.cause = HARD
        self.ticks = 0

    def rtc_read(self):
        return self.rtc_s

    def rtc_write(self, unix_s):
        self.rtc_s = unix_s
        self.written.append(unix_s)

    def reset_cause(self):
        return self.cause

    def get(self, key):
        return self.kept.get(key)

    def put(self, key, data):
        self.kept[key] = data

    def power_cut(self):
        self.rtc_s = YEAR_2000_S
        self.kept = {}


class Floor:
    """As much of a Monotonic as the keeper sees."""

    def __init__(self, value=0):
        self.value = value
        self.refuses = False

    def advance(self, value):
        assert value > self.value
        if self.refuses:
            raise OSError(5)
        self.value = value


class Boot:
    """One boot of the chip, from which the RTC has run for `after_s` since."""

    def __init__(self, chip, floor=None, after_s=0, cause=HARD, made_s=0):
        chip.rtc_s += after_s
        chip.cause = cause
        chip.ticks = 0
        chip.written = []
        self.chip = chip
        self.clock = Clock(lambda: chip.ticks & 0x3FFFFFFF, EARLIEST_S)
        self.floor = Floor() if floor is None else floor
        self.keeper = Timekeeper(self.clock, chip, chip, self.floor)
        self.keeper.restore(made_s)

    def run(self, ms):
        self.chip.ticks += ms
        self.chip.rtc_s += ms // 1000

    def told(self, unix_s=NOW_S, error_ms=20, source=BRIDGE, quality=SYNCED):
        """Somebody says what time it is, and it is saved."""
        self.clock.set_utc(unix_s * 1000, error_ms, quality, source)
        self.keeper.save()

    def says(self):
        return self.clock.quality, self.clock.source, self.clock.utc_ms()


NOTHING = (UNSET, 0, None)


def test_a_chip_that_wakes_in_2000_gets_a_possible_rtc_and_no_time():
    for rtc_s in (YEAR_2000_S, None, 0, EARLIEST_S, BUILT_S - 1):
        boot = Boot(Chip(0))
        boot.chip.rtc_s = rtc_s
        boot.keeper.restore(0)
        assert boot.chip.rtc_s == BUILT_S, rtc_s
        assert boot.says() == NOTHING and boot.clock.floor_s == BUILT_S


def test_the_floor_is_the_latest_of_build_identity_and_what_the_bridge_said():
    for made_s, kept_s, floor_s in (
        (0, 0, BUILT_S),
        (BUILT_S + 5, 0, BUILT_S + 5),
        (BUILT_S + 5, BUILT_S + 9, BUILT_S + 9),
        (1, BUILT_S - 1, BUILT_S),
    ):
        boot = Boot(Chip(), Floor(kept_s), made_s=made_s)
        assert boot.chip.written == [floor_s] and boot.clock.floor_s == floor_s
        assert boot.clock.set_utc(floor_s * 1000 - 1, 0, SYNCED, SNTP) == "refused"
        assert boot.clock.set_utc(floor_s * 1000, 0, SYNCED, SNTP) == "stepped"


def test_a_lifted_rtc_is_never_taken_for_a_time_however_often_the_chip_resets():
    chip = Chip()
    boot = Boot(chip)
    for after_s in (0, 1, 3599, 86400):
        for _ in range(48):
            boot.run(HOUR_MS)
            boot.keeper.save()
            assert boot.says() == NOTHING and chip.written in ([], [BUILT_S])
        boot = Boot(chip, after_s=after_s)
        assert boot.says() == NOTHING and chip.written == []


def test_an_rtc_that_was_set_past_us_serves_tls_and_dates_nothing():
    # mpremote rtc --set writes local time, 7 h off here; what is dated by it would be wrong for good
    for before, after_s, quality in ((None, 90000, UNSET), (NOW_S, 7199, CARRIED), (NOW_S, 25200, UNSET)):
        chip = Chip()
        boot = Boot(chip)
        if before is not None:
            boot.told(before)
        again = Boot(chip, after_s=after_s)
        assert again.clock.quality == quality, after_s
        assert chip.written == [], "left as it was set"
    boot = Boot(Chip(NOW_S + 25200))
    assert boot.says() == NOTHING and boot.chip.written == []
    assert boot.clock.set_utc(NOW_S * 1000, 30, SYNCED, SNTP) == "stepped"


def test_what_a_technician_says_in_utc_is_his_over_resets_until_something_better_comes():
    chip = Chip()
    by_hand(chip, chip, NOW_S)
    boot = Boot(chip, after_s=60)
    assert boot.says() == (COARSE, TECHNICIAN, (NOW_S + 60) * 1000 + 500)
    assert boot.clock.error_ms(0) == 2000 + 500 + 605
    assert Boot(chip, after_s=60).says() == (COARSE, TECHNICIAN, (NOW_S + 120) * 1000 + 500)
    assert boot.clock.set_utc((NOW_S + 3600) * 1000, 30, SYNCED, SNTP) == "refused"
    assert boot.clock.set_utc((NOW_S + 3600) * 1000, 30, SYNCED, BRIDGE) == "stepped"


def test_an_rtc_beyond_a_life_is_set_to_the_floor():
    chip = Chip(4260211200)  # 2105
    boot = Boot(chip)
    assert boot.says() == NOTHING and chip.written == [BUILT_S]


def test_what_the_bridge_said_is_carried_over_a_reset_with_what_the_oscillator_may_be_off():
    # the saved error and its rounding (20 + 500), the rounding of reading (500), and a part of uptime and gone time
    for cause, error_ms in ((HARD, 1020 + 36605), (DEEPSLEEP, 1020 + 110924)):
        chip = Chip()
        boot = Boot(chip)
        boot.run(HOUR_MS)
        boot.told()
        assert chip.rtc_s == NOW_S
        boot = Boot(chip, after_s=60, cause=cause)
        assert boot.says() == (CARRIED, RTC, (NOW_S + 60) * 1000 + 500)
        assert boot.clock.error_ms(0) == error_ms
        assert chip.rtc_s == NOW_S + 60 and chip.written == []


def test_what_was_carried_keeps_the_mark_of_when_it_was_known():
    chip = Chip()
    boot = Boot(chip)
    boot.run(HOUR_MS)
    boot.told()
    mark = chip.kept[KEY]
    boot = Boot(chip, after_s=60)
    boot.run(HOUR_MS)
    boot.keeper.save()
    assert chip.written == [] and chip.kept[KEY] == mark
    boot = Boot(chip, after_s=60)
    assert boot.says() == (CARRIED, RTC, (NOW_S + 3720) * 1000 + 500)
    assert boot.clock.error_ms(0) == 1020 + 73205  # of 7320.5 s


def test_ten_minutes_of_possible_error_are_no_time():
    for uptime_ms, error_ms in ((59837000, 599995), (59837600, None)):
        chip = Chip()
        boot = Boot(chip)
        boot.run(uptime_ms)
        boot.told()
        boot = Boot(chip, after_s=60)
        assert boot.clock.error_ms(0) == (error_ms or 0)
        assert boot.clock.quality == (UNSET if error_ms is None else CARRIED)
        assert chip.rtc_s == NOW_S + 60 and chip.written == []  # still the best that TLS can have


def test_an_rtc_that_is_too_wrong_does_not_become_a_technicians_later_on():
    chip = Chip()
    boot = Boot(chip)
    boot.run(20 * HOUR_MS)
    boot.told()
    for _ in range(3):
        boot = Boot(chip, after_s=60)
        assert boot.says() == NOTHING
        for _ in range(30):
            boot.run(HOUR_MS)
            boot.keeper.save()
        assert boot.says() == NOTHING and chip.written == []


def test_an_rtc_turned_back_is_no_time_and_its_own_rounding_is_not_turned_back():
    for after_s, quality in ((-1, CARRIED), (-2, UNSET), (-3600, UNSET)):
        chip = Chip()
        Boot(chip).told()
        assert Boot(chip, after_s=after_s).clock.quality == quality, after_s
    chip = Chip()
    boot = Boot(chip)
    boot.told()
    chip.rtc_s = BUILT_S - 1
    assert Boot(chip).says() == NOTHING and chip.rtc_s == BUILT_S


def test_the_hourly_save_sets_the_rtc_to_the_nearest_second():
    boot = Boot(Chip())
    boot.told()
    boot.run(HOUR_MS + 499)
    boot.keeper.save()
    assert boot.chip.rtc_s == NOW_S + 3600
    boot.run(1)
    boot.keeper.save()
    assert boot.chip.rtc_s == NOW_S + 3601
    assert boot.chip.written == [BUILT_S, NOW_S, NOW_S + 3600, NOW_S + 3601]


def test_each_save_renews_what_a_reset_carries():
    chip = Chip()
    boot = Boot(chip)
    boot.told()
    for _ in range(10):
        boot.run(HOUR_MS)
        boot.keeper.save()
    boot = Boot(chip, after_s=1)
    assert boot.says() == (CARRIED, RTC, (NOW_S + 36001) * 1000 + 500)
    assert boot.clock.error_ms(0) == 20 + 3600 + 1000 + 360015  # 10 h: 100 ppm awake, then 1 % at the reset


def test_a_time_that_may_be_ten_minutes_off_is_not_saved():
    for error_ms, written in ((600000, [NOW_S]), (600001, [])):
        boot = Boot(Chip())
        boot.chip.written = []
        boot.told(error_ms=error_ms, quality=COARSE)
        assert boot.chip.written == written


def test_the_floor_follows_the_bridge_at_most_daily():
    boot = Boot(Chip(), Floor(NOW_S - 86399))
    boot.told()
    assert boot.floor.value == NOW_S - 86399
    boot.told(NOW_S + 1)  # a day after it
    assert boot.floor.value == NOW_S + 1
    for _ in range(24):
        boot.keeper.save()
        assert boot.floor.value == NOW_S + 1
        boot.run(HOUR_MS)
    boot.keeper.save()
    assert boot.floor.value == NOW_S + 86401


def test_nobody_else_lifts_the_floor():
    for source in (RTC, SNTP, TECHNICIAN):
        boot = Boot(Chip())
        boot.told(source=source)
        assert boot.chip.rtc_s == NOW_S and boot.floor.value == 0


def test_neither_rtc_nor_floor_go_beyond_a_life():
    life_s = BUILT_S + 315360000  # ten years
    for unix_s, kept in ((life_s - 1, (life_s - 1, life_s - 1)), (life_s, (BUILT_S, 0)), (4102444799, (BUILT_S, 0))):
        boot = Boot(Chip())
        boot.told(unix_s)
        assert (boot.chip.rtc_s, boot.floor.value) == kept


def test_a_flash_that_refuses_the_floor_costs_only_the_floor():
    boot = Boot(Chip(), Floor(BUILT_S))
    boot.floor.refuses = True
    boot.told()
    assert boot.chip.rtc_s == NOW_S and boot.floor.value == BUILT_S
    assert Boot(boot.chip, after_s=1).clock.quality == CARRIED
    boot.floor.refuses = False
    boot.keeper.save()
    assert boot.floor.value == NOW_S


def test_a_power_cut_loses_the_time_and_not_the_floor():
    chip = Chip()
    boot = Boot(chip)
    boot.told()
    chip.power_cut()
    boot = Boot(chip, boot.floor, after_s=5)
    assert boot.says() == NOTHING
    assert chip.rtc_s == NOW_S and boot.clock.floor_s == NOW_S
    assert boot.clock.set_utc((NOW_S - 1) * 1000, 30, SYNCED, SNTP) == "refused"
    assert boot.clock.set_utc((NOW_S - 1) * 1000, 30, SYNCED, BRIDGE) == "stepped"

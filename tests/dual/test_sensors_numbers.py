"""The arithmetic of the drivers, in integers: compensation, conversion, medians, tracks, and clocks that wrap."""

from sensor_rig import Clock, give_back

from pantau_node.sensors import a02yyuw, base, bme280, counting, sensirion, sht4x, tracks
from pantau_wire import names as T

# Bosch's worked example for T and P (BST-BMP280-DS001 3.12); humidity trims of a production part.
TRIMS = ((27504, 26435, -1000), (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000), (75, 376, 0, 286, 50, 30))


def double_form(trims, adcs):
    """The datasheet's floating form: (Cel, Pa, %)."""
    t1, t2, t3 = trims[0]
    step = adcs[0] / 131072.0 - t1 / 8192.0
    fine = (adcs[0] / 16384.0 - t1 / 1024.0) * t2 + step * step * t3
    p = (0,) + trims[1]
    v1 = fine / 2.0 - 64000.0
    v2 = v1 * v1 * p[6] / 32768.0 + v1 * p[5] * 2.0
    v2 = v2 / 4.0 + p[4] * 65536.0
    v1 = (p[3] * v1 * v1 / 524288.0 + p[2] * v1) / 524288.0
    v1 = (1.0 + v1 / 32768.0) * p[1]
    out = (1048576.0 - adcs[1] - v2 / 4096.0) * 6250.0 / v1
    pascal = out + (p[9] * out * out / 2147483648.0 + out * p[8] / 32768.0 + p[7]) / 16.0
    h1, h2, h3, h4, h5, h6 = trims[2]
    v = fine - 76800.0
    v = (adcs[2] - (h4 * 64.0 + h5 / 16384.0 * v)) * (
        h2 / 65536.0 * (1.0 + h6 / 67108864.0 * v * (1.0 + h3 / 67108864.0 * v))
    )
    return fine / 5120.0, pascal, max(0.0, min(100.0, v * (1.0 - h1 * v / 524288.0)))


def test_bme280_gives_the_datasheets_worked_example():
    fine, centi_c, p, _ = bme280.compensate(TRIMS, (519888, 415148, 30000))
    assert abs(fine - 128422) <= 1 and centi_c == 2508
    assert abs(p / 256 - 100653.27) < 0.05
    assert bme280.pressure(TRIMS[1], 128422, 415148) == 25767233  # the strict 64-bit form: division truncates


def test_bme280_integers_follow_the_double_form_over_the_range():
    worst = [0.0, 0.0, 0.0]
    for adc_t in range(380000, 660000, 20000):
        for adc_p in range(300000, 500000, 50000):
            for adc_h in (0, 20000, 30000, 40000, 65535):
                adcs = (adc_t, adc_p, adc_h)
                _, centi_c, p, h = bme280.compensate(TRIMS, adcs)
                exact = double_form(TRIMS, adcs)
                got = (centi_c / 100, p / 256, h / 1024)
                for i in range(3):
                    worst[i] = max(worst[i], abs(exact[i] - got[i]))
    assert worst[0] <= 0.01, worst
    assert worst[1] <= 0.05, worst
    assert worst[2] <= 0.01, worst


def test_bme280_calibration_bytes_are_signed_where_the_datasheet_says():
    assert bme280.h4_h5(0x13, 0x29, 0x03) == (313, 50)
    assert bme280.h4_h5(0x80, 0x00, 0x80) == (-2048, -2048)
    assert bme280.h4_h5(0x00, 0x0F, 0x00) == (15, 0)
    low = bytes(range(24)) + b"\x00\x4b"
    t, p, h = bme280.calibration(low[:2] + b"\xff\xff" + low[4:], b"\xff\xff\x00\x13\x29\x03\xe2")
    assert t[0] == 0x0100 and t[1] == -1 and p[0] == 0x0706 and h[0] == 75
    assert h[1] == -1 and h[5] == -30


def test_bme280_impossible_calibration_is_zero_pascal_not_an_exception():
    assert bme280.pressure((0,) * 9, 128422, 415148) == 0
    assert bme280.skipped(bme280.raw(b"\x80\x00\x00\x80\x00\x00\x80\x00"))


def test_sht_words_round_to_hundredths():
    assert sht4x.parse(b"\x62\x60\xb6\x72\xb3\x8f", "sht3x") == (2225, 4481, "")
    assert sht4x.parse(b"\x00\x00\x81\x00\x00\x81") == (-4500, 0, "")  # -6 % is clamped
    assert sht4x.parse(b"\xff\xff\xac\xff\xff\xac") == (13000, 10000, "")


def test_sht_names_what_is_wrong():
    assert sht4x.parse(b"\x62\x60\xb7\x72\xb3\x8f")[2] == "crc_t"
    assert sht4x.parse(b"\x62\x60\xb6\x72\xb3\x8e")[2] == "crc_rh"
    assert sht4x.parse(b"\x62\x60\xb6")[2] == "short"
    assert sensirion.crc8(b"\xbe\xef") == 0x92


def test_median_and_spread_decide_what_seven_reads_are_worth():
    def seven(*mms):
        return a02yyuw.summarise(mms)

    assert seven(1000, 1001, 999, 1000, 1002, 998, 4400) == (1000, 1, 7, T.R_OK)  # one lost echo moves nothing
    assert seven(1000, 1100, 1200, 1300, 1400, 1500, 1600)[3] == T.R_SPREAD
    assert seven(1000, 0, 1000, 0, 1000, 65535, 4600)[2:] == (3, T.R_SPREAD)
    assert seven(0, 0, 65535) == (None, None, 0, T.R_NO_ECHO)
    assert seven(4501, 4600, 0) == (4550, None, 0, T.R_OUT_OF_RANGE)  # the value is kept
    assert a02yyuw.summarise([4501], 1, "a01nyub")[3] == T.R_OK  # the longer sister
    assert [a02yyuw.enough(n) for n in (7, 5, 3, 2, 1)] == [4, 3, 2, 2, 1]


def test_since_is_right_over_the_wrap_of_the_chips_clock():
    top = (1 << 30) - 1
    assert base.since(top - 5, 4) == 10
    assert base.since(4, top - 5) == -10
    assert base.since((1 << 45) + 7, (1 << 45) + 1007) == 1000  # the simulator's clock


def test_bounce_is_dropped_and_tips_are_kept():
    assert counting.debounce([10, 12, 19, 5000, 5004], None, 100) == ([10, 5000], 5000, 3)
    assert counting.debounce([50], 10, 100) == ([], 10, 1)  # over the border of two reads
    assert counting.debounce([3], (1 << 30) - 2, 100) == ([], (1 << 30) - 2, 1)  # over the wrap


def report(tracker, t, targets):
    """Give one report of (angle deg, distance m, direction, speed km/h, SNR) at t."""
    rows = [bytes((angle + 0x80, distance, way, speed, snr)) for angle, distance, way, speed, snr in targets]
    size = 2 + 5 * len(rows)
    tracker.feed(t - 100, 100, [bytes((size, 0, len(rows), 0)) + b"".join(rows) if rows else b"\x00\x00"])


def drive(tracker, t, seconds, vehicles, lost=()):
    """Feed 10 reports a second of vehicles (start m, km/h, approaching) beginning at t; return the end."""
    for k in range(seconds * 10):
        now = t + 100 * k
        targets = []
        for start_m, speed, approaching in vehicles:
            moved = speed * k // 36
            at = start_m - moved if approaching else start_m + moved
            if 3 <= at <= 90 and k not in lost:
                targets.append((2, at, 1 if approaching else 0, speed, 30))
        report(tracker, now, targets)
    return t + seconds * 1000


def test_each_vehicle_counts_once_by_direction_with_its_greatest_speed():
    tracker = tracks.Tracker(1, 20, 0)
    end = drive(tracker, 0, 12, ((80, 40, True), (50, 30, True), (10, 50, False)))
    tracker.expire(end + 2000)
    approaching, receding, mean, v85, occupancy, classes = tracker.take(end)
    assert (approaching, receding) == (2, 1)
    assert (mean, v85) == (400, 500)
    assert classes == [0, 0, 1, 1, 1, 0, 0, 0]
    assert 0 < occupancy < 600
    assert tracker.take(end + 1000)[:5] == (0, 0, None, None, 0)  # taken is taken


def test_a_track_outlives_lost_reports_and_a_ghost_is_no_vehicle():
    tracker = tracks.Tracker(1, 20, 0)
    end = drive(tracker, 0, 8, ((80, 40, True),), lost=(5, 6, 7, 20, 33, 34))
    assert tracker.take(end)[0] == 1
    report(tracker, end + 5000, [(0, 40, 1, 40, 9)])
    report(tracker, end + 5100, [(0, 40, 1, 40, 9)])
    tracker.expire(end + 9000)
    assert tracker.take(end + 9000)[:3] == (0, 0, None)


def test_walkers_and_reflections_are_left_out():
    tracker = tracks.Tracker(1, 20, 0)
    for k in range(20):
        report(tracker, 100 * k, [(79, 30, 1, 30, 255), (0, 3, 1, 30, 255), (0, 30, 1, 4, 200)])
    assert tracker.take(2000) == (0, 0, None, None, 0, [0] * 8)


def test_the_direction_byte_is_a_setting():
    tracker = tracks.Tracker(0, 20, 0)
    for k in range(10):
        report(tracker, 100 * k, [(0, 50 - k, 0, 36, 30)])
    assert tracker.take(1000)[:2] == (1, 0)


def test_tracks_survive_the_wrap_of_the_clock():
    tracker = tracks.Tracker(1, 20, (1 << 30) - 1000)
    for k in range(20):
        report(tracker, ((1 << 30) - 1000 + 100 * k) & ((1 << 30) - 1), [(0, 60 - k, 1, 36, 30)])
    tracker.expire(3000)
    assert tracker.take(3000)[:4] == (1, 0, 360, 360)


def test_85_percent_of_many_speeds_and_bounded_tracks():
    tracker = tracks.Tracker(1, 20, 0)
    t = 0
    for speed in range(21, 41):
        for k in range(3):
            report(tracker, t + 100 * k, [(0, 50 - k, 1, speed, 30)])
        t += 2000
    tracker.expire(t)
    assert tracker.take(t)[:4] == (20, 0, 305, 370)
    for k in range(40):
        report(tracker, t + k, [(0, 5 + 7 * j + 37 * (k % 6) % 200, 1, 10, 9) for j in range(5)])
    assert len(tracker._tracks) <= tracks.MAX_TRACKS


def test_an_age_grows_for_three_days_and_is_never_young_again_before_twelve():
    clock = Clock()
    hour, three_days = 3600000, 1 << 28
    for start in (0, (1 << 30) - 1, 1 << 29):
        for hours in (0, 1, 74, 75, 149, 150, 297):  # not asked between: from 149 on since() is negative
            clock.t = start
            age = base.Age()
            clock.t = start + hours * hour & ((1 << 30) - 1)
            assert age.ms() == min(hours * hour, three_days), (start, hours)
        for _ in range(24 * 13):  # asked each hour
            clock.t = clock.t + hour & ((1 << 30) - 1)
            assert age.ms() == three_days
        age.mark()
        assert age.ms() == 0
    give_back()

"""Rain: intensities from tips, limits, double tips, and the funnel that the neighbours give away."""

from __future__ import annotations

import pytest

from built import T0_S
from pantau.quality.rain import amount, tip_instants
from pantau.quality.site import RainSite
from pantau_wire import frame
from pantau_wire import names as T
from quality_kit import City, Stand, flag_of

HOUR = 3600


def gauge(**given):
    return City(Stand(tip_mm=0.2, latitude=-6.17, longitude=106.63, rain=RainSite(), **given))


def last(city, name):
    return city.of(name)[-1]


def test_even_rain_gives_its_intensity_in_every_window():
    city = gauge()
    city.feed(rain_tips=[1] * 75, rain_first_tip_age=[300] * 75, rain_last_tip_age=[300] * 75)  # 0.2 mm a minute
    for minutes in (5, 15, 60):
        told = last(city, f"rain_intensity_{minutes}min")
        # the rain since the last tip, half a minute ago, is not known yet
        assert told.value == pytest.approx(12 * (1 - 0.5 / minutes), abs=0.01) and (told.quality, told.reason) == (
            1,
            "ok",
        )


def test_a_tip_is_spread_over_the_time_since_the_one_before_it_and_at_most_a_quarter_of_an_hour():
    city = gauge()
    tips = [1, *[0] * 9, 1, *[0] * 4]
    city.feed(rain_tips=tips, rain_first_tip_age=[0 if n else None for n in tips], codes={
        "rain_first_tip_age": [0 if n else frame.quality(T.R_NO_SAMPLE) for n in tips],
    }, rain_last_tip_age=[0] * 15)  # fmt: skip
    assert city.of("rain_intensity_5min")[10].value == 1.2 and city.of("rain_intensity_15min")[10].value == 1.07


def test_tips_inside_a_record():
    assert tip_instants(60_000, 60_000, 3, 50.0, 10.0) == [10_000, 30_000, 50_000]
    assert tip_instants(60_000, 60_000, 1, 20.0, 20.0) == [40_000]
    assert tip_instants(60_000, 60_000, 2, None, None) == [30_000, 60_000]
    assert tip_instants(60_000, 60_000, 0, None, None) == []


def test_the_windows_add_up_to_the_rain():
    segments = [[10.0, 0.0, 2.0], [10.0, 10.0, 1.0], [30.0, 10.0, 4.0]]
    assert amount(segments, 0, 30) == 7.0
    assert [amount(segments, a, a + 5) for a in (0, 5, 10, 25)] == [1.0, 2.0, 1.0, 1.0]


def test_missing_minutes_make_a_lower_bound_and_say_so():
    city = gauge()
    city.feed(rain_tips=[1] * 15)
    city.feed(rain_tips=[1] * 15, start_s=T0_S + HOUR)
    told = {m: last(city, f"rain_intensity_{m}min") for m in (5, 60)}
    assert [(s.quality, s.reason) for s in told.values()] == [(1, "ok"), (2, "incomplete")]
    # the frames between come late, and what follows is whole again
    city.feed(rain_tips=[1] * 45, start_s=T0_S + 900)
    city.feed(rain_tips=[1] * 15, start_s=T0_S + HOUR + 900)
    assert (last(city, "rain_intensity_60min").quality, round(last(city, "rain_intensity_60min").value)) == (1, 12)


def test_a_dry_gauge_says_zero_once_a_frame():
    city = gauge()
    city.feed(rain_tips=[0] * 30)
    assert [(s.index, s.value) for s in city.of("rain_intensity_5min")] == [(14, 0.0)] * 2


def test_more_than_rain_can_be():
    city = gauge()
    city.feed(rain_tips=[20, 26, 51], rain_first_tip_age=[590] * 3, rain_last_tip_age=[10] * 3)
    assert city.flags("rain_tips", "intensity") == [1, 3, 4] == city.flags("rain_amount", "intensity")
    assert city.of("rain_amount")[2].reason == "intensity" and city.of("rain_amount")[2].value == 10.2


def test_a_rocking_bucket_is_told_after_ten_gaps():
    city = gauge()
    city.feed(rain_tips=[4] * 6, rain_first_tip_age=[209] * 6, rain_last_tip_age=[200] * 6)  # 0.3 s apart
    assert city.flags("rain_tips", "double_tip") == [2, 2, 2, 3, 3, 3]
    city = gauge()
    city.feed(rain_tips=[4] * 6, rain_first_tip_age=[400] * 6, rain_last_tip_age=[100] * 6)
    assert city.flags("rain_tips", "double_tip") == [2, 2, 2, 1, 1, 1]
    city = gauge()  # the node drops such tips itself and flags the record
    bounce = {"rain_tips": [frame.quality(T.R_BOUNCE) if i % 2 else 0 for i in range(30)]}
    city.feed(rain_tips=[2] * 30, rain_first_tip_age=[500] * 30, rain_last_tip_age=[100] * 30, codes=bounce)
    assert last(city, "rain_tips").reason == "bounce" and flag_of(last(city, "rain_tips"), "double_tip") == 3


def clog(neighbour_tips, *, km_east=2.0, hours=75):
    """Return the last flag of a gauge that is dry for `hours`; its neighbour has so many tips in each."""
    near = Stand("near", tip_mm=0.2, latitude=-6.17, longitude=106.63 + km_east / 110.6)
    city = City(Stand(tip_mm=0.2, latitude=-6.17, longitude=106.63, rain=RainSite()), near, nodes={"rain-02": "near"})
    for hour in range(hours):
        at = {"seq": hour + 1, "base_s": T0_S + HOUR * hour, "interval_s": HOUR}
        city.take(city.decoded({"rain_tips": [neighbour_tips]}, node="rain-02", **at))
        city.take(city.decoded({"rain_tips": [0]}, **at))
    return flag_of(last(city, "rain_tips"), "clogged")


def test_a_gauge_that_stays_dry_beside_wet_neighbours_is_clogged():
    assert clog(2) == 3  # 72 h of 0.4 mm
    assert clog(1) == 1  # 14 mm
    assert clog(2, km_east=3.2) == 2  # nobody near
    assert clog(2, hours=71) == 2  # not long enough

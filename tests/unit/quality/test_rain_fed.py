"""Water that rises without rain, where all water comes from rain: refused, but only while gauges can tell that it was dry."""

from __future__ import annotations

import pytest

from built import T0_S
from pantau.quality.rain import HOUR_MS, wet
from pantau.quality.site import FloodSite, LimitsTable, RainFed, RainSite
from quality_kit import City, Stand

HOUR_S = 3600
DRY_MM, WET_MM = 3000, 2700  # distances: the street, and 0.3 m of something on it
STILL = {
    "water_level": LimitsTable(off=["rate", "spike", "flat"]),
    "water_distance": LimitsTable(off=["flat", "site_range"]),
}
RAINED_H = 12  # before T0: the gauge is alive


def street(fed=RainFed(), filters=False):  # noqa: B008  a frozen table
    made = FloodSite(dry_level=2.0, rain_fed=fed, limits=STILL)
    if not filters:
        off = dict.fromkeys(("gradient", "blip", "box", "short"), False)
        made = made.model_copy(update={"filters": made.filters.model_copy(update=off)})
    return Stand(sensor_height_m=5.0, tip_mm=0.2, latitude=-6.17, longitude=106.63, rain=RainSite(), flood=made)


def told(tips, distances, *, tipped=True, city=None, hours=RAINED_H):
    """Return the flag of no_rain of each level; a record every 10 min after half a day that may have had one shower."""
    city = city or City(street())
    past = [10 if tipped and n == 0 else 0 for n in range(hours)]
    city.feed(rain_tips=past, water_distance=[DRY_MM] * hours, step_s=HOUR_S, size=1, start_s=T0_S - hours * HOUR_S)
    city.feed(rain_tips=tips, water_distance=distances, step_s=600, size=1)
    return city.flags("water_level", "no_rain")[hours:]


def test_what_rises_without_rain_is_refused_and_what_rises_with_it_is_not():
    assert told([0] * 4, [DRY_MM, WET_MM, WET_MM, DRY_MM]) == [1, 4, 4, 1]
    assert told([0, 30, 0, 0], [DRY_MM, WET_MM, WET_MM, DRY_MM]) == [1, 1, 1, 1]  # the rain of the same record
    assert told([0, 5, 0, 0], [DRY_MM, WET_MM, WET_MM, DRY_MM]) == [1, 4, 4, 1]  # 1 mm floods nothing


def test_water_that_stands_after_the_rain_may_fall_and_not_rise():
    tips = [30, *[0] * 17]
    falling = [DRY_MM - 300 + 10 * n for n in range(18)]
    assert told(tips, falling) == [1] * 18
    assert told(tips, [*falling[:-1], DRY_MM - 800])[-2:] == [1, 4]


def test_it_is_believed_in_the_end():
    hours = int(RainFed().believed_s) // 600
    assert told([0] * (hours + 3), [WET_MM] * (hours + 3)) == [4] * hours + [1] * 3


def test_a_gauge_that_has_not_tipped_for_days_is_no_witness_alone():
    assert told([0] * 3, [DRY_MM, WET_MM, WET_MM], tipped=False, hours=80) == [2, 2, 2]
    assert told([0] * 3, [DRY_MM, WET_MM, WET_MM], tipped=False) == [1, 4, 4]  # commissioned today, and tested with it


def test_a_station_that_does_not_say_so_is_not_asked_and_rain_is_not_needed():
    assert told([0] * 3, [DRY_MM, WET_MM, WET_MM], city=City(street(fed=None))) == [2, 2, 2]


NOW, START = 1000 * HOUR_MS, 999 * HOUR_MS


def gauge(*hours, since=0, heard=NOW):
    return {"hours": [list(one) for one in hours], "since": since, "heard": heard}


@pytest.mark.parametrize(
    "gauges, said",
    [
        ([], None),
        ([gauge((990, 2.0))], False),
        ([gauge((999, 6.0))], True),
        ([gauge((990, 2.0)), gauge((1000, 6.0))], True),  # one is enough
        ([gauge((990, 2.0), heard=NOW - HOUR_MS // 2)], None),  # its link is down: who knows
        ([gauge((990, 2.0), since=NOW - 1)], None),  # was just put up
        ([gauge((900, 2.0))], None),  # four days: clogged?
        ([gauge((900, 2.0)), gauge()], False),  # not both
    ],
)
def test_who_can_say_that_it_was_dry(gauges, said):
    assert wet(gauges, START, NOW, 5.0) is said

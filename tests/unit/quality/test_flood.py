"""Flood stations: limits by the station's levels, float switch, transducer, siaga states."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from pantau.quality import flood
from pantau.quality.flood import NORMAL
from pantau.quality.site import FilterTable, FloodSite, LimitsTable
from quality_kit import City, Stand

QUIET = {"water_level": LimitsTable(off=["rate", "spike", "flat"])}
RIVER = FloodSite(siaga_3=2.0, siaga_2=2.5, siaga_1=3.0)


def test_limits_follow_the_levels_of_the_station():
    site = FloodSite(dry_level=2.0, bank_level=3.0, mount_level=4.8)
    city = City(Stand(sensor_height_m=5.0, flood=site))
    city.feed(water_distance=[3000, 1900, 100, 3100, 3400], size=5)
    level = city.of("water_level")
    assert [(s.value, s.tests[: len("site_range=1")]) for s in level][:2] == [
        (2.0, "site_range=1"),
        (3.1, "site_range=3"),
    ]
    assert city.flags("water_level", "floor") == [1, 1, 4, 4, 4]
    assert city.flags("water_distance", "site_range") == [1, 1, 1, 1, 3]  # farther than the ground by more than 150 mm
    assert [s.quality for s in city.of("flood_depth")] == [s.quality for s in level]


def test_overrides_and_nodes_own_flags():
    limits = {"water_level": LimitsTable(suspect=[0.0, 1.5], off=["spike"])}
    city = City(Stand(sensor_height_m=5.0, flood=FloodSite(limits=limits)))
    city.feed(water_distance=[3000, 4000], codes={"water_distance": [0, 42]}, size=2)  # 42: warming
    said = city.of("water_level")
    assert [(s.quality, s.reason) for s in said] == [(3, "site_range"), (3, "warming")]
    assert "spike" not in said[0].tests


def test_the_float_switch_and_the_depth_accuse_each_other_from_the_second_record_on():
    city = City(
        Stand(sensor_height_m=5.0, flood=FloodSite(float_level=3.0, limits=QUIET, filters=FilterTable(gradient=False)))
    )
    wet = [0, 1, 1, 1, 0, 0, 0]
    level_mm = [2500, 2500, 2500, 3100, 3100, 3200, 2500]
    city.feed(water_distance=[5000 - mm for mm in level_mm], water_contact=wet, size=3)
    assert city.flags("water_contact", "contact") == [1, 1, 3, 1, 1, 3, 1]
    assert city.flags("water_level", "contact") == [1, 1, 3, 1, 1, 3, 1]
    assert city.of("water_contact")[2].reason == "contact"


def test_a_transducer_gives_a_level_with_all_tests_where_there_is_no_distance():
    city = City(Stand(flood=FloodSite(transducer_level=1.25, siaga_3=2.0)))
    city.feed(water_depth=[500, 510, 1400, 520, 530], size=5)
    assert [s.value for s in city.of("water_level")] == [1.75, 1.76, 2.65, 1.77, 1.78]
    assert [s.reason for s in city.of("water_level")][2] == "spike"
    assert city.of("water_level")[2].quality == 4 and len(city.of("siaga_state")) == 1


def states(levels, site=RIVER, step_s=60):
    state = {"now": NORMAL, "ms": 0, "run": [], "below": None}
    out = []
    for i, level in enumerate(levels):
        flood.step(state, i * step_s * 1000, level, site)
        out.append(state["now"])
    return out


def test_siaga_worsens_when_readings_in_a_row_agree_to_the_mildest_of_them():
    assert states([1.9, 2.1, 1.9, 2.1, 2.1]) == [4, 4, 4, 4, 3]
    assert states([1.9, 2.6, 3.1, 3.1]) == [4, 4, 2, 1]
    assert states([1.9, 3.2], RIVER.model_copy(update={"siaga_readings": 1})) == [4, 1]


def test_siaga_improves_only_below_the_hysteresis_for_the_hold_time():
    up = [3.1, 3.1]
    assert states([*up, *[2.96] * 30])[-1] == 1  # below the threshold, not by 50 mm
    assert states([*up, *[2.94] * 11])[2:] == [1] * 10 + [2]  # ten minutes
    assert states([*up, *[2.94] * 9, 2.96, *[2.94] * 10])[-1] == 1  # begins anew
    assert states([*up, *[1.0] * 5, *[2.2] * 6])[-1] == 3  # to the worst of the hold time, not the last
    assert states([*up, *[1.0] * 11])[-1] == NORMAL


def test_siaga_hears_no_refused_level_and_is_told_when_it_changes_and_with_each_frame():
    city = City(Stand(sensor_height_m=5.0, flood=RIVER))
    level_mm = [1900] * 4 + [3900] + [1900] * 3 + [1980, 2030, 2060, 2090] + [2100] * 18
    city.feed(water_distance=[5000 - mm for mm in level_mm], size=15)
    told = [(s.seq, s.index, s.value) for s in city.of("siaga_state")]
    assert told == [(1, 10, 3), (1, 14, 3), (2, 14, 3)]


def test_without_thresholds_there_is_no_state_and_the_registrys_serve():
    city = City(Stand(sensor_height_m=5.0))
    city.feed(water_distance=[1000] * 3, size=3)
    assert not city.of("siaga_state")
    given = SimpleNamespace(property="water_level", name="siaga_1", value=3.0, hysteresis=0.1)
    city = City(Stand(sensor_height_m=5.0, thresholds=(given,)))
    city.feed(water_distance=[1000] * 3, size=3)
    assert [s.value for s in city.of("siaga_state")] == [1, 1]


@pytest.mark.parametrize(
    "table, word",
    [
        ({"siaga_1": 2.0, "siaga_2": 3.0}, "siaga_1"),
        ({"dry_level": 5.0, "mount_level": 4.0}, "dry_level"),
        ({"limits": {"water_lvl": {}}}, "water_lvl"),
        ({"limits": {"water_level": {"fail": [2.0, 1.0]}}}, "least"),
        ({"limits": {"water_level": {"off": ["spikes"]}}}, "off"),
        ({"siaga1": 2.0}, "siaga1"),
    ],
)
def test_settings_that_cannot_be_are_named(table, word):
    with pytest.raises(ValidationError, match=word):
        FloodSite.model_validate(table)

"""The depth filters: what each refuses, that each can be switched off, and that a flood passes them all."""

from __future__ import annotations

import pytest

from built import T0_S
from pantau.quality.site import FilterTable, FloodSite, LimitsTable
from quality_kit import City, Stand

DRY_MM = 3000  # distance to the ground; the sensor hangs 5 m above the datum, so the ground is at 2 m
QUIET = {
    "water_level": LimitsTable(off=["rate", "spike", "flat"]),
    "water_distance": LimitsTable(off=["flat", "site_range"]),
}


def street(*, dry=2.0, **filters):
    return City(
        Stand(
            sensor_height_m=5.0,
            flood=FloodSite(dry_level=dry, mount_level=4.9, filters=FilterTable(**filters), limits=QUIET),
        )
    )


def verdicts(city, depths_mm, step_s=60):
    """Return [(quality, reason)] of flood_depth for depths over ground in mm."""
    city.feed(water_distance=[DRY_MM - mm for mm in depths_mm], size=1, step_s=step_s)
    seen = city.of("flood_depth")
    assert [round(s.value * 1000) for s in seen] == list(depths_mm)  # a value is never changed
    return [s.reason if s.quality == 4 else "" for s in seen]


# what passed under the sensor, in mm over ground once a minute, and which reading is refused for what
CASES = {
    "floor": ([0, -120, 0, 2950, 0], {1: "floor", 3: "floor"}),
    "gradient": ([0, 0, 900, 900, 900, 950], dict.fromkeys((2, 3, 4), "gradient")),
    "blip": ([0, 0, 200, 0, 0, 0], {2: "blip"}),
    "box": ([0, 0, 120, 121, 119, 122, 0, 0], dict.fromkeys(range(2, 6), "box")),
    "short": ([0, 0, 30, 45, 0, 0], {2: "short", 3: "short"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_each_filter_refuses(name):
    depths, refused = CASES[name]
    assert verdicts(street(), depths) == [refused.get(i, "") for i in range(len(depths))]


@pytest.mark.parametrize("name", CASES)
def test_each_can_be_switched_off_and_is_then_not_told(name):
    depths, _ = CASES[name]
    city = street(**{name: False})
    assert name not in verdicts(city, depths)
    assert all(f"{name}=" not in seen.tests for seen in city.of("flood_depth"))
    assert all(f"{name}=" in seen.tests for seen in city_on(depths).of("flood_depth"))


def city_on(depths):
    city = street()
    verdicts(city, depths)
    return city


def test_the_order_of_filters_decides_the_reason():
    # 600 mm for one minute: too steep, a blip and short at once; the first that refuses is named
    assert verdicts(street(), [0, 0, 600, 0, 0])[2] == "gradient"
    assert verdicts(street(gradient=False), [0, 0, 600, 0, 0])[2] == "blip"
    assert verdicts(street(gradient=False, blip=False), [0, 0, 600, 0, 0])[2] == "short"


def test_a_flash_flood_passes():
    """Three feet in twenty minutes (FloodNet, Ida), and the water going down again."""
    rise = [round(915 * i / 20) for i in range(21)]
    depths = [0, 0, 2, 1, *rise[1:], *reversed(rise), 0, 3]
    assert set(verdicts(street(), depths)) == {""}


def test_the_noise_floor_counts_as_dry():
    assert set(verdicts(street(), [0, 9, 0, 7, 8, 0])) == {""}
    assert "short" in verdicts(street(floor_m=0.002), [0, 9, 0, 7, 8, 0])


def test_a_jump_that_stays_is_accepted_in_the_end():
    """Gradient compares with the last good reading, so what it refuses cannot lock the series out."""
    found = verdicts(street(box=False), [0, 0, *[1000 + 20 * (i % 2) for i in range(8)]])
    assert found[2:] == ["gradient"] * 4 + [""] * 4


def test_a_gap_ends_what_the_filters_know():
    city = street()
    city.feed(water_distance=[DRY_MM, DRY_MM, DRY_MM - 120], size=3)
    city.feed(water_distance=[DRY_MM - 121, DRY_MM - 121], size=2, start_s=T0_S + 7200)
    assert [s.quality for s in city.of("flood_depth")] == [1] * 5


def test_a_river_has_gradient_and_blip_only():
    city = City(Stand(sensor_height_m=8.0, flood=FloodSite(limits=QUIET)))
    city.feed(water_distance=[5000, 5000, 4800, 5000, 5000, 3000, 5000], size=1)
    seen = city.of("water_level")
    assert [s.reason for s in seen] == ["ok", "ok", "blip", "ok", "ok", "gradient", "ok"]
    assert "box=" not in seen[0].tests and not city.of("flood_depth")

"""Traffic: smp per hour by PKJI, saturation and level of service, limits per lane, idle roads, on-times of two loops."""

from __future__ import annotations

import pytest

from built import T0_S
from pantau.quality import pkji
from pantau.quality.site import Mix, RoadSite
from pantau_wire import frame
from pantau_wire import names as T
from quality_kit import City, Stand

QUARTER = T0_S // 900 * 900 + 900


def road(**given):
    return City(Stand("jalan", road=RoadSite(**given)))


def classes(motorcycle, light, heavy, n=16):
    return {
        "vehicle_count_motorcycle": [motorcycle] * n, "vehicle_count_light": [light] * n,
        "vehicle_count_heavy": [heavy] * n, "vehicle_count": [motorcycle + light + heavy] * n,
    }  # fmt: skip


@pytest.mark.parametrize(
    "road, width, flow, lanes, expected",
    [
        ("2/2-TT", 5.5, 1799, 2, (0.50, 1.3)), ("2/2-TT", 5.5, 1800, 2, (0.35, 1.2)), ("2/2-TT", 7, 1799, 2, (0.40, 1.3)),
        ("2/2-TT", None, 1800, 2, (0.25, 1.2)), ("4/2-T", None, 2099, 2, (0.40, 1.3)), ("4/2-T", None, 2100, 2, (0.25, 1.2)),
        ("6/2-T", 5, 3299, 3, (0.40, 1.3)), ("6/2-T", None, 3300, 3, (0.25, 1.2)),
    ],
)  # fmt: skip
def test_equivalents(road, width, flow, lanes, expected):
    assert pkji.equivalents(road, width, flow, lanes) == expected


def test_levels_of_service():
    assert [pkji.service(s) for s in (0, 0.19, 0.191, 0.44, 0.69, 0.84, 1.0, 1.01)] == [1, 1, 2, 2, 3, 4, 5, 6]


def test_a_quarter_in_smp_with_saturation_and_level():
    city = road(road="4/2-T", lanes=2, capacity_smp_h=3000)
    city.feed(**classes(20, 10, 1), start_s=QUARTER + 60)
    told = {
        name: [(s.index, s.value) for s in city.of(name)]
        for name in ("traffic_flow", "degree_of_saturation", "level_of_service")
    }
    flow = (20 * 0.40 + 10 + 1.3) * 60  # 1860 vehicles/h on two lanes: below 1050 a lane
    assert told["traffic_flow"] == [(0, round(flow))] and told["degree_of_saturation"] == [(0, round(flow / 3000, 3))]
    assert told["level_of_service"] == [(0, 2)]


def test_no_capacity_no_level_no_road_no_smp_and_no_class_no_guess():
    bare = road(road="4/2-T")
    bare.feed(**classes(20, 10, 1), start_s=QUARTER + 60)
    assert bare.of("traffic_flow") and not bare.of("level_of_service")
    unknown = road(capacity_smp_h=3000)
    unknown.feed(**classes(20, 10, 1), start_s=QUARTER + 60)
    assert not unknown.of("traffic_flow")
    radar = {"vehicle_count_approaching": [10] * 16, "vehicle_count_receding": [20] * 16}
    blind = road(road="4/2-T")
    blind.feed(**radar, start_s=QUARTER + 60)
    assert not blind.of("traffic_flow")
    mixed = road(road="4/2-T", direction="receding", mix=Mix(motorcycle=0.5, light=0.5, heavy=0.0))
    mixed.feed(**radar, start_s=QUARTER + 60)
    assert [s.value for s in mixed.of("traffic_flow")] == [(10 * 0.25 + 10) * 60]


def test_a_quarter_with_holes_is_none():
    city = road(road="4/2-T")
    city.feed(**classes(20, 10, 1, n=10), start_s=QUARTER + 60)
    city.feed(**classes(20, 10, 1, n=2), start_s=QUARTER + 960)
    assert not city.of("traffic_flow")


def test_more_vehicles_than_a_lane_can_carry():
    city = road(lanes=2)
    city.feed(vehicle_count=[80, 81, 121], size=3)
    assert city.flags("vehicle_count", "lane_flow") == [1, 3, 4]


def test_an_empty_road_by_day_is_suspect_after_two_hours_and_by_night_is_not():
    for hour, expected in ((10, [1] * 121 + [3] * 9), (23, [1] * 130)):
        city = road()
        start = T0_S // 86_400 * 86_400 + 86_400 + (hour - 7) * 3600
        city.feed(vehicle_count=[1] + [0] * 129, start_s=start)
        assert city.flags("vehicle_count", "idle") == expected


def loops(occupancy, speed=400, *, spread=0, n=12):
    """Return the last flag of two loops: 10 vehicles a minute at 40 km/h; `spread` of 10 records say that on-times differed."""
    city = road()
    marks = [frame.quality(T.R_SPREAD) if i % 10 < spread else 0 for i in range(n)]
    columns = classes(5, 4, 1, n) | {
        "vehicle_speed_mean": [speed + i % 3 for i in range(n)],
        "occupancy": [occupancy] * n,
    }
    city.feed(**columns, codes={"vehicle_speed_mean": marks}, size=n)
    assert city.flags("occupancy", "on_time") == city.flags("vehicle_speed_mean", "on_time")
    return city.flags("occupancy", "on_time")[-1]


def test_two_loops_must_give_vehicles_of_possible_length():
    assert loops(60) == 1  # 0.36 s a vehicle at 11 m/s: 4 m
    assert loops(10) == 3  # 0.7 m
    assert loops(500) == 3  # 33 m
    assert loops(500, speed=100) == 1  # a queue, not free flow
    assert loops(60, spread=4) == 3 and loops(60, spread=1) == 1  # what the node says of single vehicles

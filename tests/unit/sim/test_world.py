"""The world: the same for the same seed, smooth, within what the city knows, and on paper."""

import json

import pytest

from pantau_sim.world import World
from pantau_sim.world.record import TruthRecorder

T = 1795492901.0
NAMES = ("water_level", "rain_rate", "air_temperature", "relative_humidity", "air_pressure", "pm1", "pm2_5", "pm10")


def test_the_same_seed_is_the_same_world_whatever_was_asked_before():
    a, b = World(5), World(5)
    b.truth("elsewhere", "rain_accumulated", T + 1e7)
    b.interval("s", "pulse_count", T + 5e5, T + 5e5 + 60)
    for name in NAMES:
        assert a.truth("s", name, T) == b.truth("s", name, T)
    assert a.station("s").passes(T, T + 600) == b.station("s").passes(T, T + 600)
    assert World(6).truth("s", "water_level", T) != a.truth("s", "water_level", T)


def test_a_year_is_within_what_the_city_knows():
    world = World(3)
    hours = [T + h * 3600 for h in range(0, 8760, 101)]
    for name, low, high in (
        ("air_temperature", 20, 36), ("relative_humidity", 35, 99), ("air_pressure", 1004, 1014),
        ("no2", 4, 60), ("o3", 2, 60), ("so2", 2, 15), ("co", 250, 3000), ("co2", 425, 500), ("voc", 1, 12), ("nox", 1, 15),
        ("pm2_5", 1, 150), ("rain_rate", 0, 130), ("water_level", 0, 3.5), ("water_distance", 0.03, 3.5),
    ):  # fmt: skip
        values = [world.truth("s", name, t) for t in hours]
        assert low <= min(values) and max(values) <= high, name
    year_mm = world.truth("s", "rain_accumulated", T + 365 * 86400) - world.truth("s", "rain_accumulated", T)
    assert 1000 < year_mm < 4500  # Tangerang: some 1,800 mm


def test_ozone_is_the_suns_and_the_other_gases_are_the_traffics():
    station = World(3).station("s")
    midnight = T - (T + 7 * 3600) % 86400  # local

    def day(name, hour):
        return sum(station(name, midnight + 86400 * k + 3600 * hour) for k in range(12)) / 12

    assert day("o3", 13) > 3 * day("o3", 7) and day("o3", 13) > 3 * day("o3", 1)
    for name in ("no2", "so2", "co", "co2"):
        assert day(name, 7) > day(name, 13)


def test_haze_is_smoke_over_the_whole_city_and_rain_washes_it_out():
    clean, world = World(3), World(3)
    world.haze(T, 200, 3600)
    for station in ("s", "elsewhere"):
        for t, smoke in ((T, 200), (T + 3600, 84), (T - 86400, 0)):

            def more(name, t=t, station=station):
                return world.truth(station, name, t) - clean.truth(station, name, t)

            assert more("pm2_5") == pytest.approx(smoke, abs=0.05) and more("pm10") == pytest.approx(
                1.35 * smoke, abs=0.1
            )
            assert more("co") == pytest.approx(14 * smoke, abs=1) and more("no2") == 0
            assert (more("voc") > 1) == (smoke > 0)
    washed = World(3)
    washed.haze(T, 200, 3600)
    washed.storm(T, 50, 600)
    for station in ("s", "elsewhere"):  # by T half of the shower's 17 mm have fallen
        assert 0.55 < washed.truth(station, "pm2_5", T) / world.truth(station, "pm2_5", T) < 0.8
        assert washed.truth(station, "pm2_5", T + 1800) < 0.75 * world.truth(station, "pm2_5", T + 1800)
        day_after = washed.truth(station, "pm2_5", T + 86400)
        assert day_after == pytest.approx(world.truth(station, "pm2_5", T + 86400), rel=1e-3)


def test_the_float_is_wet_in_a_flood_and_not_at_high_tide():
    world = World(6)
    s = world.station("river")
    dry = [
        s("water_contact", T + 3600 * h)
        for h in range(24 * 30)
        if s("rain_accumulated", T + 3600 * h) == s("rain_accumulated", T + 3600 * h - 86400)
    ]
    assert len(dry) > 100 and not any(dry)
    world.storm(T, 100, 3000)
    for k in range(0, 36000, 60):
        t = T + k
        assert s("water_contact", t) == (s("water_distance", t) <= s.water.mount_m - s.water.float_m)
        assert s("water_depth", t) == s("water_level", t)
    assert any(s("water_contact", T + k) for k in range(0, 36000, 60))


def test_people_come_by_day():
    s = World(3).station("s")
    midnight = T - (T + 7 * 3600) % 86400  # local
    counts = [[s("people", midnight + 86400 * day + 3600 * hour + 60) for day in range(200)] for hour in (3, 15)]
    assert {0.0, 1.0, 2.0, 3.0} == set(counts[1])
    assert sum(counts[1]) > 8 * sum(counts[0])


def test_rain_accumulates_as_its_rate_says():
    world = World(3)
    world.storm(T, 60, 300)
    share = world.station("s").rain_share
    total = 0.0
    for k in range(-3000, 3000):
        total += world.truth("s", "rain_rate", T + k) / 3600
    fallen = world.truth("s", "rain_accumulated", T + 3000) - world.truth("s", "rain_accumulated", T - 3000)
    assert fallen == pytest.approx(total, rel=0.001)
    assert fallen >= share * 9.9
    assert world.truth("s", "water_level", T + 2000) > world.truth("s", "water_level", T - 2000)


def test_traffic_intervals_add_up():
    world = World(2)
    station = world.station("s")
    hour = station.passes(T, T + 3600)
    counts = [world.interval("s", f"vehicle_count_{way}", T, T + 3600) for way in ("approaching", "receding")]
    assert sum(counts) == len(hour) == world.interval("s", "pulse_count", T, T + 3600)
    assert abs(len(hour) - station.traffic.flow_veh_h(T + 1800)) < 0.25 * len(hour)
    assert hour == [p for k in range(60) for p in station.passes(T + 60 * k, T + 60 * k + 60)]
    motorcycles = sum(1 for p in hour if p[4] == 2.0) / len(hour)
    assert 0.6 < motorcycles < 0.8
    assert world.interval("s", "vehicle_speed_mean", T, T) is None
    bins = [world.interval("s", f"vehicle_speed_bin_{k}", T, T + 3600) for k in range(1, 9)]
    assert sum(bins) == len(hour) == world.interval("s", "vehicle_count", T, T + 3600)
    assert bins[1] == sum(1 for p in hour if 20 <= p[2] < 30) and bins[7] == sum(1 for p in hour if p[2] >= 80)
    kinds = [world.interval("s", f"vehicle_count_{k}", T, T + 3600) for k in ("motorcycle", "light", "heavy")]
    assert kinds == [sum(1 for p in hour if p[4] == length) for length in (2.0, 4.5, 9.0)]
    assert (
        world.interval("s", "vehicle_speed_85", T, T + 3600)
        == sorted(p[2] for p in hour)[-(-85 * len(hour) // 100) - 1]
    )


def test_unknown_truth_is_named():
    with pytest.raises(KeyError, match="no truth 'lvl'"):
        World(1).truth("s", "lvl", T)


def test_truth_is_recorded(tmp_path):
    with TruthRecorder(tmp_path / "truth.jsonl") as recorder:
        recorder.record("s", "rain_tips", T, 3, since_s=T - 60)
        recorder.record_all([("s", "water_level", T, 0.5)])
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert lines[0]["since"] == T - 60 and lines[1]["value"] == 0.5

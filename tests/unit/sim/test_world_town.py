"""Traffic, air, weather and supply of a planned city: what follows from what."""

from itertools import pairwise

import pytest

from pantau_sim.world import Haze, Shower, Site, World, WorldPlan
from pantau_sim.world.sun import clear_sky_w_m2

T = 1793062800.0  # Tuesday, 27 October 2026, 08:00 in Tangerang
HOUR, DAY = 3600.0, 86400.0
HERE = (-6.18, 106.63)


def town(
    seed: int, *sites: Site, showers: tuple[Shower, ...] = (), hazes: tuple[Haze, ...] = (), days: int = 10
) -> World:
    return World(seed, WorldPlan(T - 8 * HOUR, T + days * DAY, sites, showers=showers, hazes=hazes))


def road(name: str = "road", **more: float) -> Site:
    return Site(name, "road", *HERE, **more)


def share_of_motorcycles(passes: list) -> float:
    return sum(1 for vehicle in passes if vehicle[4] == 2.0) / len(passes)


def mean_speed(passes: list) -> float:
    return sum(vehicle[2] for vehicle in passes) / len(passes)


def test_a_lane_keeps_its_least_headway_and_the_road_its_flow():
    station = town(2, road(flow_veh_h=2000, lanes=4)).station("road")
    passes = station.passes(T - HOUR, T + HOUR)
    assert len(passes) == pytest.approx(
        sum(station.traffic.flow_veh_h(T + 60 * k) for k in range(-60, 60)) / 60, rel=0.06
    )
    assert share_of_motorcycles(passes) == pytest.approx(0.70, abs=0.03)
    lanes = {round((side - 2.5) / 3.0) for _, _, _, side, _ in passes}
    assert lanes == {0, 1, 2, 3} and passes == sorted(passes)
    for lane in lanes:
        mine = [v for v in passes if round((v[3] - 2.5) / 3.0) == lane]
        assert {v[1] for v in mine} == {lane >= 2}
        assert min(b[0] - a[0] for a, b in pairwise(mine)) > 1.19
    one_way = town(2, road(lanes=1)).station("road").passes(T - HOUR, T + HOUR)
    assert len(one_way) > 1000 and all(v[1] for v in one_way)


def test_a_signal_upstream_makes_platoons():
    def busiest(signal_s: float) -> float:
        """Share of an hour's vehicles in the fullest 45 % of a cycle of 90 s."""
        passes = town(4, road(signal_s=signal_s)).station("road").passes(T - HOUR, T + HOUR)
        phases = [v[0] % 90 for v in passes]
        return max(sum(1 for p in phases if (p - k) % 90 < 40.5) for k in range(0, 90, 5)) / len(phases)

    assert 0.70 < busiest(90) < 0.85 and busiest(0) < 0.52


def test_congestion_slows_everybody_and_goes_in_waves():
    free, full = (town(2, road(flow_veh_h=flow)).station("road") for flow in (900, 5200))
    assert mean_speed(free.passes(T - HOUR, T + HOUR)) > 34
    assert mean_speed(full.passes(T - HOUR, T + HOUR)) < 20
    speeds = [full.interval("vehicle_speed_mean", T + 60 * k, T + 60 * k + 60) for k in range(-40, 40)]
    assert max(speeds) > 2 * min(speeds) and min(speeds) >= 3
    assert len(full.passes(T - HOUR, T)) < 2 * 2400
    assert mean_speed(full.passes(T - 5 * HOUR, T - 4 * HOUR)) > 34, "at night nobody is in the way"


def test_rain_thins_out_the_motorcycles_and_water_stops_all():
    sites = road(flow_veh_h=2400, area_ha=2.0), road("low", flow_veh_h=2400, base_m=0.0, area_ha=12.0)
    dry = town(2, *sites).station("road").passes(T, T + 1800)
    world = town(2, *sites, showers=(Shower(T + 600, 110, 2400),))
    wet = world.station("road").passes(T, T + 1800)
    assert len(wet) < 0.9 * len(dry) and mean_speed(wet) < 0.9 * mean_speed(dry)
    assert share_of_motorcycles(wet) < share_of_motorcycles(dry) - 0.05
    low = world.station("low")
    deep = next(t for t in range(int(T), int(T) + 7200, 60) if low("flood_depth", t) > 0.52)
    assert low.passes(deep, deep + 600) == [], "no car goes through half a metre of water"
    assert low.passes(T + 8 * HOUR, T + 9 * HOUR), "and it is over with the water"


def test_sundays_have_no_rush_hour():
    station = town(2, road()).station("road")
    sunday = T + 5 * DAY
    assert len(station.passes(sunday - HOUR, sunday)) < 0.75 * len(station.passes(T - HOUR, T))
    assert len(station.passes(sunday + 3 * HOUR, sunday + 4 * HOUR)) > len(station.passes(sunday - HOUR, sunday))


def test_the_kerb_has_more_of_what_traffic_gives_and_rain_washes_the_air():
    sites = Site("kerb", "roadside", *HERE, flow_veh_h=2000), Site("park", "background", *HERE)
    world = town(3, *sites, showers=(Shower(T + 2 * HOUR, 60, 1800),))
    for name, rush, night in (("pm2_5", 8, 4), ("no2", 10, 5), ("co", 400, 200), ("o3", -1, 0)):
        more = [world.truth("kerb", name, at) - world.truth("park", name, at) for at in (T, T - 5 * HOUR)]
        assert (more[0] > rush and more[1] < night) if rush > 0 else more[0] < rush, (name, more)
    dry = town(3, *sites)
    at = T + 3 * HOUR
    assert world.truth("park", "pm2_5", at) < 0.4 * dry.truth("park", "pm2_5", at), "60 mm have fallen"
    assert world.truth("park", "pm10", at) == pytest.approx(1.35 * world.truth("park", "pm2_5", at), abs=1e-5)
    back = [world.truth("park", "pm2_5", at + h * HOUR) / dry.truth("park", "pm2_5", at + h * HOUR) for h in range(8)]
    assert back == sorted(back) and back[-1] > 0.95
    month = dry.series("park", "pm2_5", T, T + 10 * DAY, 1800)
    assert 25 < month.mean() < 47, "around the 35 of its site"
    hazy = town(3, *sites, hazes=(Haze(T, 200, 7200),))
    assert hazy.truth("park", "pm2_5", T) - dry.truth("park", "pm2_5", T) == pytest.approx(200, abs=1e-4)


def test_a_box_is_warm_and_dry_by_day_and_holds_the_same_vapour():
    sites = Site("sun", "street", *HERE, box="sunny"), Site("shade", "street", *HERE)
    world = town(3, *sites)
    for hour, least, most in ((5, 3.0, 10.0), (-5, 0.79, 0.81)):  # 13 h and 3 h local time
        at = T + hour * HOUR
        warmer = world.truth("sun", "box_temperature", at) - world.truth("sun", "air_temperature", at)
        assert least < warmer < most
        assert world.truth("sun", "box_humidity", at) < world.truth("sun", "relative_humidity", at) * 0.96
        assert world.truth("shade", "box_temperature", at) <= world.truth("sun", "box_temperature", at) + 1e-9
    noon = T + 4 * HOUR
    boxed, outside = world.truth("sun", "box_temperature", noon), world.truth("sun", "air_temperature", noon)
    vapour = (
        6.112
        * 2.718281828459045 ** (17.62 * outside / (243.12 + outside))
        * world.truth("sun", "relative_humidity", noon)
    )
    inside = 6.112 * 2.718281828459045 ** (17.62 * boxed / (243.12 + boxed)) * world.truth("sun", "box_humidity", noon)
    assert inside == pytest.approx(vapour, rel=1e-4)


def test_the_sun_stands_highest_at_noon_and_not_at_night():
    noon = max(range(-8, 16), key=lambda h: clear_sky_w_m2(T + HOUR * h))
    assert noon == 4 and 950 < clear_sky_w_m2(T + 4 * HOUR) < 1050
    june = T - 128 * DAY  # near the northern solstice the sun is further away from Tangerang's zenith
    assert clear_sky_w_m2(june + 4 * HOUR) < clear_sky_w_m2(T + 4 * HOUR)
    world = town(3, Site("s", "street", *HERE), showers=(Shower(T + 4 * HOUR, 40, 1800),))
    assert world.truth("s", "solar_irradiance", T - 6 * HOUR) == 0
    assert world.truth("s", "solar_irradiance", T + 4 * HOUR) < 0.4 * clear_sky_w_m2(T + 4 * HOUR)
    assert (
        world.truth("s", "air_temperature", T + 4 * HOUR)
        < town(3, Site("s", "street", *HERE)).truth("s", "air_temperature", T + 4 * HOUR) - 1.5
    )


def test_a_battery_lives_by_the_sun_and_is_never_below_empty():
    sizes = {"none": 0.0, "tiny": 0.5, "usual": 20.0}
    world = town(3, *(Site(name, "road", *HERE, panel_w=w) for name, w in sizes.items()))
    tiny, usual = (world.series(name, "battery_mv", T - 60 * HOUR, T + 10 * DAY, 1800) for name in ("tiny", "usual"))
    assert world.truth("none", "battery_mv", T) == 12000
    assert tiny.min() == 3000.0 and 3600 < usual.min() < usual.max() <= 4180
    assert usual[-48:].max() == 4180 and (usual[1:] - usual[:-1]).max() < 120
    dawn, dusk = (world.truth("usual", "battery_mv", T + DAY + h * HOUR) for h in (-2.5, 9))
    assert dawn < dusk

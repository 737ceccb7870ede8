"""The world's numbers: the same on every machine and in every order of questions, and worked out once."""

import json
import math
import zlib
from itertools import pairwise

import pytest

from pantau_sim.world import Haze, Shower, Site, World, WorldPlan, exact
from pantau_sim.world.grid import Chain, Table
from pantau_sim.world.noise import Wander
from pantau_sim.world.plan import River
from pantau_sim.world.stretches import stretches

T = 1793102400.0
HOUR = 3600.0
PLAN = WorldPlan(
    T, T + 24 * HOUR,
    (
        Site("post", "river", -6.16, 106.63, 8.0, "r", 20, tide_m=0.2), Site("ditch", "canal", -6.17, 106.64),
        Site("low", "street", -6.18, 106.62, base_m=0.0, panel_w=5.0, box="sunny"), Site("road", "road", -6.18, 106.63, lanes=3),
    ),
    (River("r", -6.5, 106.7, 400),), (Shower(T + 6 * HOUR, 60, 1500, -6.18, 106.63, 6, 2.0, -1.0), Shower(T + 7 * HOUR, 20, 3000)),
    (Haze(T + 12 * HOUR, 80, 7200),), seeded_rain=True,
)  # fmt: skip
NAMES = (
    "water_level", "water_depth", "flood_depth", "water_distance", "water_contact", "rain_rate", "rain_accumulated", "air_temperature",
    "relative_humidity", "air_pressure", "solar_irradiance", "box_temperature", "box_humidity", "battery_mv", "people",
    "pm1", "pm2_5", "pm10", "particles_0_3", "no2", "o3", "so2", "co", "co2", "voc", "nox",
)  # fmt: skip
# Of all that is asked below. A machine, a Python or an order of questions that gives another number has another world; after a change of a
# model, put the number here that the test says.
DIGEST = 1509965349


def answers(world: World, instants: list[float]) -> dict[tuple[str, str, float], object]:
    """Every property of every station at every instant, and the vehicles of a minute after it."""
    out: dict[tuple[str, str, float], object] = {}
    for t in instants:
        for site in PLAN.sites:
            out[site.id, "passes", t] = world.station(site.id).passes(t, t + 60)
            for name in NAMES:
                out[site.id, name, t] = world.truth(site.id, name, t)
    return out


def test_every_machine_has_the_same_world_in_whatever_order_it_is_asked():
    instants = [T + 6543.987 * k for k in range(-1, 13)]
    forth, back = answers(World(7, PLAN), instants), answers(World(7, PLAN), instants[::-1])
    assert forth == back
    digest = zlib.crc32(json.dumps([[*key, forth[key]] for key in sorted(forth)]).encode())
    assert digest == DIGEST
    other = answers(World(8, PLAN), instants[:2])
    assert sum(forth[key] != other[key] for key in other) > 0.5 * len(other)


def test_a_shower_that_is_added_late_is_a_shower_that_was_always_there():
    early, late = World(5, PLAN), World(5, PLAN)
    before = answers(late, [T + 3 * HOUR])
    for world in (early, late):
        world.storm(T + 3 * HOUR, 70, 1200)
        world.haze(T + 3 * HOUR, 90, 1200)
    after = answers(late, [T + 3 * HOUR])
    assert after == answers(early, [T + 3 * HOUR])
    for name in ("rain_rate", "pm2_5", "water_level", "air_temperature", "solar_irradiance"):
        assert name == "solar_irradiance" or after["low", name, T + 3 * HOUR] != before["low", name, T + 3 * HOUR]


def test_a_value_is_worked_out_once_however_often_it_is_asked():
    asked = []

    def make(start_s: float, step_s: float, count: int) -> list[float]:
        asked.append((start_s, count))
        return [start_s + k * step_s for k in range(count)]

    table = Table(make)
    for k in range(5000):
        assert table.at(T + 0.7 * k) == pytest.approx(T + 0.7 * k, abs=1e-6)
    assert asked == [(T, 61)] and table.made == 61
    for hours in range(200):
        table.at(T + HOUR * hours)
    assert table.at(T + 1) == pytest.approx(T + 1, abs=1e-6) and len(asked) == 201, (
        "and forgotten only when it is long past"
    )
    station = World(3, PLAN).station("low")
    for k in range(0, 86400, 10):
        station("water_distance", T + k)
        station("rain_accumulated", T + k)
    assert station.water.level.made <= 25 * 361 and station.rain.accumulated.made <= 80 * 361
    assert station.rain.rate.made == 0 == station._grids["pm2_5"].made, "nobody asked"


def test_a_chain_remembers_and_stands_still_before_it_begins():
    blocks = []

    def advance(state: int, start_s: float, step_s: float, count: int) -> tuple[list[float], int]:
        blocks.append((state, start_s))
        return [float(state + k + 1) for k in range(count)], state + count

    chain = Chain(T, 0.0, 0, advance, 60.0, 10)
    assert chain.at(T + 1830) == 30.5 and blocks == [(0, T), (10, T + 600), (20, T + 1200), (30, T + 1800)]
    assert chain.at(T + 90) == 1.5 and chain.at(T - 5000) == 0.0 == chain.at(T) and len(blocks) == 4
    assert chain.at(T + 600) == 10.0 == pytest.approx(chain.at(T + 600 - 1e-5), abs=1e-6)
    with pytest.raises(ValueError, match="after the world began"):
        chain.at(T + 600 * 86400)


def test_exact_functions_are_the_usual_ones():
    for k in range(-4000, 4001):
        x = k / 173
        assert exact.exp(x) == pytest.approx(math.exp(x), rel=4e-15)
        assert exact.tanh(x) == pytest.approx(math.tanh(x), rel=2e-13, abs=1e-16)
        assert exact.sech2(x) == pytest.approx(1 / math.cosh(x) ** 2, rel=2e-14)
        assert exact.sin_turn(x) == pytest.approx(math.sin(2 * math.pi * math.remainder(x, 1)), abs=4e-15)
        assert exact.cos_turn(x) == pytest.approx(math.cos(2 * math.pi * math.remainder(x, 1)), abs=4e-15)
        if k > 0:
            assert exact.log(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-15)
            assert exact.power(x, 0.6) == pytest.approx(x**0.6, rel=1e-14)
    assert exact.exp(-800) == 0 == exact.power(0.0, 0.6) and exact.bell(2.0) == exact.exp(-4.0)
    with pytest.raises(OverflowError):
        exact.exp(701)


def test_what_wanders_is_smooth_and_stays_near_home():
    wander = Wander(600, 3, 4)
    values = [wander.at(T + 10 * k) for k in range(60_000)]
    assert -1 <= min(values) < -0.9 and 0.9 < max(values) <= 1 and abs(math.fsum(values) / len(values)) < 0.05
    assert max(abs(b - a) for a, b in pairwise(values)) < 0.06


def test_stretches_begin_at_the_second_and_end_below_the_hysteresis():
    ramp = [(0, 0.0), (100, 1.0), (200, 0.6), (300, 1.0), (400, 0.0), (500, 2.0)]

    def value(t: float) -> float:
        (t0, v0), (t1, v1) = next(pair for pair in pairwise(ramp) if t <= pair[1][0])
        return v0 + (v1 - v0) * (t - t0) / (t1 - t0)

    assert stretches(value, 0.75, 0.75, (0, 500), 10) == [(75, 163), (238, 325), (438, 500)]
    assert stretches(value, 0.75, 0.5, (0, 500), 10) == [(75, 350), (438, 500)]
    assert stretches(value, 0.75, 0.5, (90, 200), 7) == [(90, 200)] and stretches(value, 2.5, 2.5, (0, 500), 10) == []


def test_series_and_crossings_are_the_truth_at_instants():
    world = World(7, PLAN)
    levels = world.series("low", "water_level", T, T + 12 * HOUR, 60)
    assert len(levels) == 721 and levels[421] == world.truth("low", "water_level", T + 421 * 60)
    ((begin, end),) = world.crossings("low", "water_level", 0.05, T, T + 24 * HOUR, 0.02)
    assert world.truth("low", "water_level", begin - 1) < 0.05 <= world.truth("low", "water_level", begin)
    assert world.truth("low", "water_level", end) < 0.03 <= world.truth("low", "water_level", end - 1)
    counts = world.series("road", "vehicle_count", T + 60, T + HOUR, 60)
    assert counts.sum() == world.interval("road", "vehicle_count", T, T + HOUR) and len(counts) == 60
    assert math.isnan(world.series("road", "vehicle_speed_mean", T + 8 * HOUR, T + 9 * HOUR, 1).max())


def test_places_that_the_plan_does_not_have_are_named():
    world = World(1, PLAN)
    with pytest.raises(KeyError, match="no station 'raod': did you mean 'road'"):
        world.truth("raod", "pm2_5", T)
    lost = World(1, WorldPlan(T, T + 1, (Site("post", "river", 0, 0, river="cisdane"),)))
    with pytest.raises(KeyError, match="no river 'cisdane'"):
        lost.station("post")
    with pytest.raises(ValueError, match="of no river"):
        World(1, WorldPlan(T, T + 1, (Site("post", "mouth", 0, 0),))).station("post")


def test_it_has_rained_before_the_epoch_of_accumulation_too():
    start = T - 6 * 365 * 86400
    world = World(2, WorldPlan(start, start + 90 * 86400, (Site("s", "street", -6.18, 106.63),), seeded_rain=True))
    assert 50 < world.truth("s", "rain_accumulated", start + 90 * 86400) < 1500

"""The city that a seed makes for the score: where its stations stand, when it rains, what sits under the sensors, what breaks.

Flood stations for five days, traffic stations for one. A mains flood node samples every minute and sends each record as it
comes; its own alarm stands at the station's first level, so that in an event it samples every ten seconds.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_sim.ailments import mix
from pantau_sim.scenario.make import make
from pantau_sim.scenario.tables import Expect, Fault, Head, PlaceTable, Profile, RiverTable, Scenario, ShowerTable
from pantau_sim.score.truth import events, level_of
from pantau_sim.sensors.base import Prng
from pantau_sim.world import World

if TYPE_CHECKING:
    from pantau_sim.scenario.plan import ScenarioPlan, Span

RATIO = 10.0  # false flood points for each true one (facts/sensors.md 0)
LINK_DOWN = 0.2  # of the time
SAMPLE_S = 20  # between readings in an event: three of four that agree take 40 s at least
CALM_H = 1.0
PAIR = "dual-pulse"  # of the traffic stations, the one with two loops
_START = datetime(2028, 1, 11, 17, 0, tzinfo=UTC)  # midnight in Tangerang before a Wednesday of the rainy season
_PLACES = ((-6.215, 106.690), (-6.190, 106.676), (-6.172, 106.598), (-6.202, 106.576))
_OUTAGE_MIN = (10.0, 50.0)


class Size(NamedTuple):
    """How much of a city: days of its flood stations and hours of its traffic stations; 0: none."""

    flood_days: float = 5.0
    streets: int = 4
    storms: int = 3
    traffic_h: float = 24.0


WHOLE = Size()


def flood(seed: int, size: Size = WHOLE) -> ScenarioPlan:
    """Return the plan of the seed's flood stations, their false floods among it."""
    rng = Prng(seed, zlib.crc32(b"score/flood"))
    stations = [_street(rng, number) for number in range(size.streets)] + [_canal(rng), _river(rng), _HEADWATERS]
    scenario = Scenario(
        scenario=_head("Score, floods", seed, 24 * size.flood_days),
        profile=Profile(),
        river=[RiverTable(name="kali", latitude=-6.30, longitude=106.70, area_km2=60, lag_h=1.5, base_m3_s=8)],
        shower=list(_storms(rng, size)),
        station=stations,
        fault=_faults(),
        expect=_EXPECT,
    )
    plan = make("score-flood", scenario, seed)
    nodes = tuple(
        replace(node, config=node.config | {"alarm": node.config["alarm"] | {"sample_s": SAMPLE_S}})
        for node in plan.nodes
    )
    return replace(plan, nodes=nodes, ailments=_false_floods(plan))


def traffic(seed: int, size: Size = WHOLE) -> ScenarioPlan:
    """Return the plan of the seed's traffic stations: a radar over two lanes, and a pair of loops in one."""
    rng = Prng(seed, zlib.crc32(b"score/traffic"))
    radar = _road("radar", rng, lanes=2, peak_veh_h=700 + 1300 * rng.unit())
    loops = _road(PAIR, rng, lanes=1, peak_veh_h=400 + 800 * rng.unit())
    scenario = Scenario(
        scenario=_head("Score, traffic", seed, size.traffic_h),
        profile=Profile(batch=5),
        station=[radar, loops],
        fault=_faults(),
        expect=_EXPECT,
    )
    plan = make("score-traffic", scenario, seed)
    nodes = tuple(
        replace(node, config=node.config | {"sensors": [_PAIR_SENSOR]}) if node.station == PAIR else node
        for node in plan.nodes
    )
    return replace(plan, nodes=nodes)


_EXPECT = [Expect(name="none-lost", check="nothing_lost")]  # a scenario has one at least; the score asks for more
_PAIR_SENSOR = {"model": "dual_pulse", "pulses": [0, 1], "distance_mm": 3660}


def _place(**tables: Any) -> PlaceTable:
    return PlaceTable.model_validate({"name": tables["id"]} | tables)


# A rain gauge in the catchment of the river: without it nobody in the city knows why the river rises.
_HEADWATERS = _place(
    id="headwaters", domain="flood", latitude=-6.30, longitude=106.70, site={"kind": "street", "area_ha": 0.1},
    node={"sensors": [{"model": "tipping_bucket"}]},
)  # fmt: skip


def _head(title: str, seed: int, hours: float) -> Head:
    about = "Made of a seed for the score: docs/score.md."
    return Head(title=title, title_id=title, about=about, start=_START, hours=hours, calm_h=CALM_H, seed=seed)


def _street(rng: Prng, number: int) -> PlaceTable:
    latitude, longitude = _PLACES[number % len(_PLACES)]
    return _place(
        id=f"street-{number + 1}",
        domain="flood",
        latitude=round(latitude + 0.01 * rng.gauss(), 5),
        longitude=round(longitude + 0.01 * rng.gauss(), 5),
        sensor_height_m=round(2.6 + 0.6 * rng.unit(), 2),
        flood={"dry_level": 0.0, "siaga_3": 0.2, "siaga_2": 0.4, "siaga_1": 0.7, "rain_fed": {}},
        site={
            "kind": "street",
            "base_m": 0.0,
            "area_ha": round(3 + 4 * rng.unit(), 1),
            "drain_mm_h": round(20 + 15 * rng.unit()),
            "blocked": round(0.4 * rng.unit(), 2),
        },
    )


def _canal(rng: Prng) -> PlaceTable:
    return _place(
        id="canal",
        domain="flood",
        latitude=-6.205,
        longitude=106.660,
        sensor_height_m=3.4,
        flood={"siaga_4": 0.46, "siaga_3": 0.9, "siaga_2": 1.3, "siaga_1": 1.7, "rain_fed": {"within_s": 7200}},
        site={"kind": "canal", "base_m": 0.4, "rise_m": round(0.7 + 0.5 * rng.unit(), 2), "tide_m": 0.05},
    )


def _river(rng: Prng) -> PlaceTable:
    return _place(
        id="river",
        domain="flood",
        latitude=-6.190,
        longitude=106.650,
        sensor_height_m=5.5,
        flood={
            "siaga_4": 0.92,
            "siaga_3": 1.8,
            "siaga_2": 2.4,
            "siaga_1": 3.0,
            "rain_fed": {"gauges": ["headwaters"], "within_s": 21_600},
        },
        site={"kind": "river", "river": "kali", "km": 8, "base_m": 0.9, "rise_m": round(1.3 + 0.4 * rng.unit(), 2)},
    )


def _road(name: str, rng: Prng, lanes: int, peak_veh_h: float) -> PlaceTable:
    return _place(
        id=name,
        domain="traffic",
        latitude=-6.164,
        longitude=106.665,
        site={"kind": "road", "lanes": lanes, "flow_veh_h": round(peak_veh_h), "signal_s": 90 if rng.below(2) else 0},
    )


def _storms(rng: Prng, size: Size) -> list[ShowerTable]:
    """Cloudbursts of an afternoon or evening, one in each part of the time; every second comes to the catchment too."""
    showers = []
    part_h = (24 * size.flood_days - 2 * CALM_H) / max(1, size.storms)
    for number in range(size.storms):
        day_h = number * part_h // 24 * 24
        at_h = (
            min(day_h + 13 + 8 * rng.unit(), (number + 1) * part_h - 3)
            if part_h >= 24
            else number * part_h + part_h / 3
        )
        latitude, longitude = _PLACES[rng.below(len(_PLACES))]
        showers.append(
            ShowerTable(
                at_h=round(at_h, 2), peak_mm_h=round(60 + 60 * rng.unit()), width_min=round(12 + 16 * rng.unit()),
                latitude=round(latitude + 0.02 * rng.gauss(), 4), longitude=round(longitude + 0.02 * rng.gauss(), 4),
                radius_km=round(6 + 4 * rng.unit(), 1), east_m_s=round(1.5 * rng.gauss(), 1),
            )
        )  # fmt: skip
        if number % 2 == 0:
            up_h, peak = max(0.0, at_h - 1), round(40 + 40 * rng.unit())
            showers.append(
                ShowerTable(
                    at_h=round(up_h, 2), peak_mm_h=peak, width_min=25, latitude=-6.30, longitude=106.70, radius_km=6
                )
            )
    return showers


def _faults() -> list[Fault]:
    """Links down a fifth of the time, each in its own; dips of the mains, and cuts of it."""
    least, most = _OUTAGE_MIN
    every_h = (least + most) / 2 / 60 / LINK_DOWN
    return [
        Fault(kind="link", every_h=every_h, for_min=[least, most]),
        Fault(kind="brown_out", every_h=36.0),
        Fault(kind="power", every_h=60.0, for_min=[3.0, 20.0]),
    ]


def watched(plan: ScenarioPlan) -> list[str]:
    """Return the stations that look at water: those with an alert threshold."""
    return [site.id for site in plan.world.sites if level_of(plan, site.id) is not None]


def _false_floods(plan: ScenarioPlan) -> tuple[Span, ...]:
    """Return the labelled mix for each station, ten points for each minute of flood that a station of this city has in the mean."""
    world = World(plan.seed, plan.world)
    stations = watched(plan)
    start_s, end_s = plan.start_us / 1e6, plan.end_us / 1e6
    minutes = sum((event.end_s - event.onset_s) / 60 for name in stations for event in events(plan, world, name))
    spans = [
        span
        for name in stations
        for span in mix(plan.seed, name, start_s, end_s, round(minutes / len(stations)), RATIO)
    ]
    return tuple(sorted(spans, key=lambda span: (span.start_us, span.kind, span.station or "")))

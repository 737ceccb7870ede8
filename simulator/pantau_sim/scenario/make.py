"""From a scenario and a seed to the plan that a run takes. Pure: the same file and seed give an equal plan on any machine."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import TYPE_CHECKING, Any

from pantau_sim.scenario import hardware, registry
from pantau_sim.scenario.places import HEIGHT_M, alarm_mm, node_ids, places, sensors, suits
from pantau_sim.scenario.plan import NodePlan, RolloutPlan, ScenarioPlan
from pantau_sim.scenario.spans import CITYWIDE, HOUR_US, expand
from pantau_sim.sensors.base import Prng
from pantau_sim.world.plan import Haze, River, Shower, Site, WorldPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.scenario.plan import Span
    from pantau_sim.scenario.tables import Ailment, Fault, PlaceTable, Profile, Rollout, Scenario

CITY = "tng"
SNTP = "ntp.city"
_MINUTE_S, _HOUR_S = 60, 3600


def make(name: str, scenario: Scenario, seed: int) -> ScenarioPlan:
    """Return the plan of a scenario that file.py has checked."""
    head = scenario.scenario
    start_us = round(head.start.timestamp()) * 1_000_000
    end_us = start_us + round(head.hours * HOUR_US)
    calm_us = end_us - round(head.calm_h * HOUR_US)
    stations = places(scenario, seed)
    nodes = tuple(_nodes(stations, scenario.profile, seed))
    return ScenarioPlan(
        name=name,
        title=head.title,
        seed=seed,
        start_us=start_us,
        calm_us=calm_us,
        end_us=end_us,
        city=CITY,
        profile=scenario.profile,
        world=world_plan(scenario, stations, start_us / 1e6, end_us / 1e6),
        registry=registry.text(stations, scenario.profile),
        nodes=nodes,
        faults=_faults(scenario.fault, stations, start_us, calm_us, seed),
        ailments=expand([(t, t.stations or _sick(t, stations)) for t in scenario.ailment], start_us, end_us, seed),
        clients=expand([(t, t.stations) for t in scenario.client], start_us, calm_us, seed),
        expect=tuple(scenario.expect),
        rollout=None if scenario.rollout is None else _rollout(scenario.rollout, nodes, start_us),
    )


def _rollout(table: Rollout, nodes: Sequence[NodePlan], start_us: int) -> RolloutPlan:
    """Return what is rolled out to whom."""
    left = sorted(nodes, key=lambda node: node.id)
    rings: list[tuple[str, ...]] = []
    for many in (table.lab, table.canary):
        chosen = [n.id for domain, count in many.items() for n in [n for n in left if n.domain == domain][:count]]
        left = [node for node in left if node.id not in chosen]
        rings.append(tuple(chosen))
    return RolloutPlan(
        at_us=start_us + round(table.at_h * HOUR_US),
        slice_us=table.slice_s * 1_000_000,
        lab=rings[0],
        canary=rings[1],
        steps=tuple(table.steps),
        soak_ms=round(table.soak_min * 60_000),
        halt_at=table.halt_at,
        flaw=table.flaw,
        domain=table.domain,
    )


def world_plan(scenario: Scenario, stations: Sequence[PlaceTable], start_s: float, end_s: float) -> WorldPlan:
    """Return what the scenario says of the physical world, in Unix s."""
    at = lambda hours: start_s + hours * _HOUR_S  # noqa: E731
    return WorldPlan(
        start_s=start_s,
        end_s=end_s,
        sites=tuple(_site(place) for place in stations),
        rivers=tuple(River(**table.model_dump()) for table in scenario.river),
        showers=tuple(
            Shower(
                centre_s=at(table.at_h),
                width_s=table.width_min * _MINUTE_S,
                **table.model_dump(exclude={"at_h", "width_min"}),
            )
            for table in scenario.shower
        ),
        hazes=tuple(Haze(at(table.at_h), table.peak_ug_m3, table.width_h * _HOUR_S) for table in scenario.haze),
        seeded_rain=scenario.scenario.seeded_rain,
    )


def _site(place: PlaceTable) -> Site:
    return Site(
        id=place.id,
        latitude=place.latitude,
        longitude=place.longitude,
        sensor_height_m=place.sensor_height_m or HEIGHT_M,
        **place.site.model_dump(),
    )


def _nodes(stations: Sequence[PlaceTable], profile: Profile, seed: int) -> list[NodePlan]:
    return [
        NodePlan(
            id=node,
            station=place.id,
            domain=place.domain,
            key=hmac.digest(b"pantau scenario %d" % seed, node.encode(), hashlib.sha256),
            config=config(place, node, profile),
            seed=Prng(seed, zlib.crc32(f"node/{node}".encode())).bits(),
        )
        for place in stations
        for node in node_ids(place)
    ]


def config(place: PlaceTable, node: str, profile: Profile) -> dict[str, Any]:
    """Return the config.json of a node: what a technician would provision, with the plain link of virtual time."""
    return {
        "node": node,
        "city": CITY,
        "profile": 1,
        "board": hardware.BOARD,
        "station": place.domain,
        "link": {"kind": "wifi", "ssid": "city", "password": "secret"},
        "broker": {
            "host": "broker",
            "port": 1883,
            "tls": False,
            "ca": "",
            "server_name": "broker",
            "lab_plain": True,
            "keepalive_s": 60,
        },
        "sampling": {
            "interval_s": place.node.interval_s or profile.interval_s,
            "batch": place.node.batch or profile.batch,
            "run_s": 0,
            "health_s": profile.health_s,
        },
        "alarm": {"distance_mm": alarm_mm(place)},
        "sensors": sensors(place),
        "time": {"sntp": SNTP},
    }


def _sick(ailment: Ailment, stations: Sequence[PlaceTable]) -> list[str]:
    return [place.id for place in stations if suits(ailment.kind, place)]


def _faults(
    tables: Sequence[Fault], stations: Sequence[PlaceTable], start_us: int, calm_us: int, seed: int
) -> tuple[Span, ...]:
    """Return every fault with its instants; what breaks at a station names it, what is the city's does not."""
    having = {place.id: {sensor["model"] for sensor in sensors(place)} for place in stations}
    whose: list[tuple[Fault, list[str] | None]] = []
    for table in tables:
        if table.kind in CITYWIDE:
            whose.append((table, None))
        else:
            all_of_them = [name for name, models in having.items() if table.sensor is None or table.sensor in models]
            whose.append((table, table.stations or all_of_them))
    return expand(whose, start_us, calm_us, seed)

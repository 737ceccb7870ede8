"""A small run that nobody played: hand-made frames of three stations through the real city, and a truth to compare with."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from pathlib import Path

from built import T0_S, records
from pantau.alerts.files import defaults
from pantau.alerts.store import AlertStore
from pantau.decode import Decoder
from pantau.quality.assessor import Assessor
from pantau.registry.file import read
from pantau.sinks.sqlite import CityStore
from pantau_sim.run.outcome import Outcome
from pantau_sim.scenario.plan import NodePlan, ScenarioPlan, Span
from pantau_sim.scenario.tables import Profile
from pantau_sim.world.plan import Site, WorldPlan
from pantau_wire import names as T

START_S = T0_S - T0_S % 3600
HOURS = 6
MINUTES = HOURS * 60
IDS = {row[0]: number for number, row in T.PROPERTIES.items()}
REGISTRY = """
[[station]]
id = "kali-1"
name = "Kali <Angke> $hilir$"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 4.0
tip_mm = 0.2
report_interval_s = 300
[station.flood]
siaga_3 = 1.5
siaga_2 = 2.0
siaga_1 = 9.0
[[node]]
id = "flood-01"
station = "kali-1"
[[station]]
id = "jalan-1"
name = "Jalan Daan Mogot"
domain = "traffic"
latitude = -6.2
longitude = 106.6
report_interval_s = 300
[[node]]
id = "traffic-01"
station = "jalan-1"
[[station]]
id = "udara-1"
name = "Udara Cipondoh"
domain = "air"
latitude = -6.2
longitude = 106.6
report_interval_s = 300
[[node]]
id = "air-01"
station = "udara-1"
"""


class Truth:
    """A wave in the river after a shower, rush-hour traffic, smoke."""

    def truth(self, _station, name, t_s):
        hour = (t_s - START_S) / 3600
        return {
            "water_level": 0.6 + 1.7 * math.exp(-(((hour - 2.9) / 0.9) ** 2)),
            "rain_rate": 60 * math.exp(-(((hour - 1.6) / 0.3) ** 2)),
            "pm2_5": 40 + 12 * math.sin(hour),
            "relative_humidity": 80.0,
        }[name]

    def interval(self, _station, name, t0_s, t1_s):
        hour = (t1_s - START_S) / 3600
        if name == "vehicle_count":
            return round((8 + 6 * math.sin(hour)) * (t1_s - t0_s) / 60)
        return 34.0


def _down(minute):
    return 75 <= minute < 95


def _columns(world, minutes):
    """Return by node the columns of these minutes: raw integers as a node would send them, one of them far off."""
    at = [START_S + 60 * minute for minute in minutes]
    distance = [round(1000 * (4.0 - world.truth("", "water_level", s))) + (s // 60 * 7 % 5 - 2) for s in at]
    for place, minute in enumerate(minutes):
        if minute in {40, 41, 250}:
            distance[place] -= 700
    count = [int(world.interval("", "vehicle_count", s - 60, s)) for s in at]
    return {
        "flood-01": {
            "water_distance": distance,
            "rain_tips": [round(world.truth("", "rain_rate", s) / 12) for s in at],
        },
        "traffic-01": {
            "vehicle_count_approaching": [n // 2 for n in count],
            "vehicle_count_receding": [n - n // 2 - 1 for n in count],
            "vehicle_speed_mean": [340 + s // 60 % 9 for s in at],
        },
        "air-01": {
            "pm2_5": [round(12 * world.truth("", "pm2_5", s)) + s // 60 % 7 for s in at],
            "relative_humidity": [8000 + s // 60 * 37 % 300 for s in at],
        },
    }


def _frames(world):
    """Return stored frames of five records in order of receipt: what fell into the outage came after it."""
    frames = []
    for first in range(0, MINUTES, 5):
        minutes = range(first, first + 5)
        late_s = (95 - first) * 60 if _down(first) else 2
        for node, columns in _columns(world, minutes).items():
            received_ms = (START_S + 60 * (first + 4) + (late_s if node == "flood-01" else 2)) * 1000
            frames.append((received_ms, node, first, columns))
    frames.sort(key=lambda f: f[:3])
    return [
        records(
            {IDS[name]: raws for name, raws in columns.items()},
            node=node, seq=first // 5 + 1, base_s=START_S + 60 * first, ident=ident, received_ms=received_ms,
        )
        for ident, (received_ms, node, first, columns) in enumerate(frames, 1)
    ]  # fmt: skip


def _plan():
    def us(minute):
        return (START_S + 60 * minute) * 1_000_000

    nodes = {"flood-01": ("kali-1", "flood"), "traffic-01": ("jalan-1", "traffic"), "air-01": ("udara-1", "air")}
    sites = tuple(Site(station, "river", -6.2, 106.6) for station, _ in nodes.values())
    faults = (
        Span("link", us(75), us(95), "kali-1"),
        Span("broker", us(180), us(182)),
        Span("power", us(300), us(301), "jalan-1"),
    )
    return ScenarioPlan(
        name="synthetic", title="A wave, a jam and an outage", seed=7, start_us=us(0), calm_us=us(MINUTES - 60), end_us=us(MINUTES),
        city="tng", profile=Profile(), world=WorldPlan(us(0) / 1e6, us(MINUTES) / 1e6, sites), registry=REGISTRY,
        nodes=tuple(NodePlan(node, station, domain, b"", {}, 0) for node, (station, domain) in nodes.items()),
        faults=faults, ailments=(Span("pulse_chain", us(38), us(60), "kali-1"),),
        clients=(Span("forger", us(200), us(260)),), expect=(),
    )  # fmt: skip


def outcome(folder: Path) -> Outcome:
    """Return what the real decoder, quality control, store and alerts made of it."""
    plan, world = _plan(), Truth()
    registry = read(tomllib.loads(plan.registry), Path("registry.toml"))
    store, alerts = CityStore(folder / "city.sqlite3"), AlertStore(folder / "alerts.sqlite3", defaults(), registry)
    store.use(registry)
    decoder, assessor = Decoder(registry), Assessor(registry)
    for stored in _frames(world):
        batch = [assessor.assess(decoder.decode(stored))]
        assert [v.kind for sink in (store, alerts) for v in sink.deliver(batch)] == ["stored", "stored"]
        alerts.tick(stored.received_ms)
    store.close()
    alerts.close()
    return Outcome(
        plan=plan, world=world, folder=folder, nodes={}, quarantined=Counter(), conflicts=0, faults=plan.faults, injected=Counter(),
        digest="",
    )  # fmt: skip

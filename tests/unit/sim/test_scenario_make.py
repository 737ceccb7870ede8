"""From a scenario and a seed to its plan: pure, repeatable, and what the product itself would read without a mistake."""

import itertools
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from pantau.registry import file as registry
from pantau_node import config as node_config
from pantau_sim.scenario.file import load, read, shipped
from pantau_sim.scenario.make import make

HEAD = """\
[scenario]
title = "t"
title_id = "t"
about = "a"
start = 2028-01-12T10:00:00Z
hours = 12
calm_h = 2
[[expect]]
name = "none-lost"
check = "nothing_lost"
"""
RIVER = """
[[river]]
name = "cisadane"
latitude = -6.6
longitude = 106.76
area_km2 = 850
[[station]]
id = "pintu-air-10"
name = "Pintu Air 10"
domain = "flood"
latitude = -6.16
longitude = 106.635
sensor_height_m = 8.0
neighbours = ["flood-02"]
flood = { siaga_3 = 3.3, siaga_1 = 4.9, filters = { box = false } }
[station.site]
kind = "river"
river = "cisadane"
km = 55
base_m = 2.0
[station.node]
count = 2
interval_s = 30
"""
FLEETS = """
[[station]]
id = "flood-02"
name = "Periuk"
domain = "flood"
latitude = -6.172
longitude = 106.598
sensor_height_m = 3.0
[station.site]
kind = "street"
[station.node]
sensors = [{ model = "mb7389", uart = 2 }, { model = "float_switch", pulse = 1 }]
[[fleet]]
domain = "flood"
count = 3
spread_km = 4
[fleet.site]
kind = "street"
[[fleet]]
domain = "air"
count = 20
[fleet.site]
kind = "roadside"
"""
HOUR_US = 3_600_000_000


def plan_of(text, seed=7):
    return make("mine", read(text, "my.toml"), seed)


def test_every_shipped_plan_is_one_that_the_product_takes():
    for name in shipped():
        plan = make(*load(name), 5)
        places = registry.read(tomllib.loads(plan.registry), Path("registry.toml"))
        for node in plan.nodes:
            assert places.place_of(node.id, plan.start_us // 1000).station == node.station
            assert node_config.build(json.loads(json.dumps(node.config)))[1] == []
        assert plan.start_us < plan.calm_us < plan.end_us
        assert all(plan.start_us <= s.start_us < s.end_us <= plan.calm_us for s in (*plan.faults, *plan.clients))


def test_the_same_seed_gives_the_same_plan_in_another_process_and_another_seed_another():
    text = HEAD + RIVER + FLEETS + '[[fault]]\nkind = "link"\nevery_h = 1\nfor_min = [1, 9]\n'
    here, other = plan_of(text), plan_of(text, 8)
    code = (
        "import sys; from pantau_sim.scenario.file import read; from pantau_sim.scenario.make import make;"
        "print(repr(make('mine', read(sys.stdin.read(), 'my.toml'), 7)))"
    )
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert there.stdout.strip() == repr(here)
    assert other.faults != here.faults and other.world.sites != here.world.sites
    assert {n.key for n in here.nodes}.isdisjoint(n.key for n in other.nodes)


def test_a_station_says_what_its_nodes_need():
    plan = plan_of(HEAD + RIVER + FLEETS)
    nodes = {node.id: node for node in plan.nodes}
    gate = nodes["pintu-air-10-2"]
    assert gate.station == "pintu-air-10" and gate.key != nodes["pintu-air-10-1"].key and len(gate.key) == 32
    assert gate.config["sensors"][0] == {"model": "a01nyub", "uart": 1}  # 8 m: beyond what an A02YYUW sees
    assert gate.config["alarm"]["distance_mm"] == 4700  # 8.0 - 3.3 m
    assert gate.config["sampling"] == {"interval_s": 30, "batch": 5, "run_s": 0, "health_s": 900}
    street = nodes["flood-02"]
    assert street.config["sensors"] == [
        {"model": "mb7389", "uart": 2},
        {"model": "float_switch", "pulse": 1, "contact": 1},
    ]
    assert street.config["alarm"]["distance_mm"] == 0
    assert [s["model"] for s in nodes["air-20"].config["sensors"]] == ["pms5003", "bme280"]
    places = registry.read(tomllib.loads(plan.registry), Path("registry.toml"))
    station = places.station("pintu-air-10", plan.start_us // 1000)
    assert (station.report_interval_s, station.tip_mm, station.flood.siaga_1) == (150, 0.2, 4.9)
    assert station.flood.filters.box is False and station.neighbours == ("flood-02",)
    assert places.station("flood-02", plan.start_us // 1000).tip_mm is None


def test_a_fleet_stands_around_its_middle_under_ids_that_are_free():
    plan = plan_of(HEAD + FLEETS)
    sites = {site.id: site for site in plan.world.sites}
    assert {"flood-01", "flood-03", "flood-04"} <= sites.keys()
    north = [(sites[name].latitude + 6.18) * 111.2 for name in ("flood-01", "flood-03", "flood-04")]
    east = [(sites[name].longitude - 106.63) * 110.55 for name in ("flood-01", "flood-03", "flood-04")]
    assert all((n * n + e * e) ** 0.5 < 4.01 for n, e in zip(north, east, strict=True))
    assert len({round(n, 2) for n in north}) == 3


def test_what_comes_again_and_again_keeps_its_mean_and_ends_before_the_calm():
    faults = '[[fault]]\nkind = "link"\nevery_h = 0.5\nfor_min = [2, 4]\nat_h = 1\nuntil_h = 9\n'
    spans = plan_of(HEAD + FLEETS + faults).faults
    one = [span for span in spans if span.station == "air-07"]
    other = [span for span in spans if span.station == "air-08"]
    start = plan_of(HEAD + FLEETS).start_us
    assert 12 <= len(one) <= 21 and one[0].start_us >= start + HOUR_US and one[-1].start_us < start + 9 * HOUR_US
    assert all(120e6 <= s.end_us - s.start_us <= 240e6 for s in one)
    assert all(a.end_us < b.start_us for a, b in itertools.pairwise(one))
    assert [s.start_us for s in one] != [s.start_us for s in other]
    late = plan_of(HEAD + FLEETS + '[[fault]]\nkind = "broker"\nat_h = 9.9\nfor_min = 60\n').faults
    assert [(s.station, s.end_us - start) for s in late] == [(None, 10 * HOUR_US)]


def test_together_is_one_instant_and_a_brown_out_a_second():
    faults = '[[fault]]\nkind = "brown_out"\nevery_h = 2\ntogether = true\n'
    spans = plan_of(HEAD + FLEETS + faults).faults
    instants = {span.start_us for span in spans}
    assert len(spans) == 24 * len(instants) and all(s.end_us - s.start_us == 1_000_000 for s in spans)


def test_what_befalls_everybody_befalls_those_who_can_have_it():
    more = '[[ailment]]\nkind = "cobweb"\nat_h = 1\n[[fault]]\nkind = "sensor"\nsensor = "mb7389"\nwhat = "silence"\nat_h = 2\n'
    plan = plan_of(HEAD + FLEETS + more)
    assert {span.station for span in plan.ailments} == {"flood-01", "flood-02", "flood-03", "flood-04"}
    assert [(s.station, s.sensor, s.what) for s in plan.faults] == [("flood-02", "mb7389", "silence")]

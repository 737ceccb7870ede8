"""The fold: restarts, redelivery, late frames, dates that come later, defects, and how much it remembers."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from built import T0_MS, T0_S, health
from pantau.quality import rain
from pantau.quality.assessor import Assessor
from pantau.quality.site import AirSite, FloodSite, PmProfile, RoadSite
from pantau.quality.states import States
from pantau_wire import frame
from pantau_wire import names as T
from quality_kit import City, Stand, flag_of

FLOOD = Stand(
    "jembatan", 6.0, 0.2, flood=FloodSite(dry_level=1.0, float_level=1.2, siaga_3=2.0, siaga_2=2.5, siaga_1=3.0)
)
AIR = Stand("taman", air=AirSite(profile=PmProfile()))
ROAD = Stand("jalan", road=RoadSite(road="4/2-T", lanes=2, capacity_smp_h=3000))
NODES = {"flood-01": "jembatan", "air-01": "taman", "air-02": "taman", "road-01": "jalan"}
NEIGHBOUR_TESTS = ("rate", "spike", "gradient", "blip", "box", "short")


def a_city(**given):
    return City(FLOOD, AIR, ROAD, nodes=NODES, **given)


def storm(rng, n):
    """Return raw distances of a street that floods, with cars under the sensor and lost echoes."""
    out, depth = [], 0.0
    for i in range(n):
        depth = max(0.0, depth + rng.choice([0, 0, 15, 25, -20])) if i > n // 3 else 0.0
        odd = rng.random()
        seen = depth + rng.gauss(0, 2) + (600 if odd < 0.08 else 0)
        out.append(None if odd > 0.97 else round(5000 - seen))
    return out


def frames(city, hours=14):
    """Return a night of four nodes, in the order in which a bridge might store it."""
    rng, out = random.Random(5), []
    for seq in range(1, 4 * hours + 1):
        at = {"seq": seq, "base_s": T0_S + 900 * (seq - 1), "boot": 3}
        water = storm(rng, 15)
        echo = [frame.quality(T.R_NO_ECHO) if w is None else 0 for w in water]
        tips = [rng.choice([0, 0, 1, 4]) for _ in water]
        out.append(city.decoded({
            "water_distance": (water, echo), "rain_tips": tips, "water_contact": [int(w is not None and w < 4800) for w in water],
        }, node="flood-01", **at))  # fmt: skip
        out += [
            city.decoded(
                {
                    "pm2_5": [rng.randint(100, 900) for _ in water],
                    "pm10": [rng.randint(300, 1500) for _ in water],
                    "relative_humidity": [rng.randint(7000, 9900) for _ in water],
                },
                node=node,
                **at,
            )
            for node in ("air-01", "air-02")
        ]
        out.append(city.decoded({
            "vehicle_count_motorcycle": [rng.randint(0, 30) for _ in water], "vehicle_count_light": [rng.randint(0, 9) for _ in water],
            "vehicle_count_heavy": [rng.randint(0, 3) for _ in water], "vehicle_speed_mean": [rng.randint(100, 500) for _ in water],
            "occupancy": [rng.randint(0, 900) for _ in water],
        }, node="road-01", **at))  # fmt: skip
    return out


def test_a_restart_after_every_frame_changes_nothing():
    city = a_city()
    stream = frames(city)
    whole = [city.take(decoded) for decoded in stream]
    kept, again = {}, []
    for decoded in stream:
        assessor = Assessor(city.registry, kept)
        again.append(assessor.assess(decoded))
        kept |= assessor.changed()
    assert again == whole
    told = {seen.property for decoded in whole for seen in decoded.observations}
    assert told >= {
        "flood_depth", "siaga_state", "rain_intensity_5min", "pm2_5_corrected", "pm2_5_nowcast", "traffic_flow",
        "degree_of_saturation", "level_of_service",
    }  # fmt: skip
    assert any(decoded.revisions for decoded in whole)
    small = a_city()
    small.assessor._states = States(live=1)
    assert [small.take(decoded) for decoded in stream] == whole


def test_a_redelivered_frame_says_the_same_or_unknown_and_leaves_no_trace():
    city = a_city()
    stream = frames(city, hours=4)
    for decoded in stream:
        city.take(decoded)
    before = dict(city.held)
    Assessor.changed(city.assessor)
    state = {
        key: States.look(city.assessor._states, key) for key in ("node/flood-01", "node/air-01", "station/jembatan")
    }
    texts = repr(state)
    seen_same = seen_unknown = 0
    for decoded in stream:
        for seen in city.assessor.assess(decoded).observations:
            known = before[seen.key]
            assert seen.value == known.value
            if (seen.quality, seen.reason) == (known.quality, known.reason):
                seen_same += 1
            else:
                assert (seen.quality, seen.reason) == (2, "not_evaluated"), (seen, known)
                seen_unknown += 1
            told = dict(part.split("=") for part in known.tests.split())
            assert all(flag in (told[test], "2") for test, flag in (p.split("=") for p in seen.tests.split()))
    assert seen_same and seen_unknown
    assert repr({key: city.assessor._states.look(key) for key in state}) == texts
    # the last frame's window is still held: it says what it said
    last = [seen for seen in city.assessor.assess(stream[-4]).observations if seen.property == "water_level"]
    assert [seen.tests for seen in last[-4:]] == [before[seen.key].tests for seen in last[-4:]]


@pytest.mark.parametrize("seed", range(6))
def test_an_alarm_that_overtakes_the_backlog_changes_no_verdict_of_neighbours(seed):
    rng = random.Random(seed)
    water = storm(rng, 150)
    echo = [frame.quality(T.R_NO_ECHO) if w is None else 0 for w in water]
    in_order, overtaken = City(FLOOD), City(FLOOD)

    def piece(city, first, last, seq):
        column = (water[first:last], echo[first:last])
        return city.decoded({"water_distance": column}, seq=seq, base_s=T0_S + 60 * first)

    cuts = [*range(0, 120, 15), 120, 126, 132, 140, 150]
    pieces = [(a, b, seq) for seq, (a, b) in enumerate(pairwise(cuts), 1)]
    for given in pieces:
        in_order.take(piece(in_order, *given))
    # the link was away from frame 4 on; then alarms of 10, 11 go first, and the backlog follows among newer ones
    order = [1, 2, 3, 10, 4, 5, 6, 11, 7, 8, 9, 12]
    for seq in order:
        overtaken.take(piece(overtaken, *pieces[seq - 1]))
    for name in NEIGHBOUR_TESTS:
        assert overtaken.flags("water_level", name) == in_order.flags("water_level", name), name
    assert {4} <= set(in_order.flags("water_level", "gradient")) | set(in_order.flags("water_level", "blip"))
    depths, levels = overtaken.of("flood_depth"), overtaken.of("water_level")
    assert [(d.quality, d.reason, d.tests) for d in depths] == [(s.quality, s.reason, s.tests) for s in levels]


def test_what_comes_later_than_the_window_reaches_is_judged_by_its_value_alone():
    city = City(FLOOD)
    late = city.decoded({"water_distance": [4000, 5000, 5000]}, seq=1, base_s=T0_S)
    for seq in range(2, 12):
        city.take(city.decoded({"water_distance": [5000] * 15}, seq=seq, base_s=T0_S + 900 * seq))
    city.assessor._states.get("node/flood-01")["seen"] = [[1, [[2, 11]]]]
    seen = [s for s in city.take(late).observations if s.property == "water_level"]
    assert [flag_of(s, "flat") for s in seen] == [2, 2, 2]
    assert [flag_of(s, "floor") for s in seen] == [1, 1, 1]


def test_readings_without_a_date_get_it_when_the_boot_is_known():
    city = City(FLOOD)
    undated = city.decoded({"water_distance": [5000, 25_000]}, clock=0, base_s=60, boot=7)
    said = city.take(undated)
    level = [s for s in said.observations if s.property == "water_distance"]
    assert [(s.observed_at_ms, s.quality, s.reason) for s in level] == [(None, 1, "ok"), (None, 4, "out_of_range")]
    assert not [s for s in said.observations if s.property == "flood_depth"]
    mapping = city.decoder.decode(health({"uptime_ms": 500_000, "utc_ms": T0_MS + 500_000}, boot=7, seq=9))
    other = city.decoder.decode(health({"uptime_ms": 500_000, "utc_ms": T0_MS}, boot=6, seq=9))
    assert city.take(other).dated == ()
    assert city.take(undated) == said  # redelivered before the date is known: it waits once
    assert city.take(mapping).dated == (undated.id,)
    again = city.take(undated)
    level = [s for s in again.observations if s.property == "water_distance"]
    assert [(s.observed_at_ms, s.uptime_ms, s.quality) for s in level] == [
        (T0_MS + 60_000, 60_000, 1), (T0_MS + 120_000, 120_000, 4),
    ]  # fmt: skip
    assert "flood_depth" in {s.property for s in again.observations}
    assert city.take(mapping).dated == (undated.id,)  # for a target that lost what it was told
    assert city.take(replace(mapping, id=99, seq=10)).dated == ()
    later = city.take(city.decoded({"water_distance": [5000] * 3}, clock=0, base_s=180, boot=7, seq=2))
    assert [s.observed_at_ms for s in later.observations][:3] == [T0_MS + 180_000 + 60_000 * i for i in range(3)]
    assert "flood_depth" in {s.property for s in later.observations}


def test_a_defect_in_one_test_costs_its_flags_and_not_the_frame(monkeypatch):
    def broken(*_given):
        raise ZeroDivisionError

    city = City(FLOOD)
    decoded = city.decoded({"water_distance": [5000], "rain_tips": [1]})
    monkeypatch.setattr(rain, "_intensities", broken)
    monkeypatch.setattr("pantau.quality.columns._neighbours", broken)
    said = city.assessor.assess(decoded)
    assert {o.key for o in said.observations} >= {o.key for o in decoded.observations}
    assert set(city.assessor.defects) == {"rain", "water_level", "water_distance"}
    assert "ZeroDivisionError" in city.assessor.last_defect


def test_a_node_that_moves_begins_anew_and_its_late_frames_do_not_disturb():
    city = a_city()
    city.take(city.decoded({"water_distance": [5000] * 15}, seq=1))
    city.registry.nodes["flood-01"] = "taman"
    city.take(city.decoded({"water_distance": [3000] * 2}, seq=3, base_s=T0_S + 1800))
    state = city.assessor._states.look("node/flood-01")
    assert state["at"] == "taman" and "water_level" not in state["series"]
    before = repr(state["series"])
    city.registry.nodes["flood-01"] = "jembatan"
    late = city.take(city.decoded({"water_distance": [5000] * 15}, seq=2, base_s=T0_S + 900))
    assert {s.quality for s in late.observations} == {1}
    assert repr(city.assessor._states.look("node/flood-01")["series"]) == before


def test_an_error_or_a_health_frame_passes_as_it_is():
    city = City()
    told = city.decoder.decode(health({"heap_free": 1}))
    assert city.take(told) is told


def test_what_a_node_leaves_behind_is_bounded():
    """Reboots, gaps, storms, frames without date and a year of hours: a few kilobytes."""
    city = a_city()
    rng = random.Random(1)
    for seq in range(1, 1500):
        boot, clock = 1 + seq // 100, int(rng.random() > 0.1) * 3
        columns = {"water_distance": storm(rng, 3), "rain_tips": [rng.randint(0, 9) for _ in range(3)]}
        columns |= {
            "pm2_5": [rng.randint(0, 900)] * 3,
            "relative_humidity": [rng.randint(7000, 9900) for _ in range(3)],
        }
        echo = [frame.quality(T.R_NO_ECHO) if w is None else 0 for w in columns["water_distance"]]
        columns["water_distance"] = (columns["water_distance"], echo)
        columns["vehicle_count"] = [rng.randint(0, 9) for _ in range(3)]
        city.take(
            city.decoded(
                columns, boot=boot, seq=2 * seq, clock=clock, base_s=T0_S + 180 * seq * rng.choice([1, 1, 1, 3])
            )
        )
        assert sum(map(len, city.assessor.changed().values())) < 160_000
    assert len(city.assessor._states.look("node/flood-01")["seen"]) == 8

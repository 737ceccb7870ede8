"""Ailments: each changes what it says, in its measure, within its span; the mix of false floods; what the host makes of them."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise

import pytest

from built import T0_S
from pantau.quality.site import FloodSite
from pantau_node.sensors.a02yyuw import summarise
from pantau_sim import ailments
from pantau_sim.scenario.plan import Span
from pantau_sim.sensors import a02yyuw, tipping_bucket
from pantau_wire import _tables as T
from quality_kit import City, Stand

NOON_S = T0_S - (T0_S + 7 * 3600) % 86400 + 12 * 3600  # in Tangerang
START_S, END_S = NOON_S - 3600.0, NOON_S + 3600.0
DAY_S = 86400
VALUES = {
    "water_distance": 3.0, "air_temperature": 30.0, "relative_humidity": 95.0, "rain_rate": 36.0,
    "pm1": 20.0, "pm2_5": 30.0, "pm4": 35.0, "pm10": 40.0, "particles_0_3": 5400.0,
}  # fmt: skip
FLOOD = [name for name, kind in ailments.KINDS.items() if kind.DOMAIN == "flood"]


class Steady:
    """A street at rest: ground 3 m below the sensor, rain of 36 mm/h, a car near and a motorcycle far each ten seconds."""

    def __call__(self, name, t_s):
        return (t_s - NOON_S) / 100 if name == "rain_accumulated" else VALUES[name]

    def passes(self, t0_s, t1_s):
        instants = [s for s in range(int(t0_s) - 1, int(t1_s) + 2) if t0_s < s <= t1_s and s % 10 == 0]
        return [p for s in instants for p in ((float(s), False, 40.0, 2.5, 4.5), (float(s), True, 30.0, 5.5, 2.0))]


def span(kind, start_s=START_S, end_s=END_S, strength=1.0, station="s"):
    return Span(kind, int(start_s * 1e6), int(end_s * 1e6), station, strength=strength)


def seen(kind, name="water_distance", *, strength=1.0, seed=1, step_s=0.3, **given):
    """Return what is seen of a property over the span."""
    it = span(kind, strength=strength, **given)
    truth = ailments.ill(Steady(), [it], seed)
    n = int((it.end_us - it.start_us) / 1e6 / step_s)
    return [truth(name, it.start_us / 1e6 + i * step_s) for i in range(n)]


def share(values, test):
    return sum(map(test, values)) / len(values)


@pytest.mark.parametrize("kind", ailments.KINDS)
def test_nothing_else_and_nothing_outside_the_span_is_changed(kind):
    truth, wrong = Steady(), ailments.ill(Steady(), [span(kind)], 3)
    changes = ailments.KINDS[kind].CHANGES
    for name in (*VALUES, "rain_accumulated"):
        for t_s in (START_S - DAY_S, START_S - 0.001):
            assert wrong(name, t_s) == truth(name, t_s)
        after = [wrong(name, t_s) - truth(name, t_s) for t_s in (END_S, END_S + 7 * DAY_S)]
        assert after[0] == pytest.approx(after[1])  # what a sum missed it misses for ever
        assert name == "rain_accumulated" or after[0] == 0
        moved = any(wrong(name, START_S + 0.4 * i) != truth(name, START_S + 0.4 * i) for i in range(18000))
        assert moved == (name in changes), name
    moved = wrong.passes(START_S, END_S - 1) != truth.passes(START_S, END_S - 1)
    assert moved == ("passes" in changes)
    for window in ((START_S - 600, START_S - 1), (END_S - 1, END_S + 600)):
        assert wrong.passes(*window) == truth.passes(*window)


@pytest.mark.parametrize("kind", ailments.KINDS)
def test_values_depend_on_seed_span_and_instant_alone(kind):
    name = min(ailments.KINDS[kind].CHANGES)
    a, b, alone = (ailments.ill(Steady(), [span(kind)], 3) for _ in range(3))
    instants = [START_S + 1.7 * i for i in range(4000)]
    if name == "passes":
        whole = a.passes(START_S, END_S)
        cut = [p for t0 in range(int(END_S) - 60, int(START_S) - 1, -60) for p in b.passes(t0, t0 + 60)]
        assert sorted(cut) == whole
        return
    there = [a(name, t_s) for t_s in instants]
    back = [b(name, t_s) for t_s in reversed(instants)]
    assert there == back[::-1]
    assert there == [ailments.KINDS[kind](Steady(), span(kind), 3)(name, t_s) for t_s in instants]  # one alone
    assert alone(name, instants[77]) == there[77]


def test_another_seed_span_or_station_is_another_noise():
    first = seen("cobweb")
    for other in ({"seed": 2}, {"station": "t"}, {"start_s": START_S - 60, "end_s": END_S - 60}):
        assert seen("cobweb", **other) != first


def test_what_stands_under_a_sensor():
    pulses = seen("pulse_chain", step_s=1)
    up = [value < 2.999 for value in pulses]
    rises = [i for i, (a, b) in enumerate(pairwise(up)) if b and not a]
    assert 28 <= len(rises) <= 30  # one each four minutes of two hours
    assert 0.15 < sum(up) / len(up) < 0.5
    assert 3 - max(p for p, wet in zip(pulses, up, strict=True) if wet) >= 0.03 * 0.4
    assert 3 - min(pulses) <= 0.45
    blip = seen("blip", step_s=1)
    assert sum(value < 3 for value in blip) == 60
    assert 0.06 <= 3 - min(blip) <= 0.80
    boxes = [seen("box", seed=seed, step_s=10) for seed in range(30)]
    assert all(max(values) - min(values) <= 0.002 for values in boxes)
    heights = sorted(3 - statistics.mean(values) for values in boxes)
    assert heights[0] < 0.3 and heights[-1] > 1.2 and heights[-1] < 1.61
    hump = seen("something", step_s=10)
    assert 0.05 <= 3 - min(hump) <= 0.454
    assert max(abs(b - a) for a, b in pairwise(hump)) < 0.012  # as smooth as water


def test_a_box_is_under_water_when_the_water_is_higher():
    class Rising(Steady):
        def __call__(self, name, t_s):
            return 3.0 - 2.0 * max(0.0, t_s - START_S) / 7200 if name == "water_distance" else VALUES[name]

    truth = Rising()
    box = ailments.ill(truth, [span("box")], 5)
    assert box("water_distance", START_S) < 2.95
    assert box("water_distance", END_S - 1) == truth("water_distance", END_S - 1)


def test_what_becomes_of_single_reads():
    web = seen("cobweb")
    assert share(web, lambda d: d < 0.52) == pytest.approx(0.35, abs=0.02)
    assert share(seen("cobweb", strength=2), lambda d: d < 0.52) == pytest.approx(0.70, abs=0.02)
    foam = seen("foam")
    assert share(foam, lambda d: d > 4.5) == pytest.approx(0.45, abs=0.02)
    rest = [d for d in foam if d < 4.5]
    assert 2.9 <= min(rest) < 3 < max(rest) <= 3.04
    wet = seen("wet_face")
    assert share(wet, lambda d: d == 0) == pytest.approx(0.20, abs=0.02)
    assert share(wet, lambda d: d > 4.5) == pytest.approx(0.15, abs=0.02)


def test_what_bends_the_distance():
    assert set(seen("tilt", step_s=60)) == {3.046280}  # 3 m / cos 10 degrees
    assert set(seen("knock", step_s=60)) == {3.0 - 0.04}
    week = seen("drift", step_s=DAY_S, end_s=START_S + 7 * DAY_S)
    assert [round(3000 - 1000 * d, 6) for d in week] == [0, 2, 4, 6, 8, 10, 12]
    noon = ailments.ill(Steady(), [span("sun", NOON_S - DAY_S, NOON_S + DAY_S)], 1)
    assert noon("water_distance", NOON_S) == pytest.approx(3.0 * (315.15 / 303.15) ** 0.5, abs=1e-6)
    assert noon("water_distance", NOON_S - 43200) == 3.0


def test_rain_that_is_lost_or_counted_twice():
    clog, more = (ailments.ill(Steady(), [span(kind)], 1) for kind in ("clog", "over_tip"))
    assert clog("rain_rate", NOON_S) == pytest.approx(36 * 0.4)
    assert more("rain_rate", NOON_S) == pytest.approx(36 * 1.15)
    fell = 72.0  # mm in the two hours
    for truth, share_ in ((clog, 0.4), (more, 1.15)):
        assert truth("rain_accumulated", END_S + 9) - truth("rain_accumulated", START_S) == pytest.approx(
            fell * share_ + 0.09
        )
        values = [truth("rain_accumulated", START_S - 60 + 7 * i) for i in range(1100)]
        assert values == sorted(values)
    assert len(
        tipping_bucket.Emulator(clog, 1).tips(int(START_S * 1e6), int(END_S * 1e6))
    ) == pytest.approx(fell * 0.4 / 0.2, abs=1)  # fmt: skip


def test_air_that_is_seen_wrongly():
    worn = seen("fan_wear", "pm2_5", step_s=2)
    last = worn[-300:]
    assert worn[0] == 30 and statistics.mean(last) == pytest.approx(30 * 0.61, abs=0.5)
    assert statistics.pstdev(last) / statistics.mean(last) == pytest.approx(0.1, abs=0.02)
    fan = ailments.ill(Steady(), [span("fan_wear")], 1)
    assert fan("pm10", NOON_S) / fan("pm2_5", NOON_S) == pytest.approx(40 / 30)  # one fan for all sizes
    assert seen("humidity_bias", "pm2_5", step_s=60)[0] == pytest.approx(
        30 * (1 + 0.3 / 1.65 * 19) / (1 + 0.3 / 1.65 * 4)
    )
    coat = ailments.ill(Steady(), [span("dust_coat", strength=2)], 1)
    assert coat("pm2_5", END_S - 0.001) == pytest.approx(30 * 0.6 + 12, abs=0.001)
    box = ailments.ill(Steady(), [span("warm_box")], 1)
    assert box("air_temperature", NOON_S) == 34.0
    assert box("relative_humidity", NOON_S) == pytest.approx(75.8, abs=0.1)


def test_dry_air_does_not_swell_particles():
    class Dry(Steady):
        def __call__(self, name, t_s):
            return 79.0 if name == "relative_humidity" else super().__call__(name, t_s)

    assert ailments.ill(Dry(), [span("humidity_bias")], 1)("pm2_5", NOON_S) == 30.0


def test_vehicles_that_are_hidden_or_aside():
    vehicles = ailments.ill(Steady(), [span("occlusion")], 1).passes(START_S, END_S)
    assert sum(p[1] for p in vehicles) / 720 == pytest.approx(0.4, abs=0.06)
    assert sum(not p[1] for p in vehicles) / 720 == pytest.approx(0.9, abs=0.04)
    aside = ailments.ill(Steady(), [span("misaligned")], 1).passes(NOON_S, NOON_S + 30)
    assert [p[3] for p in aside[:2]] == [2.5 + 3.513521, 5.5 + 3.513521]


def test_many_at_once_and_those_of_others():
    both = [span("knock"), span("tilt"), span("knock", station="t")]
    mine = ailments.of(both, "s")
    assert mine == both[:2]
    assert ailments.ill(Steady(), mine, 1)("water_distance", NOON_S) == pytest.approx(2.96 * 1.0154266, abs=1e-6)
    truth = Steady()
    assert ailments.ill(truth, [], 1) is truth


def test_an_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="no ailment is called 'cobwep'; did you mean 'cobweb'"):
        ailments.ill(Steady(), [span("cobwep")], 1)
    with pytest.raises(ValueError, match="there are: pulse_chain, blip"):
        ailments.kind("zzz")


# --- the mix


def test_the_mix_has_the_proportions_of_floodnets_labels():
    total = Counter()
    for seed in range(40):
        spans = ailments.mix(seed, "s", START_S, START_S + 30 * DAY_S, 150)
        counted = ailments.points(spans)
        assert sum(counted.values()) == pytest.approx(1500, abs=4)  # ten false ones for a true one
        total.update(counted)
        assert all(a.end_us + 60_000_000 < b.start_us for a, b in pairwise(spans))
        assert spans[0].start_us >= START_S * 1e6 and spans[-1].end_us <= (START_S + 30 * DAY_S) * 1e6
    for kind, of_91 in {"pulse_chain": 68, "box": 9, "blip": 7, "something": 7}.items():
        assert total[kind] / total.total() == pytest.approx(of_91 / 91, abs=0.001)


def test_a_record_a_minute_meets_as_many_labels_as_were_drawn():
    spans = ailments.mix(7, "s", T0_S, T0_S + 10 * DAY_S, 60)
    for phase_s in (0, 17):  # of the node's grid
        labels = Counter(ailments.label(spans, T0_S - T0_S % 60 + phase_s + 60 * k) for k in range(10 * 1440))
        del labels[None]
        assert labels == ailments.points(spans)


def test_the_mix_is_the_seeds_and_the_stations_and_spares_what_it_is_told():
    given = (START_S, START_S + 10 * DAY_S, 50)
    first = ailments.mix(1, "s", *given)
    assert first == ailments.mix(1, "s", *given)
    assert first != ailments.mix(2, "s", *given) != ailments.mix(1, "t", *given)
    flood = (START_S + DAY_S + 5.0, START_S + 2 * DAY_S)
    spared = ailments.mix(1, "s", *given, spare=[flood])
    assert all(s.end_us <= flood[0] * 1e6 or s.start_us >= flood[1] * 1e6 for s in spared)
    assert sum(ailments.points(spared).values()) == pytest.approx(500, abs=4)


def test_more_than_half_of_the_time_is_never_wrong():
    spans = ailments.mix(1, "s", START_S, START_S + DAY_S, 500)
    assert sum(ailments.points(spans).values()) == pytest.approx(720, abs=4)
    assert all(a.end_us <= b.start_us for a, b in pairwise(spans))
    assert ailments.mix(1, "s", START_S, START_S + DAY_S, 0) == ()


# --- what sensor, node and host make of them


def sampled(truth, minutes, seed):
    """Return the records of a node at one a minute: seven reads of an A02YYUW, as the firmware sums them up."""
    emulator = a02yyuw.Emulator(truth, seed, fast=False)
    emulator.power_on((T0_S - 10) * 1_000_000)
    emulator.packets((T0_S - 5) * 1_000_000)
    at_us, out = (T0_S - 5) * 1_000_000, []
    for minute in range(minutes):
        end_us = (T0_S + 60 * minute) * 1_000_000
        emulator.skip((end_us - 2_400_000 - at_us) // 300_000)
        packets = emulator.packets(end_us)
        at_us = packets[-1][0]
        assert all(p[0] == 255 and p[3] == sum(p[:3]) & 255 for _, p in packets)
        out.append(summarise([p[1] << 8 | p[2] for _, p in packets][-7:]))
    return out


@pytest.mark.parametrize("kind", FLOOD)
def test_the_packets_of_an_ailing_sensor_are_valid(kind):
    truth = ailments.ill(Steady(), [span(kind, T0_S, T0_S + 1800)], 2)
    records = sampled(truth, 30, 1)
    assert len(records) == 30
    if kind == "cobweb":  # the median of seven is the water's or the web's: their MAD is blind to a minority
        assert 2 <= sum(r[0] < 600 for r in records) <= 12
    if kind in {"foam", "wet_face"}:
        assert sum(r[2] < 7 for r in records) >= 15


def judged(kind, minutes, seed):
    """Return how many wet readings of an episode the host refused, and how many there were."""
    start_s = T0_S + 600 - 30
    rows = sampled(
        ailments.ill(Steady(), [span(kind, start_s, start_s + 60 * minutes)], seed), minutes + 20, seed
    )  # fmt: skip
    city = City(Stand(sensor_height_m=3.0, flood=FloodSite(dry_level=0.0)))
    values, spreads, counts, reasons = zip(*rows, strict=True)
    codes = [T.QUALITY[reason] for reason in reasons]
    city.feed(
        size=5, water_distance=list(values), water_distance_n=list(counts), water_distance_spread=list(spreads),
        codes={"water_distance": codes, "water_distance_spread": [0 if s is not None else c for s, c in zip(spreads, codes, strict=True)]},
    )  # fmt: skip
    wet = [seen for seen in city.of("flood_depth") if seen.value is not None and seen.value > 0.013]
    return sum(seen.quality == 4 for seen in wet), len(wet)


@pytest.mark.parametrize(
    "kind, minutes, least",
    [("box", 60, 1.0), ("blip", 1, 1.0), ("pulse_chain", 30, 0.75), ("cobweb", 30, 0.95), ("wet_face", 30, 0.95)],
)
def test_the_hosts_filters_refuse(kind, minutes, least):
    refused, wet = map(sum, zip(*(judged(kind, minutes, seed) for seed in range(8)), strict=True))
    assert wet >= 8 and refused / wet >= least


@pytest.mark.parametrize("kind", ["something", "knock"])
def test_what_no_filter_can_tell_from_water_is_on_record(kind):
    """A smooth hump and a step below box height: the day a filter learns them, the score's limits can be raised."""
    refused, wet = map(sum, zip(*(judged(kind, 30, seed) for seed in range(4)), strict=True))
    assert wet >= 40 and refused == 0

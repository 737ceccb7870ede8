"""The dual pulse driver on its emulator: two inputs from one truth."""

import pytest

from pantau_node.sensors.catalog import driver
from pantau_sim.sensors import dual_pulse
from pantau_wire import names as T
from sensor_harness import Edges, read

CLASSES = ("motorcycle", "light", "heavy")


class Road:
    def __init__(self, clock, *passes):
        self._passes = sorted((clock.s + at, *rest) for at, *rest in passes)

    def passes(self, t0_s, t1_s):
        return [p for p in self._passes if t0_s < p[0] <= t1_s]


def pair(clock, truth, kind="loop", **options):
    metres = options.setdefault("distance_mm", 3660) / 1000
    sides = [dual_pulse.Emulator(truth, 3, side=side, kind=kind, distance_m=metres) for side in (0, 1)]
    return sides, driver("dual_pulse", [Edges(clock, one) for one in sides], kind=kind, **options)


def minutes(clock, sensor, count, readings=None):
    """Read every minute, collecting as the station does; add what was counted up."""
    total = {}
    for _ in range(count):
        for _ in range(40):
            clock.ms += 1500
            clock_run(sensor.collect())
        got = read(sensor)
        if readings is not None:
            readings.append(got)
        for ident, (value, _reason) in got.items():
            total[ident] = total.get(ident, 0) + (value or 0)
    return total


def clock_run(coroutine):
    with pytest.raises(StopIteration):
        coroutine.send(None)


@pytest.mark.parametrize("kind, share, distance_mm", [("loop", 0.1, 3660), ("beam", 0.1, 3660), ("tube", 0.15, 1000)])
def test_vehicles_speeds_and_classes_follow_the_world(clock, truth, kind, share, distance_mm):
    _, sensor = pair(clock, truth, kind, distance_mm=distance_mm)
    start, readings = clock.s, []
    total = minutes(clock, sensor, 20, readings)
    for ident, name in (
        (T.VEHICLE_COUNT_APPROACHING, "vehicle_count_approaching"),
        (T.VEHICLE_COUNT_RECEDING, "vehicle_count_receding"),
        (T.VEHICLE_COUNT_MOTORCYCLE, "vehicle_count_motorcycle"),
        (T.VEHICLE_COUNT_LIGHT, "vehicle_count_light"),
        *((T.VEHICLE_SPEED_BIN_1 + k, f"vehicle_speed_bin_{k + 1}") for k in range(1, 4)),
    ):
        true = truth.interval(name, start, clock.s)
        assert abs(total[ident] - true) <= max(4, share * true), (name, total[ident], true)
    means = [got[T.VEHICLE_SPEED_MEAN][0] / 10 for got in readings if got[T.VEHICLE_SPEED_MEAN][0] is not None]
    assert abs(sum(means) / len(means) - truth.interval("vehicle_speed_mean", start, clock.s)) < 1.5
    assert (T.OCCUPANCY in readings[0]) == (kind != "tube")


def train(n, gap_s=4.0, speed=40.0, length=4.5, approaching=True):
    return [(2.0 + gap_s * k, approaching, speed, 2.5, length) for k in range(n)]


@pytest.mark.parametrize("kind", ["loop", "beam", "tube"])
@pytest.mark.parametrize("approaching", [True, False])
def test_each_vehicle_of_a_sparse_road_is_measured_exactly(clock, kind, approaching):
    rows = [
        (3.0, approaching, 54.0, 2.5, 2.0),
        (13.0, approaching, 36.0, 2.5, 4.5),
        (23.0, approaching, 18.0, 2.5, 9.0),
    ]
    _, sensor = pair(clock, Road(clock, *rows), kind)
    got = []
    minutes(clock, sensor, 1, got)
    got = got[0]
    assert [got[T.VEHICLE_COUNT_APPROACHING + i][0] for i in (0, 1)] == ([3, 0] if approaching else [0, 3])
    assert [got[T.VEHICLE_COUNT_MOTORCYCLE + i] for i in range(3)] == [(1, T.R_OK)] * 3
    assert abs(got[T.VEHICLE_SPEED_MEAN][0] - 360) <= 2 and got[T.VEHICLE_SPEED_85] == (540, T.R_OK)
    assert [got[T.VEHICLE_SPEED_BIN_1 + k][0] for k in range(8)] == [1, 0, 1, 0, 1, 0, 0, 0]
    assert sensor.counters.good == 3 and sensor.counters.errors() == []
    if kind == "loop":
        assert abs(got[T.OCCUPANCY][0] - 1000 * (4.0 / 15 + 6.5 / 10 + 11 / 5) / 60) <= 1


def test_the_other_order_turns_the_directions(clock):
    _, sensor = pair(clock, Road(clock, *train(3)), approach="ba")
    got = minutes(clock, sensor, 1)
    assert (got[T.VEHICLE_COUNT_APPROACHING], got[T.VEHICLE_COUNT_RECEDING]) == (0, 3)


@pytest.mark.parametrize("side", [0, 1])
def test_a_vehicle_that_one_side_missed_counts_and_is_a_fault(clock, side):
    sides, sensor = pair(clock, Road(clock, *train(12)))
    sides[side].inject("missed", 3)
    readings = []
    got = minutes(clock, sensor, 2, readings)
    assert sides[side].injected == {"missed": 3} and sensor.counters.fault == 3
    assert got[T.VEHICLE_COUNT_APPROACHING] == 12 and got[T.VEHICLE_COUNT_LIGHT] == 9
    assert readings[0][T.VEHICLE_SPEED_MEAN][1] == readings[0][T.VEHICLE_COUNT_LIGHT][1] == T.R_SPREAD
    assert readings[0][T.VEHICLE_COUNT_APPROACHING][1] == T.R_OK
    assert (
        readings[1][T.VEHICLE_SPEED_MEAN] == (None, T.R_NO_SAMPLE) and readings[1][T.VEHICLE_COUNT_LIGHT][1] == T.R_OK
    )


@pytest.mark.parametrize("side", [0, 1])
def test_an_axle_that_one_tube_missed_is_a_fault(clock, side):
    sides, sensor = pair(clock, Road(clock, *train(12)), "tube")
    sides[side].inject("missed", 2)  # both axles of two vehicles
    got = minutes(clock, sensor, 2)
    assert sensor.counters.fault == 4 and got[T.VEHICLE_COUNT_APPROACHING] == 10


@pytest.mark.parametrize("kind", ["loop", "beam", "tube"])
def test_bounce_is_counted_and_changes_nothing(clock, kind):
    sides, sensor = pair(clock, Road(clock, *train(10)), kind)
    for one in sides:
        one.inject("bounce", 7)
    got = minutes(clock, sensor, 1)
    assert sensor.counters.bounce == 14 and sensor.counters.fault == 0
    assert got[T.VEHICLE_COUNT_APPROACHING] == got[T.VEHICLE_COUNT_LIGHT] == 10


def test_an_input_that_stays_closed_is_told_once_and_forgiven(clock):
    sides, sensor = pair(clock, Road(clock, *train(400)))
    sides[0].inject("stuck")
    readings = []
    minutes(clock, sensor, 14, readings)
    reasons = [got[T.OCCUPANCY][1] for got in readings]
    assert reasons[:5] == [T.R_DEVICE_FAULT] * 5  # until it is long enough to be sure, it sees no vehicle
    assert reasons[5:10] == [T.R_STUCK] * 5 and reasons[-1] == T.R_OK
    assert sensor.counters.stuck == 1 and 100 < readings[7][T.OCCUPANCY][0] < 200  # by the side that works


@pytest.mark.parametrize("kind", ["loop", "tube"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_dead_side_is_a_device_fault_and_the_other_goes_on_counting(clock, kind, side):
    sides, sensor = pair(clock, Road(clock, *train(44)), kind)
    sides[side].inject("dead")
    readings = []
    got = minutes(clock, sensor, 3, readings)
    assert readings[-1][T.VEHICLE_COUNT_APPROACHING] == (15, T.R_DEVICE_FAULT) or kind == "tube"
    assert readings[-1][T.VEHICLE_COUNT_APPROACHING][1] == T.R_DEVICE_FAULT
    assert sensor.counters.fault == 10
    if kind == "loop":
        assert got[T.VEHICLE_COUNT_APPROACHING] == 44 and readings[-1][T.OCCUPANCY][0] > 100


def test_a_vehicle_on_the_loop_belongs_to_the_record_in_which_it_leaves(clock):
    _, sensor = pair(clock, Road(clock, (59.9, True, 36.0, 2.5, 9.0)))
    readings = []
    minutes(clock, sensor, 2, readings)
    assert [got[T.VEHICLE_COUNT_APPROACHING][0] for got in readings] == [0, 1]
    busy = [got[T.OCCUPANCY][0] for got in readings]
    assert busy[0] == 1 and busy[1] == 16  # 1.1 s on A: 0.1 s of it in the first

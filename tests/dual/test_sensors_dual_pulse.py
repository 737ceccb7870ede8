"""Two inputs on a clock in the hand: pairing, faults, contacts that misbehave, clocks that wrap."""

from sensor_rig import Clock, Edges, give_back, read, run

from pantau_node.sensors import dual_pulse
from pantau_node.sensors.catalog import driver
from pantau_node.stations.make import load_station
from pantau_wire import names as T

MASK = (1 << 30) - 1


def teardown_function():
    give_back()


class Road:
    """Both inputs; closures are given in ms from the start."""

    def __init__(self, **options):
        self.clock = Clock()
        self.t0 = self.clock.t
        self.inputs = [Edges(), Edges()]
        self.sensor = driver("dual_pulse", self.inputs, **options)

    def closed(self, side, start, on):
        for ms, is_closed in ((start, True), (start + on, False)):
            self.inputs[side].hit(((self.t0 + ms) & MASK, is_closed))

    def car(self, start, dt=350, on=600, first=0, on_2=None):
        self.closed(first, start, on)
        self.closed(1 - first, start + dt, on if on_2 is None else on_2)

    def read(self, ms):
        self.clock.t = self.t0 + ms
        return read(self.sensor)

    def counts(self, ms):
        got = self.read(ms)
        return [got[T.VEHICLE_COUNT_APPROACHING][0], got[T.VEHICLE_COUNT_RECEDING][0]]


def test_the_textbooks_example():
    assert dual_pulse.speed(3660, 150, 1000) == 24400
    assert dual_pulse.speed(3660, 150) == 878  # 87.84 km/h
    assert dual_pulse.length(3660, 150, 250, 290, 0) == 6588
    assert dual_pulse.length(3660, 150, 250, 290, 2000) == 4588
    assert dual_pulse.agree(250, 290)
    limits = (2800, 6000)
    assert [dual_pulse.classify(mm, limits) for mm in (0, 2799, 2800, 5999, 6000, 18000)] == [0, 0, 1, 1, 2, 2]


def test_on_times_agree_within_a_quarter_and_two_ticks():
    assert dual_pulse.agree(100, 100) and dual_pulse.agree(100, 77) and dual_pulse.agree(1, 3)
    assert not dual_pulse.agree(100, 72) and not dual_pulse.agree(72, 100) and not dual_pulse.agree(100, 137)


def test_both_directions_and_the_clocks_wrap():
    road = Road()
    road.car(4500)  # the clock wraps after 5000
    road.car(6500, first=1)
    road.car(9000)
    assert road.counts(12000) == [2, 1]
    assert road.sensor.counters.errors() == []


def test_a_vehicle_between_two_reads_is_one():
    for cut in (100, 360, 610, 955):
        road = Road()
        road.car(10)
        edges = [one.edges for one in road.inputs]
        total = [0, 0]
        for until in (cut, 5000):
            for side in (0, 1):
                road.inputs[side].edges = [
                    e for e in edges[side] if (e[0] - road.t0) <= until and e[0] - road.t0 > (0, cut)[until == 5000]
                ]
            total = [a + b for a, b in zip(total, road.counts(until))]
        assert total == [1, 0], cut


def test_close_followers_are_paired_with_themselves():
    road = Road()
    for k in range(20):
        road.car(1000 * k, on=364)  # motorcycles a second apart
    got = road.read(25000)
    assert got[T.VEHICLE_COUNT_APPROACHING] == (20, T.R_OK) and got[T.VEHICLE_COUNT_MOTORCYCLE] == (20, T.R_OK)
    assert got[T.VEHICLE_SPEED_MEAN] == (376, T.R_OK)


def test_a_miss_in_a_column_does_not_shift_the_others():
    for side in (0, 1):
        road = Road()
        for k in range(8):
            if k == 3:
                road.closed(1 - side, 1000 * k + 350 * (1 - side), 364)
            else:
                road.car(1000 * k, on=364)
        got = road.read(15000)
        assert got[T.VEHICLE_COUNT_APPROACHING] == (8, T.R_OK) and got[T.VEHICLE_SPEED_MEAN] == (376, T.R_SPREAD)
        assert got[T.VEHICLE_COUNT_MOTORCYCLE] == (7, T.R_SPREAD) and road.sensor.counters.fault == 1
        assert road.read(20000)[T.VEHICLE_COUNT_MOTORCYCLE] == (0, T.R_OK)


def test_times_that_disagree_are_suspect_at_free_flow_only():
    road = Road()
    road.car(0, on=600, on_2=300)
    got = road.read(5000)
    assert got[T.VEHICLE_COUNT_APPROACHING] == (1, T.R_OK)
    assert got[T.VEHICLE_SPEED_MEAN] == (376, T.R_SPREAD) and road.sensor.counters.fault == 1
    road.car(6000, dt=1500, on=2000, on_2=1000)  # 8.8 km/h: it speeds up
    got = road.read(15000)
    assert got[T.VEHICLE_SPEED_MEAN] == (88, T.R_OK) and road.sensor.counters.fault == 1


def test_a_vehicle_that_stops_on_the_loops_is_one():
    road = Road()
    road.car(0, dt=20000, on=45000, on_2=40000)
    got = road.read(70000)
    assert got[T.VEHICLE_COUNT_APPROACHING] == (1, T.R_OK)
    assert got[T.OCCUPANCY] == (642, T.R_OK)


def test_bounce_glitches_and_edges_to_the_same_side():
    road = Road()
    road.car(0)
    for side, at in ((0, 2), (1, 352)):
        road.inputs[side].edges[1:1] = [((road.t0 + at) & MASK, False), ((road.t0 + at + 2) & MASK, True)]
    road.inputs[0].edges[3:3] = [((road.t0 + 300) & MASK, True)]  # a dropout shorter than the interrupt's way
    assert road.counts(3000) == [1, 0] and road.sensor.counters.bounce == 2
    road.closed(0, 4000, 4)  # a spark, no vehicle
    assert road.counts(9000) == [0, 0] and road.sensor.counters.bounce == 3


def test_edges_that_the_board_lost_are_told():
    road = Road()
    road.car(0)
    road.inputs[1].overflow = 3
    got = road.read(3000)
    assert got[T.VEHICLE_SPEED_MEAN][1] == T.R_SPREAD and got[T.VEHICLE_COUNT_APPROACHING] == (1, T.R_OK)
    assert road.sensor.counters.fault == 1
    assert road.read(6000)[T.VEHICLE_COUNT_LIGHT] == (0, T.R_OK)


def test_stuck_is_told_until_it_opens_even_after_the_wrap_of_the_clock():
    road = Road()
    road.inputs[0].hit(((road.t0 + 10) & MASK, True))
    assert road.read(200000)[T.OCCUPANCY] == (999, T.R_OK)
    for day in range(1, 20):
        assert road.read(86400000 * day)[T.OCCUPANCY] == (1000, T.R_STUCK), day
    assert road.sensor.counters.stuck == 1
    end = 86400000 * 19 + 1000
    road.inputs[0].hit(((road.t0 + end) & MASK, False))
    road.car(end + 20000)
    got = road.read(end + 60000)
    assert got[T.OCCUPANCY][1] == T.R_OK and got[T.VEHICLE_COUNT_LIGHT][0] == 1


def test_a_road_that_was_empty_for_weeks_is_heard_at_once():
    for days in range(1, 14):
        road = Road()
        for day in range(1, days + 1):
            road.read(86400000 * day)
        road.car(86400000 * days + 1000)
        assert road.counts(86400000 * days + 9000) == [1, 0] and road.sensor.counters.errors() == [], days


def test_nothing_grows_whatever_the_contacts_do():
    road = Road()
    state = 12345
    for k in range(60):
        for side in (0, 1):
            t = 1500 * k
            for _ in range(40):
                state = (state * 1103515245 + 12345) & 0x7FFFFFFF
                t += 1 + (state >> 16) % 70
                road.inputs[side].hit(((road.t0 + t) & MASK, bool(state >> 20 & 1)))
        road.clock.t = road.t0 + 1500 * k + 1500
        run(road.sensor.collect())
        assert len(road.sensor._match._waiting) <= 16
    assert road.read(200000)[T.VEHICLE_COUNT_APPROACHING][0] < 3000


def test_tubes_join_axles_by_their_spacing():
    road = Road(kind="tube", distance_mm=1000)
    # 36 km/h = 10 mm/ms: a motorcycle, 3 m behind it a car, then a truck with two axles behind, then a single axle.
    for at in (0, 130, 430, 690, 2000, 2450, 2580, 5000):
        road.closed(0, at, 15)
        road.closed(1, at + 100, 15)
    got = road.read(9000)
    assert T.OCCUPANCY not in got
    assert [got[T.VEHICLE_COUNT_MOTORCYCLE + k][0] for k in range(3)] == [1, 1, 1]
    assert got[T.VEHICLE_COUNT_APPROACHING] == (4, T.R_OK) and got[T.VEHICLE_SPEED_MEAN] == (360, T.R_SPREAD)


def test_a_station_whose_road_is_congested_sends_at_once():
    road = Road()
    station = load_station("traffic")({"dual_pulse": road.sensor})
    assert len(station.PROPERTIES) == len(set(station.PROPERTIES)) == 16 and not station.urgent
    assert station.PROPERTIES[:5] == dual_pulse.PROPERTIES[:5]
    alarms = []
    for k, on in enumerate((600, 37000, 36000, 600)):
        road.car(60000 * k + 100, on=on)
        road.clock.t = road.t0 + 60000 * (k + 1)
        row = run(station.sample(500))
        assert abs(row[T.OCCUPANCY][0] - on // 60) <= 1
        alarms.append(station.urgent)
    assert alarms == [False, True, False, False]
    road.inputs[0].hit(((road.t0 + 250000) & MASK, True))  # and stays closed: a fault is no congestion
    for k in range(20):
        road.clock.t = road.t0 + 250000 + 60000 * k
        run(station.sample(500))
    assert not station.urgent
    station = load_station("traffic")({})
    assert run(station.sample(10)) == {} and not station.urgent


def test_options_that_cannot_be_are_refused():
    for options in ({"kind": "radar"}, {"approach": "aa"}, {"distance_mm": 0}):
        Clock()
        said = ""
        try:
            driver("dual_pulse", [Edges(), Edges()], **options)
        except ValueError as error:
            said = str(error)
        assert "ab or ba" in said, options

"""The node's own flood alarm and the flood station that feeds it, on all interpreters, without any hardware."""

from sensor_rig import Clock, I2c, Pulse, Uart, a02, give_back, run

from pantau_node.batterynode import BatteryNode
from pantau_node.config import SCHEMA, build, get
from pantau_node.sensors.catalog import driver
from pantau_node.sensors.sensirion import crc8
from pantau_node.stations.flood import Station
from pantau_node.stations.sound import corrected, speed_mm_s
from pantau_node.watch import Watch
from pantau_wire import names as T
from pantau_wire.frame import quality

NORMAL, EVENT, ALARM = 0, 1, 2
OK = quality(T.R_OK)


def teardown_function():
    give_back()


def settings(**alarm):
    conf, problems = build({"broker": {"host": "b"}, "alarm": alarm})
    assert problems == []
    return conf.alarm


class Water:
    """Feeds a Watch with distances at an interval; threshold 1000 mm."""

    def __init__(self, **alarm):
        self.watch = Watch(settings(**alarm))
        self.t = 0

    def see(self, *distances, step_s=60, wet=0):
        said = []
        for mm in distances:
            self.t += step_s
            self.watch.judge(self.t, T.WATER_DISTANCE, None if mm is None else -mm, -1000, wet)
            said.append((self.watch.state, self.watch.urgent))
        return said


def test_alarm_settings_have_the_places_that_the_watch_takes_for_granted():
    rows = [row[0] for row in SCHEMA if row[0].startswith("alarm.")]
    names = ["distance_mm", "depth_mm", "rise_mm_min", "hysteresis_mm", "hold_s", "sample_s", "contact", "siren"]
    assert rows == ["alarm." + name for name in names + ["active_low"]]
    conf, _ = build({"broker": {"host": "b"}, "alarm": {"hold_s": 30}})
    assert get(conf, "alarm.hold_s") == 30 == conf.alarm[4] and get(conf, "alarm.siren") is False
    assert get(conf, "alarm.nonsense") is None and get(conf, "city") == "city"


def test_one_reading_is_an_event_and_three_of_four_are_an_alarm():
    w = Water()
    assert w.see(1500, 1500) == [(NORMAL, False)] * 2
    assert w.see(990) == [(EVENT, True)]
    assert [state for state, _ in w.see(1500, 990, 990, step_s=10)] == [EVENT, EVENT, ALARM]
    assert w.watch.urgent  # the change of state is sent at once


def test_a_pulse_chain_of_single_readings_never_sounds():
    w = Water()
    for _ in range(200):
        assert ALARM not in [state for state, _ in w.see(1500, 900, 1500, 900, 1500, step_s=10)]


def test_it_ends_by_hysteresis_and_hold_and_says_so():
    w = Water(hold_s=100)
    w.see(990, 990, 990, step_s=10)
    assert {state for state, _ in w.see(*[1040] * 30, step_s=10)} == {ALARM}  # within 50 mm of the threshold
    said = w.see(*[1060] * 10, step_s=10)
    assert [state for state, _ in said] == [ALARM] * 9 + [NORMAL] and said[-1][1]


def test_silence_begins_nothing_and_ends_an_alarm_only_after_long():
    w = Water(hold_s=100)
    assert w.see(None, None, None) == [(NORMAL, False)] * 3
    w.see(990, 990, 990, step_s=10)
    states = [state for state, _ in w.see(*[None] * 60, step_s=60)]
    assert states == [ALARM] * 59 + [NORMAL]


def test_in_an_event_a_frame_goes_out_each_minute():
    w = Water()
    w.t = 600
    urgent = [w.t for _ in range(31) if w.see(900, step_s=10)[0][1]]
    assert urgent == [610, 630, 660, 720, 780, 840, 900]  # event, alarm, then the minutes


def test_a_rise_is_an_event_before_any_threshold_and_noise_is_none():
    w = Water(rise_mm_min=20)
    assert {state for state, _ in w.see(*[2000 + k % 7 for k in range(60)])} == {NORMAL}
    said = w.see(*[2000 - 40 * k for k in range(1, 6)])
    assert (EVENT, True) in said and said[1][0] == NORMAL  # two of the later three readings must have risen
    off = Water(rise_mm_min=0)
    assert {state for state, _ in off.see(*[2000 - 40 * k for k in range(20)])} == {NORMAL}


def test_a_reading_that_is_missing_does_not_hide_a_rise():
    w = Water(rise_mm_min=20)
    w.see(*[2000] * 6)
    states = []
    for k in range(1, 5):
        w.t += 60
        w.watch.judge(w.t, 0, None, None, 0)
        states += w.see(2000 - 80 * k)
    assert (EVENT, True) in states


def test_one_car_or_a_change_of_sensor_is_no_rise():
    w = Water()
    w.see(*[2000] * 10)
    assert w.see(1200)[0] == (NORMAL, False) and w.see(2000, 2000) == [(NORMAL, False)] * 2
    for _ in range(10):
        w.t += 60
        w.watch.judge(w.t, T.WATER_DEPTH, 300, None, 0)
        assert w.watch.state == NORMAL
    w.t += 3600  # an hour without readings says nothing of a minute
    w.watch.judge(w.t, T.WATER_DEPTH, 900, None, 0)
    assert w.watch.state == NORMAL


def test_a_closed_float_is_an_alarm_at_once_unless_it_must_not_be():
    w = Water()
    assert w.see(1500, 1500, wet=1) == [(ALARM, True), (ALARM, True)]  # the second is a full minute
    assert w.see(1500, step_s=10) == [(ALARM, True)]  # it opened: told, and held
    mute = Water(contact=False)
    assert mute.see(1500, wet=1) == [(NORMAL, True)] and mute.see(1500, wet=1) == [(NORMAL, False)]


def test_a_wake_from_deep_sleep_goes_on_where_it_was():
    one, two = Water(), Water()
    for mm in (2000, 1900, 1800, 1700, 990, 990, 1500, 990, None, 990, 1500):
        one.see(mm)
        two.see(mm)
        node = Asleep(None, two.watch)
        kept = node.state()
        assert all(type(number) is int for number in kept)
        two.watch = Watch(two.watch.settings)
        assert Asleep(kept, two.watch).state() == kept
        assert two.watch.state == one.watch.state


class Asleep(BatteryNode):
    """What of a battery's node carries the watch over a sleep: nothing else of it is made."""

    def __init__(self, resume, watch):
        try:
            BatteryNode.__init__(self, resume, watch)
        except TypeError:
            pass  # the node itself wants more, and is made last
        self._seq = self._next_s = self.produced = self.acked = self.wakes = self.reconnects = self.forged = 0
        self._health_at = self._health_due = self.boot = 0
        self._sender = self

    def through(self, boot):
        return boot


def flood(clock, distance, celsius=None, model="jsn_sr04t", **alarm):
    drivers = {model: driver(model, Uart(clock, lambda _k: a02(distance[0]), 300))}
    if celsius is not None:
        drivers["sht4x"] = driver("sht4x", I2c(lambda _a, order: b"" if order is None else celsius))
    return Station(drivers, settings(**alarm))


def record(station, instant_s):
    row = run(station.sample(20000))
    station.judge(instant_s, row)
    return row


def test_the_distance_of_a_module_that_assumes_340_m_s_is_corrected_by_the_air():
    clock = Clock()
    hot = b"\x73\xb6" + bytes((crc8(b"\x73\xb6"),)) + b"\x80\x00\xa2"  # 34.1 Cel
    station = flood(clock, [3000], hot)
    row = record(station, 60)
    (raw, _), (mm, code) = row[T.WATER_DISTANCE], row[T.WATER_DISTANCE_CORRECTED]
    assert raw == 3000 and code == OK
    assert 3099 <= mm <= 3101  # 351.37 m/s
    alone = flood(clock, [3000])
    row = record(alone, 60)
    assert row[T.WATER_DISTANCE] == (3000, OK)
    assert row[T.WATER_DISTANCE_CORRECTED] == (3069, quality(T.R_NOT_EVALUATED))  # by 28 Cel, and it says so
    own = flood(clock, [3000], hot, model="a02yyuw")
    assert T.WATER_DISTANCE_CORRECTED not in own.PROPERTIES and T.WATER_DISTANCE_CORRECTED not in record(own, 60)


def test_the_speed_of_sound_is_the_formulas_to_a_millimetre_a_second():
    for centi_c, mm_s in ((0, 331300), (2500, 346130), (3400, 351314), (4500, 357549), (-4000, 306082)):
        assert abs(speed_mm_s(centi_c) - mm_s) <= 2, centi_c
    assert corrected(1000, 1462, 340000) in (999, 1000, 1001)


def test_the_station_wants_ten_seconds_in_an_event_and_its_alarm_sends_at_once():
    clock = Clock()
    distance = [1500]
    station = flood(clock, distance, model="a02yyuw", distance_mm=1000)
    record(station, 60)
    assert station.pace_s() == 0 and not station.urgent
    distance[0] = 980
    clock.t += 60000
    record(station, 120)
    assert station.pace_s() == 10 and station.urgent and not station.alarm and station.watch.state == EVENT
    for k in (1, 2):
        clock.t += 10000
        record(station, 120 + 10 * k)
    assert station.watch.state == ALARM and station.urgent and station.alarm


def test_a_reading_that_failed_is_no_height():
    clock = Clock()
    distance = [20]  # under the blind zone of 30 mm: FAIL
    station = flood(clock, distance, model="a02yyuw", distance_mm=1000)
    for k in range(1, 6):
        clock.t += 60000
        assert record(station, 60 * k)[T.WATER_DISTANCE] == (20, quality(T.R_OUT_OF_RANGE))
    assert station.watch.state == NORMAL


def test_water_that_reaches_the_sensor_goes_on_with_the_alarm():
    clock = Clock()
    distance = [1500]
    station = flood(clock, distance, model="a02yyuw", distance_mm=1000)
    states = []
    for k, mm in enumerate([1500, 1100, 900, 700, 400, 100, 25, 20, 10] + [20] * 60):
        distance[0] = mm
        clock.t += 60000
        record(station, 60 * k + 60)
        states.append(station.watch.state)
    assert states[:5] == [NORMAL, NORMAL, EVENT, EVENT, ALARM] and set(states[5:]) == {ALARM}


def test_a_thermometer_that_dies_is_no_flood():
    clock = Clock()
    hot = [b"\x73\xb6" + bytes((crc8(b"\x73\xb6"),)) + b"\x80\x00\xa2"]  # 34.1 Cel
    drivers = flood(clock, [2913], None).drivers
    drivers["sht4x"] = driver("sht4x", I2c(lambda _a, order: b"" if order is None else hot[0]))
    station = Station(drivers, settings(distance_mm=2950))
    for k in range(12):
        if k == 4:
            hot[0] = b""
        clock.t += 60000
        row = record(station, 60 * k + 60)
        assert row[T.WATER_DISTANCE_CORRECTED][0] in (3010, 3011), k
    assert station.watch.state == NORMAL and row[T.WATER_DISTANCE_CORRECTED][1] == quality(T.R_NOT_EVALUATED)


class Depth:
    mm = 0

    def __init__(self):
        from pantau_node.sensors import base

        self.counters = base.Counters()

    async def read(self, deadline_ms):
        return [(T.TRANSDUCER_VOLTAGE, 6000, T.R_OK), (T.WATER_DEPTH, self.mm, T.R_OK)]


def test_the_sensor_that_is_furthest_over_its_threshold_rules():
    for limits in ({"distance_mm": 1000}, {"distance_mm": 1000, "depth_mm": 800}):
        clock = Clock()
        drivers = {"a02yyuw": driver("a02yyuw", Uart(clock, lambda _k: a02(500), 300)), "ads1115": Depth()}
        station = Station(drivers, settings(**limits))  # the transducer is blocked, and reads a valid 0
        for k in range(4):
            clock.t += 60000
            record(station, 60 * k + 60)
        assert station.watch.state == ALARM, limits


def test_what_would_never_end_is_refused():
    conf, problems = build({"broker": {"host": "b"}, "alarm": {"depth_mm": 40, "sample_s": 7}})
    assert len(problems) == 2 and "never end" in problems[0] and "divide 60" in problems[1]
    assert get(conf, "alarm.hysteresis_mm") == 20 and get(conf, "alarm.sample_s") == 10


def test_a_float_that_opened_ends_its_alarm_after_hold_s():
    w = Water(hold_s=100)
    for k in range(30):
        w.watch.judge(10 * k, 0, None, None, int(k < 5))
    assert w.watch.state == NORMAL


def test_after_a_maintenance_nothing_of_it_is_left():
    w = Water()
    w.see(990, 990, 990)
    w.watch.reset()
    assert w.see(2000)[0] == (NORMAL, False)


def test_heavy_rain_is_sent_once_when_it_begins():
    Clock(0)
    pulses = Pulse()
    station = Station({"tipping_bucket": driver("tipping_bucket", pulses)}, settings())
    told = []
    clock = Clock(100000)
    for k in range(6):
        pulses.hit(clock.t - 30000, clock.t - 5000)
        record(station, 60 * k + 60)
        told.append(station.urgent)
        assert not station.alarm
        clock.t += 60000
    assert told == [True] + [False] * 5


class Float:
    wet = False

    def __init__(self):
        from pantau_node.sensors import base

        self.counters = base.Counters()

    async def collect(self):
        pass

    async def read(self, deadline_ms):
        return [(T.WATER_CONTACT, int(self.wet), T.R_OK)]


def test_a_float_that_closes_between_two_records_hurries_the_next():
    Clock()
    contact = Float()
    station = Station({"float_switch": contact}, settings())
    record(station, 60)
    assert station.pace_s() == 0
    contact.wet = True
    assert station.pace_s() == 10
    record(station, 70)
    assert station.alarm and station.watch.state == ALARM

"""UART drivers on a clock in the hand: every way a sensor can be, told apart, always within the deadline."""

from sensor_rig import Clock, Uart, a02, broken, give_back, pms, read, run

from pantau_node.sensors.catalog import driver
from pantau_wire import names as T


def teardown_function():
    give_back()


def ultrasonic(packet, period_ms=300, name="a02yyuw", **options):
    clock = Clock()
    uart = Uart(clock, packet, period_ms)
    return clock, uart, driver(name, uart, **options)


def distance(thing, deadline_ms=20000):
    return read(thing, deadline_ms)[T.WATER_DISTANCE]


def test_median_of_seven_fresh_packets_in_few_polls():
    clock, uart, sensor = ultrasonic(lambda k: a02(1000 + k))
    clock.t += 60000
    got = read(sensor)
    assert got[T.WATER_DISTANCE] == (1204, T.R_OK)  # packets 201..207, not the minute before
    assert got[T.WATER_DISTANCE_N] == (7, T.R_OK) and got[T.WATER_DISTANCE_SPREAD] == (2, T.R_OK)
    assert uart.polls <= 3


def test_a_record_each_second_takes_the_packets_of_that_second_without_waiting():
    clock, uart, sensor = ultrasonic(lambda k: a02(1000 + k))
    clock.t += 2000
    read(sensor, 900)
    clock.t += 1000
    start, polls = clock.t, uart.polls
    got = read(sensor, 900)
    assert (clock.t - start, uart.polls - polls) == (0, 1)
    assert got[T.WATER_DISTANCE] == (1008, T.R_OK) and got[T.WATER_DISTANCE_N] == (4, T.R_OK)  # packets 7..10


def test_three_packets_after_power_up_are_not_believed():
    clock, _uart, sensor = ultrasonic(lambda k: a02(900 if k <= 3 else 2000))
    clock.t += 900
    assert distance(sensor, 250) == (None, T.R_WARMING)
    clock.t += 1000
    assert distance(sensor, 250) == (2000, T.R_OK)


def test_absent_silent_and_broken_are_three_things():
    clock, uart, sensor = ultrasonic(lambda _k: a02(1500))
    uart.on = False
    assert distance(sensor) == (None, T.R_ABSENT)
    uart.on = True
    assert distance(sensor) == (1500, T.R_OK)
    uart.on = False
    clock.t += 60000
    assert distance(sensor) == (None, T.R_TIMEOUT)
    uart.on = True
    uart.packet = lambda _k: broken(a02(1500))
    clock.t += 60000
    assert distance(sensor) == (None, T.R_CHECKSUM)
    assert (sensor.counters.absent, sensor.counters.timeout) == (1, 1)
    uart.packet = lambda _k: a02(1500)
    assert distance(sensor) == (1500, T.R_OK)
    assert sensor.counters.checksum > 10 and sensor.counters.framing == 0


def test_half_a_packet_is_a_silent_sensor():
    _clock, _uart, sensor = ultrasonic(lambda k: a02(1500)[:2] if k == 1 else b"")
    assert distance(sensor) == (None, T.R_ABSENT)


def test_no_echo_and_out_of_range_are_told_apart_and_counted():
    clock, uart, sensor = ultrasonic(lambda _k: a02(0))
    clock.t += 5000
    assert distance(sensor) == (None, T.R_NO_ECHO)
    uart.packet = lambda _k: a02(4700)
    assert distance(sensor) == (4700, T.R_OUT_OF_RANGE)
    assert sensor.counters.no_echo == 7 and sensor.counters.out_of_range == 7


def test_a_stuck_distance_is_said_after_its_time_and_forgiven_by_the_first_change():
    clock, uart, sensor = ultrasonic(lambda _k: a02(1500), stuck_s=3600)
    assert distance(sensor)[1] == T.R_OK
    start = clock.t
    for _ in range(62):
        clock.t += 60000
        reason = distance(sensor)[1]
        assert reason == (T.R_STUCK if clock.t - start >= 3600000 else T.R_OK)
    assert reason == T.R_STUCK
    uart.packet = lambda _k: a02(1501)
    assert distance(sensor)[1] == T.R_OK


def test_a_sensor_that_answers_when_asked_is_asked():
    _clock, uart, sensor = ultrasonic(lambda _k: b"", name="jsn_sr04t", trigger=True)
    given = []

    def answer():
        due = len(uart.sent) - len(given)
        given.extend([1] * due)
        return a02(800) * due or None

    uart.read = answer
    got = read(sensor)
    assert got[T.WATER_DISTANCE] == (800, T.R_OK) and uart.sent == b"\x55" * (7 + 3)  # three are discarded


def test_a_deadline_shorter_than_a_packet_is_kept():
    for deadline_ms in (0, 1, 50, 299):
        _clock, _uart, sensor = ultrasonic(lambda _k: a02(1500))
        assert distance(sensor, deadline_ms)[1] == T.R_ABSENT


def dust(packet, **options):
    clock = Clock()
    uart = Uart(clock, packet, 1000, 2048)
    return clock, uart, driver("pms5003", uart, **options)


def test_particles_are_means_and_warm_up_is_said():
    clock, _uart, sensor = dust(lambda k: pms(10 + k % 2, 700 + k))
    clock.t += 10000
    assert read(sensor)[T.PM2_5] == (105, T.R_WARMING)
    clock.t += 20000
    assert read(sensor)[T.PM2_5] == (100, T.R_OK)  # of packet 30 alone: those before are warm-up
    clock.t += 20000
    got = read(sensor)
    assert got[T.PM2_5] == (105, T.R_OK) and got[T.PM1] == (10, T.R_OK)
    assert got[T.PARTICLES_0_3] == (741, T.R_OK)  # mean of 731..750, in particles
    assert sensor.counters.warming == 1 and sensor.counters.good == 50


def test_particles_absent_between_packets_and_gone():
    clock, uart, sensor = dust(lambda k: pms(10, 700 + k), warm_up_s=0)
    uart.on = False
    for ms, reason in ((0, T.R_NO_SAMPLE), (4999, T.R_NO_SAMPLE), (1, T.R_ABSENT)):  # it needs some time to speak
        clock.t += ms
        assert read(sensor)[T.PM2_5] == (None, reason)
    assert sensor.counters.absent == 1
    uart.on = True
    clock.t += 1000
    assert read(sensor)[T.PM2_5] == (100, T.R_OK)
    clock.t += 500
    assert read(sensor)[T.PM2_5] == (None, T.R_NO_SAMPLE)  # a slow pace, not a fault
    uart.on = False
    clock.t += 9000
    assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)
    for _ in range(30):  # a silence of weeks does not turn young when the clock wraps
        clock.t += 86400000
        assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)
    uart.on = True
    uart.packet = lambda _k: broken(pms(10))
    clock.t += 1000
    assert read(sensor)[T.PM2_5] == (None, T.R_CHECKSUM)


def test_particles_stopped_fan_contradiction_error_byte_and_range():
    clock, uart, sensor = dust(lambda _k: pms(30), warm_up_s=0, stuck_s=600)
    for _ in range(12):
        clock.t += 60000
        reason = read(sensor)[T.PM2_5][1]
    assert reason == T.R_STUCK
    uart.packet = lambda _k: pms(30, 0)
    clock.t += 5000
    assert read(sensor)[T.PM2_5] == (300, T.R_DEVICE_FAULT)
    uart.packet = lambda k: pms(30, 700 + k, 1)
    clock.t += 5000
    assert read(sensor)[T.PM2_5][1] == T.R_DEVICE_FAULT
    uart.packet = lambda k: pms(1500, 700 + k)
    clock.t += 5000
    got = read(sensor)
    assert got[T.PM2_5] == (15000, T.R_OUT_OF_RANGE) and got[T.PM1] == (10, T.R_OK)


def report(*targets):
    if not targets:
        return b"\xf4\xf3\xf2\xf1\x00\x00\xf8\xf7\xf6\xf5"
    body = bytes((len(targets), 1))
    for target in targets:
        body += bytes(target)
    return b"\xf4\xf3\xf2\xf1" + bytes((len(body), 0)) + body + b"\xf8\xf7\xf6\xf5"


class Tunable(Uart):
    """A UART whose rate can be set; `baud` is the sensor's: at another nothing comes through."""

    baud = rate = 115200

    def init(self, baudrate):
        self.rate = baudrate

    def read(self):
        data = Uart.read(self)
        return data if self.rate == self.baud else None


def radar(packet, **options):
    clock = Clock()
    uart = Tunable(clock, packet, 100, 2048)
    return clock, uart, driver("ld2451", uart, **options)


def listen(clock, sensor, seconds):
    for _ in range(seconds):
        clock.t += 1000
        run(sensor.collect())


def test_radar_counts_what_was_collected_in_between():
    def car(k):
        return report((128, 80 - k, 1, 36, 30)) if 0 <= k <= 70 else report()

    clock, _uart, sensor = radar(car)
    listen(clock, sensor, 10)
    got = read(sensor)
    assert got[T.VEHICLE_COUNT_APPROACHING] == (1, T.R_OK) and got[T.VEHICLE_COUNT_RECEDING] == (0, T.R_OK)
    assert got[T.VEHICLE_SPEED_MEAN] == (360, T.R_OK) and got[T.VEHICLE_SPEED_85] == (360, T.R_OK)
    assert [got[T.VEHICLE_SPEED_BIN_1 + k] for k in range(8)] == [(int(k == 2), T.R_OK) for k in range(8)]
    assert 100 <= got[T.OCCUPANCY][0] <= 200  # 60 m/min... 1 m a report: 20 m to 10 m is about a second of ten
    listen(clock, sensor, 5)
    got = read(sensor)
    assert got[T.VEHICLE_COUNT_APPROACHING] == (0, T.R_OK)
    assert got[T.VEHICLE_SPEED_MEAN] == (None, T.R_NO_SAMPLE)


def answering(uart):
    """Make the radar answer a request for its settings, as the manual shows."""

    def packet(k):
        asked = b"\xfd\xfc\xfb\xfa\x02\x00\x12\x00\x04\x03\x02\x01" in uart.sent
        uart.sent = b""
        return b"\xfd\xfc\xfb\xfa\x08\x00\x12\x01\x00\x00\x64\x02\x05\x01\x04\x03\x02\x01" if asked else b""

    uart.packet = packet


def test_a_radar_that_is_silent_on_an_empty_road_is_asked_and_believed():
    clock, uart, sensor = radar(lambda _k: b"")
    answering(uart)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_WARMING)
    listen(clock, sensor, 5)
    for _ in range(10):
        listen(clock, sensor, 60)
        assert read(sensor)[T.VEHICLE_COUNT_APPROACHING] == (0, T.R_OK)
    assert 4 <= sensor.counters.good <= 10  # asked every two minutes, not more


def test_a_radar_that_never_spoke_is_absent_and_one_that_stopped_is_timed_out():
    clock, uart, sensor = radar(lambda _k: report())
    uart.on = False
    listen(clock, sensor, 10)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_ABSENT)
    uart.on = True
    listen(clock, sensor, 3)
    assert read(sensor)[T.OCCUPANCY] == (0, T.R_OK)
    uart.on = False
    listen(clock, sensor, 20)  # it used to report the empty road: silence is noticed soon
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_TIMEOUT)


def test_a_radar_of_the_other_baud_rate_is_found_within_half_a_minute():
    clock, uart, sensor = radar(lambda _k: report())
    uart.baud = 256000
    listen(clock, sensor, 8)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_ABSENT)
    listen(clock, sensor, 22)
    assert uart.rate == 256000 and read(sensor)[T.OCCUPANCY] == (0, T.R_OK)
    uart.on = False  # and it stays there
    listen(clock, sensor, 290)
    assert uart.rate == 256000 and read(sensor)[T.OCCUPANCY] == (None, T.R_TIMEOUT)
    uart.on, uart.baud = True, 115200  # a spare from the shelf speaks at the factory's rate
    listen(clock, sensor, 60)
    assert uart.rate == 115200 and read(sensor)[T.OCCUPANCY] == (0, T.R_OK)


def test_a_radar_of_another_baud_rate_is_not_absent():
    clock, _uart, sensor = radar(lambda _k: report()[:-1] + b"\x00")
    listen(clock, sensor, 10)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_CHECKSUM)

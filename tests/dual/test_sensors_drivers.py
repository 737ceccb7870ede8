"""Drivers and stations on a clock in the hand: every way a sensor can be, told apart, always within the deadline."""

from pantau_node.sensors import FAMILY, FILES, base, driver, load
from pantau_node.stations import DOMAINS, Station, load_station
from pantau_wire import _tables as T
from pantau_wire.frame import quality

REAL = base.now, base.sleep_ms


def teardown_function():
    """Give the clock back: on CPython other tests follow in this process."""
    base.now, base.sleep_ms = REAL


class Clock:
    """Replaces the clock of the drivers; sleep moves it."""

    def __init__(self, start=(1 << 30) - 5000):  # the wrap comes after five seconds
        self.t = start
        base.now = self.now
        base.sleep_ms = self.sleep_ms

    def now(self):
        return self.t & ((1 << 30) - 1)

    async def sleep_ms(self, ms):
        assert ms >= 0
        self.t += ms


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a driver waited for something other than its clock")


class Uart:
    """Sends `packet(k)` every period_ms while `on`, from t0; holds rxbuf bytes like the chip."""

    def __init__(self, clock, packet, period_ms, rxbuf=1024):
        self.clock, self.packet, self.period_ms, self.rxbuf = clock, packet, period_ms, rxbuf
        self.k = 0
        self.t0 = clock.t
        self.on = True
        self.sent = b""
        self.polls = 0

    def read(self):
        self.polls += 1
        out = b""
        while self.t0 + (self.k + 1) * self.period_ms <= self.clock.t:
            self.k += 1
            if self.on and len(out) < self.rxbuf:
                out += self.packet(self.k)
        return out or None

    def write(self, data):
        self.sent += data


class I2c:
    """Answers from `reply(address, order)`; None is no acknowledgement."""

    def __init__(self, reply):
        self.reply = reply
        self.order = b""

    def writeto(self, address, data):
        self.order = bytes(data)
        if self.reply(address, None) is None:
            raise OSError(19)

    def readfrom(self, address, size):
        data = self.reply(address, self.order)
        if data is None:
            raise OSError(19)
        return (data + b"\xff" * size)[:size]

    def writeto_mem(self, address, register, data):
        self.writeto(address, bytes((register,)) + bytes(data))

    def readfrom_mem(self, address, register, size):
        self.order = bytes((register,))
        return self.readfrom(address, size)


class Pulse:
    def __init__(self):
        self.edges = []
        self.n = 0

    def hit(self, *stamps):
        self.edges += stamps
        self.n += len(stamps)

    def count(self):
        return self.n

    def take(self):
        edges, self.edges = self.edges, []
        return edges


def a02(mm):
    return bytes((255, mm >> 8, mm & 255, (255 + (mm >> 8) + mm) & 255))


def pms(pm25, n03=700, error=0):
    words = [1, pm25, pm25, 1, pm25, pm25, n03, 100, 30, 3, 1, 0, 0x9700 | error]
    body = b"\x42\x4d\x00\x1c"
    for word in words:
        body += bytes((word >> 8, word & 255))
    total = sum(body)
    return body + bytes((total >> 8, total & 255))


def broken(packet):
    return packet[:-1] + bytes((packet[-1] ^ 1,))


def read(thing, deadline_ms=20000):
    """Read within the deadline; {property: (value, reason)}."""
    start = base.now()
    readings = run(thing.read(deadline_ms))
    assert base.since(start, base.now()) <= deadline_ms
    return {ident: (value, reason) for ident, value, reason in readings}


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


def test_rain_counts_tips_once_and_flags_a_rocking_bucket():
    Clock()
    pulses = Pulse()
    gauge = driver("tipping_bucket", pulses)
    assert read(gauge) == {T.RAIN_TIPS: (0, T.R_OK)}
    pulses.hit(1000, 1004, 1012, 9000)
    assert read(gauge) == {T.RAIN_TIPS: (2, T.R_OK)}
    pulses.hit(9300)
    assert read(gauge) == {T.RAIN_TIPS: (1, T.R_BOUNCE)}  # 0.3 s after the last: no rain does that
    assert gauge.counters.bounce == 2 and gauge.counters.good == 3
    pulses.n += 5  # the stamp list was full: counted by the interrupt only
    assert read(gauge) == {T.RAIN_TIPS: (5, T.R_BOUNCE)}
    assert read(gauge) == {T.RAIN_TIPS: (0, T.R_OK)}


def test_pulses_of_the_road():
    Clock()
    pulses = Pulse()
    loop = driver("pulse", pulses)
    pulses.hit(10, 40, 500, 900)
    assert read(loop) == {T.PULSE_COUNT: (3, T.R_OK)}


SHT_GOOD = b"\x66\x66\x93\x80\x00\xa2"  # 25.00 Cel, 56.50 %


def test_sht_reads_repeats_and_names_what_is_wrong():
    Clock()
    replies = []
    sensor = driver("sht4x", I2c(lambda _address, order: b"" if order is None else replies.pop(0)), address=0x44)
    replies += [SHT_GOOD]
    assert read(sensor) == {T.AIR_TEMPERATURE: (2500, T.R_OK), T.RELATIVE_HUMIDITY: (5650, T.R_OK)}
    replies += [broken(SHT_GOOD), SHT_GOOD]
    assert read(sensor)[T.AIR_TEMPERATURE] == (2500, T.R_OK)
    replies += [broken(SHT_GOOD), broken(SHT_GOOD)]
    assert read(sensor)[T.AIR_TEMPERATURE] == (None, T.R_CHECKSUM)
    replies += [None, SHT_GOOD]
    assert read(sensor)[T.AIR_TEMPERATURE] == (2500, T.R_OK)
    replies += [None, None]
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (None, T.R_ABSENT)
    assert (sensor.counters.good, sensor.counters.checksum, sensor.counters.absent) == (3, 3, 3)
    assert read(sensor, 5)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)  # no time to measure


def test_sht_a_held_clock_is_a_timeout():
    Clock()

    def hold(address, order):
        raise OSError(116)

    sensor = driver("sht3x", I2c(hold))
    assert read(sensor)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)
    assert sensor.counters.timeout == 2 and sensor.counters.absent == 0


def bme(chip, data=b"\x65\x5a\xc0\x7e\xed\x00\x75\x30"):
    low = b"\x70\x6b\x43\x67\x18\xfc\x7d\x8e\x43\xd6\xd0\x0b\x27\x0b\x8c\x00\xf9\xff\x8c\x3c\xf8\xc6\x70\x17\xa5\x4b"
    registers = {0xD0: bytes((chip,)), 0x88: low, 0xE1: b"\x6a\x01\x00\x13\x29\x03\x1e", 0xF3: b"\x00", 0xF7: data}
    return lambda _address, order: b"" if order is None else registers[order[0]]


def test_bme280_reads_the_datasheets_example():
    Clock()
    sensor = driver("bme280", I2c(bme(0x60)), address=0x76)
    got = read(sensor)
    assert got == {
        T.AIR_TEMPERATURE: (2508, T.R_OK),
        T.RELATIVE_HUMIDITY: (5500, T.R_OK),
        T.AIR_PRESSURE: (100653, T.R_OK),
    }


def test_bmp280_sold_as_bme280_has_no_humidity_and_says_so():
    Clock()
    got = read(driver("bme280", I2c(bme(0x58))))
    assert got[T.RELATIVE_HUMIDITY] == (None, T.R_DEVICE_FAULT)
    assert got[T.AIR_PRESSURE] == (100653, T.R_OK)


def test_bme280_wrong_device_absent_and_unmeasured_are_told_apart():
    Clock()
    assert read(driver("bme280", I2c(bme(0x11))))[T.AIR_PRESSURE] == (None, T.R_DEVICE_FAULT)
    assert read(driver("bme280", I2c(lambda _address, _order: None)))[T.AIR_PRESSURE] == (None, T.R_ABSENT)
    sensor = driver("bme280", I2c(bme(0x60, b"\x80\x00\x00\x80\x00\x00\x80\x00")))
    assert read(sensor)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)
    assert read(sensor, 5)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)


def test_bme280_plugged_out_and_in_again_is_read_as_a_new_device():
    Clock()
    bus = I2c(bme(0x60))
    sensor = driver("bme280", bus)
    read(sensor)
    bus.reply = lambda _address, _order: None
    assert read(sensor)[T.AIR_PRESSURE] == (None, T.R_ABSENT)
    bus.reply = bme(0x58)
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (None, T.R_DEVICE_FAULT)


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
    assert read(sensor)[T.PM2_5] == (None, T.R_ABSENT)
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


def radar(packet, **options):
    clock = Clock()
    uart = Uart(clock, packet, 100, 2048)
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


def test_a_radar_of_another_baud_rate_is_not_absent():
    clock, _uart, sensor = radar(lambda _k: report()[:-1] + b"\x00")
    listen(clock, sensor, 10)
    assert read(sensor)[T.OCCUPANCY] == (None, T.R_CHECKSUM)


class Broken:
    async def read(self, deadline_ms):
        raise ValueError("a bug")


class Slow:
    def __init__(self):
        self.given = []

    async def read(self, deadline_ms):
        self.given.append(deadline_ms)
        await base.sleep_ms(deadline_ms)
        return [(T.AIR_TEMPERATURE, 2500, T.R_OK)]


def test_a_station_has_the_columns_of_its_sensors_and_fills_them_all():
    clock = Clock()
    flood = load_station("flood")
    sensors = {"sht4x": Slow(), "tipping_bucket": driver("tipping_bucket", Pulse())}
    station = flood(sensors)
    assert station.PROPERTIES == (T.RAIN_TIPS, T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY)
    start = clock.t
    row = run(station.sample(500))
    assert row == {
        T.RAIN_TIPS: (0, quality(T.R_OK)),
        T.AIR_TEMPERATURE: (2500, quality(T.R_OK)),
        T.RELATIVE_HUMIDITY: (None, quality(T.R_NOT_EVALUATED)),
    }
    assert clock.t - start <= 500 and sensors["sht4x"].given == [500]
    assert set(flood({}).PROPERTIES) == set() and run(flood({}).sample(10)) == {}


def test_a_bug_in_one_driver_costs_its_readings_only():
    Clock()
    station = load_station("flood")({"sht4x": Broken(), "tipping_bucket": driver("tipping_bucket", Pulse())})
    row = run(station.sample(500))
    assert row[T.RAIN_TIPS] == (0, quality(T.R_OK))
    assert row[T.AIR_TEMPERATURE] == (None, quality(T.R_NOT_EVALUATED)) and station.broken == 1


def test_two_sensors_of_one_property_give_one_column():
    Clock()
    station = load_station("air")(
        {
            "sht4x": driver("sht4x", I2c(lambda _a, o: b"" if o is None else SHT_GOOD)),
            "bme280": driver("bme280", I2c(bme(0x60))),
        }
    )
    row = run(station.sample(500))
    assert station.PROPERTIES == (T.AIR_TEMPERATURE, T.RELATIVE_HUMIDITY, T.AIR_PRESSURE)
    assert row[T.AIR_TEMPERATURE][0] in (2500, 2508) and row[T.AIR_PRESSURE][0] == 100653


def test_stations_without_streams_have_nothing_to_collect():
    Clock()
    assert run(load_station("flood")({}).run()) is None


def test_every_driver_keeps_the_interface():
    for model in FILES + tuple(FAMILY):
        module = load(model)
        assert module.BUS in ("uart", "i2c", "pulse") and module.PROPERTIES and module.SOURCE and module.RANGE
        assert (module.BUS != "uart") or (module.BAUD and 512 <= module.RXBUF <= 2048)
        for ident in module.PROPERTIES:
            assert ident in T.PROPERTIES
        clock = Clock()
        bus = {"uart": Uart(clock, lambda _k: b"", 100), "i2c": I2c(lambda _a, _o: None), "pulse": Pulse()}[module.BUS]
        sensor = driver(model, bus)
        readings = run(sensor.read(1000))
        assert [ident for ident, _, _ in readings] == list(module.PROPERTIES)
        assert sensor.counters.errors() == sorted(sensor.counters.errors())
    for domain in DOMAINS:
        assert issubclass(load_station(domain), Station)


def test_unknown_names_list_the_known_ones():
    for find in (load, load_station):
        said = ""
        try:
            find("a02yyuv")
        except ValueError as error:
            said = str(error)
        assert "a02yyuv" in said and ("a02yyuw" in said or "flood" in said)

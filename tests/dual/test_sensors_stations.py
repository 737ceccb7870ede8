"""I2C and pulse drivers and the stations, on a clock in the hand."""

from sensor_rig import Clock, I2c, Pulse, broken, dead_bus, give_back, read, run

from pantau_node.sensors import base
from pantau_node.sensors.catalog import driver, load, models
from pantau_node.stations import Station
from pantau_node.stations.make import DOMAINS, load_station
from pantau_wire import names as T
from pantau_wire.frame import quality


def teardown_function():
    give_back()


def rain(reason=T.R_OK, tips=0, first=None, last=None):
    """Return what a gauge that read so many tips says; ages in tenths of a second."""
    ages = T.R_NO_SAMPLE if first is None else reason
    return {T.RAIN_TIPS: (tips, reason), T.RAIN_FIRST_TIP_AGE: (first, ages), T.RAIN_LAST_TIP_AGE: (last, ages)}


def test_rain_counts_tips_once_and_flags_a_rocking_bucket():
    clock = Clock()
    pulses = Pulse()
    gauge = driver("tipping_bucket", pulses)
    assert read(gauge) == rain()
    t = clock.t - 9000
    pulses.hit(t, t + 4, t + 12, t + 8000)
    assert read(gauge) == rain(T.R_OK, 2, 90, 10)
    pulses.hit(t + 8300)
    assert read(gauge) == rain(T.R_BOUNCE)  # 0.3 s after the last: no rain does that
    assert gauge.counters.bounce == 3 and gauge.counters.good == 2
    pulses.hit(clock.t, clock.t + 4, clock.t + 120, clock.t + 122)  # the contact chatters when it opens, too
    assert read(gauge) == rain(T.R_OK, 1, 0, 0) and gauge.counters.bounce == 6
    pulses.n += 5  # the stamp list was full: counted by the interrupt only
    assert read(gauge) == rain(T.R_BOUNCE, 5)
    assert read(gauge) == rain()


def test_tips_are_dated_whatever_is_collected_in_between_and_over_the_wrap_of_the_clock():
    clock = Clock()  # the wrap comes after five seconds
    pulses = Pulse()
    gauge = driver("tipping_bucket", pulses)
    for wait_ms, tip in ((1000, True), (9000, False), (10000, True), (10000, True), (26049, False)):
        clock.t += wait_ms
        if tip:
            pulses.hit(clock.now())
        run(gauge.collect())
    assert read(gauge) == rain(T.R_OK, 3, 550, 260)  # 55.049 s and 26.049 s
    assert read(gauge) == rain()
    pulses.hit(clock.now())
    clock.t += 7200000
    assert read(gauge) == rain(T.R_OK, 1, 65535, 65535)  # the longest that the wire carries
    pulses.hit(clock.now(), clock.now() + 30000)
    clock.t += 30000
    pulses.n += 1
    assert read(gauge) == rain(T.R_BOUNCE, 3, 300, 0)


def test_heavy_rain_begins_with_the_second_near_tip_and_ends_by_itself():
    clock = Clock()
    pulses = Pulse()
    gauge = driver("tipping_bucket", pulses)

    def after(wait_ms, tip=True):
        clock.t += wait_ms
        if tip:
            pulses.hit(clock.now())
        run(gauge.collect())
        return gauge.heavy

    assert not gauge.heavy and not after(1000)
    assert not after(72000)  # 10 mm/h exactly
    assert after(71999) and after(71999, False) and not after(1, False)
    assert not after(10000, False) and not after(1000)  # 83 s after the last
    assert not after(300) and after(40000) and after(300)  # a rocking bucket decides nothing
    for _ in range(16):  # nor does a clock that wraps in a dry season
        assert not after(86400000, False)
    assert not after(0)
    gauge = driver("tipping_bucket", pulses, tip_um=500)
    assert not after(1000) and after(179999) and not after(180000)


def test_a_gauge_that_tips_once_a_wrap_of_the_clock_does_not_bounce():
    clock = Clock()
    pulses = Pulse()
    gauge = driver("tipping_bucket", pulses)
    for _ in range(3):
        pulses.hit(clock.now())
        assert read(gauge) == rain(T.R_OK, 1, 0, 0)
        for _day in range(12):
            clock.t += 86400000
            assert read(gauge) == rain()
        clock.t += (1 << 30) - 12 * 86400000 + 50


def test_pulses_of_the_road():
    Clock()
    pulses = Pulse()
    loop = driver("pulse", pulses)
    pulses.hit(10, 35, 500, 900)
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
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (None, T.R_TIMEOUT)  # it took the order: it is there
    assert (sensor.counters.good, sensor.counters.checksum, sensor.counters.timeout) == (3, 3, 3)
    sensor._bus.reply = lambda _address, _order: None
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (None, T.R_TIMEOUT)  # it was heard before
    assert (sensor.counters.absent, sensor.counters.timeout) == (0, 5)
    assert read(sensor, 5)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)  # no time to measure


def test_sht_a_held_clock_is_a_timeout():
    Clock()

    def hold(address, order):
        raise OSError(116)

    sensor = driver("sht3x", I2c(hold))
    assert read(sensor)[T.AIR_TEMPERATURE] == (None, T.R_TIMEOUT)
    assert sensor.counters.timeout == 2 and sensor.counters.absent == 0


def test_sht_that_is_late_is_waited_for_and_not_asked_again():
    clock = Clock()
    orders = []

    def late(_address, order):
        if order is None:
            orders.append(clock.t)
            return b""
        return SHT_GOOD if clock.t - orders[-1] >= 13 else None

    sensor = driver("sht4x", I2c(late))
    assert read(sensor)[T.AIR_TEMPERATURE] == (2500, T.R_OK)
    assert len(orders) == 1 and sensor.counters.timeout == 1


def test_sht_humidity_that_never_moves_is_wet_while_the_temperature_is_good():
    clock = Clock()
    words = [b"\x66\x66\x93", b"\x66\x67\xa2"]
    tail = [b"\xff\xff\xac"]

    def reply(_address, order):
        return b"" if order is None else words[clock.t // 60000 & 1] + tail[0]

    sensor = driver("sht4x", I2c(reply))
    for _ in range(120):
        got = read(sensor)
        assert got == {T.AIR_TEMPERATURE: (2500, T.R_OK), T.RELATIVE_HUMIDITY: (10000, T.R_OK)}
        clock.t += 60000  # a night of fog is no fault; the same below 97 % is one
    start = clock.t
    tail[0] = b"\x80\x00\xa2"
    for _ in range(62):
        got = read(sensor)
        still = T.R_STUCK if clock.t - start >= 3600000 else T.R_OK
        assert got == {T.AIR_TEMPERATURE: (2500, T.R_OK), T.RELATIVE_HUMIDITY: (5650, still)}, clock.t - start
        clock.t += 60000
    assert sensor.counters.stuck == 2


def bme(chip, data=b"\x65\x5a\xc0\x7e\xed\x00\x75\x30"):
    low = b"\x70\x6b\x43\x67\x18\xfc\x7d\x8e\x43\xd6\xd0\x0b\x27\x0b\x8c\x00\xf9\xff\x8c\x3c\xf8\xc6\x70\x17\xa5\x4b"
    registers = {
        0xD0: bytes((chip,)),
        0x88: low,
        0xE1: b"\x6a\x01\x00\x13\x29\x03\x1e",
        0xF2: b"\x01\x00\x24",
        0xF7: data,
    }
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
    assert read(sensor)[T.AIR_PRESSURE] == (None, T.R_TIMEOUT)
    bus.reply = bme(0x58)
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (None, T.R_DEVICE_FAULT)


def test_bme280_believes_a_calibration_that_it_read_twice():
    Clock()
    whole = bme(0x60)
    seen = []

    def disturbed(address, order):
        seen.append(order)
        data = whole(address, order)
        return broken(data) if order == b"\xe1" and seen.count(order) == 1 else data

    sensor = driver("bme280", I2c(disturbed))
    assert read(sensor)[T.RELATIVE_HUMIDITY] == (5500, T.R_OK)
    assert sensor.counters.checksum == 1


def test_bme280_that_was_exchanged_between_two_readings_gets_its_own_calibration():
    Clock()
    bus = I2c(bme(0x60))
    sensor = driver("bme280", bus)
    assert read(sensor)[T.AIR_TEMPERATURE] == (2508, T.R_OK)
    other = bme(0x58)
    powered = []

    def fresh(address, order):
        if order and order[0] == 0xF2 and not powered:  # ctrl_meas is 0 until it was written
            powered.append(1)
            return bytes(3)
        return other(address, order)

    bus.reply = fresh
    got = read(sensor)
    assert got[T.AIR_TEMPERATURE] == (2508, T.R_OK) and got[T.RELATIVE_HUMIDITY] == (None, T.R_DEVICE_FAULT)
    assert sensor.counters.errors() == [(T.R_DEVICE_FAULT, 1)]


def test_bme280_still_measuring_or_without_its_humidity_setting_gives_no_old_numbers():
    whole = bme(0x60)
    for settings in (b"\x01\x08\x25", b"\x00\x00\x24"):
        Clock()
        bus = I2c(lambda address, order, said=settings: said if order and order[0] == 0xF2 else whole(address, order))
        sensor = driver("bme280", bus)
        assert read(sensor)[T.AIR_PRESSURE] == (None, T.R_TIMEOUT)
        assert sensor.counters.errors() == [(T.R_TIMEOUT, 2)]


QUIET = (0,) * 9  # Config.alarm of a station without thresholds


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
    station = flood(sensors, QUIET)
    assert station.PROPERTIES == (
        T.RAIN_TIPS,
        T.AIR_TEMPERATURE,
        T.RELATIVE_HUMIDITY,
        T.RAIN_FIRST_TIP_AGE,
        T.RAIN_LAST_TIP_AGE,
    )
    start = clock.t
    row = run(station.sample(500))
    assert row == {
        T.RAIN_TIPS: (0, quality(T.R_OK)),
        T.AIR_TEMPERATURE: (2500, quality(T.R_OK)),
        T.RELATIVE_HUMIDITY: (None, quality(T.R_NOT_EVALUATED)),
        T.RAIN_FIRST_TIP_AGE: (None, quality(T.R_NO_SAMPLE)),
        T.RAIN_LAST_TIP_AGE: (None, quality(T.R_NO_SAMPLE)),
    }
    assert clock.t - start <= 500 and sensors["sht4x"].given == [500]
    assert set(flood({}, QUIET).PROPERTIES) == set() and run(flood({}, QUIET).sample(10)) == {}


def test_a_bug_in_one_driver_costs_its_readings_only():
    Clock()
    station = load_station("flood")({"sht4x": Broken(), "tipping_bucket": driver("tipping_bucket", Pulse())}, QUIET)
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
    assert run(load_station("flood")({}, QUIET).run()) is None


def test_every_driver_keeps_the_interface():
    for model in models():
        module = load(model)
        assert module.PROPERTIES
        assert (module.BUS != "uart") or (module.BAUD and 256 <= module.RXBUF <= 2048)
        for ident in module.PROPERTIES:
            assert ident in T.IDS
        clock = Clock()
        sensor = driver(model, dead_bus(module.BUS, clock))
        for deadline_ms in (0, 1, 50, 999, 1000):
            start = clock.t
            readings = run(sensor.read(deadline_ms))
            assert 0 <= clock.t - start <= deadline_ms, (model, deadline_ms)
        assert [ident for ident, _, _ in readings] == list(getattr(sensor, "PROPERTIES", module.PROPERTIES))
        for ident, value, _reason in readings:
            assert value is None or module.BUS in ("pulse", "pulses", "contact") or ident == T.WATER_DISTANCE_N
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

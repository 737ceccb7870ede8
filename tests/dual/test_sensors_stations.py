"""I2C and pulse drivers and the stations, on a clock in the hand."""

from sensor_rig import Clock, I2c, Pulse, broken, dead_bus, give_back, read, run

from pantau_node.sensors import base, driver, load
from pantau_node.sensors.catalog import MODELS
from pantau_node.stations import DOMAINS, Station, load_station
from pantau_wire import names as T
from pantau_wire.frame import quality


def teardown_function():
    give_back()


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
    for model in MODELS:
        module = load(model)
        assert module.PROPERTIES
        assert (module.BUS != "uart") or (module.BAUD and 512 <= module.RXBUF <= 2048)
        for ident in module.PROPERTIES:
            assert ident in T.IDS
        clock = Clock()
        sensor = driver(model, dead_bus(module.BUS, clock))
        readings = run(sensor.read(1000))
        assert [ident for ident, _, _ in readings] == list(getattr(sensor, "PROPERTIES", module.PROPERTIES))
        for ident, value, reason in readings:
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

"""The level transducer's arithmetic in integers, and its driver on a bus in the hand."""

from sensor_rig import Clock, I2c, give_back, read

from pantau_node.sensors import ads1115
from pantau_node.sensors.catalog import driver
from pantau_wire import names as T


def teardown_function():
    give_back()


class Chip:
    """Converts at once, or is busy for so many looks; answers with the codes in turn, the last one for ever."""

    def __init__(self, *codes):
        self.codes = list(codes)
        self.config = b"\x85\x83"
        self.busy = 0
        self.on = True
        self.mask = 0xFFFF
        self.orders = []

    def writeto(self, address, data):
        raise AssertionError("registers are written with their pointer")

    def writeto_mem(self, address, register, data):
        self.orders.append((address, register, bytes(data)))
        if not self.on:
            raise OSError(19)
        assert register == 1
        self.config = bytes(data)

    def readfrom_mem(self, address, register, size):
        if not self.on:
            raise OSError(116)
        assert size == 2
        if register == 1:
            word = (self.config[0] << 8 | self.config[1]) & self.mask & 0x7FFF
            if self.busy:
                self.busy -= 1
            else:
                word |= 0x8000
            return bytes((word >> 8, word & 255))
        number = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        return bytes((number >> 8 & 255, number & 255))


def transducer(*codes, **options):
    clock = Clock()
    chip = Chip(*codes)
    return clock, chip, driver("ads1115", chip, **options)


def depth(thing, deadline_ms=500):
    return read(thing, deadline_ms)[T.WATER_DEPTH]


def test_codes_are_signed():
    for raw, number in (
        (b"\0\0", 0),
        (b"\x7f\xff", 32767),
        (b"\xff\xff", -1),
        (b"\x80\0", -32768),
        (b"\x12\xc0", 4800),
    ):
        assert ads1115.code(raw) == number


def test_the_order_is_the_datasheets():
    assert [ads1115.config(channel) for channel in range(4)] == [0xC383, 0xD383, 0xE383, 0xF383]
    _clock, chip, sensor = transducer(4800, address=0x4A, channel=2)
    depth(sensor)
    assert chip.orders == [(0x4A, 1, b"\xe3\x83")] * 5


def test_4_to_20_ma_over_the_range_is_exact_to_the_millimetre():
    scale = ads1115.ends() + (5000,)
    assert scale == (600000, 2400000, 1, 5000)
    for number in range(0, 32767, 7):
        mm, reason = ads1115.level(number, *scale)
        micro_a = number * 125 / 150
        assert abs(mm - (micro_a - 4000) * 5000 / 16000) <= 0.5001
        assert reason == (T.R_OK if 3600 < micro_a < 21000 else T.R_DEVICE_FAULT)
    assert [ads1115.level(n, *scale)[0] for n in (4800, 14400, 24000, 4320, 25200)] == [0, 2500, 5000, -125, 5313]


def test_namur_limits_are_faults_themselves():
    scale = ads1115.ends() + (5000,)
    for number, reason in (
        (4320, 11),
        (4321, 0),
        (25199, 0),
        (25200, 11),
        (0, 11),
        (-3, 11),
        (32766, 11),
        (32767, 6),
        (-32768, 6),
    ):
        assert ads1115.level(number, *scale)[1] == reason, number
    assert (T.R_OUT_OF_RANGE, T.R_DEVICE_FAULT) == (6, 11)


def test_volts_behind_a_divider():
    scale = ads1115.ends("0.5-4.5v", 0, (10, 15)) + (5000,)
    for number in range(0, 26000, 11):
        mm, reason = ads1115.level(number, *scale)
        volts = number * 0.000125 * 1.5
        assert abs(mm - (volts - 0.5) * 1250) <= 0.5001
        assert reason == (T.R_OK if 0.4 < volts < 4.75 else T.R_DEVICE_FAULT), volts


def test_settings_that_the_converter_could_not_see_are_refused():
    ads1115.ends("4-20ma", 194)
    for wrong in (("4-20ma", 196), ("0.5-4.5v", 0, (9, 10)), ("0-10v",)):
        said = ""
        try:
            ads1115.ends(*wrong)
        except ValueError as error:
            said = str(error)
        assert said, wrong


def test_median_of_five_in_tenths_of_a_millivolt_with_its_zero():
    _clock, _chip, sensor = transducer(14400, 14402, 32767, 14401, 0, zero_mm=-100)
    got = read(sensor, 500)
    assert got == {T.TRANSDUCER_VOLTAGE: (18001, T.R_OK), T.WATER_DEPTH: (2400, T.R_OK)}
    assert (sensor.counters.good, sensor.counters.out_of_range, sensor.counters.fault) == (5, 1, 1)


def test_faults_of_the_loop_keep_their_value():
    for number, expected in ((0, (-1250, 11)), (4320, (-125, 11)), (25200, (5313, 11)), (32767, (7283, 6))):
        _clock, _chip, sensor = transducer(number)
        assert depth(sensor) == expected
        assert sum([n for _, n in sensor.counters.errors()]) == 5


def test_busy_absent_held_and_another_device_are_told_apart():
    _clock, chip, sensor = transducer(4800)
    chip.busy = 6
    assert depth(sensor) == (0, T.R_OK)  # a slow clock is waited for
    chip.busy = 10000
    assert depth(sensor) == (None, T.R_TIMEOUT)
    assert sensor.counters.timeout == 2
    chip.busy = 0
    chip.mask = 0xFFEF  # bits that do not hold what was written
    assert depth(sensor) == (0, T.R_OK)
    chip.mask = 0xF0FF
    assert depth(sensor) == (None, T.R_DEVICE_FAULT)
    assert sensor.counters.fault == 2
    chip.mask = 0xFFFF
    chip.on = False
    assert depth(sensor) == (None, T.R_TIMEOUT)  # it was heard before
    assert (sensor.counters.absent, sensor.counters.timeout) == (0, 4)
    sensor = driver("ads1115", I2c(lambda _address, _order: None))
    assert depth(sensor) == (None, T.R_ABSENT)
    chip.on = True

    def hold(*_):
        raise OSError(116)

    chip.readfrom_mem = hold
    sensor = driver("ads1115", chip)
    assert depth(sensor) == (None, T.R_TIMEOUT) and sensor.counters.timeout == 2


def test_one_or_two_conversions_are_suspect():
    for deadline_ms, reason in ((10, T.R_SPREAD), (19, T.R_SPREAD), (28, T.R_OK), (46, T.R_OK)):
        _clock, chip, sensor = transducer(4800)
        assert depth(sensor, deadline_ms) == (0, reason)
        assert len(chip.orders) == deadline_ms // 9


def test_five_equal_conversions_are_stuck_after_their_time():
    clock, chip, sensor = transducer(9600, stuck_s=600)
    for minute in range(12):
        reason = depth(sensor)[1]
        assert reason == (T.R_STUCK if minute >= 10 else T.R_OK)
        clock.t += 60000 - 45
    chip.codes = [9600, 9601, 9600]
    assert depth(sensor)[1] == T.R_OK
    clock, _chip, dry = transducer(4800, stuck_s=600)
    for _ in range(20):
        assert depth(dry) == (0, T.R_OK)  # a dry bed may stay so for months
        clock.t += 60000


def test_no_deadline_is_exceeded():
    for deadline_ms in range(0, 70, 3):
        for busy in (0, 10000):
            _clock, chip, sensor = transducer(4800)
            chip.busy = busy
            value, reason = depth(sensor, deadline_ms)
            assert value == 0 or reason == T.R_TIMEOUT

"""MH-Z19: answers, and every reason, on a clock in the hand."""

from sensor_rig import Clock, give_back, read

from pantau_node.sensors import mhz19, winsen
from pantau_node.sensors.catalog import driver
from pantau_wire import names as T

GOOD = b"\xff\x86\x02\x60\x47\x00\x00\x00\xd1"  # the manual's example: 608 ppm
READ = b"\xff\x01\x86\x00\x00\x00\x00\x00\x79"
ABC_OFF = b"\xff\x01\x79\x00\x00\x00\x00\x00\x86"


def teardown_function():
    give_back()


def co2(ppm):
    body = bytes((0x86, ppm >> 8, ppm & 255, 70, 0, 0, 0))
    return b"\xff" + body + bytes((-sum(body) & 255,))


class Asked:
    """A UART whose other end answers each command from a list, after 100 ms; an empty answer is silence."""

    def __init__(self, clock, *answers):
        self.clock, self.answers = clock, list(answers)
        self.orders = []
        self.due = []

    def write(self, data):
        self.orders.append(bytes(data))
        if data == READ and self.answers:
            self.due.append((self.clock.t + 100, self.answers.pop(0)))

    def read(self):
        out = b""
        while self.due and self.due[0][0] <= self.clock.t:
            out += self.due.pop(0)[1]
        return out or None


def meter(*answers, **options):
    clock = Clock()
    uart = Asked(clock, *answers)
    return clock, uart, driver("mhz19", uart, **options)


def test_the_manuals_example_and_commands():
    assert mhz19.Parser().feed(GOOD) == [(0x86, 608, 31, 0)]
    assert winsen.command(0x86) == READ and winsen.command(0x79) == ABC_OFF
    assert winsen.command(0x79, 0xA0) == b"\xff\x01\x79\xa0\x00\x00\x00\x00\xe6"


def test_any_cut_and_any_garbage():
    for lead in (b"", b"\xff", b"\xff\xff", GOOD[1:], b"\x12\x00", b"\xff\x86\x02"):
        for at in range(len(GOOD)):
            parser = mhz19.Parser()
            got = parser.feed(lead + GOOD[:at]) + parser.feed(GOOD[at:])
            assert got == [(0x86, 608, 31, 0)], (lead, at)


def test_an_answer_and_then_no_more_automatic_calibration():
    _, uart, sensor = meter(GOOD, GOOD, warm_up_s=0)
    assert read(sensor) == {T.CO2: (608, T.R_OK)}
    assert uart.orders == [READ, ABC_OFF]
    read(sensor)
    assert uart.orders == [READ, ABC_OFF, READ]


def test_the_reasons_are_told_apart_and_counted():
    _, uart, sensor = meter(b"", b"", warm_up_s=0)
    assert read(sensor) == {T.CO2: (None, T.R_ABSENT)}
    uart.answers = [b"", GOOD]
    assert read(sensor) == {T.CO2: (608, T.R_OK)}
    uart.answers = [b"", b""]
    assert read(sensor) == {T.CO2: (None, T.R_TIMEOUT)}
    uart.answers = [GOOD[:8] + b"\x00", GOOD[:5]]
    assert read(sensor) == {T.CO2: (None, T.R_CHECKSUM)}
    uart.answers = [b"\xff\x04\x03\x01\x00\x25\x13\x88\x38"] * 2
    assert read(sensor) == {T.CO2: (None, T.R_DEVICE_FAULT)}
    uart.answers = [b"\x00\x11" + GOOD]
    assert read(sensor) == {T.CO2: (608, T.R_OK)}
    uart.answers = [co2(5000), co2(0), co2(4999)]
    assert read(sensor) == {T.CO2: (5000, T.R_OUT_OF_RANGE)}
    assert read(sensor) == {T.CO2: (0, T.R_OUT_OF_RANGE)}
    assert read(sensor) == {T.CO2: (4999, T.R_OK)}
    counters = sensor.counters
    assert (counters.absent, counters.timeout, counters.checksum, counters.fault) == (3, 2, 2, 2)
    assert (counters.framing, counters.out_of_range, counters.good) == (1, 2, 5)
    assert ABC_OFF in uart.orders[4:]


def test_warm_up_is_three_minutes_whatever_it_says_and_a_constant_is_stuck_later():
    clock, uart, sensor = meter(stuck_s=21600)
    start = clock.t
    for ppm in (400, 410, 500, 612):
        uart.answers = [co2(ppm)]
        assert read(sensor) == {T.CO2: (ppm, T.R_WARMING)}
        clock.t += 30000
    clock.t = start + 180000
    for _ in range(9):
        uart.answers = [co2(410)]
        clock.t += 3600000
        reason = read(sensor)[T.CO2][1]
    assert reason == T.R_STUCK
    uart.answers = [co2(411)]
    assert read(sensor) == {T.CO2: (411, T.R_OK)}


def test_a_wider_range_is_believed():
    sensor = meter(co2(9000), warm_up_s=0, range_ppm=10000)[2]
    assert read(sensor) == {T.CO2: (9000, T.R_OK)}


def test_deadlines_are_kept_and_the_calibration_waits_for_a_longer_one():
    for deadline_ms in (0, 299, 300, 500, 900):
        _, uart, sensor = meter(GOOD, GOOD, warm_up_s=0)
        value, reason = read(sensor, deadline_ms)[T.CO2]
        assert (value, reason) == ((608, T.R_OK) if deadline_ms >= 300 else (None, T.R_TIMEOUT))
        assert (ABC_OFF in uart.orders) == (deadline_ms >= 420)
        sensor = meter(warm_up_s=0)[2]
        assert read(sensor, deadline_ms)[T.CO2][0] is None

"""MaxBotix lines and their driver on a clock in the hand."""

from sensor_rig import Clock, Uart, give_back, read

from pantau_node.sensors import maxbotix
from pantau_node.sensors.catalog import driver
from pantau_wire import names as T

BANNER = b"HRXL-MaxSonar-WRL\rPN:MB7389\rCopyright 2011-2013\rMaxBotix Inc.\rRoHS 1.8b090  0713\rTempI\r"


def teardown_function():
    give_back()


def line(mm):
    return ("R%04d\r" % mm).encode()


def turned(data):
    return bytes([byte ^ 255 for byte in data])


def counted(parser):
    return parser.counters.good, parser.counters.checksum, parser.counters.framing


def ultrasonic(packet, name="mb7389", **options):
    clock = Clock()
    uart = Uart(clock, packet, 150)
    return clock, uart, driver(name, uart, **options)


def distance(thing, deadline_ms=20000):
    return read(thing, deadline_ms)[T.WATER_DISTANCE]


def test_lines_of_both_families_and_stray_bytes():
    parser = maxbotix.Parser()
    assert parser.feed(b"R0300\rR4999\rR9999\rR123\r\xff\xffR12\xff34\xff\r\xffR0999\r") == [
        300,
        4999,
        9999,
        1230,
        1234,
        999,
    ]
    assert counted(parser) == (6, 0, 0)


def test_the_text_of_the_power_up_is_no_line_at_any_cut():
    for at in range(len(BANNER)):
        parser = maxbotix.Parser()
        assert parser.feed(BANNER[:at]) + parser.feed(BANNER[at:] + line(1953) + line(1954)) == [1953, 1954]
        assert counted(parser) == (2, 0, 0)
    parser = maxbotix.Parser()
    assert parser.feed(line(1) + BANNER + line(2)) == [1, 2]
    assert counted(parser) == (2, 0, 1)  # a sensor that started anew under way


def test_what_is_no_line_is_refused_with_its_cause_and_costs_itself_only():
    for bad, cause in (
        (b"R12A4\r", "digit"),
        (b"R 234\r", "digit"),
        (b"R-234\r", "digit"),
        (b"R1234\n", "tail"),
        (b"R12345\r", "length"),
        (b"\xad1234\r", "digit"),
    ):
        parser = maxbotix.Parser()
        assert parser.feed(line(1) + bad) == [1]
        assert parser.framer.cause == cause, bad
        assert parser.feed(line(2)) == [2]
        assert counted(parser) == (2, 0, 1), bad


def test_a_line_of_the_other_polarity_is_one_fault_and_no_framing_error():
    for bad in (turned(line(1234)), b"\xc1\xce\xcd\xcc\xcb\xf2", turned(b"R123\r")):
        for cm in (True, False):
            parser = maxbotix.Parser(cm)
            assert parser.feed(line(1) + bad + bad) == [1]
            assert parser.framer.cause == "inverted", bad
            assert parser.feed(line(2)) == [2]
            assert counted(parser) == (2, 0, 0) and parser.counters.fault == 2, bad


def test_a_line_that_lost_a_digit_is_not_taken_for_centimetres():
    parser = maxbotix.Parser(False)
    assert parser.feed(b"R1234\rR234\rR1235\r") == [1234, 1235]
    assert parser.framer.cause == "length" and counted(parser) == (2, 0, 1)


def test_what_each_distance_is():
    reasons = {
        "mb7389": {0: 6, 299: 6, 300: 6, 301: 0, 4999: 0, 5000: 9, 5001: 6, 9999: 9},
        "mb7388": {0: 6, 300: 6, 500: 6, 501: 0, 5000: 0, 9997: 0, 9998: 9, 9999: 9},
    }
    reasons["mb7369"], reasons["mb7368"] = reasons["mb7389"], reasons["mb7388"]
    assert (T.R_OUT_OF_RANGE, T.R_NO_ECHO) == (6, 9)
    for model, wanted in reasons.items():
        for mm, reason in wanted.items():
            assert maxbotix.classify(mm, model) == reason, (model, mm)


def test_median_of_seven_fresh_lines():
    clock, _uart, sensor = ultrasonic(lambda k: line(5000 if k % 7 == 3 else 2000 + k))
    clock.t += 60000
    got = read(sensor)
    assert got[T.WATER_DISTANCE] == (2404, T.R_OK)  # 401..407 but 402, which saw nothing
    assert got[T.WATER_DISTANCE_N] == (6, T.R_OK) and sensor.counters.no_echo == 1


def test_the_first_line_after_power_up_is_not_believed():
    clock, _uart, sensor = ultrasonic(lambda k: line(900 if k == 1 else 2000))
    clock.t += 160
    assert distance(sensor, 100) == (None, T.R_WARMING)
    clock.t += 300
    assert distance(sensor, 100) == (2000, T.R_OK)
    assert sensor.counters.warming == 1


def test_every_way_it_can_be_is_told_apart():
    clock, uart, sensor = ultrasonic(lambda _k: line(1500))
    uart.on = False
    assert distance(sensor) == (None, T.R_ABSENT)
    uart.on = True
    assert distance(sensor) == (1500, T.R_OK)
    uart.on = False
    clock.t += 60000
    assert distance(sensor) == (None, T.R_TIMEOUT)
    uart.on = True
    for packet, expected in (
        (line(5000), (None, T.R_NO_ECHO)),
        (line(300), (300, T.R_OUT_OF_RANGE)),
        (b"R15x0\r", (None, T.R_CHECKSUM)),
        (turned(line(1500)), (None, T.R_DEVICE_FAULT)),
        (line(1501), (1501, T.R_OK)),
    ):
        uart.packet = lambda _k, packet=packet: packet
        clock.t += 60000
        assert distance(sensor) == expected
    counters = sensor.counters
    assert (counters.absent, counters.timeout, counters.fault) == (1, 1, 21)  # lines in three times the usual time
    assert (counters.no_echo, counters.out_of_range, counters.stuck) == (7, 7, 0)


def test_values_that_scatter_or_are_few_are_told():
    clock, uart, sensor = ultrasonic(lambda k: line(1500 + 100 * (k % 7)))
    clock.t += 5000
    assert distance(sensor)[1] == T.R_SPREAD
    uart.packet = lambda k: line(2000 if k % 3 == 0 else 5000)
    clock.t += 5000
    assert distance(sensor) == (2000, T.R_SPREAD)


def test_the_deadline_is_kept():
    for deadline_ms in (0, 1, 20, 149, 150, 1049, 1050):
        _clock, _uart, sensor = ultrasonic(lambda _k: line(1500))
        assert distance(sensor, deadline_ms)[1] in (T.R_ABSENT, T.R_WARMING, T.R_OK)


def test_the_speed_of_sound_is_the_modules_affair():
    assert ultrasonic(lambda _k: b"")[2].sound_mm_s == 0
    assert ultrasonic(lambda _k: b"", sound_m_s=343)[2].sound_mm_s == 343000

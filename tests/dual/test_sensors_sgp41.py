"""SGP41: its words, what a self-test says, and every reason told apart with the clock in the hand."""

from sensor_rig import Clock, I2c, broken, give_back, read, run

from pantau_node.sensors import sgp41
from pantau_node.sensors.catalog import driver
from pantau_node.sensors.sensirion_device import word
from pantau_wire import names as T

MEASURE = b"\x26\x19\x80\x00\xa2\x66\x66\x93"
CONDITION = b"\x26\x12\x80\x00\xa2\x66\x66\x93"


def teardown_function():
    give_back()


def raw(voc, nox):
    return word(voc) + word(nox)


def sensor(said=None, **options):
    """(what it says by order, the orders heard, the driver)."""
    answers = {b"\x36\x82": raw(0, 1) + word(2), b"\x20\x2f": word(0x3240)}
    answers.update({b"\x28\x0e": word(0xD400), CONDITION: word(30000), MEASURE: raw(30000, 15000)})
    answers.update(said or {})
    orders = []

    def reply(_address, order):
        if order is None:
            return b""
        orders.append(order)
        return answers.get(order)

    return answers, orders, driver("sgp41", I2c(reply), **options)


def test_words_and_what_is_wrong_with_them():
    assert sgp41.parse(b"\x81\x1b\xff\x3f\xb3\x46") == (33051, 16307, "")
    assert sgp41.parse(b"\x81\x1b\xff\x3f\xb3") == (None, None, "short")
    assert sgp41.parse(b"\x81\x1b\xff\x3f\xb3\x47") == (None, None, "crc")
    results = (0xD400, 0x0000, 0xD401, 0xD402, 0xD403, 0x4B00)
    assert [sgp41.passed(word) for word in results] == [True, True, False, False, False, False]


def test_it_is_tested_conditioned_once_and_then_measured():
    clock = Clock()
    _, orders, thing = sensor()
    start = clock.t
    run(thing.collect())
    assert orders == [b"\x36\x82", b"\x20\x2f", b"\x28\x0e", CONDITION, MEASURE]
    assert clock.t - start < 4000
    for _ in range(6):
        clock.t += 8000
        run(thing.collect())
    assert orders.count(CONDITION) == 1 and orders.count(MEASURE) == 7


def test_means_and_warm_up_by_pixel():
    clock = Clock()
    answers, _, thing = sensor()
    assert read(thing) == {T.VOC_RAW: (30000, T.R_WARMING), T.NOX_RAW: (15000, T.R_WARMING)}
    assert thing.counters.warming == 1
    clock.t += 61000
    answers[MEASURE] = raw(30001, 15000)
    run(thing.collect())
    answers[MEASURE] = raw(30002, 15003)
    assert read(thing) == {T.VOC_RAW: (30002, T.R_OK), T.NOX_RAW: (15002, T.R_WARMING)}  # means, halves up
    clock.t += 240000
    assert read(thing) == {T.VOC_RAW: (30002, T.R_OK), T.NOX_RAW: (15003, T.R_OK)}


def test_reasons_are_told_apart():
    clock = Clock()
    answers, _, thing = sensor(stuck_s=600)
    read(thing)
    clock.t += 301000
    answers[MEASURE] = raw(65535, 0)
    assert read(thing) == {T.VOC_RAW: (65535, T.R_OUT_OF_RANGE), T.NOX_RAW: (0, T.R_OUT_OF_RANGE)}
    assert thing.counters.out_of_range == 1
    answers[MEASURE] = raw(30000, 15000)
    read(thing)
    clock.t += 600000
    assert read(thing)[T.VOC_RAW] == (30000, T.R_STUCK)
    answers[MEASURE] = broken(raw(30000, 15000))
    assert read(thing)[T.VOC_RAW] == (None, T.R_CHECKSUM) and thing.counters.checksum == 2
    answers[MEASURE] = None
    assert read(thing)[T.VOC_RAW] == (None, T.R_TIMEOUT) and thing.counters.timeout == 2
    answers[MEASURE] = raw(30000, 15000)
    assert read(thing)[T.VOC_RAW] == (30000, T.R_WARMING)  # it may be another one, and cold


def test_faults_of_the_device_and_another_device():
    for said in (
        {b"\x28\x0e": word(0xD402)},
        {b"\x20\x2f": word(0x3220)},  # an SGP40
        {b"\x36\x82": b"\xff" * 9},  # no Sensirion at all
    ):
        Clock()
        _, orders, thing = sensor(said)
        assert read(thing)[T.NOX_RAW] == (None, T.R_DEVICE_FAULT) and thing.counters.fault == 1
        assert MEASURE not in orders and CONDITION not in orders


def test_no_time_is_a_timeout_and_costs_nothing():
    clock = Clock()
    _, orders, thing = sensor()
    start = clock.t
    assert read(thing, 0)[T.VOC_RAW] == (None, T.R_TIMEOUT) and clock.t == start and orders == []
    assert read(thing, 1000)[T.VOC_RAW][0] == 30000  # too short to condition it: measured all the same
    assert CONDITION not in orders

"""SCD4x: its words, and every reason told apart with the clock in the hand."""

from sensor_rig import Clock, I2c, broken, give_back, read

from pantau_node.sensors import scd4x
from pantau_node.sensors.catalog import driver
from pantau_node.sensors.sensirion_device import word
from pantau_wire import names as T

SERIAL = b"\xf8\x96\x31\x9f\x07\xc2\x3b\xbe\x89"
HALF_THOUSAND = b"\x01\xf4\x33\x66\x67\xa2\x5e\xb9\x3c"


def teardown_function():
    give_back()


def sensor(said, **options):
    """The driver on a sensor that answers the orders in `said`; others with nothing."""
    orders = []

    def reply(_address, order):
        if order is not None:
            orders.append(order)
        return b"" if order is None else said.get(order, b"")

    return orders, driver("scd4x", I2c(reply), **options)


def whole(**changes):
    said = {b"\x36\x82": SERIAL, b"\xe4\xb8": b"\x80\x06\x04", b"\xec\x05": HALF_THOUSAND}
    said.update(changes)
    return said


def test_words_are_read_to_the_hundredth_and_named_when_wrong():
    assert scd4x.parse(HALF_THOUSAND) == (500, 2500, 3700, "")
    assert scd4x.parse(HALF_THOUSAND[:8]) == (None, None, None, "short")
    for at in range(9):
        bad = HALF_THOUSAND[:at] + bytes((HALF_THOUSAND[at] ^ 1,)) + HALF_THOUSAND[at + 1 :]
        assert scd4x.parse(bad) == (None, None, None, "crc")
    assert scd4x.parse(word(40000) + word(0) + word(65535))[:3] == (40000, -4500, 10000)
    assert [scd4x.ready(word) for word in (0x8000, 0x0800, 1, 0x400, 0x8006)] == [False, False, True, True, True]


def test_it_is_stopped_asked_who_it_is_set_up_and_started():
    Clock()
    said = whole()
    said[b"\xe4\xb8"] = word(0x8006)
    orders, thing = sensor(said, pressure_hpa=987)
    assert read(thing)[T.CO2] == (500, T.R_OK)
    assert orders == [b"\x36\x82", b"\xe4\xb8", b"\xec\x05"]  # what is only written is not asked for an answer
    assert thing._orders == [b"\x24\x16\x00\x00\x81", b"\xe0\x00\x03\xdb\x42", b"\x21\xb1"]
    assert driver("scd4x", I2c(lambda _a, _o: b""), asc=True)._orders[0] == b"\x24\x16\x00\x01\xb0"


def reading(ppm):
    return word(ppm) + b"\x66\x67\xa2\x5e\xb9\x3c"


def test_reasons_are_told_apart():
    clock = Clock()
    said = whole()
    said[b"\xe4\xb8"] = word(0x8000)
    _, thing = sensor(said, stuck_s=600)
    assert read(thing)[T.CO2] == (None, T.R_WARMING)
    said[b"\xe4\xb8"] = word(1)
    for ppm, reason in ((349, T.R_OUT_OF_RANGE), (350, T.R_OK), (5000, T.R_OK), (5001, T.R_OUT_OF_RANGE)):
        said[b"\xec\x05"] = reading(ppm)
        clock.t += 5000
        assert read(thing)[T.CO2] == (ppm, reason)
    said[b"\xec\x05"] = reading(800)
    read(thing)
    clock.t += 600000
    assert read(thing)[T.CO2] == (800, T.R_STUCK)
    said[b"\xec\x05"] = broken(reading(801))
    assert read(thing)[T.CO2] == (800, T.R_STUCK)  # still fresh
    clock.t += 60000
    assert read(thing)[T.CO2] == (None, T.R_CHECKSUM)
    said[b"\xe4\xb8"] = word(0)
    assert read(thing)[T.CO2] == (None, T.R_TIMEOUT)
    assert (thing.counters.checksum, thing.counters.timeout, thing.counters.out_of_range) == (2, 1, 2)


def test_another_device_noise_absence_and_a_held_clock_are_told_apart():
    Clock()
    said = whole()
    said[b"\x36\x82"] = b"\x00" * 9  # something else that acknowledges: the same, wrong from the start
    _, thing = sensor(said)
    assert read(thing)[T.CO2] == (None, T.R_DEVICE_FAULT)
    assert (thing.counters.checksum, thing.counters.fault) == (1, 1)
    said[b"\x36\x82"] = broken(SERIAL)  # cut off or disturbed
    assert read(thing)[T.CO2] == (None, T.R_CHECKSUM)
    assert read(driver("scd4x", I2c(lambda _a, _o: None)))[T.CO2] == (None, T.R_ABSENT)

    def hold(_address, _order):
        raise OSError(116)

    thing = driver("scd4x", I2c(hold))
    assert read(thing)[T.CO2] == (None, T.R_TIMEOUT) and thing.counters.timeout == 2
    assert read(thing, 100)[T.CO2] == (None, T.R_TIMEOUT) and thing.counters.timeout == 2  # no time to stop it

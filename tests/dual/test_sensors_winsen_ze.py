"""Winsen ZE packets and reasons, on a clock in the hand."""

from sensor_rig import Clock, Uart, broken, give_back, read

from pantau_node.sensors import winsen_ze
from pantau_node.sensors.catalog import driver, models
from pantau_wire import names as T

CO = b"\xff\x04\x03\x01\x00\x25\x13\x88\x38"  # 3.7 ppm of 500
ANSWER = b"\xff\x86\x00\x25\x04\x00\x00\x00\x51"


def teardown_function():
    give_back()


def ze(value, gas=4, unit=3, decimals=1, full=5000):
    body = bytes((gas, unit, decimals, value >> 8, value & 255, full >> 8, full & 255))
    return b"\xff" + body + bytes((-sum(body) & 255,))


def module(packet, model="ze07_co", **options):
    clock = Clock()
    uart = Uart(clock, packet, 1000, 512)
    return clock, uart, driver(model, uart, **options)


def test_units_and_decimals_become_ppb():
    for value, unit, decimals, want in (
        (37, 3, 1, 3700),
        (5, 3, 0, 5000),
        (1234, 3, 3, 1234),
        (38, 4, 0, 38),
        (385, 4, 1, 39),  # 38.5
        (65535, 3, 0, 65535000),
        (1, 2, 0, None),
        (1, 3, 4, None),
        (1, 3, 255, None),
    ):
        assert winsen_ze.ppb(value, unit, decimals) == want, (value, unit, decimals)


def test_any_cut_any_garbage_and_answers_between():
    stream = CO + ANSWER + CO
    for lead in (b"", b"\xff", b"\xff\xff", CO[1:], b"\x86\xff\x04"):
        for at in range(len(stream)):
            parser = winsen_ze.Parser()
            got = parser.feed(lead + stream[:at]) + parser.feed(stream[at:])
            assert got == [(4, 3, 1, 37, 5000)] * 2, (lead, at)
    parser = winsen_ze.Parser()
    assert len(parser.feed(CO + broken(CO) + CO)) == 2
    assert (parser.counters.good, parser.counters.checksum, parser.counters.framing) == (2, 1, 0)


def test_each_model_has_its_own_gas_and_its_own_order_for_upload():
    seen = []
    for model in sorted(models()):
        if models()[model] != "winsen_ze":
            continue
        clock, uart, sensor = module(lambda _k: b"", model)
        (ident,) = sensor.PROPERTIES
        clock.t += 5000
        assert read(sensor) == {ident: (None, T.R_ABSENT)}
        seen.append((model, ident, uart.sent))
    ze03, other = b"\xff\x01\x78\x03\x00\x00\x00\x00\x84", b"\xff\x01\x78\x40\x00\x00\x00\x00\x47"
    assert seen == [
        ("ze03_co", T.CO, ze03),
        ("ze03_no2", T.NO2, ze03),
        ("ze03_so2", T.SO2, ze03),
        ("ze07_co", T.CO, other),
        ("ze25_o3", T.O3, other),
    ]
    assert {ident for _, ident, _ in seen} == set(winsen_ze.PROPERTIES)


def test_the_mean_of_a_record_and_every_reason():
    clock, uart, sensor = module(lambda k: ze(37 + k % 2))
    clock.t += 100000
    assert read(sensor)[T.CO][1] == T.R_WARMING
    clock.t += 45000
    assert read(sensor)[T.CO][1] == T.R_WARMING
    clock.t += 45000
    assert read(sensor)[T.CO] == (3745, T.R_OK)  # packets 180..190: six of 3.7, five of 3.8
    clock.t += 10000
    assert read(sensor)[T.CO] == (3750, T.R_OK)
    uart.packet = lambda _k: ze(5000)
    clock.t += 3000
    assert read(sensor)[T.CO] == (500000, T.R_OUT_OF_RANGE)
    uart.packet = lambda _k: ze(5, 0x2C)
    clock.t += 3000
    assert read(sensor)[T.CO] == (None, T.R_DEVICE_FAULT) and sensor.gas == 0x2C
    uart.packet = lambda _k: ze(5, 4, 2)
    clock.t += 2000
    assert read(sensor)[T.CO] == (None, T.R_DEVICE_FAULT) and sensor.gas == 4
    uart.packet = lambda _k: broken(ze(5))
    clock.t += 4000
    assert read(sensor)[T.CO] == (None, T.R_CHECKSUM)
    uart.on = False
    clock.t += 60000
    assert read(sensor)[T.CO] == (None, T.R_TIMEOUT)
    counters = sensor.counters
    assert (counters.warming, counters.out_of_range, counters.fault, counters.timeout) == (2, 1, 5, 1)


def test_air_without_the_gas_is_constant_but_another_constant_is_stuck():
    for value, want in ((0, T.R_OK), (12, T.R_STUCK)):
        clock, _, sensor = module(lambda _k, value=value: ze(value), warm_up_s=0, stuck_s=3600)
        for _ in range(70):
            clock.t += 60000
            reason = read(sensor)[T.CO][1]
        assert reason == want

"""SDS011 packets, commands and reasons, on a clock in the hand."""

from sensor_rig import Clock, Uart, give_back, read

from pantau_node.sensors import sds011
from pantau_node.sensors.catalog import driver
from pantau_wire import names as T

DOC = b"\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab"  # the protocol's example: 123.6, 261.8
REPLY = b"\xaa\xc5\x06\x01\x01\x00\xa1\x60\x09\xab"


def teardown_function():
    give_back()


def sds(fine, coarse=400, device=0xA160):
    body = bytes((fine & 255, fine >> 8, coarse & 255, coarse >> 8, device >> 8, device & 255))
    return b"\xaa\xc0" + body + bytes((sum(body) & 255, 0xAB))


def dust(packet, **options):
    clock = Clock()
    uart = Uart(clock, packet, 1000, 512)
    return clock, uart, driver("sds011", uart, **options)


def test_the_documents_packet_and_its_commands():
    assert sds011.Parser().feed(DOC) == [(1236, 2618, 0xA160)]
    assert sds011.command(2, b"\x01\x01", b"\xa1\x60") == b"\xaa\xb4\x02\x01\x01" + bytes(10) + b"\xa1\x60\x05\xab"
    assert sds011.command(6, b"\x01\x01") == b"\xaa\xb4\x06\x01\x01" + bytes(10) + b"\xff\xff\x06\xab"


def test_any_cut_any_garbage_and_answers_between():
    stream = DOC + REPLY + DOC
    for lead in (b"", b"\xaa", b"\xaa\xc0", DOC[3:], b"\x00\xab\xaa\xaa\xc0\xaa"):
        for at in range(len(stream)):
            parser = sds011.Parser()
            got = parser.feed(lead + stream[:at]) + parser.feed(stream[at:])
            assert got[-1:] == [(1236, 2618, 0xA160)] and len(got) == 2, (lead, at)
    parser = sds011.Parser()
    assert len(parser.feed(stream)) == 2
    assert (parser.counters.good, parser.counters.checksum, parser.counters.framing) == (3, 0, 0)


def test_a_wrong_sum_and_a_wrong_tail_are_told_apart():
    parser = sds011.Parser()
    assert len(parser.feed(DOC + DOC[:8] + b"\x1c\xab" + DOC)) == 2
    assert (parser.counters.checksum, parser.counters.framing) == (1, 0)
    assert len(parser.feed(DOC[:9] + b"\xac" + DOC)) == 1
    assert (parser.counters.checksum, parser.counters.framing) == (1, 1)


def test_warm_up_range_and_a_stopped_fan():
    clock, uart, sensor = dust(lambda k: sds(200 + k), stuck_s=600)
    clock.t += 10000
    assert read(sensor)[T.PM2_5][1] == T.R_WARMING
    clock.t += 5000
    assert read(sensor)[T.PM2_5] == (215, T.R_OK)  # of packet 15 alone
    uart.packet = lambda k: sds(9999 + k % 2, 10000)
    clock.t += 2000
    got = read(sensor)
    assert got[T.PM2_5] == (10000, T.R_OUT_OF_RANGE) and got[T.PM10] == (10000, T.R_OUT_OF_RANGE)
    assert got[T.PM2_5_SPREAD][1] == T.R_OUT_OF_RANGE and got[T.PM_N] == (2, T.R_OK)
    assert sensor.counters.out_of_range == 1
    uart.packet = lambda _k: sds(300)
    for _ in range(12):
        clock.t += 60000
        reason = read(sensor)[T.PM2_5][1]
    assert reason == T.R_STUCK
    uart.packet = lambda _k: sds(301)
    clock.t += 1000
    assert read(sensor)[T.PM2_5] == (301, T.R_OK)


def test_silence_is_answered_with_the_orders_to_work_to_report_and_not_to_pause():
    clock, uart, sensor = dust(lambda k: sds(200 + k), warm_up_s=0)
    uart.on = False
    clock.t += 5000
    assert read(sensor)[T.PM2_5] == (None, T.R_ABSENT)
    want = sds011.command(6, b"\x01\x01") + sds011.command(2, b"\x01\x00") + sds011.command(8, b"\x01\x00")
    assert uart.sent == want and len(want) == 57
    uart.on = True
    clock.t += 1000
    assert read(sensor)[T.PM2_5][1] == T.R_OK and sensor.device_id == 0xA160
    uart.on = False
    clock.t += 60000
    assert read(sensor)[T.PM_N] == (None, T.R_TIMEOUT)
    uart.on = True
    uart.packet = lambda _k: sds(200)[:8] + b"\x00\xab"
    clock.t += 2000
    assert read(sensor)[T.PM2_5] == (None, T.R_CHECKSUM)

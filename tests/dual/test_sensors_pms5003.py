"""Plantower packets and the means over a record, to the last digit."""

from sensor_rig import Clock, Uart, broken, give_back, pms, read

from pantau_node.sensors import pms5003
from pantau_node.sensors.catalog import driver
from pantau_node.sensors.particles import Means
from pantau_wire import names as T

ACK = b"\x42\x4d\x00\x04\xe4\x00\x01\x77"


def teardown_function():
    give_back()


def dust(packet, **options):
    clock = Clock()
    uart = Uart(clock, packet, 1000, 2048)
    return clock, uart, driver("pms5003", uart, **options)


def test_means_and_deviation_are_rounded_to_the_nearest():
    for values, mean, deviation in (
        ([7], 7, 0),
        ([1, 2], 2, 1),  # 1.5 and 0.5: a half goes up
        ([1, 1, 2], 1, 0),  # 1.33, 0.47
        ([0, 0, 1, 1, 9], 2, 3),  # 2.2, 3.43
        ([5000, 65535, 40000], 36845, 24814),  # 36845.0, 24813.8
        ([3] * 1000 + [4], 3, 0),
    ):
        means = Means(2)
        for value in values:
            means.add((0, value))
        assert (means.n, means.mean(0), means.deviation(0)) == (len(values), 0, 0)
        assert (means.mean(1), means.deviation(1)) == (mean, deviation), values
        means.clear()
        assert means.n == 0
    means = Means(1)
    means.add((1,))
    means.add((2,))
    assert (means.mean(0, 10), means.deviation(0, 10), means.deviation(0, 1000)) == (15, 5, 500)
    # The root is the largest whose square is not greater.
    for n in (2, 3, 4, 15, 16, 17, 99999, 100000):
        means = Means(1)
        means.add((0,))
        means.add((2 * n,))
        assert means.deviation(0) == n


def test_spread_and_number_go_with_the_means():
    clock, _uart, sensor = dust(lambda k: pms(10 + k % 2, 700 + k), warm_up_s=0)
    clock.t += 20000
    got = read(sensor)
    assert (got[T.PM2_5], got[T.PM2_5_SPREAD], got[T.PM_N]) == ((105, 0), (5, T.R_OK), (20, T.R_OK))
    clock.t += 1000
    got = read(sensor)
    assert (got[T.PM2_5], got[T.PM2_5_SPREAD], got[T.PM_N]) == ((110, 0), (0, T.R_OK), (1, T.R_OK))
    got = read(sensor)
    assert got[T.PM2_5_SPREAD] == (None, T.R_NO_SAMPLE) and got[T.PM_N] == (None, T.R_NO_SAMPLE)


def test_an_answer_between_packets_is_neither_a_reading_nor_an_error():
    clock, _uart, sensor = dust(lambda k: ACK + pms(10, 700 + k), warm_up_s=0)
    clock.t += 5000
    assert read(sensor)[T.PM_N] == (5, T.R_OK)
    assert sensor.counters.good == 10 and sensor.counters.errors() == []


def test_zero_of_everything_is_clean_air_and_mass_without_particles_a_fault():
    clock, uart, sensor = dust(lambda _k: pms(0, 0), warm_up_s=0, stuck_s=60)
    for _ in range(4):
        clock.t += 60000
        assert read(sensor)[T.PM2_5] == (0, T.R_OK)
    for _ in range(57):
        clock.t += 60000
        reason = read(sensor)[T.PM2_5][1]
    assert reason == T.R_STUCK  # nothing at all in the air for an hour: the laser or the fan is dead
    uart.packet = lambda _k: pms(1, 0)
    clock.t += 3000
    got = read(sensor)
    assert got[T.PM2_5] == (10, T.R_DEVICE_FAULT) and got[T.PM2_5_SPREAD] == (0, T.R_DEVICE_FAULT)
    assert sensor.counters.fault == 3
    uart.packet = lambda k: pms(1, 700 + k, k % 3 == 0)
    clock.t += 30000
    assert read(sensor)[T.PM2_5] == (10, T.R_OK)  # ten of thirty
    assert sensor.counters.fault == 13


def test_a_member_of_the_family_without_counts_is_another_device():
    body = b"\x42\x4d\x00\x14" + bytes(18)
    short = body + bytes((sum(body) >> 8, sum(body) & 255))
    assert pms5003.Parser().feed(short) == [[0] * 9]
    clock, _uart, sensor = dust(lambda _k: short, warm_up_s=0)
    clock.t += 3000
    assert read(sensor)[T.PM2_5] == (None, T.R_DEVICE_FAULT) and sensor.counters.fault == 3


def test_a_silent_sensor_is_told_to_wake_and_report_and_warms_up_again():
    clock, uart, sensor = dust(lambda k: pms(10, 700 + k), warm_up_s=30)
    clock.t += 40000
    assert read(sensor)[T.PM2_5] == (100, T.R_OK) and uart.sent == b""
    uart.on = False
    clock.t += 60000
    assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)
    assert uart.sent == b"\x42\x4d\xe4\x00\x01\x01\x74\x42\x4d\xe1\x00\x01\x01\x71"
    uart.on = True
    clock.t += 10000
    assert read(sensor)[T.PM2_5] == (100, T.R_WARMING)
    clock.t += 60000
    assert read(sensor)[T.PM2_5] == (100, T.R_OK)
    assert len(uart.sent) == 14


def test_a_broken_packet_long_ago_does_not_name_the_silence_of_today():
    clock, uart, sensor = dust(lambda k: broken(pms(10)) if k == 2 else pms(10, 700 + k), warm_up_s=0)
    clock.t += 5000
    assert read(sensor)[T.PM_N] == (4, T.R_OK) and sensor.counters.checksum == 1
    uart.on = False
    clock.t += 60000
    assert read(sensor)[T.PM2_5] == (None, T.R_TIMEOUT)

"""The host's end of the bus, without a VM: routing, buffers, faults and their counts."""

import struct

import pytest

from pantau_sim.bus import Bus, Faults
from pantau_sim.sensors import a02yyuw, sht4x, tipping_bucket

T0 = 1767225600000000


def truth(name, t_s):
    return {
        "water_distance": 2.0,
        "air_temperature": 25.0,
        "relative_humidity": 60.0,
        "rain_accumulated": (t_s - T0 / 1e6) / 5,
    }[name]


@pytest.fixture
def bus():
    wiring = {
        "uart": {1: a02yyuw.Emulator(truth, 1)},
        "i2c": {(0, 0x44): sht4x.Emulator(truth, 1)},
        "pulse": {0: tipping_bucket.Emulator(truth, 1, bounce=1)},
    }
    made = Bus(wiring, Faults(1), {0: 25})
    made.power_on(T0)
    made.begin(T0)
    made.handle(1, 0, struct.pack("<BIHB", 1, 9600, 512, 0))
    return made


def uart(bus, uptime_us):
    return bus.handle(2, uptime_us, struct.pack("<BH", 1, 65535))


def whole(data):
    return [
        data[k : k + 4]
        for k in range(len(data))
        if data[k] == 255 and data[k + 3 : k + 4] == bytes([sum(data[k : k + 3]) & 255])
    ]


def test_uart_keeps_the_oldest_bytes_when_the_node_is_late(bus):
    data = uart(bus, 120000000)
    assert len(data) == 512 + 128
    assert bus.overflow()[1] + 4 * bus._wiring["uart"][1].skipped > 3500


def test_faults_are_counted_when_they_hit(bus):
    bus.faults.corrupt_next("a02yyuw", 3)
    bus.faults.drop("a02yyuw", 2)
    bus.faults.truncate("a02yyuw", 1)
    assert bus.faults.injected == {} and bus.faults.pending() == 6
    data = uart(bus, 5050000)
    assert bus.faults.pending() == 0
    assert bus.faults.injected == {
        "corrupt": 3, "corrupt:a02yyuw": 3, "drop": 2, "drop:a02yyuw": 2, "truncate": 1, "truncate:a02yyuw": 1,
    }  # fmt: skip
    assert len(whole(data)) in (50 - 6, 50 - 7, 50 - 5)


def test_silence_loses_and_counts(bus):
    bus.faults.silence("a02yyuw", 1.0)
    uart(bus, 3000000)
    assert bus.faults.injected["silence:a02yyuw"] == 10


def test_wrong_baud_is_garbage(bus):
    bus.handle(1, 1000, struct.pack("<BIHB", 1, 115200, 512, 0))
    assert not [p for p in whole(uart(bus, 1000000)) if abs((p[1] << 8 | p[2]) - 2000) < 20]


def test_absent_devices_do_not_acknowledge(bus):
    assert bus.handle(5, 9000, bytes([0, 0x45])) == b"\x01"
    assert bus.handle(5, 9000, bytes([0, 0x44])) == b"\x00"
    assert bus.handle(2, 9000, struct.pack("<BH", 2, 100)) == b""


def test_i2c_faults(bus):
    bus.faults.nack("sht4x", 1)
    assert bus.handle(5, 9000, b"\x00\x44\xfd") == b"\x01"
    assert bus.handle(5, 9000, b"\x00\x44\xfd") == b"\x00"
    bus.faults.corrupt_next("sht4x")
    reply = bus.handle(6, 19000, struct.pack("<BBH", 0, 0x44, 6))
    assert reply[0] == 0
    broken = [sht4x.crc8(reply[k : k + 2]) != reply[k + 2] for k in (1, 4)]
    assert broken.count(True) == 1
    assert bus.faults.injected["corrupt:sht4x"] == 1 and bus.faults.injected["nack:sht4x"] == 1


def test_a_held_clock_is_a_timeout_to_the_chip_and_no_nack(bus):
    bus._wiring["i2c"][0, 0x44].inject("clock_stretch", 2)
    assert bus.handle(5, 9000, b"\x00\x44\xfd") == b"\x02"
    assert bus.handle(6, 19000, struct.pack("<BBH", 0, 0x44, 6)) == b"\x02"
    assert bus.handle(5, 29000, b"\x00\x44\xfd") == b"\x00"


def test_a_boot_sees_no_edge_from_before_it(bus):
    """Seed 6029: the power was cut while the bucket's contact was closed, and its opening came before uptime 0."""
    pulse = bus._wiring["pulse"][0]
    closing = next(at for at in pulse.tips(T0, T0 + 10**7))
    bus._look_ahead_us = 20_000  # the window ends within the closure
    bus.handle(10, closing - T0 - 10_000, bytes([25]))
    assert pulse._later
    again = closing + 60_000_000
    bus.power_on(again)
    bus.begin(again)
    reply = bus.handle(10, 0, bytes([25]))
    edges = [struct.unpack_from("<QBB", reply, at)[0] for at in range(8, len(reply), 10)]
    assert all(0 < at <= 20_000 for at in edges)


def test_edges_come_once_for_joined_windows(bus):
    edges = []
    for k in range(20):
        reply = bus.handle(10, k * 900000, bytes([25]))
        edges += [struct.unpack_from("<QBB", reply, at) for at in range(8, len(reply), 10)]
    assert [pin for _, pin, _ in edges] == [25] * len(edges)
    falling = [at for at, _, level in edges if level == 0]
    assert edges == sorted(edges)
    assert 17 <= len(falling) <= 2 * 18  # one tip a second, some bounce


def test_unknown_operation_is_said(bus):
    with pytest.raises(ValueError, match="unknown bus operation 99"):
        bus.handle(99, 0, b"")


def test_rtc_survives_a_reset_and_not_the_power(bus):
    bus.handle(11, 2000000, struct.pack("<q", 5_000_000))
    bus.begin(T0 + 10_000_000)
    assert bus.rtc_us() == 13_000_000
    bus.power_on(T0 + 20_000_000)
    bus.begin(T0 + 20_000_000)
    assert bus.rtc_us() == 0


def test_a_slow_rtc_sleeps_too_long_and_does_not_know(bus):
    bus.handle(11, 0, struct.pack("<q", 0))
    bus.sleep_ppm = 20000
    assert bus.asleep_us(100_000) == 102_000_000
    bus.begin(T0 + 102_000_000)
    assert bus.rtc_us() == 100_000_000


def test_a_chip_that_cannot_sleep_is_reset_at_once(bus):
    bus.sleeps = False
    bus.handle(14, 0, struct.pack("<BQ", 4, 60000))
    assert bus.reset == (2, 0)

"""SPS30: floats taken apart in integers, SHDLC after any garbage, every reason told apart with the clock in the hand."""

import struct

from sensor_rig import Clock, I2c, Uart, broken, give_back, read, run

from pantau_node.sensors import sps30, sps30_uart
from pantau_node.sensors.catalog import driver
from pantau_node.sensors.sensirion_device import word
from pantau_wire import names as T

AIR = (5.25, 9.5, 12.75, 13.25, 26.5, 37.0, 41.5, 42.25, 42.5, 0.8125)  # exact in binary


def teardown_function():
    give_back()


def payload(values=AIR):
    return struct.pack(">10f", *values)


def guarded(data):
    return b"".join([word(data[i] << 8 | data[i + 1]) for i in range(0, len(data), 2)])


def answer(command, data, state=0):
    body = bytes((0, command, state, len(data))) + data
    return b"\x7e" + sps30_uart.stuff(body + bytes((~sum(body) & 255,))) + b"\x7e"


def test_floats_are_taken_apart_exactly():
    for bits, units in (
        (0x00000000, 0),
        (0x80000000, 0),  # minus zero
        (0x3F800000, 1 << 32),
        (0x3DCCCCCD, 429496736),  # 0.1 as a single: 0x1.99999A p-4
        (0x40A78320, 0xA78320 << 11),
        (0x461C4000, 10000 << 32),
        (0x2F800000, 1),  # 2**-32
        (0x2F000000, 1),  # a half unit goes up
        (0x2EFFFFFF, 0),
        (0x00000001, 0),  # the least
        (0x007FFFFF, 0),
        (0x7F7FFFFF, 0xFFFFFF << 136),  # the greatest
        (0x7F800000, None),  # infinite
        (0x7FC00000, None),  # no number
        (0xFFFFFFFF, None),
        (0xBF800000, None),  # -1
        (0x80000001, None),
    ):
        assert sps30.fixed(bits) == units, hex(bits)


def test_a_reply_says_what_is_wrong_with_it():
    whole = guarded(payload())
    assert sps30.parse(whole) == ([int(value * 65536) << 16 for value in AIR], "")
    assert sps30.parse(whole[:59]) == (None, "short")
    for at in range(60):
        assert sps30.parse(whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :]) == (None, "crc")
    for i, value in ((0, float("nan")), (3, float("inf")), (4, -1.0), (2, 2147484.0), (9, 3e9)):
        values = list(AIR)
        values[i] = value
        assert sps30.floats(payload(values)) == (None, "value")
    smoke = [2147483.0] * 9 + [66.0]
    assert sps30.floats(payload(smoke)) == ([2147483 << 32] * 9 + [66 << 32], "")  # a reading, and out of range


def test_stuffing_of_every_byte_and_pair_comes_back():
    every = bytes(range(256)) + b"\x7d\x7d\x7e\x7e\x11\x13\x7d\x5e"
    stuffed = sps30_uart.stuff(every)
    assert b"\x7e" not in stuffed and b"\x11" not in stuffed and b"\x13" not in stuffed
    assert sps30_uart.unstuff(stuffed) == every and sps30_uart.unstuff(b"\x01\x7d") is None
    assert sps30_uart.unstuff(b"\x7d\x5d") == b"\x7d" and sps30_uart.unstuff(b"\x7d\x41\x00") is None
    assert sps30_uart.frame(b"\x00\x01\x03") == b"\x7e\x00\x00\x02\x01\x03\xf9\x7e"
    assert sps30_uart.frame(b"\x03") == b"\x7e\x00\x03\x00\xfc\x7e"


def test_after_any_garbage_at_any_offset_the_next_answer_decodes():
    good = answer(3, payload())
    for lead in (b"", b"\x7e", b"\x7d", b"\x7e\x7d", b"\x7e\x00\x03\x00\x28\x41", good[: len(good) // 2], bytes(300)):
        for cut in range(len(good)):
            reader = sps30_uart.Reader()
            assert len(reader.feed(answer(0, b""))) == 1
            found = reader.feed(lead + good[:cut]) + reader.feed(good[cut:])
            assert found == [(3, 0, payload())], (lead, cut)
            # An end alone is no garbage; whatever else stood there was one fault.
            assert reader.counters.framing == (lead not in (b"", b"\x7e")), lead
            assert reader.pending == 0 and reader.counters.checksum == 0


def test_a_turned_bit_is_a_checksum_and_garbage_at_the_start_is_none():
    reader = sps30_uart.Reader()
    assert reader.feed(b"\x55\xaa\x00\x7e" + answer(3, b"")) == [(3, 0, b"")]
    assert reader.counters.errors() == [] and reader.cause == "header"
    assert reader.feed(b"\x7e\x00\x03\x00\x00\xfd\x7e" + answer(3, b"")) == [(3, 0, b"")]
    assert (reader.counters.checksum, reader.counters.framing, reader.cause) == (1, 0, "checksum")
    reader.feed(b"\x7e" + b"\x01" * 1000)
    assert reader.pending == 0  # nothing is kept without end
    reader.cut()
    assert (reader.counters.checksum, reader.counters.framing) == (1, 1)


class Sensor:
    """Both kinds of bus; what it says can be set."""

    def __init__(self, clock):
        self.clock = clock
        self.product = b"00080000"
        self.version = b"\x02\x02"
        self.flags = b"\x00\x00\x00\x00"
        self.values = AIR
        self.new = True
        self.heard = []

    def i2c(self, _address, order):
        if order is None:
            return b""
        said = {
            b"\xd0\x02": self.product,
            b"\xd1\x00": self.version,
            b"\x02\x02": bytes((0, self.new)),
            b"\x03\x00": payload(self.values),
            b"\xd2\x06": self.flags,
        }
        return guarded(said.get(order, b""))

    def uart(self):
        out = b""
        for order in self.heard:
            out += answer(order, self.answers(order))
        self.heard = []
        return out or None

    def answers(self, order):
        said = {0xD0: self.product + b"\x00", 0xD1: self.version + bytes(5), 0xD2: self.flags + b"\x00"}
        if order == 3:
            return payload(self.values) if self.new else b""
        return said.get(order, b"")

    def write(self, data):
        self.heard.append(data[2])


def both(**options):
    """Yield the sensor and its driver, by I2C and by UART."""
    for kind in ("sps30", "sps30_uart"):
        clock = Clock()
        sensor = Sensor(clock)
        bus = I2c(sensor.i2c)
        if kind == "sps30_uart":
            bus = Uart(clock, lambda _k: b"", 1000)
            bus.read, bus.write = sensor.uart, sensor.write
        yield clock, sensor, driver(kind, bus, **options)


def test_the_record_is_the_exactly_rounded_mean_with_its_spread():
    for clock, sensor, thing in both(warm_up_s=0):
        for pm in (9.25, 9.5, 10.5):
            sensor.values = (0.25, pm, 1000.0, 1000.25, 0.125, 0, 0, 0, 0, 0.8125)
            clock.t += 1000
            run(thing.collect())
        sensor.new = False
        assert read(thing) == {
            T.PM1: (3, T.R_OK),  # 2.5 tenths, up
            T.PM2_5: (98, T.R_OK),  # 97.5
            T.PM4: (10000, T.R_OK),
            T.PM10: (10003, T.R_OUT_OF_RANGE),
            T.PARTICLES_0_5: (13, T.R_OK),
            T.TYPICAL_PARTICLE_SIZE: (813, T.R_OK),
            T.PM2_5_SPREAD: (5, T.R_OK),  # 0.540
            T.PM_N: (3, T.R_OK),
        }
        assert thing.counters.out_of_range == 1
        clock.t += 1000
        assert read(thing)[T.PM1] == (None, T.R_NO_SAMPLE)
        clock.t += 15000
        assert read(thing)[T.PM1] == (None, T.R_TIMEOUT) and thing.counters.timeout == 1


def test_whatever_it_says_with_a_right_checksum_is_kept_and_out_of_range_beyond_what_it_is_made_for():
    for clock, sensor, thing in both(warm_up_s=0):
        sensor.values = (999.0, 1000.0, 20000.0, 2000000.0) + (3001.0,) * 5 + (66.0,)
        clock.t += 1000
        got = read(thing)
        assert [got[ident] for ident in (T.PM1, T.PM2_5)] == [(9990, T.R_OK), (10000, T.R_OK)]
        for ident, value in (
            (T.PM4, 200000),
            (T.PM10, 20000000),
            (T.PARTICLES_0_5, 300100),
            (T.TYPICAL_PARTICLE_SIZE, 66000),
        ):
            assert got[ident] == (value, T.R_OUT_OF_RANGE)
        assert (thing.counters.out_of_range, thing.counters.fault) == (1, 0)


def test_no_particle_at_all_is_clean_air_for_an_hour_and_then_stuck():
    for clock, sensor, thing in both(warm_up_s=0, stuck_s=600):
        sensor.values = (0,) * 9 + (0.75,)
        assert read(thing)[T.PM2_5] == (0, T.R_OK)
        for minute in range(1, 62):
            clock.t += 60000
            assert read(thing)[T.PM2_5] == (0, T.R_OK if minute < 60 else T.R_STUCK), minute
        sensor.values = AIR
        clock.t += 1000
        assert read(thing)[T.PM2_5] == (95, T.R_OK)


def test_warming_stuck_fault_and_nonsense_are_told_apart():
    for clock, sensor, thing in both(stuck_s=600):
        assert read(thing)[T.PM2_5] == (95, T.R_WARMING)
        clock.t += 31000
        assert read(thing)[T.PM2_5] == (95, T.R_OK)
        clock.t += 600000
        assert read(thing)[T.PM2_5] == (95, T.R_STUCK)
        sensor.values = (0,) * 10
        for _ in range(2):
            clock.t += 600000
            assert read(thing)[T.PM2_5] == (0, T.R_OK)  # filtered air may be so for hours
        for flags in (b"\x00\x20\x00\x00", b"\x00\x00\x00\x20", b"\x00\x00\x00\x10"):
            sensor.flags = flags
            clock.t += 1000
            assert read(thing)[T.PM2_5] == (0, T.R_DEVICE_FAULT)
        sensor.flags = b"\xff\xdf\xff\xcf"  # reserved bits
        clock.t += 1000
        assert read(thing)[T.PM2_5] == (0, T.R_OK)
        sensor.values = (float("nan"),) * 10
        clock.t += 1000
        assert read(thing)[T.PM2_5] == (None, T.R_DEVICE_FAULT)
        assert (thing.counters.fault, thing.counters.stuck, thing.counters.warming) == (4, 1, 1)


def test_another_device_and_strange_answers_are_faults():
    for _clock, sensor, thing in both():
        sensor.product = b"00080001"
        assert read(thing)[T.PM1] == (None, T.R_DEVICE_FAULT)
    *_, (_clock, sensor, thing) = both()
    sensor.version = b""
    sensor.product = b"0008"
    assert read(thing)[T.PM1] == (None, T.R_DEVICE_FAULT)  # whole frames, but too little in them
    sensor.product = b"00080000"
    sensor.version = b"\x02\x02"
    sensor.answers = lambda order: bytes(20) if order == 3 else Sensor.answers(sensor, order)
    assert read(thing)[T.PM1] == (None, T.R_DEVICE_FAULT)


def test_absent_held_and_only_bad_packets_are_told_apart():
    Clock()
    thing = driver("sps30", I2c(lambda _address, order: b"" if order is None else broken(guarded(b"00080000"))))
    assert read(thing)[T.PM1] == (None, T.R_CHECKSUM) and thing.counters.checksum == 2
    assert read(driver("sps30", I2c(lambda _a, _o: None)))[T.PM1] == (None, T.R_ABSENT)

    def hold(_address, _order):
        raise OSError(116)

    thing = driver("sps30", I2c(hold))
    assert read(thing)[T.PM1] == (None, T.R_TIMEOUT) and thing.counters.timeout == 2
    assert read(thing, 3)[T.PM1] == (None, T.R_TIMEOUT) and thing.counters.timeout == 2  # no time to ask


def test_two_tasks_do_not_mix_their_orders():
    for clock, _sensor, thing in both(warm_up_s=0):
        collecting = thing.collect()
        thing._busy = True  # as while another task waits for its answer
        assert read(thing, 50)[T.PM1] == (None, T.R_TIMEOUT)
        thing._busy = False
        run(collecting)
        clock.t += 1000
        assert read(thing)[T.PM1] == (53, T.R_OK) and thing._busy is False

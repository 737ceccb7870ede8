"""Packets out of bytes: any cut, any garbage, one bad packet costs one packet, and the counters equal what was done."""

from pantau_node.sensors import a02yyuw, base, ld2451, maxbotix, pms5003

A02 = b"\xff\x07\xa1\xa7"  # datasheet: 1953 mm
PMS = (
    bytes((0x42, 0x4D, 0, 28, 0, 7, 0, 9, 0, 9, 0, 7, 0, 9, 0, 9, 5, 0x2E, 1, 0x8A, 0, 0x34))
    + bytes(6)
    + b"\x97\0\2\x66"
)
RADAR = b"\xf4\xf3\xf2\xf1\x07\x00\x01\x01\x80\x19\x01\x2a\x28\xf8\xf7\xf6\xf5"
LINE = b"R1234\r"
EMPTY = b"\xf4\xf3\xf2\xf1\x00\x00\xf8\xf7\xf6\xf5"
FAMILIES = ((a02yyuw.Parser, A02), (pms5003.Parser, PMS), (ld2451.Parser, RADAR), (maxbotix.Parser, LINE))


def counted(parser):
    counters = parser.counters
    return counters.good, counters.checksum, counters.framing


def test_every_family_reads_its_packet():
    assert a02yyuw.Parser().feed(A02) == [1953]
    assert pms5003.Parser().feed(PMS)[0][:7] == [7, 9, 9, 7, 9, 9, 1326]
    assert ld2451.Parser().feed(RADAR) == [RADAR[4:-4]]
    assert ld2451.Parser().feed(EMPTY) == [b"\0\0"]
    assert maxbotix.Parser().feed(LINE) == [1234]


def test_cut_at_every_offset_and_byte_by_byte_gives_the_same():
    for make, packet in FAMILIES:
        stream = packet + packet
        wanted = make().feed(stream)
        assert len(wanted) == 2
        for at in range(len(stream)):
            parser = make()
            assert parser.feed(stream[:at]) + parser.feed(stream[at:]) == wanted
        parser = make()
        got = []
        for i in range(len(stream)):
            got += parser.feed(stream[i : i + 1])
        assert got == wanted and counted(parser) == (2, 0, 0)


def test_a_stream_that_begins_inside_a_packet_is_no_error():
    for make, packet in FAMILIES:
        for at in range(1, len(packet)):
            parser = make()
            got = parser.feed(packet[at:] + packet + packet)
            assert len(got) == 2, (packet, at)
            assert counted(parser) == (2, 0, 0)


def test_garbage_between_packets_counts_once_at_any_length():
    for make, packet in FAMILIES:
        for n in range(1, 41):
            parser = make()
            # 00 and 11 begin no packet
            assert len(parser.feed(packet + bytes([0, 17] * 20)[:n] + packet)) == 2
            assert counted(parser) == (2, 0, 1), (packet, n)


def test_garbage_of_header_bytes_never_hides_the_packet_after_it():
    for make, packet in FAMILIES:
        parser = make()
        assert parser.feed(packet + packet[:1] * 7 + packet + packet)[-1] == parser.feed(packet)[0]


def test_a_packet_cut_short_costs_itself_only():
    for make, packet in FAMILIES:
        for at in range(1, len(packet)):
            parser = make()
            got = parser.feed(packet + packet[:at] + packet + packet)
            assert len(got) == 3, (packet, at)
            assert counted(parser) == (3, 0, 1), (packet, at, counted(parser))


def test_bad_sums_cost_one_packet_each():
    for make, packet in FAMILIES[:2]:
        bad = packet[:-1] + bytes((packet[-1] ^ 1,))
        for n in (1, 2, 5):
            parser = make()
            assert len(parser.feed(packet + bad * n + packet)) == 2
            assert counted(parser) == (2, n, 0)


def test_a_sum_that_is_the_header_byte_does_not_shift_the_stream():
    parser = a02yyuw.Parser()
    assert parser.feed(b"\xff\x00\x00\xff\xff\x04\xb0\xb3\xff\x00\x00\xff\xff\x04\xb0\xb3") == [0, 1200, 0, 1200]
    assert counted(parser) == (4, 0, 0)
    parser = a02yyuw.Parser()  # and after a bad one in front of it
    assert parser.feed(b"\xff\x00\x00\xff\xff\x04\xb0\xb4\xff\x00\x00\xff") == [0, 0]
    assert counted(parser) == (2, 1, 0)


def test_radar_refuses_a_wrong_tail_and_a_count_that_does_not_fit_its_length():
    for bad in (EMPTY[:-1] + b"\xf4", RADAR[:6] + b"\x02" + RADAR[7:], b"\xf4\xf3\xf2\xf1\xff\x00"):
        parser = ld2451.Parser()
        assert len(parser.feed(EMPTY + bad + RADAR)) == 2, bad
        assert counted(parser) == (2, 0, 1), bad


def test_replies_between_packets_are_no_readings_and_no_errors():
    parser = pms5003.Parser()
    assert len(parser.feed(PMS + b"\x42\x4d\x00\x04\xe1\x00\x01\x74" + PMS)) == 2
    assert counted(parser) == (3, 0, 0)
    parser = ld2451.Parser()
    ack = b"\xfd\xfc\xfb\xfa\x08\x00\x12\x01\x00\x00\x64\x02\x05\x01\x04\x03\x02\x01"
    assert len(parser.feed(RADAR + ack + EMPTY)) == 2
    assert parser.replies == [(0x0112, b"\x00\x00\x64\x02\x05\x01", 8)]
    assert counted(parser) == (3, 0, 0)


def test_the_firmware_reply_is_read_with_the_length_that_the_manual_prints_and_with_the_true_one():
    body = b"\xa0\x01\x00\x00\x51\x24\x01\x01\x10\x15\x05\x24"
    for length in (0x0B, 0x0C):
        packet = b"\xfd\xfc\xfb\xfa" + bytes((length, 0)) + body + b"\x04\x03\x02\x01"
        parser = ld2451.Parser()
        parser.feed(packet + EMPTY)
        code, value, said = parser.replies[0]
        assert (code, said) == (0x01A0, length)
        assert ld2451.command(code, value, said) == packet


def test_endless_garbage_is_counted_and_held_in_bounded_memory():
    for make, packet in FAMILIES:
        parser = make()
        for _ in range(400):
            parser.feed(b"\x00\x11\x22" * 40)
        assert parser.framer.pending < len(packet)
        assert counted(parser)[2] > 50
        assert len(parser.feed(packet)) == 1


def test_a_sensor_with_bad_sums_only_is_counted_without_a_good_packet():
    parser = a02yyuw.Parser()
    for _ in range(64):
        assert parser.feed(b"\xff\x07\xa1\xa8") == []
    assert counted(parser) == (0, 64, 0)
    assert parser.framer.refused == 64 and parser.framer.cause == "checksum"


def test_no_bytes_make_a_parser_raise():
    state = 12345
    for make, packet in FAMILIES:
        parser = make()
        for _ in range(150):
            chunk = bytearray()
            for _ in range(29):
                state = (state * 1103515245 + 12345) & 0x7FFFFFFF
                value = state >> 16 & 255
                chunk.append(packet[value % len(packet)] if value & 1 else value)  # rich in headers and tails
            parser.feed(bytes(chunk))
            assert parser.framer.pending <= 64
        parser.feed(bytes(64))
        assert len(parser.feed(packet)) == 1


def test_counters_name_their_reasons():
    counters = base.Counters()
    assert counters.errors() == []
    counters.checksum, counters.framing, counters.timeout = 2, 3, 1
    assert counters.errors() == [(3, 1), (4, 5)]

"""COBS and the packets of a serial line, the same on chip and edge computer."""

from pantau_wire import cobs, line
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

LONG = bytes(range(1, 255))  # 254 bytes without a zero

# The examples of the algorithm's description: edges of the block of 254.
EXAMPLES = (
    (b"\0", b"\x01\x01"),
    (b"\0\0", b"\x01\x01\x01"),
    (b"\0\x11\0", b"\x01\x02\x11\x01"),
    (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
    (LONG, b"\xff" + LONG),
    (b"\0" + LONG, b"\x01\xff" + LONG),
    (LONG + b"\xff", b"\xff" + LONG + b"\x02\xff"),
    (LONG[1:] + b"\xff\0", b"\xff" + LONG[1:] + b"\xff\x01\x01"),
    (LONG[2:] + b"\xff\0\x01", b"\xfe" + LONG[2:] + b"\xff\x02\x01"),
    (b"", b"\x01"),
)


def code_of(parse, data):
    try:
        parse(data)
    except WireError as error:
        return error.code
    return None


def packets(reader, *pieces):
    found = []
    for piece in pieces:
        reader.feed(piece)
        while True:
            packet = reader.next()
            if packet is None:
                break
            found.append(packet)
    return found


def test_cobs_has_the_published_bytes():
    for data, stuffed in EXAMPLES:
        assert cobs.encode(data) == stuffed
        assert cobs.decode(stuffed) == data
    assert cobs.decode(b"\xff" + LONG + b"\x01") == LONG  # another encoder may end so


def test_cobs_comes_back_and_has_no_zero():
    seed = 7
    for size in (0, 1, 2, 253, 254, 255, 508, 509, 1050):
        for zeros in (0, 3, 200):
            data = bytearray()
            for _ in range(size):
                seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
                byte = seed >> 16 & 255
                data.append(0 if byte < zeros else byte or 1)
            stuffed = cobs.encode(bytes(data))
            assert b"\0" not in stuffed and len(stuffed) <= size + size // 254 + 1
            assert cobs.decode(stuffed) == bytes(data)


def test_what_no_encoder_makes_is_refused():
    assert code_of(cobs.decode, b"\x05\x01") == "truncated"
    assert code_of(cobs.decode, b"\x03\x01\0") == "bad_field"
    assert code_of(cobs.decode, b"\0") == "bad_field"


def test_a_packet_has_these_bytes():
    data = line.packet("up", "a1", b"\x00\xff")
    assert data == b"\x00\x05\x01\x02a1\x06\xff\x8bo\xd1*\x00"
    assert data[0] == data[-1] == 0 and line.parse(data[1:-1]) == ("up", "a1", b"\x00\xff")
    assert line.parse(line.packet(line.HELLO)[1:-1]) == (line.HELLO, "", b"")


def test_the_longest_packet_fits():
    payload = bytes([255]) * MAX_FRAME
    data = line.packet("up", "n" * 23, payload)
    assert len(data) - 2 <= line.MAX_PACKET
    assert packets(line.Reader(), data) == [("up", "n" * 23, payload)]
    assert code_of(line.parse, data[1:-1] + b"\x01" * 10) == "too_long"


def test_every_damaged_byte_is_seen():
    data = line.packet("ack", "node-1", b"payload")[1:-1]
    for at in range(len(data)):
        for bit in (1, 128):
            bent = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            assert code_of(line.parse, bent) is not None
        assert code_of(line.parse, data[:at]) is not None


def test_a_packet_with_a_right_crc_may_still_be_none():
    for body in (b"", b"\x01", b"\x08\x01a", b"\x01\x05a", b"\x01\x01A", b"\x01\x00"):
        whole = cobs.encode(body + line._crc(body))
        assert code_of(line.parse, whole) in ("truncated", "bad_field")


def test_the_reader_finds_its_place_wherever_it_begins():
    one, two = line.packet("up", "n", b"one\0one"), line.packet("cmd", "n", b"two")
    for at in range(len(one) + 1):
        found = packets(line.Reader(), one[at:], two)
        assert found[-1] == ("cmd", "n", b"two")
        assert len(found) == (2 if at <= 1 else 1)
    for at in range(len(one) + len(two)):
        whole = one + two
        assert len(packets(line.Reader(), whole[:at], whole[at:])) == 2


def test_text_between_packets_is_passed_over():
    reader = line.Reader()
    stream = (
        b"boot: hello\r\n" + line.packet("up", "n", b"1") + b"[warn] 3\r\n" + line.packet("up", "n", b"2") + b">>> "
    )
    assert [packet[2] for packet in packets(reader, *[stream[i : i + 3] for i in range(0, len(stream), 3)])] == [
        b"1",
        b"2",
    ]
    assert reader.passed == 2


def test_a_line_without_a_zero_costs_no_memory():
    reader = line.Reader()
    for _ in range(50):
        assert packets(reader, b"x" * 512) == []
        assert len(reader._data) <= line.MAX_PACKET + 512
    assert packets(reader, line.packet("up", "n", b"1")) == [("up", "n", b"1")]
    assert reader.passed == 1

"""The LD2450's packets on all interpreters."""

from pantau_node.sensors import ld2450

EXAMPLE = b"\xaa\xff\x03\x00\x0e\x03\xb1\x86\x10\x00\x40\x01" + bytes(16) + b"\x55\xcc"


def test_numbers_are_sign_and_magnitude():
    assert [ld2450.signed(word) for word in (0, 0x8000, 0x8001, 1, 0xFFFF, 0x7FFF)] == [0, 0, 1, -1, 32767, -32767]


def test_the_makers_example():
    assert ld2450.Parser().feed(EXAMPLE) == [[(-782, 1713, -16, 320)]]


def test_split_anywhere_and_after_garbage_it_is_found():
    for lead in (b"", b"\xaa", b"\xaa\xff\x03", bytes(40), EXAMPLE[:17]):
        for at in range(len(EXAMPLE)):
            parser = ld2450.Parser()
            got = parser.feed(lead + EXAMPLE[:at]) + parser.feed(EXAMPLE[at:])
            assert got == [[(-782, 1713, -16, 320)]], (lead, at)


def test_a_broken_tail_is_refused_and_the_next_packet_decodes():
    parser = ld2450.Parser()
    assert parser.feed(EXAMPLE[:-1] + b"\xcd") == [] and parser.framer.cause == "tail"
    assert len(parser.feed(EXAMPLE)) == 1 and parser.counters.framing == 1

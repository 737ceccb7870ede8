"""The three interpreters agree on what the shared files lean on; also the first proof that the runner works."""

import hashlib
import json
import struct

from micropython import const

_LIMIT = const(7)


def test_big_integers_shift_and_mask_alike():
    value = 0x0123456789ABCDEF
    assert (value << 3) & 0xFFFFFFFFFFFFFFFF == 0x091A2B3C4D5E6F78
    assert -5 >> 1 == -3
    assert value.to_bytes(8, "big") == bytes((0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF))
    assert int.from_bytes(b"\xff\x00", "big") == 65280


def test_sha256_is_the_published_one():
    digest = hashlib.sha256(b"abc").digest()
    assert digest[:4] == b"\xba\x78\x16\xbf" and len(digest) == 32


def test_struct_packs_big_endian_and_json_keeps_integers():
    assert struct.pack(">HI", 258, 1 << 31) == b"\x01\x02\x80\x00\x00\x00"
    assert json.loads("[1, -2147483649]") == [1, -2147483649]


def test_const_is_usable_at_run_time():
    assert _LIMIT == 7

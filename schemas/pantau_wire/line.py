"""Packets on a serial line, I/O-free: the node's id beside the frame, a CRC, COBS between zeros. docs/serial.md.

    00  COBS( what, length of the id, id, payload, CRC-32 of all before it )  00

What lies between two packets, text of a console say, is no packet and passed over; so is what was damaged on the way.
"""

import binascii

from .cobs import decode, encode
from .errors import WireError
from .frame import MAX_FRAME
from .topics import WHAT, valid_id

HELLO = "hello"  # without id; no payload, from the computer: somebody listens here; "?" from a node asks for that
ASK, SAY = "ask", "say"  # a technician's question on the console and the node's answer; the node's id may be missing
_WHAT = (HELLO,) + WHAT + (ASK, SAY)  # a byte on the line is the place in it
_ANYBODY = (HELLO, ASK, SAY)
_CRC = 4
_BODY = 2 + 23 + MAX_FRAME + _CRC
MAX_PACKET = _BODY + _BODY // 254 + 1  # between the zeros


def packet(what, node="", payload=b""):
    """Return the bytes of one packet; what is HELLO, ASK, SAY or one of topics.WHAT."""
    body = bytes([_WHAT.index(what), len(node)]) + node.encode() + payload
    return b"\0" + encode(body + _crc(body)) + b"\0"


def parse(data):
    """Return (what, node, payload) of the bytes between two zeros; raises WireError."""
    if len(data) > MAX_PACKET:
        raise WireError("too_long", "packet of %d bytes" % len(data))
    body = decode(data)
    if len(body) < 2 + _CRC:
        raise WireError("truncated", "packet")
    if _crc(body[:-_CRC]) != body[-_CRC:]:
        raise WireError("bad_field", "CRC")
    what = body[0]
    end = 2 + body[1]
    if what >= len(_WHAT) or end > len(body) - _CRC:
        raise WireError("bad_field", "packet")
    node = "".join([chr(byte) for byte in body[2:end]])
    if (node or _WHAT[what] not in _ANYBODY) and not valid_id(node):
        raise WireError("bad_field", "node id")
    return _WHAT[what], node, body[end:-_CRC]


def _crc(data):
    return binascii.crc32(data).to_bytes(4, "big")


class Reader:
    """Bytes in, packets out; begins anywhere and holds less than one packet beside what one feed brought.

    passed: chunks between zeros that were no packets so far.
    """

    def __init__(self):
        self._data = b""
        self._at = 0
        self._lost = False  # in the middle of a chunk that is too long
        self.passed = 0

    def feed(self, data):
        """Take bytes as they arrived."""
        rest = self._data[self._at :]
        if len(rest) > MAX_PACKET:
            rest = b""
            self._lost = True
        self._data = rest + bytes(data)
        self._at = 0

    def next(self):
        """Return (what, node, payload) of the next packet, or None when more bytes are needed."""
        while True:
            end = self._data.find(b"\0", self._at)
            if end < 0:
                return None
            chunk = self._data[self._at : end]
            self._at = end + 1
            lost, self._lost = self._lost, False
            if not chunk and not lost:
                continue
            try:
                if not lost:
                    return parse(chunk)
            except WireError:
                pass
            self.passed += 1

"""Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): bytes without a zero, so that a zero can end a packet."""

from .errors import WireError

_FULL = 254  # bytes that one code byte speaks for at most


def encode(data):
    """Return data without zeros: at most one byte in 254 longer, and one."""
    out = []
    segments = data.split(b"\0")
    for segment in segments:
        while len(segment) >= _FULL:
            out.append(b"\xff" + segment[:_FULL])
            segment = segment[_FULL:]
        out.append(bytes([len(segment) + 1]) + segment)
    if len(out) > 1 and len(segments[-1]) and out[-1] == b"\x01":
        out.pop()  # a full block at the end needs no empty one behind it
    return b"".join(out)


def decode(data):
    """Return what encode() was given; WireError for bytes that it cannot have made."""
    out = []
    at = 0
    size = len(data)
    while at < size:
        code = data[at]
        end = at + code
        block = data[at + 1 : end]
        if not code or b"\0" in block:
            raise WireError("bad_field", "a zero within a packet")
        if end > size:
            raise WireError("truncated", "packet")
        out.append(block)
        at = end
        if code <= _FULL and at < size:
            out.append(b"\0")
    return b"".join(out)

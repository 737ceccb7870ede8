"""Bit strings, most significant bit first, and the two variable-length integers of the format."""

from .errors import WireError


def width(value):
    """Return how many bits the non-negative integer value needs (0 for 0)."""
    return len(bin(value)) - 2 if value else 0


def zigzag(value):
    """Fold a signed integer into a non-negative one: 0, -1, 1, -2 -> 0, 1, 2, 3."""
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value):
    """Undo zigzag."""
    return -(value + 1) // 2 if value & 1 else value // 2


class BitWriter:
    """Collects bits; `bytes()` pads the last byte with zeros. length: how many there are."""

    def __init__(self):
        self.length = 0
        self.data = bytearray()  # one long integer instead would leave two as garbage with every put()
        self.rest = 0  # the bits after the last whole byte
        self.free = 8  # how many are missing to the next one

    def put(self, value, bits):
        """Append the non-negative integer value, which has at most `bits` bits."""
        self.length += bits
        bits -= self.free
        if bits < 0:
            self.rest |= value << -bits
            self.free = -bits
            return
        self.data.append(self.rest | value >> bits)
        while bits > 7:
            bits -= 8
            self.data.append(value >> bits & 255)
        self.free = 8 - bits
        self.rest = value << self.free & 255

    def join(self, other):
        """Append what another one holds."""
        for byte in other.data:
            self.put(byte, 8)
        bits = 8 - other.free
        self.put(other.rest >> other.free, bits)

    def nibbles(self, value):
        """Append a non-negative integer in groups of four bits: three of data, low ones first, and one that says `more`."""
        while value > 7:
            self.put(8 | (value & 7), 4)
            value >>= 3
        self.put(value, 4)

    def bytes(self):
        """Return the bits as bytes."""
        return bytes(self.data) + (bytes([self.rest]) if self.free < 8 else b"")


def put_varint(out, value):
    """Append a non-negative integer below 2**49 to a bytearray, seven bits a byte, low ones first."""
    while value > 127:
        out.append(128 | (value & 127))
        value >>= 7
    out.append(value)


def get_varint(data, at, most=5):
    """Return (value, next position) of the varint at `at`: at most `most` bytes, no idle ones."""
    value = shift = 0
    for _ in range(most):
        if at >= len(data):
            raise WireError("truncated", "varint")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                raise WireError("bad_field", "idle byte in a varint")
            return value, at
        shift += 7
    raise WireError("bad_field", "varint too long")

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
    """Collects bits; `bytes()` pads the last byte with zeros."""

    def __init__(self):
        self.value = 0
        self.length = 0

    def put(self, value, bits):
        """Append the low `bits` bits of value."""
        self.value = (self.value << bits) | value
        self.length += bits

    def nibbles(self, value):
        """Append a non-negative integer in groups of four bits: three of data, low ones first, and one that says `more`."""
        while value > 7:
            self.put(8 | (value & 7), 4)
            value >>= 3
        self.put(value, 4)

    def bytes(self):
        """Return the bits as bytes."""
        size = (self.length + 7) // 8
        return (self.value << (size * 8 - self.length)).to_bytes(size, "big")


class BitReader:
    """Reads what BitWriter wrote; raises WireError("truncated") past the end."""

    def __init__(self, data):
        self.value = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def get(self, bits):
        """Return the next `bits` bits as a non-negative integer."""
        if bits > self.left:
            raise WireError("truncated", "bits")
        self.left -= bits
        value = self.value >> self.left
        self.value -= value << self.left
        return value

    def nibbles(self):
        """Return an integer written by BitWriter.nibbles: at most eleven groups, no idle ones."""
        value = shift = 0
        while True:
            group = self.get(4)
            value |= (group & 7) << shift
            if group < 8:
                if shift and not group:
                    raise WireError("bad_field", "idle nibble")
                return value
            shift += 3
            if shift > 30:
                raise WireError("bad_field", "nibbles")

    def finish(self):
        """Check that only zero bits of the last byte are left."""
        if self.left > 7 or self.value:
            raise WireError("bad_field", "padding")


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

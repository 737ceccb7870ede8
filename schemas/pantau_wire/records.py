"""The half of the record codec that no node needs: the columns of a RECORDS frame, decoded."""

from . import _tables as T
from .bits import unzigzag, width
from .column import BASE_BITS, DELTA, ESCAPE, LIMIT, MISSING, QUALITY, RADIX, RICE, SPARSE, index_bits
from .errors import WireError


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


def _get_digits(bits, count):
    radix = RADIX[bits.get(4)]
    limit = radix**count
    number = bits.get(width(limit - 1))
    if number >= limit:
        raise WireError("bad_field", "radix")
    digits = [0] * count
    for i in range(count - 1, -1, -1):
        digits[i] = number % radix
        number //= radix
    return digits


def _get_rice(bits, count):
    k = bits.get(4)
    folded = []
    for _ in range(count):
        quotient = 0
        while quotient < ESCAPE and bits.get(1):
            quotient += 1
        folded.append((quotient << k) | bits.get(k) if quotient < ESCAPE else bits.get(32))
    return folded


def _get_item(bits, values, last):
    index = bits.get(index_bits(len(values)))
    difference = bits.nibbles()
    if index <= last or index >= len(values) or not difference:
        raise WireError("bad_field", "exception list")
    values[index] += unzigzag(difference)
    return index


def _get_values(bits, count, signed):
    code = bits.get(4)
    if code >= len(BASE_BITS):
        raise WireError("bad_field", "column code")
    base = bits.get(BASE_BITS[code])
    if signed:
        base = unzigzag(base)
    if code < DELTA:
        return [base + digit for digit in _get_digits(bits, count)]
    if code >= SPARSE:
        values = [base] * count
        last = -1
        for _ in range(bits.nibbles()):
            last = _get_item(bits, values, last)
        return values
    deltas = []
    if code >= RICE:
        deltas = [unzigzag(v) for v in _get_rice(bits, count - 1)]
    elif count > 1:
        low = unzigzag(bits.nibbles())
        deltas = [low + digit for digit in _get_digits(bits, count - 1)]
    values = [base]
    for delta in deltas:
        values.append(values[-1] + delta)
    return values


def decode(data, count, signed):
    """Return (values, quality or None) of a column of `count` records, as encode took them; WireError otherwise."""
    if not data:
        return [0] * count, None
    bits = BitReader(data)
    quality = None
    present = count
    if data[0] >> 4 == QUALITY:
        bits.get(4)
        quality = _get_values(bits, count, False)
        present = 0
        for code in quality:
            if not 0 <= code < 2048 or code & 7 > MISSING:
                raise WireError("bad_field", "quality code")
            if code & 7 != MISSING:
                present += 1
    values = _get_values(bits, present, signed) if present else []
    bits.finish()
    for value in values:
        if not (-LIMIT if signed else 0) <= value < LIMIT:
            raise WireError("bad_field", "column value")
    if quality is not None:
        rest = iter(values)
        values = [None if code & 7 == MISSING else next(rest) for code in quality]
    return values, quality


def decode_exceptions(data, count):
    """Return count offsets in seconds from the bytes of encode_exceptions."""
    bits = BitReader(data)
    offsets = [0] * count
    last = -1
    while bits.left >= index_bits(count) + 4:
        last = _get_item(bits, offsets, last)
    bits.finish()
    return offsets


def columns(f, body, parts):
    """Fill f.columns from the parts [(id, start, end)] of the body; ids that this version does not know into f.skipped."""
    for ident, start, end in parts:
        if ident == T.TIME_OFFSET:
            f.columns[ident] = (decode_exceptions(body[start:end], f.count), None)
        elif ident in T.IDS:
            f.columns[ident] = decode(body[start:end], f.count, ident in T.SIGNED)
        else:
            f.skipped.append(ident)

"""One column of a RECORDS frame: up to 255 integers, small.

A column opens with a code of four bits: the form in which its values are written and the width of the base value. The
encoder tries every form and keeps the shortest. FORMAT.md, "Columns", says the same in words. Every form delimits
itself, so a quality stream can stand before the values, and the value of a missing reading is simply not there.
records.py decodes.
"""

from .bits import BitWriter, width, zigzag
from .errors import WireError

# Each form's first code; each code's width of the base in bits. 14 is free, 15 announces a quality stream and another code.
RANGE, DELTA, RICE, SPARSE = 0, 4, 7, 10
BASE_BITS = (0, 12, 16, 32, 12, 16, 32, 12, 16, 32, 0, 12, 16, 32)
QUALITY = 15
# what a digit of the mixed-radix number stays below; the last takes any difference
RADIX = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 48, 256, 65536, 1 << 32)
ESCAPE = 20  # this many ones say that 32 plain bits follow instead of a Rice code
LIMIT = 1 << 31  # values stay between -LIMIT and LIMIT - 1
MISSING = 4  # index of QARTOD 9 in FLAGS: such a reading has no value


def _open(code, base):
    out = BitWriter()
    while base >> BASE_BITS[code]:
        code += 1
    out.put(code, 4)
    out.put(base, BASE_BITS[code])
    return out


def _put_digits(out, digits):
    greatest = max(digits)
    index = 0
    while RADIX[index] <= greatest:
        index += 1
    out.put(index, 4)
    radix = RADIX[index]
    bits = width(radix - 1)
    if radix == 1 << bits:  # the number is the digits' bits
        for digit in digits:
            out.put(digit, bits)
        return
    number = part = 0
    scale = 1
    for digit in digits:
        part = part * radix + digit
        scale *= radix
        if scale >> 20:  # a few long integers instead of one for each digit
            number = number * scale + part
            part = 0
            scale = 1
    bits = width(radix ** len(digits) - 1)
    data = (number * scale + part).to_bytes((bits + 7) // 8, "big")
    out.put(data[0], (bits - 1) % 8 + 1)
    for byte in data[1:]:
        out.put(byte, 8)


def _best_k(folded):
    """Return (size in bits, k) of the shortest Rice code; beyond the width of the greatest value it only grows."""
    best = None
    for k in range(min(width(max(folded)), 15) + 1):
        size = (k + 1) * len(folded)
        for value in folded:
            value >>= k
            size += value if value < ESCAPE else ESCAPE + 31 - k
        if best is None or size < best[0]:
            best = size, k
    return best


def _put_rice(out, folded, k):
    out.put(k, 4)
    for value in folded:
        quotient = value >> k
        if quotient < ESCAPE:
            out.put((1 << (quotient + 1)) - 2, quotient + 1)
            out.put(value & ((1 << k) - 1), k)
        else:
            out.put((1 << ESCAPE) - 1, ESCAPE)
            out.put(value, 32)


def index_bits(count):
    """Return how many bits number one of `count` records in an exception list."""
    return 4 if count <= 16 else 8


def put_items(out, values, base):
    """Append (index, difference from base) of every value that is not the base."""
    bits = index_bits(len(values))
    for index, value in enumerate(values):
        if value != base:
            out.put(index, bits)
            out.nibbles(zigzag(value - base))


def _put_values(values, signed):
    """Return the shortest way to write the values, a non-empty list within LIMIT, as a BitWriter."""
    fold = zigzag if signed else int
    deltas = [values[i] - values[i - 1] for i in range(1, len(values))]
    if not deltas:
        return _open(DELTA, fold(values[0]))
    least = min(values)
    best = _open(RANGE, fold(least))
    _put_digits(best, [v - least for v in values])
    if -LIMIT <= min(deltas) <= max(deltas) < LIMIT:
        low = min(deltas)
        out = _open(DELTA, fold(values[0]))
        out.nibbles(zigzag(low))
        _put_digits(out, [d - low for d in deltas])
        if out.length < best.length:
            best = out
        folded = [zigzag(d) for d in deltas]
        size, k = _best_k(folded)
        out = _open(RICE, fold(values[0]))
        if out.length + 4 + size < best.length:
            _put_rice(out, folded, k)
            best = out
    common = max(set(values), key=values.count)
    if values.count(common) * 2 > len(values):
        out = _open(SPARSE, fold(common))
        out.nibbles(len(values) - values.count(common))
        put_items(out, values, common)
        if out.length < best.length:
            best = out
    return best


def encode(values, quality, signed):
    """Return one column's bytes.

    values: integers, None where the quality code says missing; quality: a code for each (reason * 8 + flag index), or
    None when all are good; signed: whether the property's least raw value is below zero. Zeros that are all good take
    no byte. Raises WireError("bad_value") for what the format cannot carry.
    """
    present = [v for v in values if v is not None]
    for value in present:
        if not (-LIMIT if signed else 0) <= value < LIMIT:
            raise WireError("bad_value", "column value %d" % value)
    if quality is None:
        if len(present) < len(values):
            raise WireError("bad_value", "a missing value without its quality")
        return _put_values(values, signed).bytes() if any(values) else b""
    for value, code in zip(values, quality):
        if (value is None) != (code & 7 == MISSING) or not 0 <= code < 2048 or code & 7 > MISSING:
            raise WireError("bad_value", "quality code %d" % code)
    out = BitWriter()
    out.put(QUALITY, 4)
    out.join(_put_values(quality, False))
    if present:
        out.join(_put_values(present, signed))
    return out.bytes()


def encode_exceptions(offsets):
    """Return the bytes of the time_offset column: the non-zero offsets only, b"" when there is none."""
    out = BitWriter()
    put_items(out, offsets, 0)
    return out.bytes()

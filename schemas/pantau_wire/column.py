"""One column of a RECORDS frame: up to 255 integers, small.

A column opens with a code of four bits: the form in which its values are written and the width of the base value. The
encoder tries every form and keeps the shortest. FORMAT.md, "Columns", says the same in words. Every form delimits
itself, so a quality stream can stand before the values, and the value of a missing reading is simply not there.
"""

from .bits import BitReader, BitWriter, unzigzag, width, zigzag
from .errors import WireError

RANGE, DELTA, RICE, SPARSE = 0, 1, 2, 3
# code -> (form, width of the base in bits); 14 is free, 15 announces a quality stream and then another code
FORMS = (
    (RANGE, 0),
    (RANGE, 12),
    (RANGE, 16),
    (RANGE, 32),
    (DELTA, 12),
    (DELTA, 16),
    (DELTA, 32),
    (RICE, 12),
    (RICE, 16),
    (RICE, 32),
    (SPARSE, 0),
    (SPARSE, 12),
    (SPARSE, 16),
    (SPARSE, 32),
)
QUALITY = 15
# what a digit of the mixed-radix number stays below; the last takes any difference
RADIX = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 48, 256, 65536, 1 << 32)
ESCAPE = 20  # this many ones say that 32 plain bits follow instead of a Rice code
LIMIT = 1 << 31  # values stay between -LIMIT and LIMIT - 1
MISSING = 4  # index of QARTOD 9 in FLAGS: such a reading has no value


def _open(form, base):
    out = BitWriter()
    for code, (other, bits) in enumerate(FORMS):
        if other == form and base < 1 << bits:
            out.put(code, 4)
            out.put(base, bits)
            break
    return out


def _put_digits(out, digits):
    greatest = max(digits)
    index = 0
    while RADIX[index] <= greatest:
        index += 1
    radix = RADIX[index]
    number = 0
    for digit in digits:
        number = number * radix + digit
    out.put(index, 4)
    out.put(number, width(radix ** len(digits) - 1))


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


def _rice_size(folded, k):
    size = 0
    for value in folded:
        quotient = value >> k
        size += quotient + 1 + k if quotient < ESCAPE else ESCAPE + 32
    return size


def _put_rice(out, folded):
    best = 0
    for k in range(1, 16):
        if _rice_size(folded, k) < _rice_size(folded, best):
            best = k
    out.put(best, 4)
    for value in folded:
        quotient = value >> best
        if quotient < ESCAPE:
            out.put((1 << (quotient + 1)) - 2, quotient + 1)
            out.put(value & ((1 << best) - 1), best)
        else:
            out.put((1 << ESCAPE) - 1, ESCAPE)
            out.put(value, 32)


def _get_rice(bits, count):
    k = bits.get(4)
    folded = []
    for _ in range(count):
        quotient = 0
        while quotient < ESCAPE and bits.get(1):
            quotient += 1
        folded.append((quotient << k) | bits.get(k) if quotient < ESCAPE else bits.get(32))
    return folded


def _index_bits(count):
    return 4 if count <= 16 else 8


def put_items(out, values, base):
    """Append (index, difference from base) of every value that is not the base."""
    bits = _index_bits(len(values))
    for index, value in enumerate(values):
        if value != base:
            out.put(index, bits)
            out.nibbles(zigzag(value - base))


def _get_item(bits, values, last):
    index = bits.get(_index_bits(len(values)))
    difference = bits.nibbles()
    if index <= last or index >= len(values) or not difference:
        raise WireError("bad_field", "exception list")
    values[index] += unzigzag(difference)
    return index


def _candidates(values, signed):
    """Yield every way to write the values (a non-empty list within LIMIT)."""
    fold = zigzag if signed else int
    least = min(values)
    deltas = [values[i] - values[i - 1] for i in range(1, len(values))]
    if deltas:
        out = _open(RANGE, fold(least))
        _put_digits(out, [v - least for v in values])
        yield out
    if not deltas or -LIMIT <= min(deltas) <= max(deltas) < LIMIT:
        out = _open(DELTA, fold(values[0]))
        if deltas:
            low = min(deltas)
            out.nibbles(zigzag(low))
            _put_digits(out, [d - low for d in deltas])
        yield out
        if deltas:
            out = _open(RICE, fold(values[0]))
            _put_rice(out, [zigzag(d) for d in deltas])
            yield out
    common = max(set(values), key=values.count)
    if values.count(common) * 2 > len(values) > 1:
        out = _open(SPARSE, fold(common))
        out.nibbles(len(values) - values.count(common))
        put_items(out, values, common)
        yield out


def _put_values(values, signed):
    best = None
    for out in _candidates(values, signed):
        if best is None or out.length < best.length:
            best = out
    return best


def _get_values(bits, count, signed):
    code = bits.get(4)
    if code >= len(FORMS):
        raise WireError("bad_field", "column code")
    form, base_bits = FORMS[code]
    base = bits.get(base_bits)
    if signed:
        base = unzigzag(base)
    if form == RANGE:
        return [base + digit for digit in _get_digits(bits, count)]
    if form == SPARSE:
        values = [base] * count
        last = -1
        for _ in range(bits.nibbles()):
            last = _get_item(bits, values, last)
        return values
    deltas = []
    if form == RICE:
        deltas = [unzigzag(v) for v in _get_rice(bits, count - 1)]
    elif count > 1:
        low = unzigzag(bits.nibbles())
        deltas = [low + digit for digit in _get_digits(bits, count - 1)]
    values = [base]
    for delta in deltas:
        values.append(values[-1] + delta)
    return values


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
    parts = [_put_values(quality, False)]
    if present:
        parts.append(_put_values(present, signed))
    for part in parts:
        out.put(part.value, part.length)
    return out.bytes()


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


def encode_exceptions(offsets):
    """Return the bytes of the time_offset column: the non-zero offsets only, b"" when there is none."""
    out = BitWriter()
    put_items(out, offsets, 0)
    return out.bytes()


def decode_exceptions(data, count):
    """Return count offsets in seconds from the bytes of encode_exceptions."""
    bits = BitReader(data)
    offsets = [0] * count
    last = -1
    while bits.left >= _index_bits(count) + 4:
        last = _get_item(bits, offsets, last)
    bits.finish()
    return offsets

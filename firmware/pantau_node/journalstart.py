"""Reading the journal of an open batch back: needed at a start only. See journal.py."""

from pantau_wire.bits import get_varint, unzigzag
from pantau_wire.errors import WireError

from .journal import MISSING, Batch

MAX_COLUMNS = 28  # a mask of at most four varint bytes; a traffic station with radar and loops has 18


def replay(batch, data):
    """Append one record to a Batch from its journal entry; raises WireError if it does not fit."""
    mask, at = get_varint(data, 0)
    width = len(batch.columns)
    codes = []
    for i in range(width):
        code = 0
        if mask >> i & 1:
            if at >= len(data):
                raise WireError("truncated", "row")
            code = data[at]
            at += 1
        codes.append(code)
    readings = []
    for i in range(width):
        value = None
        if not codes[i] & MISSING:
            delta, at = get_varint(data, at)
            value = batch.last[i] + unzigzag(delta)
        readings.append((value, codes[i] & ~MISSING))
    if mask >> width or at != len(data):
        raise WireError("bad_field", "row")
    batch.append(readings)


def decode_open(data):
    """Return the empty Batch of an opening entry; raises WireError."""
    numbers = []
    at = 0
    for _ in range(7):
        number, at = get_varint(data, at, 7)
        numbers.append(number)
    width = numbers.pop()
    if width > MAX_COLUMNS or len(data) - at != width:
        raise WireError("bad_field", "columns")
    boot, seq, clock, base_s, interval_s, profile = numbers
    return Batch(boot, seq, clock, base_s, interval_s, profile, list(data[at:]))

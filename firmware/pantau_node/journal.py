"""The open batch: records that are durable but not yet a frame, and how each is written to flash in a few bytes.

A row holds the differences from the row before, so a flood record with six columns takes about ten bytes. The opening
entry says everything else once: boot, seq, time base, interval, profile, columns.
"""

from micropython import const

from pantau_wire import _tables as T
from pantau_wire.bits import put_varint, zigzag
from pantau_wire.frame import Frame, quality

MISSING = 0x80  # set in a quality byte whose reading has no value
_GONE = const(4)  # index of QARTOD 9 in T.FLAGS: the wire wants None exactly there
_LIMIT = const(1 << 31)  # what a column of the wire can carry


class Batch:
    """Up to 255 records of one boot with one time base, one interval and one set of columns.

    values and codes are lists per column; a code is the wire's quality code, 0 is good, and no list of codes: all are,
    which spares a kilobyte while a frame is made. seq is taken when the batch
    opens, so that a boot after a power cut seals it under the number it would have had.
    """

    def __init__(self, boot, seq, clock, base_s, interval_s, profile, columns):
        self.boot = boot
        self.seq = seq
        self.clock = clock
        self.base_s = base_s
        self.interval_s = interval_s
        self.profile = profile
        self.columns = columns
        self.values = [[] for _ in columns]
        self.codes = [None] * len(columns)
        self.last = [0] * len(columns)
        self.count = 0

    def encode_open(self):
        """Return the opening entry's bytes."""
        out = bytearray()
        for number in (self.boot, self.seq, self.clock, self.base_s, self.interval_s, self.profile, len(self.columns)):
            put_varint(out, number)
        out.extend(bytes(self.columns))
        return bytes(out)

    def add(self, row):
        """Append one record, {property id: (value or None, quality code)}; return the bytes of its journal entry.

        A property that the row lacks is missing for want of a sample; a value that the wire cannot carry likewise.
        """
        readings = [_clean(ident, row.get(ident)) for ident in self.columns]
        data = _encode(readings, self.last)
        self.append(readings)  # last: a MemoryError before it leaves the batch whole
        return data

    def encode_rows(self):
        """Yield the bytes of the journal entries of all records, from the first on: each is a difference to the one before."""
        last = [0] * len(self.columns)
        for i in range(self.count):
            readings = []
            for values, codes in zip(self.values, self.codes):
                readings.append((values[i], codes[i] if codes else 0))
            yield _encode(readings, last)
            _follow(last, readings)
        self.last = last  # what the next row continues

    def append(self, readings):
        """Append one record, [(value or None, quality code), ...] as add() takes it."""
        for i, (value, code) in enumerate(readings):
            codes = self.codes[i]
            if code and codes is None:
                self.codes[i] = codes = [0] * self.count  # pyright: ignore[reportCallIssue, reportArgumentType]
            self.values[i].append(value)
            if codes is not None:
                codes.append(code)
        _follow(self.last, readings)
        self.count += 1

    def drop(self, count):
        """Forget the first `count` records: they are in a frame of their own."""
        for i in range(len(self.columns)):
            self.values[i] = self.values[i][count:]
            codes = self.codes[i]
            self.codes[i] = codes[count:] if codes else codes
        self.base_s += count * self.interval_s
        self.count -= count

    def frame(self, seq, count, alarm, key_id):
        """Return the first `count` records as a wire Frame."""
        f = Frame(T.K_RECORDS, key_id)
        f.boot, f.seq, f.clock, f.base_s, f.profile = self.boot, seq, self.clock, self.base_s, self.profile
        f.alarm, f.count, f.interval_s = alarm, count, self.interval_s
        for i, ident in enumerate(self.columns):
            values, codes = self.values[i], self.codes[i]
            if count < self.count:
                values, codes = values[:count], codes and codes[:count]
            if ident == T.TIME_OFFSET:
                if any(values):
                    f.columns[ident] = ([value or 0 for value in values], None)
            else:
                f.columns[ident] = (values, codes if codes and any(codes) else None)
        return f


def _encode(readings, last):
    """Return the bytes of a row that follows the values in `last`."""
    mask = 0
    bad = bytearray()
    deltas = bytearray()
    for i, (value, code) in enumerate(readings):
        if code:
            mask |= 1 << i
            bad.append(code | (MISSING if value is None else 0))
        if value is not None:
            put_varint(deltas, zigzag(value - last[i]))
    out = bytearray()
    put_varint(out, mask)
    return bytes(out + bad + deltas)


def _follow(last, readings):
    for i, (value, _) in enumerate(readings):
        if value is not None:
            last[i] = value


def _clean(ident, reading):
    """Return (value, code) that the wire takes: no value exactly where the flag is 9."""
    value, code = reading if reading is not None else (None, 0)
    if ident == T.TIME_OFFSET:
        return (value or 0), 0
    if value is None or not (-_LIMIT if ident in T.SIGNED else 0) <= value < _LIMIT:
        return None, code if code & 7 == _GONE else quality(T.R_NO_SAMPLE)
    return (None if code & 7 == _GONE else value), code

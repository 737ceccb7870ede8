"""Frames: the smallest self-checking unit on a link. FORMAT.md is the specification.

encode and decode are total and bounded: any bytes give a Frame or one WireError. decode does not look at the tag,
because who may speak is the caller's to know: verify does, with the node's key.
"""

from . import _tables as T
from . import column, tag
from .bits import get_varint, put_varint, unzigzag, zigzag
from .errors import WireError

VERSION = 1
MAX_FRAME = 1024  # bytes with the tag: one MQTT packet in one TLS record and in an ESP32's smallest buffers
MAX_RECORDS = 255
MAX_COLUMNS = 32  # bounds what a hostile frame of empty columns can make a decoder allocate
MAX_PARTS = 64  # of the other kinds: a health frame with all that it may say has more than 32
_RECORDS_BIT = 0x20
# interval code 1..7 in seconds; code 0 says that a varint follows
INTERVALS = (0, 1, 10, 60, 300, 600, 900, 3600)
_U32 = 1 << 32
_columns = None  # of records.py, which no node ever loads: only the host decodes records


class Frame:
    """One frame, decoded. Which attributes matter follows from `kind` (a T.K_* number).

    All: kind, key_id (0..3). Up-going: boot, seq (from 1), clock (0 unset, 1 carried over, 2 coarse, 3 synchronised),
    base_s (Unix seconds when clock > 0, else seconds of uptime), profile. RECORDS: alarm, count, interval_s, columns
    {property id: (values, quality codes or None)}, None standing for a missing value. Down-going: counter (Unix
    milliseconds at the sender). All kinds but RECORDS: fields {name: int, bytes or str}. skipped: ids that this
    version does not know.
    """

    def __init__(self, kind, key_id=0):
        self.kind = kind
        self.key_id = key_id
        self.boot = 0
        self.seq = 0
        self.clock = 0
        self.base_s = 0
        self.profile = 0
        self.alarm = False
        self.count = 0
        self.interval_s = 0
        self.columns = {}
        self.counter = 0
        self.fields = {}
        self.skipped = []


def quality(reason):
    """Return the quality code of a reason id: reason * 8 + index of its QARTOD flag."""
    return T.QUALITY[reason]


def times(frame):
    """Return the instant of every record in seconds, on the clock of base_s."""
    offsets = frame.columns.get(T.TIME_OFFSET)
    out = [frame.base_s + i * frame.interval_s for i in range(frame.count)]
    return [t + o for t, o in zip(out, offsets[0])] if offsets else out


def _put_head(out, last, ident, size):
    step = ident - last
    out.append(min(step, 15) << 4 | min(size, 15))
    if step >= 15:
        put_varint(out, step - 15)
    if size >= 15:
        put_varint(out, size - 15)


def _get_heads(data, at):
    """Return [(id, start, end)] of the self-delimiting parts from `at` to the end of data."""
    parts: list[tuple[int, int, int]] = []
    ident = 0
    while at < len(data):
        step, size = data[at] >> 4, data[at] & 15
        at += 1
        if step == 15:
            more, at = get_varint(data, at, 2)
            step += more
        if size == 15:
            more, at = get_varint(data, at, 2)
            size += more
        ident += step
        if not step or ident > 255 or len(parts) == MAX_PARTS:
            raise WireError("bad_field", "part head")
        if at + size > len(data):
            raise WireError("truncated", "part")
        parts.append((ident, at, at + size))
        at += size
    return parts


def _check(name, value, limit):
    if not 0 <= value < limit:
        raise WireError("bad_value", "%s %d" % (name, value))
    return value


def _put_columns(out, f):
    last = 0
    if len(f.columns) > MAX_COLUMNS:
        raise WireError("bad_value", "columns")
    for ident in sorted(f.columns):
        values, codes = f.columns[ident]
        if (
            not 0 < ident < 256
            or ident not in T.IDS
            or len(values) != f.count
            or (codes is not None and len(codes) != f.count)
        ):
            raise WireError("bad_value", "column %d" % ident)
        if ident == T.TIME_OFFSET:
            data = column.encode_exceptions(values)
        else:
            data = column.encode(values, codes, ident in T.SIGNED)
        _put_head(out, last, ident, len(data))
        out.extend(data)
        last = ident


def _put_fields(out, f):
    table = T.LAYOUT[f.kind]
    found = []
    for name in f.fields:
        at = table.find("." + name + " ")
        if at < 0:
            raise WireError("bad_value", "kind %d has no field %s" % (f.kind, name))
        found.append((table.count(" ", 0, at), table[at - 1], name))
    last = 0
    for ident, kind, name in sorted(found):
        data = f.fields[name]
        if kind == "s":
            data = data.encode()
        elif kind != "b":
            data = zigzag(data) if kind == "i" else data
            data = _check("field", data, 1 << 64).to_bytes(8, "big").lstrip(b"\0")
        _put_head(out, last, ident, len(data))
        out.extend(data)
        last = ident


def _get_field(f, ident, data):
    rows = T.LAYOUT[f.kind].split(" ")  # the first and the last are empty
    if ident > len(rows) - 2:
        f.skipped.append(ident)
        return
    kind = rows[ident][0]
    if kind == "b":
        data = bytes(data)
    elif kind == "s":
        from .text import text  # orders have texts, the many acknowledgements none

        data = text(data)
    else:
        if len(data) > 8 or (data and not data[0]):
            raise WireError("bad_field", "number")
        data = int.from_bytes(data, "big")
        data = unzigzag(data) if kind == "i" else data
    f.fields[rows[ident][2:]] = data


def encode(f, node, key):
    """Return the frame's bytes with the tag of the node's key; raises WireError("bad_value" | "too_long")."""
    out = bytearray()
    up = f.kind in T.UP
    _check("key id", f.key_id, 4)
    _check("clock", f.clock, 4 if up else 1)
    if f.kind == T.K_RECORDS:
        _check("count", f.count - 1, MAX_RECORDS)
        _check("interval", f.interval_s, 1 << 17)
        interval = INTERVALS.index(f.interval_s) if f.interval_s in INTERVALS else 0
        out.append(VERSION << 6 | _RECORDS_BIT | f.key_id << 3 | f.clock << 1 | (1 if f.alarm else 0))
        out.append(interval << 5 | min(f.count, 32) - 1)
        if f.count > 31:
            out.append(f.count)
        if not interval:
            put_varint(out, f.interval_s)
    else:
        out.append(VERSION << 6 | f.kind)
        out.append(f.key_id << 6 | f.clock << 4)
    if up:
        put_varint(out, _check("boot", f.boot, _U32))
        put_varint(out, _check("seq", f.seq - 1, _U32 - 1) + 1)
        out.extend(_check("base", f.base_s, _U32).to_bytes(4, "big"))
        put_varint(out, _check("profile", f.profile, _U32))
    else:
        put_varint(out, _check("counter", f.counter, 1 << 48))
    if f.kind == T.K_RECORDS:
        _put_columns(out, f)
    else:
        _put_fields(out, f)
    if len(out) + tag.SIZE > MAX_FRAME:
        raise WireError("too_long", "%d bytes" % (len(out) + tag.SIZE))
    data = bytes(out)
    return data + tag.tag(key, tag.UP if up else tag.DOWN, node, data)


def _get_head(data):
    """Return (frame with its header filled in, position of the body)."""
    if len(data) > MAX_FRAME:
        raise WireError("too_long", "%d bytes" % len(data))
    end = len(data) - tag.SIZE
    if end < 2:
        raise WireError("truncated", "header")
    first, second = data[0], data[1]
    if first >> 6 != VERSION:
        raise WireError("unknown_version", "version %d" % (first >> 6))
    at = 2
    if first & _RECORDS_BIT:
        f = Frame(T.K_RECORDS, first >> 3 & 3)
        f.clock = first >> 1 & 3
        f.alarm = bool(first & 1)
        f.count = (second & 31) + 1
        if f.count == 32:
            f.count = data[at]
            at += 1
            if f.count < 32:
                raise WireError("bad_field", "count")
        f.interval_s = INTERVALS[second >> 5]
        if not second >> 5:
            f.interval_s, at = get_varint(data, at, 3)
            if (f.interval_s and f.interval_s in INTERVALS) or f.interval_s >> 17:
                raise WireError("bad_field", "interval")
    else:
        f = Frame(first & 31, second >> 6)
        if f.kind == T.K_RECORDS or f.kind not in T.LAYOUT:
            raise WireError("unknown_kind", "kind %d" % f.kind)
        f.clock = second >> 4 & 3
        if second & 15 or (f.clock and f.kind not in T.UP):
            raise WireError("bad_field", "reserved bits")
    if f.kind not in T.UP:
        f.counter, at = get_varint(data, at, 7)
        if f.counter >> 48:
            raise WireError("bad_field", "counter")
    else:
        f.boot, at = get_varint(data, at)
        f.seq, at = get_varint(data, at)
        if at + 4 > end:
            raise WireError("truncated", "header")
        f.base_s = int.from_bytes(data[at : at + 4], "big")
        f.profile, at = get_varint(data, at + 4)
        if f.boot >= _U32 or not 0 < f.seq < _U32 or f.profile >= _U32:
            raise WireError("bad_field", "header number")
    if at > end:
        raise WireError("truncated", "header")
    return f, at


def header(data):
    """Return the Frame of data with its header alone, or raise WireError."""
    return _get_head(data)[0]


def decode(data):
    """Return the Frame in data (tag included but not checked), or raise WireError."""
    f, at = _get_head(data)
    body = data[: len(data) - tag.SIZE]
    parts = _get_heads(body, at)
    if f.kind == T.K_RECORDS:
        if len(parts) > MAX_COLUMNS:
            raise WireError("bad_field", "part head")
        global _columns  # noqa: PLW0603  asking the import system each time costs a tenth of a decode
        if _columns is None:
            from .records import columns as _columns
        _columns(f, body, parts)  # type: ignore[misc]
        return f
    for ident, start, end in parts:
        _get_field(f, ident, body[start:end])
    return f


def verify(data, node, key):
    """Tell whether data ends in the tag that the node's key gives, in constant time; False for what has no header."""
    try:
        kind = header(data).kind
    except WireError:
        return False
    body = data[: len(data) - tag.SIZE]
    return tag.same(tag.tag(key, tag.UP if kind in T.UP else tag.DOWN, node, body), data[len(data) - tag.SIZE :])

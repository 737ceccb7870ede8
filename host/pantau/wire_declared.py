"""The frame of schemas/FORMAT.md as a `construct` declaration: for people to look at, and an oracle for the codec in tests.

Written from FORMAT.md alone, never from the codec, so that one can prove the other. It only parses, and slowly.
Every `Spot` leaves a `Span` (name, place in bits, value) in the trace, also of bytes that turn out to be wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import construct as cs
from construct import this

from pantau.declare import (
    NIBBLE_GROUPS,
    SIGNED_GROUPS,
    Span,
    Spot,
    UntilEnd,
    WhileLeft,
    Within,
    meaning,
    only,
    uint_bits,
    unzigzag,
    varint,
)
from pantau_wire import names as T

TAG_SIZE = 8
MAX_FRAME = 1024
MAX_COLUMNS, MAX_PARTS = 32, 64
U32 = 1 << 32
LIMIT = 1 << 31
INTERVALS = (None, 1, 10, 60, 300, 600, 900, 3600)
RADIX = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 48, 256, 65536, 1 << 32)
RANGE, DELTA, RICE, SPARSE = "range", "delta", "rice", "sparse"
# code of a column: (form, width of the base in bits); 15 announces a quality stream
WIDTHS = {RANGE: (0, 12, 16, 32), DELTA: (12, 16, 32), RICE: (12, 16, 32), SPARSE: (0, 12, 16, 32)}
FORMS = dict(enumerate((form, width) for form, widths in WIDTHS.items() for width in widths))
WITH_QUALITY = 15
MISSING = T.FLAGS.index(9)


@dataclass(slots=True)
class Declared:
    """What the declaration finds in a frame; the attributes mean the same as those of pantau_wire.frame.Frame."""

    kind: int
    key_id: int
    clock: int
    boot: int = 0
    seq: int = 0
    base_s: int = 0
    profile: int = 0
    counter: int = 0
    alarm: bool = False
    count: int = 0
    interval_s: int = 0
    columns: dict[int, tuple[list[int | None], list[int] | None]] = field(default_factory=dict)
    fields: dict[str, int | str | bytes] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    tag: bytes = b""


def parse(payload: bytes, trace: list[Span] | None = None) -> Declared:
    """Parse one frame (tag included but not checked); `trace` gets its spans, parents before children.

    Raises construct.ConstructError for anything that FORMAT.md does not allow; the trace then ends where it stopped.
    """
    if len(payload) > MAX_FRAME:
        raise cs.ValidationError(f"{len(payload)} bytes: a frame has at most {MAX_FRAME}")
    found = FRAME.parse(payload, size=len(payload), trace=[] if trace is None else trace)
    body, bits = found.body, found.body.head.bits
    out = Declared(body.kind, bits.key_id, bits.clock, tag=found.tag)
    if body.kind in T.UP:
        up = body.up
        out.boot, out.seq, out.base_s, out.profile = up.boot, up.seq, up.base, up.profile
    else:
        out.counter = body.down.counter
    if body.kind == T.K_RECORDS:
        out.alarm, out.count, out.interval_s = bool(bits.alarm), body.count, body.head.interval
    for part in body.parts:
        if not part.known:
            out.skipped.append(part.id)
        elif body.kind == T.K_RECORDS:
            out.columns[part.id] = part.content
        else:
            out.fields[_FIELDS[body.kind, part.id][0]] = part.content
    return out


# --- columns: every stream finds `n`, the number of its values, and `signed` in the context around it ---


def _split(number: int, radix: int, n: int) -> list[int]:
    digits = []
    for _ in range(n):
        number, digit = divmod(number, radix)
        digits.append(digit)
    return digits[::-1]


def _digits(how_many: Callable[[Any], int]) -> Any:
    return cs.Struct(
        "n" / cs.Computed(how_many),
        "radix" / Spot("radix", meaning(cs.Nibble, RADIX.__getitem__)),
        "number" / Spot("digits", uint_bits(lambda ctx: (ctx.radix**ctx.n - 1).bit_length())),
        cs.Check(lambda ctx: ctx.number < ctx.radix**ctx.n),
        "series" / cs.Computed(lambda ctx: _split(ctx.number, ctx.radix, ctx.n)),
    )


def _pair(offset_from: Any) -> Any:
    """Return one exception: an index of 4 or 8 bits (`n` two levels up) and a zigzag that must not be 0."""
    return cs.Struct(
        "index" / Spot("index", uint_bits(lambda ctx: 4 if offset_from(ctx) <= 16 else 8)),
        cs.Check(lambda ctx: ctx.index < offset_from(ctx)),
        "value" / Spot("difference", only(SIGNED_GROUPS, lambda value: value != 0)),
    )


def _ascending(pairs: list[Any]) -> bool:
    return all(a.index < b.index for a, b in itertools.pairwise(pairs))


def _rice_code() -> Any:
    unary = cs.RepeatUntil(lambda bit, bits, _: bit == 0 or len(bits) == 20, cs.Bit)
    return cs.Struct(
        "k" / cs.Computed(this._.k),
        "ones" / meaning(unary, sum),
        "escaped" / cs.Computed(this.ones == 20),
        "low" / uint_bits(lambda ctx: 32 if ctx.escaped else ctx.k),
        "value" / cs.Computed(lambda ctx: unzigzag(ctx.low if ctx.escaped else (ctx.ones << ctx.k) + ctx.low)),
    )


def _running(first: int, differences: list[int]) -> list[int]:
    values = [first]
    for difference in differences:
        values.append(values[-1] + difference)
    return values


def _sparse_values(ctx: Any) -> list[int]:
    values = [ctx._.base] * ctx._.n
    for pair in ctx.pairs:
        values[pair.index] += pair.value
    return values


BODIES = {
    RANGE: cs.Struct(
        "digits" / _digits(lambda ctx: ctx._._.n),
        "series" / cs.Computed(lambda ctx: [ctx._.base + digit for digit in ctx.digits.series]),
    ),
    DELTA: cs.Struct(
        "least" / cs.If(this._.n > 1, Spot("least difference", SIGNED_GROUPS)),
        "digits" / cs.If(this._.n > 1, _digits(lambda ctx: ctx._._.n - 1)),
        "series"
        / cs.Computed(
            lambda ctx: _running(ctx._.base, [ctx.least + d for d in ctx.digits["series"]] if ctx._.n > 1 else [])
        ),
    ),
    RICE: cs.Struct(
        "k" / Spot("k", cs.Nibble),
        "codes" / Spot("rice codes", cs.Array(this._.n - 1, _rice_code())),
        "series" / cs.Computed(lambda ctx: _running(ctx._.base, [code.value for code in ctx.codes])),
    ),
    SPARSE: cs.Struct(
        "number" / Spot("exceptions", only(NIBBLE_GROUPS, lambda number: number <= 255)),
        "pairs" / only(cs.Array(this.number, _pair(lambda ctx: ctx._._.n)), _ascending),
        "series" / cs.Computed(_sparse_values),
    ),
}


def _stream(n: Callable[[Any], int], signed: Callable[[Any], bool]) -> Any:
    base = uint_bits(lambda ctx: FORMS[ctx.code][1])
    return meaning(
        cs.Struct(
            "n" / cs.Computed(n),
            "code" / Spot("code", only(cs.Nibble, FORMS.__contains__)),
            "base" / Spot("base", cs.IfThenElse(signed, meaning(base, unzigzag), base)),
            "body" / cs.Switch(lambda ctx: FORMS[ctx.code][0], BODIES),
        ),
        lambda stream: stream.body["series"],
    )


def _quality_fits(codes: list[int]) -> bool:
    return all(0 <= code < 2048 and code % 8 < len(T.FLAGS) for code in codes)


def _with_gaps(ctx: Any) -> tuple[list[int | None], list[int] | None]:
    if ctx.quality is None:
        return ctx.present, None
    present = iter(ctx.present or ())
    return [None if code % 8 == MISSING else next(present) for code in ctx.quality], ctx.quality


PADDING = Spot("padding", only(cs.GreedyBytes, lambda rest: len(rest) < 8 and not any(rest)))

COLUMN = cs.Struct(
    "n" / cs.Computed(this._.n),
    "signed" / cs.Computed(lambda ctx: T.PROPERTIES[ctx._.id][3] < 0),
    "first" / cs.Peek(cs.Nibble),
    "marker" / cs.If(this.first == WITH_QUALITY, Spot("with quality", cs.Nibble)),
    "quality"
    / cs.If(
        this.first == WITH_QUALITY,
        Spot("quality stream", only(_stream(lambda ctx: ctx._.n, lambda _: False), _quality_fits)),
    ),
    "there"
    / cs.Computed(lambda ctx: ctx.n if ctx.quality is None else sum(code % 8 != MISSING for code in ctx.quality)),
    "present" / cs.If(this.there > 0, Spot("value stream", _stream(lambda ctx: ctx._.there, lambda ctx: ctx._.signed))),
    "padding" / PADDING,
    cs.Check(lambda ctx: all(-LIMIT * ctx.signed <= value < LIMIT for value in ctx.present or ())),
    "series" / cs.Computed(_with_gaps),
)


def _offsets(ctx: Any) -> tuple[list[int | None], None]:
    values: list[int | None] = [0] * ctx.n
    for pair in ctx.pairs:
        values[pair.index] = pair.value
    return values, None


TIME_OFFSET = cs.Struct(
    "n" / cs.Computed(this._.n),
    "pairs" / only(WhileLeft(lambda ctx: 8 if ctx.n <= 16 else 12, _pair(lambda ctx: ctx._.n)), _ascending),
    "padding" / PADDING,
    "series" / cs.Computed(_offsets),
)

# --- fields of the other kinds ---

_FIELDS = {(kind, ident): (name, form) for kind, rows in T.FIELDS.items() for ident, name, form in rows}
_NUMBER = meaning(
    only(cs.GreedyBytes, lambda data: len(data) <= 8 and data[:1] != b"\0"), lambda data: int.from_bytes(data, "big")
)
FIELD = {T.UINT: _NUMBER, T.INT: meaning(_NUMBER, unzigzag), T.BYTES: cs.GreedyBytes, T.STR: cs.GreedyString("utf8")}

# --- parts ---


def _part_form(ctx: Any) -> str:
    """Choose how to read a part's content: a key of CONTENTS."""
    if not ctx.known:
        return "unknown"
    if ctx._.kind != T.K_RECORDS:
        return _FIELDS[ctx._.kind, ctx.id][1]
    if ctx.id == T.TIME_OFFSET:
        return "time_offset"
    return "column" if ctx.size else "zeros"


CONTENTS: dict[Any, Any] = {
    "unknown": cs.GreedyBytes,
    "time_offset": Within(this.size, meaning(TIME_OFFSET, lambda column: column["series"]), bits=True),
    "column": Within(this.size, meaning(COLUMN, lambda column: column["series"]), bits=True),
    "zeros": cs.Computed(lambda ctx: ([0] * ctx.n, None)),
    **FIELD,
}

PART = Spot(
    "part",
    cs.Struct(
        "n" / cs.Computed(this._.count),
        "open" / Within(1, cs.Struct("step" / Spot("step", cs.Nibble), "size" / Spot("size", cs.Nibble)), bits=True),
        "more_step" / cs.If(this.open.step == 15, Spot("step, continued", varint(1 << 14))),
        "more_size" / cs.If(this.open.size == 15, Spot("size, continued", varint(1 << 14))),
        "step" / cs.Computed(lambda ctx: ctx.open.step + (ctx.more_step or 0)),
        "size" / cs.Computed(lambda ctx: ctx.open.size + (ctx.more_size or 0)),
        "id" / cs.Computed(lambda ctx: (ctx._.last.id if ctx._.last else 0) + ctx.step),
        cs.Check(lambda ctx: ctx.step > 0 and ctx.id <= 255),
        "known"
        / cs.Computed(lambda ctx: ctx.id in T.IDS if ctx._.kind == T.K_RECORDS else (ctx._.kind, ctx.id) in _FIELDS),
        "content" / Spot("content", Within(this.size, cs.Switch(_part_form, CONTENTS))),
    ),
)

# --- header ---

RECORDS_BITS = cs.Struct(
    "key_id" / Spot("key id", cs.BitsInteger(2)),
    "clock" / Spot("clock", cs.BitsInteger(2)),
    "alarm" / Spot("alarm", cs.Bit),
    "interval_code" / Spot("interval code", cs.BitsInteger(3)),
    "count_code" / Spot("count code", cs.BitsInteger(5)),
)
OTHER_BITS = cs.Struct(
    "kind" / Spot("kind", only(cs.BitsInteger(5), lambda kind: kind in T.KINDS and kind != T.K_RECORDS)),
    "key_id" / Spot("key id", cs.BitsInteger(2)),
    "clock" / Spot("clock", cs.BitsInteger(2)),
    cs.Check(lambda ctx: ctx.kind in T.UP or ctx.clock == 0),
    Spot("zero", only(cs.Nibble, lambda zero: zero == 0)),
)
FIRST_BITS = cs.Struct(
    "version" / Spot("version", only(cs.BitsInteger(2), lambda version: version == 1)),
    "records" / Spot("records", cs.Bit),
    "rest" / cs.IfThenElse(this.records == 1, RECORDS_BITS, OTHER_BITS),
    "kind" / cs.Computed(lambda ctx: T.K_RECORDS if ctx.records else ctx.rest.kind),
)
HEAD = cs.Struct(
    "first" / Within(2, FIRST_BITS, bits=True),
    "kind" / cs.Computed(this.first.kind),
    "bits" / cs.Computed(this.first.rest),
    "count_byte"
    / cs.If(
        lambda ctx: ctx.kind == T.K_RECORDS and ctx.bits.count_code == 31,
        Spot("count", only(cs.Byte, lambda count: count >= 32)),
    ),
    "interval_varint"
    / cs.If(
        lambda ctx: ctx.kind == T.K_RECORDS and ctx.bits.interval_code == 0,
        Spot("interval", only(varint(1 << 17), lambda interval: interval not in INTERVALS)),
    ),
    "count" / cs.Computed(lambda ctx: 0 if ctx.kind != T.K_RECORDS else ctx.count_byte or ctx.bits.count_code + 1),
    "interval"
    / cs.Computed(
        lambda ctx: (
            ctx.interval_varint
            if ctx.kind != T.K_RECORDS or ctx.bits.interval_code == 0
            else INTERVALS[ctx.bits.interval_code]
        )
    ),
)
UP_TAIL = cs.Struct(
    "boot" / Spot("boot", varint(U32)),
    "seq" / Spot("seq", only(varint(U32), lambda seq: seq > 0)),
    "base" / Spot("time base", cs.Int32ub),
    "profile" / Spot("profile", varint(U32)),
)
DOWN_TAIL = cs.Struct("counter" / Spot("counter", varint(1 << 48)))

BODY = cs.Struct(
    "head" / HEAD,
    "kind" / cs.Computed(this.head.kind),
    "count" / cs.Computed(this.head.count),
    "up" / cs.If(lambda ctx: ctx.kind in T.UP, UP_TAIL),
    "down" / cs.If(lambda ctx: ctx.kind not in T.UP, DOWN_TAIL),
    "parts"
    / cs.IfThenElse(lambda ctx: ctx.kind == T.K_RECORDS, UntilEnd(MAX_COLUMNS, PART), UntilEnd(MAX_PARTS, PART)),
)

FRAME = cs.Struct(
    "body" / Within(lambda ctx: max(0, ctx._.size - TAG_SIZE), BODY),
    "tag" / Spot("tag", cs.Bytes(TAG_SIZE)),
)

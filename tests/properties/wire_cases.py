"""Frames and bytes that nearly are frames, made from a seed: a whole case costs one draw, so thousands are cheap."""

from __future__ import annotations

from random import Random
from typing import Any

from wire_answers import KEY, NODE, build

from pantau_wire import frame
from pantau_wire import names as T
from pantau_wire.errors import WireError

Case = dict[str, Any]
MISSING = 9
NODE_IDS = [i for i in T.PROPERTIES if 1 < i < 128]


def _values(rng: Random, count: int, *, signed: bool) -> list[int]:
    style = rng.randrange(6)
    start = rng.randint(-40000 if signed else 1000, 70000)
    if style == 0:
        made = [start + rng.randint(-3, 3) for _ in range(count)]
    elif style == 1:
        made = [start := start + rng.randint(-3, 40) for _ in range(count)]
    elif style == 2:
        made = [rng.choice((0, 0, 0, 0, 1, start)) for _ in range(count)]
    elif style == 3:
        made = [rng.randint(-(2**31), 2**31 - 1) for _ in range(count)]
    elif style == 4:
        made = [start + round(rng.gauss(0, 4)) + (5000 if rng.random() < 0.05 else 0) for _ in range(count)]
    else:
        made = [0] * count
    return made if signed else [abs(v) & 0x7FFFFFFF for v in made]


def _column(rng: Random, ident: int, count: int) -> list[Any]:
    values = _values(rng, count, signed=T.PROPERTIES[ident][3] < 0)
    if rng.random() < 0.5:
        return [ident, values, None]
    good = rng.random()
    reasons = [0 if rng.random() < good else rng.choice(list(T.REASONS)) for _ in range(count)]
    present = [None if T.REASONS[r][1] == MISSING else v for v, r in zip(values, reasons, strict=True)]
    return [ident, present, [frame.quality(r) for r in reasons]]


def _records(rng: Random) -> Case:
    count = rng.choice((1, 2, 5, 15, 16, 17, 60, rng.randint(1, 255)))
    columns = [_column(rng, i, count) for i in sorted(rng.sample(NODE_IDS, rng.randint(0, 5)))]
    if rng.random() < 0.5:
        columns.insert(0, [T.TIME_OFFSET, [rng.choice((0, 0, 0, 1, -1, 40)) for _ in range(count)], None])
    interval = rng.choice((*frame.INTERVALS, rng.randrange(2**17)))
    alarm = rng.random() < 0.5
    return {"kind": T.K_RECORDS, "count": count, "interval_s": interval, "alarm": alarm, "columns": columns}


def _field(rng: Random, form: int) -> object:
    if form == T.UINT:
        return rng.getrandbits(rng.randint(0, 64))
    if form == T.INT:
        return rng.getrandbits(rng.randint(1, 63)) * rng.choice((-1, 1))
    if form == T.BYTES:
        return [rng.randbytes(rng.randint(0, 60)).hex()]
    return "".join(rng.choice("aé水 {}") for _ in range(rng.randint(0, 40)))


def frame_case(rng: Random) -> Case:
    """Return {"frame": ...}: any kind, with its header."""
    kind = rng.choice((T.K_RECORDS, rng.choice(list(T.KINDS))))
    if kind == T.K_RECORDS:
        spec = _records(rng)
    else:
        named = {name: _field(rng, form) for _, name, form in T.FIELDS[kind] if rng.random() < 0.5}
        spec = {"kind": kind, "fields": named}
    if kind in T.UP:
        spec |= {name: rng.getrandbits(rng.randint(1, 32)) for name in ("boot", "base_s", "profile")}
        spec["seq"] = rng.randint(1, 2 ** rng.randint(1, 32) - 1)
    else:
        spec["counter"] = rng.getrandbits(rng.randint(1, 48))
    return {"frame": {**spec, "clock": rng.randrange(4 if kind in T.UP else 1), "key_id": rng.randrange(4)}}


def near_case(rng: Random) -> Case:
    """Return {"hex": ...}: noise, or a frame that was cut, lengthened or had bytes changed."""
    if rng.random() < 0.2:
        return {"hex": (rng.choice((b"", b"\x66", b"\x42")) + rng.randbytes(rng.randint(0, 80))).hex()}
    try:
        data = bytearray(frame.encode(build(frame_case(rng)["frame"]), NODE, KEY))
    except WireError:
        data = bytearray(12)
    for _ in range(rng.randint(0, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    cut = rng.randint(0, len(data))
    data = rng.choice((data, data, data[:cut], data + b"\x00", data[:cut] + data[-8:]))
    return {"hex": bytes(data).hex()}


def cases(seed: int, number: int) -> list[Case]:
    """Return `number` cases of both sorts, the same ones for the same seed."""
    rng = Random(seed)
    return [rng.choice((frame_case, near_case))(rng) for _ in range(number)]

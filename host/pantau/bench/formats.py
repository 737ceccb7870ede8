"""The same batch of flood records (time, distance, rain, flags) in Pantau's frame and in the formats it is compared with.

Each encoder takes a Batch and gives the whole payload of one message. None but Pantau's carries a keyed tag.
CBOR and protobuf are written by hand here, so that the benchmark needs no package; the tests hold them to cbor2.
"""

from __future__ import annotations

import json
import struct
from binascii import crc_hqx
from collections import Counter
from collections.abc import Callable

from pantau.bench.series import Batch
from pantau_wire import frame
from pantau_wire import names as T

NODE = "flood-01"
KEY = bytes(range(32))
BOOT = 12
PROFILE = 1


def flood_frame(batch: Batch) -> frame.Frame:
    """Return the batch as a node frames it: base on the sampling grid, records off it in time_offset."""
    origins = Counter(sample.unix_s - i * batch.interval_s for i, sample in enumerate(batch.records))
    made = frame.Frame(T.K_RECORDS)
    made.boot, made.seq, made.clock, made.profile = BOOT, batch.seq, 3, PROFILE
    made.count, made.interval_s = len(batch.records), batch.interval_s
    made.base_s = origins.most_common(1)[0][0]
    offsets = [sample.unix_s - made.base_s - i * batch.interval_s for i, sample in enumerate(batch.records)]
    if any(offsets):
        made.columns[T.TIME_OFFSET] = (offsets, None)
    made.columns[T.WATER_DISTANCE] = ([sample.distance_mm for sample in batch.records], None)
    made.columns[T.RAIN_TIPS] = ([sample.rain_tips for sample in batch.records], None)
    return made


def pantau(batch: Batch) -> bytes:
    """Return the frame, tag included."""
    return bytes(frame.encode(flood_frame(batch), NODE, KEY))


def as_json(batch: Batch) -> bytes:
    """Return JSON with readable keys and no spaces."""
    records = [
        {"time": s.unix_s, "water_distance_mm": s.distance_mm, "rain_tips": s.rain_tips, "flags": 0}
        for s in batch.records
    ]
    return json.dumps(
        {"node": NODE, "boot": BOOT, "seq": batch.seq, "records": records}, separators=(",", ":")
    ).encode()


def as_struct(batch: Batch) -> bytes:
    """Return fixed fields: boot u16, seq u32, count u8; time u32, distance u16, rain u8, flags u8 each; CRC-16."""
    body = struct.pack("<HIB", BOOT, batch.seq, len(batch.records))
    body += b"".join(struct.pack("<IHBB", s.unix_s, s.distance_mm, s.rain_tips, 0) for s in batch.records)
    return body + struct.pack("<H", crc_hqx(body, 0xFFFF))


def _cbor_head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, form, limit in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32)):
        if number < limit:
            return bytes([major << 5 | code]) + struct.pack(form, number)
    return bytes([major << 5 | 27]) + struct.pack(">Q", number)


def cbor(batch: Batch) -> bytes:
    """Return CBOR (RFC 8949): [boot, seq, [[time, distance, rain, flags], ...]], scaled integers without keys."""
    out = _cbor_head(4, 3) + _cbor_head(0, BOOT) + _cbor_head(0, batch.seq) + _cbor_head(4, len(batch.records))
    for s in batch.records:
        out += _cbor_head(4, 4) + b"".join(_cbor_head(0, v) for v in (s.unix_s, s.distance_mm, s.rain_tips, 0))
    return out


def cayenne_lpp(batch: Batch) -> bytes:
    """Return Cayenne LPP: unix time (133), distance (130), digital inputs (0) for rain and flags; no header at all."""
    return b"".join(
        struct.pack(">BBI", 0, 133, s.unix_s)
        + struct.pack(">BBI", 1, 130, s.distance_mm)
        + struct.pack(">BBB", 2, 0, s.rain_tips)
        + struct.pack(">BBB", 3, 0, 0)
        for s in batch.records
    )


def _proto_varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _proto_uint(field: int, number: int) -> bytes:
    return _proto_varint(field << 3) + _proto_varint(number)


def sparkplug_b(batch: Batch) -> bytes:
    """Return a Sparkplug B DDATA payload: metrics by alias, with time stamp and int_value; payload time and seq."""
    out = _proto_uint(1, batch.records[-1].unix_s * 1000)
    for s in batch.records:
        for alias, value in enumerate((s.distance_mm, s.rain_tips, 0)):
            metric = _proto_uint(2, alias) + _proto_uint(3, s.unix_s * 1000) + _proto_uint(10, value)
            out += _proto_varint(2 << 3 | 2) + _proto_varint(len(metric)) + metric
    return out + _proto_uint(3, batch.seq % 256)


# name: (encoder, what one message holds beside the records)
ENCODINGS: dict[str, tuple[Callable[[Batch], bytes], str]] = {
    "pantau": (pantau, "header (boot, seq, clock quality, time base, profile), keyed tag of 8 bytes"),
    "json": (as_json, "node, boot, seq; readable keys; no check, no tag"),
    "struct": (as_struct, "boot, seq, count; CRC-16; no tag"),
    "cbor": (cbor, "boot, seq; arrays without keys; no check, no tag"),
    "cayenne_lpp": (cayenne_lpp, "no header, no seq, no check, no tag"),
    "sparkplug_b": (sparkplug_b, "time and seq (mod 256); aliases, names travel once in DBIRTH; no check, no tag"),
}

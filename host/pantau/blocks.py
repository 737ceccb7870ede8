"""One commit's frames as one blob: what the spool's rows hold. I/O-free.

Little-endian: n node numbers (u32), n sizes (u16), then the payloads end to end. Receipt times stand beside it as runs:
m milliseconds after the block's first (i64), m counts (u32).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def pack(numbers: Sequence[int], payloads: Sequence[bytes]) -> bytes:
    """Return the blob of frames by node number. A payload is at most 65,535 bytes: no frame is longer than 1,024."""
    count = len(payloads)
    return struct.pack(f"<{count}I{count}H", *numbers, *map(len, payloads)) + b"".join(payloads)


def unpack(count: int, blob: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (node number, payload) of the `count` frames in `blob`. Raises ValueError when it does not hold them."""
    try:
        numbers = struct.unpack_from(f"<{count}I", blob)
        sizes = struct.unpack_from(f"<{count}H", blob, 4 * count)
    except struct.error as error:
        raise ValueError(f"a block of {count} frames is cut off: {error}") from None
    at = 6 * count
    if at + sum(sizes) != len(blob):
        raise ValueError(f"a block of {count} frames has {len(blob)} bytes and should have {at + sum(sizes)}")
    for number, size in zip(numbers, sizes, strict=True):
        yield number, blob[at : at + size]
        at += size


def pack_runs(first_ms: int, runs: Sequence[tuple[int, int]]) -> bytes:
    """Return [(received_ms, how many frames)] as bytes; b"" for the usual single run at `first_ms`."""
    if len(runs) == 1 and runs[0][0] == first_ms:
        return b""
    count = len(runs)
    return struct.pack(f"<{count}q{count}I", *(at - first_ms for at, _ in runs), *(n for _, n in runs))


def times(count: int, first_ms: int, runs: bytes) -> Iterator[int]:
    """Yield received_ms of each of the `count` frames of a block."""
    if not runs:
        yield from (first_ms for _ in range(count))
        return
    much = len(runs) // 12
    values = struct.unpack(f"<{much}q{much}I", runs)
    for after_ms, many in zip(values[:much], values[much:], strict=True):
        yield from (first_ms + after_ms for _ in range(many))

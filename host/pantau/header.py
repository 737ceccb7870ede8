"""The header of the plain RECORDS frame, read in one go: nine frames in ten. I/O-free; equal to `pantau_wire.frame.header`."""

from __future__ import annotations

from pantau_wire import frame as wire
from pantau_wire import tag

_RECORDS = 3  # the first three bits of a RECORDS frame of version 1
_LONGEST = wire.MAX_FRAME
SHORTEST = 2 + 2 + 3 + 4 + 1 + tag.SIZE  # kind, boot, seq, base and profile at their usual longest, and the tag


def plain(payload: bytes) -> tuple[int, int, int] | None:
    """Return (key id, boot, seq) of a RECORDS frame in its usual form, None for whatever `wire.header` should look at.

    Usual: SHORTEST bytes or more, at most 31 records, an interval with a code of its own, boot below 2**14, seq below 2**21, profile below 128.
    """
    if not SHORTEST <= len(payload) <= _LONGEST:
        return None
    first, second, boot = payload[0], payload[1], payload[2]
    if first >> 5 != _RECORDS or second < 32 or second & 31 == 31:
        return None
    at = 3
    if boot > 127:
        more = payload[3]
        if more > 127 or not more:
            return None
        boot = boot & 127 | more << 7
        at = 4
    seq = payload[at]
    at += 1
    if seq > 127:
        more = payload[at]
        at += 1
        seq = seq & 127 | (more & 127) << 7
        if more > 127:
            more = payload[at]
            at += 1
            if more > 127:
                return None
            seq |= more << 14
        if not more:
            return None
    if not seq or payload[at + 4] > 127:
        return None
    return first >> 3 & 3, boot, seq

"""A health frame with everything that it may say is one that the bridge can read."""

from __future__ import annotations

import pytest

from pantau import wire_declared
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire.errors import WireError


def test_all_fields_at_once_are_read_by_codec_and_declaration() -> None:
    f = wire.Frame(T.K_HEALTH)
    f.boot, f.seq = 1, 1
    names = [row[2:] for row in T.LAYOUT[T.K_HEALTH].split(" ")[1:-1] if row]
    kinds = {row[2:]: row[0] for row in T.LAYOUT[T.K_HEALTH].split(" ")[1:-1] if row}
    f.fields = {name: {"s": "x", "b": b"x"}.get(kinds[name], 1) for name in names}
    assert len(f.fields) > wire.MAX_COLUMNS
    data = wire.encode(f, "a", bytes(32))
    assert wire.decode(data).fields == f.fields == wire_declared.parse(data).fields


def test_records_have_no_more_columns_than_before() -> None:
    f = wire.Frame(T.K_RECORDS)
    f.boot, f.seq, f.count, f.interval_s = 1, 1, 1, 60
    f.columns = {ident: ([1], None) for ident in sorted(T.IDS)[:1]}
    data = bytearray(wire.encode(f, "a", bytes(32))[:-8])
    data += b"\x10" * wire.MAX_COLUMNS + bytes(8)
    with pytest.raises(WireError, match="part head"):
        wire.decode(bytes(data))

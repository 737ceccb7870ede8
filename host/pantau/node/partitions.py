"""The partition table of an ESP32, I/O-free: read, laid out for a flash of a size, written with its MD5.

A row is 32 bytes: AA 50, type, subtype, offset, size (u32 little-endian), label of 16 bytes, flags; after the last row one of
EB EB, 14 x FF and the MD5 of all rows; then FF. (ESP-IDF, API guide "Partition Tables", and gen_esp32part.py.)
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

TABLE_AT = 0x8000
TABLE_BYTES = 0xC00
SECTOR = 4096
APP, DATA = 0, 1
OURS = 0x40  # the first subtype of data that ESP-IDF leaves to applications
_LITTLEFS = 0x83
_ROW = struct.Struct("<HBBII16sI")
_MAGIC, _MD5 = 0x50AA, b"\xeb\xeb" + b"\xff" * 14
_MIB = 1 << 20
_ID, _CFG = 2 * SECTOR, 4 * SECTOR  # firmware/pantau_node/storage.py
_RING, _SMALL_RING, _LEAST_RING = _MIB, _MIB // 4, 16 * SECTOR
# A slot of the application is 135 files, each a whole block or more of littlefs: 590 KiB. Two of them, an update on its way
# (190 KiB) and room to move; and what one slot needs, on a flash that is too small for updates over the air.
_TWO_SLOTS, _ONE_SLOT = 1536 * 1024, 832 * 1024


class TableError(ValueError):
    """Not a partition table, or one that cannot be."""


class Partition(NamedTuple):
    """One row; offset and size in bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        """Return the first byte behind it."""
        return self.offset + self.size


def read_table(data: bytes) -> list[Partition]:
    """Return the rows of a table; raises TableError where it is none, or its MD5 is wrong."""
    rows: list[Partition] = []
    for at in range(0, len(data) - _ROW.size + 1, _ROW.size):
        row = data[at : at + _ROW.size]
        if row[:16] == _MD5:
            if hashlib.md5(data[:at], usedforsecurity=False).digest() != row[16:]:
                raise TableError("the partition table's MD5 is wrong")
            break
        magic, kind, subtype, offset, size, label, flags = _ROW.unpack(row)
        if magic != _MAGIC:
            break
        rows.append(Partition(label.rstrip(b"\0").decode("ascii", "replace"), kind, subtype, offset, size, flags))
    if not rows:
        raise TableError("there is no partition table")
    return rows


def write_table(rows: list[Partition]) -> bytes:
    """Return a table of TABLE_BYTES; raises TableError for rows that overlap or lie off their boundaries."""
    check(rows)
    out = b"".join(
        _ROW.pack(_MAGIC, row.type, row.subtype, row.offset, row.size, row.label.encode("ascii"), row.flags)
        for row in rows
    )
    out += _MD5 + hashlib.md5(out, usedforsecurity=False).digest()
    if len(out) > TABLE_BYTES:
        raise TableError(f"{len(rows)} partitions do not fit into a table")
    return out + b"\xff" * (TABLE_BYTES - len(out))


def check(rows: list[Partition], flash_bytes: int | None = None) -> None:
    """Raise TableError unless these rows can stand in one flash."""
    end, labels = TABLE_AT + SECTOR, set()
    for row in sorted(rows, key=lambda row: row.offset):
        boundary = 0x10000 if row.type == APP else SECTOR
        if row.offset % boundary or row.size % SECTOR or not row.size:
            raise TableError(f"partition {row.label} does not lie on a boundary of {boundary} bytes")
        if row.offset < end:
            raise TableError(f"partition {row.label} overlaps what stands before it")
        if not 0 < len(row.label) <= 15 or row.label in labels:
            raise TableError(f"partition {row.label!r}: a label is a name of its own, of at most 15 characters")
        labels.add(row.label)
        end = row.end
    if flash_bytes is not None and end > flash_bytes:
        raise TableError(f"the partitions end at {end} bytes, the flash at {flash_bytes}")


def lay_out(rows: list[Partition], flash_bytes: int) -> list[Partition]:
    """Return the image's rows with ours and a file system in what its application leaves of the flash.

    The outbox's ring is 1 MiB where that leaves the file system room for two slots, else smaller (488 KiB in 4 MiB beside a stock
    image, some days of a node's frames); none where there is not even room for one slot beside it: the node uses files then.
    Raises TableError where even the file system has no room.
    """
    kept = [row for row in rows if row.label != "vfs" and not row.label.startswith("pantau_")]
    at = max(row.end for row in kept)
    room = flash_bytes - at - _ID - _CFG
    if room < _ONE_SLOT:
        raise TableError(
            f"a flash of {flash_bytes // 1024} KiB has no room for the node beside this image, which ends at {at // 1024} KiB"
        )
    ring = min(_RING, max(room - _TWO_SLOTS, min(_SMALL_RING, room - _ONE_SLOT))) // SECTOR * SECTOR
    ours = [("pantau_ring", ring)] if ring >= _LEAST_RING else []
    ours += [("pantau_id", _ID), ("pantau_cfg", _CFG)]
    made = []
    for label, size in ours:
        made.append(Partition(label, DATA, OURS, at, size))
        at += size
    made.append(Partition("vfs", DATA, _vfs_subtype(rows), at, (flash_bytes - at) // SECTOR * SECTOR))
    table = kept + made
    check(table, flash_bytes)
    return table


def _vfs_subtype(rows: list[Partition]) -> int:
    return next((row.subtype for row in rows if row.label == "vfs"), _LITTLEFS)

"""The few calls by which the files sink changes a disk: its tests make each of them the last one before a power cut."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pantau.durable import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["create", "extend", "make_folder", "remove", "rename", "sync", "sync_folder", "truncate"]


def create(path: Path) -> int:
    """Return a handle on an empty file for reading and writing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)


def extend(handle: int, data: bytes | memoryview) -> None:
    """Write all of `data` at the handle's place."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def sync(handle: int) -> None:
    """Return when what was written is on the disk."""
    os.fsync(handle)


def truncate(handle: int, size: int) -> None:
    """Cut the file and go on writing there."""
    os.ftruncate(handle, size)
    os.lseek(handle, size, os.SEEK_SET)


def rename(old: Path, new: Path) -> None:
    """Give a file its name, in place of one that has it."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each durable."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)

"""Small files that are written whole or not at all, and are on the disk when the call returns."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str, *, mode: int) -> None:
    """Replace `path`: after a power cut it holds the old content or the new, never a part. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def edit(path: Path, before: bytes, text: str) -> bool:
    """Replace `path`, where a link leads, with its mode and owner; False when it no longer holds `before`."""
    real = path.resolve()
    there = real.stat()
    if real.read_bytes() != before:
        return False
    write(real, text, mode=there.st_mode & 0o777)
    # The mode was cut by the umask; the owner is ours until root says otherwise.
    real.chmod(there.st_mode & 0o777)
    with contextlib.suppress(PermissionError):
        os.chown(real, there.st_uid, there.st_gid)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def create(path: Path, text: str, *, mode: int) -> None:
    """Write a file that is not there yet. Raises FileExistsError when it is, else OSError and leaves none."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)

"""The flash of one node for the power-cut sweep: raw partitions, or a littlefs as a stock image has it.

The firmware runs as it is. With littlefs its `open` and `os` are shadowed from outside, so that its files are on the
simulated flash: littlefs itself (the C library, through littlefs-python) is the one that MicroPython carries, with the sizes
that the ESP32 port gives it.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.flash import SECTOR, NorFlash

if TYPE_CHECKING:
    from littlefs import LittleFS

RING_SECTORS = 24  # holds the longest outage of the script
FULL_SECTORS = 16  # the smallest ring: goes round and overwrites
DISK_SECTORS = 96
_IDENTITY, _CONFIG = 2, 4
_WITH_FILES = (
    "files",
    "marks",
    "outbox",
    "provision",
    "slots",
)  # the modules of the firmware that open files at run time
_LFS_BYTES = 32  # read, program and lookahead size of MicroPython's VfsLfs2


class Part:
    """A partition: `count` sectors of a chip from `first` on, with the interface of esp32.Partition."""

    def __init__(self, flash: NorFlash, first: int, count: int) -> None:
        self._flash = flash
        self._first = first
        self._count = count

    def _check(self, block: int) -> int:
        if not 0 <= block < self._count:
            raise OSError(5)
        return self._first + block

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Fill buf from the block at offset."""
        self._flash.readblocks(self._check(block), buf, offset)

    def writeblocks(self, block: int, buf: bytes, offset: int) -> None:
        """Program buf at offset without erasing."""
        self._flash.writeblocks(self._check(block), buf, offset)

    def ioctl(self, op: int, arg: int) -> int:
        """Answer as esp32.Partition does."""
        if op == 4:
            return self._count
        return self._flash.ioctl(op, self._check(arg) if op == 6 else arg)


class RawChip:
    """Identity, configuration with counters, and ring as partitions of one chip; a folder of the host for the technician.

    Stands in for the firmware's Board: partition().
    """

    kind = "raw"

    def __init__(self, folder: Path, sectors: int = RING_SECTORS) -> None:
        self.flash = NorFlash(_IDENTITY + _CONFIG + sectors)
        self.root = str(folder)
        self._folder = folder
        self._parts = {
            "pantau_id": Part(self.flash, 0, _IDENTITY),
            "pantau_cfg": Part(self.flash, _IDENTITY, _CONFIG),
            "pantau_ring": Part(self.flash, _IDENTITY + _CONFIG, sectors),
        }

    def partition(self, label: str) -> Part | None:
        """Return a partition, or None."""
        return self._parts.get(label)

    def part_at(self, address: int) -> str:
        """Return what is kept at this address of the flash."""
        sector = address // SECTOR
        return "identity" if sector < 2 else "config" if sector < 4 else "counters" if sector < 6 else "ring"

    def power_on(self) -> None:
        """Nothing is mounted."""

    def use(self) -> None:
        """Let the firmware's files be the host's."""
        for module in _modules():
            module.__dict__.pop("open", None)
            if hasattr(module, "os"):
                module.os = os

    def put(self, name: str, data: bytes) -> None:
        """Write a file, as a technician does over USB."""
        (self._folder / name).write_bytes(data)

    def files(self) -> dict[str, bytes]:
        """Return the files that are not on the chip."""
        return {path.name: path.read_bytes() for path in self._folder.iterdir()}

    def set_files(self, files: dict[str, bytes]) -> None:
        """Put back what files() returned."""
        for path in self._folder.iterdir():
            path.unlink()
        for name, data in files.items():
            (self._folder / name).write_bytes(data)


class DiskChip:
    """A chip without partitions of ours: all that the node keeps is in files of a littlefs."""

    kind = "littlefs"

    def __init__(self, sectors: int = DISK_SECTORS) -> None:
        self.flash = NorFlash(sectors)
        self.root = "/"
        self.fs: Any = None  # LittleFS, once mounted
        self._context = _Context(self.flash)
        self._mount().format()

    def partition(self, _label: str) -> None:
        """Return None: a stock image has no such partitions."""

    def part_at(self, _address: int) -> str:
        """Return what is kept at this address of the flash."""
        return "files"

    def _mount(self) -> LittleFS:
        from littlefs import LittleFS

        # What VfsLfs2 of MicroPython sets (extmod/vfs_lfsx.c) on a flash of 4 KiB sectors.
        sizes: dict[str, Any] = {"read_size": _LFS_BYTES, "prog_size": _LFS_BYTES, "lookahead_size": _LFS_BYTES}
        more: dict[str, Any] = {"cache_size": 4 * _LFS_BYTES, "block_cycles": 100}
        context: Any = self._context
        return LittleFS(context, mount=False, block_size=SECTOR, block_count=self.flash.sectors, **sizes, **more)

    def power_on(self) -> None:
        """Mount the file system as the boot does; raises LittleFSError if it is damaged."""
        self._context.dead = True  # what the boot before left open writes no more
        self._context = _Context(self.flash)
        self.fs = self._mount()
        self.fs.mount()

    def use(self) -> None:
        """Let the firmware's files be this chip's."""
        fs = self.fs
        assert fs is not None
        for module in _modules():
            module.open = lambda path, mode="r": _open(fs, path, mode)
            if hasattr(module, "os"):
                module.os = _Os(fs)

    def open(self, path: str, mode: str) -> Any:
        """Open a file in binary mode, as the node does."""
        return _open(self.fs, path, mode)

    def put(self, name: str, data: bytes) -> None:
        """Write a file, as a technician does over USB."""
        with self.open("/" + name, "wb") as file:
            file.write(data)

    def listing(self) -> list[str]:
        """Return the names of the files on the chip, sorted."""
        assert self.fs is not None
        return sorted(self.fs.listdir("/"))

    def files(self) -> dict[str, bytes]:
        """Return nothing: all is on the chip."""
        return {}

    def set_files(self, files: dict[str, bytes]) -> None:
        """Nothing to do."""


def _modules() -> list[Any]:
    return [importlib.import_module("pantau_node." + name) for name in _WITH_FILES]


class _Context:
    """NorFlash as littlefs-python asks for a device."""

    def __init__(self, flash: NorFlash) -> None:
        self._flash = flash
        self.dead = False

    def read(self, _cfg: object, block: int, offset: int, size: int) -> bytearray:
        buf = bytearray(size)
        self._flash.readblocks(block, buf, offset)
        return buf

    def prog(self, _cfg: object, block: int, offset: int, data: bytes) -> int:
        if not self.dead:
            self._flash.writeblocks(block, data, offset)
        return 0

    def erase(self, _cfg: object, block: int) -> int:
        return 0 if self.dead else self._flash.ioctl(6, block)

    def sync(self, _cfg: object) -> int:
        return 0


def _open(fs: LittleFS, path: str, mode: str) -> Any:
    """Open without Python's buffers, as MicroPython's littlefs files are."""
    from littlefs import LittleFSError

    try:
        try:
            file: Any = fs.open(path, mode, buffering=0)
        except FileNotFoundError:
            if mode != "ab":
                raise
            file = fs.open(path, "wb", buffering=0)  # littlefs-python does not create it, MicroPython does
        file.of = fs  # whose memory it uses until it is closed
        for name in ("write", "flush", "close"):
            setattr(file, name, _checked(getattr(file, name), path))
        return file
    except LittleFSError as error:
        raise OSError(-error.code, path) from None


def _checked(function: Any, path: str) -> Any:
    """Raise OSError as MicroPython does, for a full disk say."""
    from littlefs import LittleFSError

    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except LittleFSError as error:
            raise OSError(-error.code, path) from None

    return call


class _Os:
    """What the firmware uses of `os`."""

    def __init__(self, fs: LittleFS) -> None:
        self._fs = fs

    def __getattr__(self, name: str) -> Any:
        from littlefs import LittleFSError

        def call(*args: str) -> Any:
            try:
                return getattr(self._fs, name)(*args)
            except LittleFSError as error:
                raise OSError(-error.code, args[0]) from None

        return call

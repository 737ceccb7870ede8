"""Writes a stock MicroPython image with Pantau's partitions to a chip, by esptool. What cannot be is refused before anything is written.

Run again after a pulled cable or Ctrl-C it finishes the job: the chip's ROM is always there, and each step may be done twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.partitions import (
    SECTOR,
    TABLE_AT,
    TABLE_BYTES,
    Partition,
    TableError,
    lay_out,
    read_table,
    write_table,
)
from pantau.node.ports import holders
from pantau.node.trouble import RefusedError, TroubleError, UnreachedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pantau.node.ports import Port

BAUD = 460800  # after the ROM's 115200; what CP2102 and CH340 carry
_MAGIC = 0xE9
_CHIP_ID_AT, _SIZE_AT = 12, 3
# Chip by the id in an image's header: esptool's name of it, and where its ROM looks for the bootloader.
_CHIPS = {
    0: ("ESP32", 0x1000), 2: ("ESP32-S2", 0x1000), 5: ("ESP32-C3", 0), 9: ("ESP32-S3", 0),
    12: ("ESP32-C2", 0), 13: ("ESP32-C6", 0), 16: ("ESP32-H2", 0),
}  # fmt: skip
_MIB = 1 << 20
_SUPERBLOCK = 2 * 4096  # of littlefs: without it MicroPython makes a new file system
_ATTEMPTS = 5


class Image(NamedTuple):
    """A MicroPython image as downloaded: bootloader, partition table and application in one. offset: where it goes."""

    chip: str
    offset: int
    data: bytes
    table: list[Partition]

    @property
    def flash_bytes(self) -> int:
        """Return the size of the flash that the bootloader's header names."""
        return _MIB << (self.data[_SIZE_AT] >> 4)


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was written. kept: Pantau's partitions were there already, at the same places, and stay as they are."""

    chip: str
    mac: str
    flash_bytes: int
    size: int
    kept: bool
    table: list[Partition]


def read_image(data: bytes) -> Image:
    """Return what an image file holds; RefusedError where it is no whole MicroPython image for an ESP32."""
    if len(data) < TABLE_AT or data[0] != _MAGIC:
        raise RefusedError("flash.no_image")
    chip = _CHIPS.get(int.from_bytes(data[_CHIP_ID_AT : _CHIP_ID_AT + 2], "little"))
    if chip is None:
        raise RefusedError("flash.no_image")
    name, offset = chip
    at = TABLE_AT - offset
    try:
        table = read_table(data[at : at + TABLE_BYTES])
    except TableError:
        raise RefusedError("flash.no_image") from None
    end = min((row.offset for row in table if row.type == 0), default=len(data) + offset) - offset
    if end >= len(data) or data[end] != _MAGIC:
        raise RefusedError("flash.no_image")
    return Image(name, offset, data, table)


def prepare(image: Image, flash_bytes: int) -> tuple[bytes, list[Partition]]:
    """Return what is written at image.offset, with our partition table, and its rows; RefusedError where the flash is too small."""
    if image.offset + len(image.data) > flash_bytes:
        raise RefusedError("flash.large", size=(image.offset + len(image.data)) // 1024, flash=flash_bytes // 1024)
    try:
        table = lay_out(image.table, flash_bytes)
    except TableError:
        end = max(row.end for row in image.table if row.type == 0)
        raise RefusedError("flash.large", size=end // 1024, flash=flash_bytes // 1024) from None
    at = TABLE_AT - image.offset
    return image.data[:at] + write_table(table) + image.data[at + TABLE_BYTES :], table


def same_place(before: list[Partition], after: list[Partition]) -> bool:
    """Return whether a chip has our partitions and its file system where they will be: then what they hold is kept."""
    ours = [row for row in after if row.label == "vfs" or row.label.startswith("pantau_")]
    there = {row.label: row[2:5] for row in before}
    return all(there.get(row.label) == row[2:5] for row in ours)


def flash(
    port: Port, image: Image, moved: Callable[[float], object], *, baud: int = BAUD, erase: bool = False
) -> Flashed:
    """Write and verify an image; moved: told of the share that is done, 0 to 1; erase: the whole flash first."""
    cmds: Any = importlib.import_module("esptool.cmds")
    with _speaking(port, moved):
        esp = cmds.detect_chip(port.device, connect_mode=_mode(port), connect_attempts=_ATTEMPTS)
        try:
            return _write(cmds, esp, image, port, baud, erase=erase)
        finally:
            esp._port.close()  # noqa: SLF001  esptool has no other way


def _write(cmds: Any, esp: Any, image: Image, port: Port, baud: int, *, erase: bool) -> Flashed:
    if image.chip != esp.CHIP_NAME:
        raise RefusedError("flash.chip", chip=esp.CHIP_NAME, image=image.chip)
    esp = cmds.run_stub(esp)
    if "://" not in port.device:
        esp.change_baud(baud)
    cmds.attach_flash(esp)
    name = cmds.detect_flash_size(esp)
    size = int(name[:-2]) * (_MIB if name.endswith("MB") else 1024) if name else image.flash_bytes
    data, table = prepare(image, size)
    kept = not erase and same_place(_table(esp, table), table)
    if not kept and not erase:
        # Before the table says where they are: a run that is cut here does it again, for it finds the table of before.
        for row in table:
            if row.label == "vfs" or row.label.startswith("pantau_"):
                cmds.erase_region(esp, row.offset, _SUPERBLOCK if row.label == "vfs" else row.size)
    patched = name if name and size != image.flash_bytes else "keep"
    cmds.write_flash(esp, [(image.offset, data)], flash_size=patched, erase_all=erase)  # reads the MD5 back
    mac = ":".join(f"{byte:02x}" for byte in esp.read_mac() or ())
    if "://" not in port.device:  # a socket has no reset line: there somebody presses the button
        cmds.reset_chip(esp, "hard-reset")
    return Flashed(image.chip, mac, size, len(data), kept, table)


def _table(esp: Any, wished: list[Partition]) -> list[Partition]:
    """Return the table that is on the chip; most often its MD5 says enough, which is quick on any cable."""
    there = str(esp.flash_md5sum(TABLE_AT, TABLE_BYTES)).lower()
    if there == _md5(write_table(wished)):
        return wished
    if there == _md5(b"\xff" * TABLE_BYTES):
        return []
    try:
        return read_table(esp.read_flash(TABLE_AT, SECTOR, None)[:TABLE_BYTES])
    except TableError:
        return []


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _mode(port: Port) -> str:
    """Return how the chip is brought into its loader: over a socket there are no lines that could reset it."""
    return "no-reset" if "://" in port.device else "default-reset"


@contextlib.contextmanager
def _speaking(port: Port, moved: Callable[[float], object]) -> Iterator[None]:
    """Keep esptool silent but for its progress, and turn what it raises into trouble."""
    esptool: Any = importlib.import_module("esptool")
    former = esptool.logger.EspLog.instance
    esptool.log.set_logger(_logger(esptool.logger, moved))
    try:
        yield
    except TroubleError:
        raise
    except KeyboardInterrupt:
        raise UnreachedError("flash.stopped", port=port.device) from None
    except (esptool.FatalError, OSError, RuntimeError) as error:
        who = holders(port.device)
        if who:
            raise UnreachedError("board.busy", port=port.device, who=", ".join(who)) from None
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UnreachedError("flash.lost", port=port.device, said=said[0]) from None
    finally:
        esptool.logger.EspLog.instance = former


def _logger(logger: Any, moved: Callable[[float], object]) -> Any:
    class Quiet(logger.TemplateLogger):  # type: ignore[misc]
        """Says nothing on stdout, which may belong to a program."""

        def print(self, *args: object, **kwargs: object) -> None:
            """Say nothing."""

        def note(self, message: str) -> None:
            """Say nothing."""

        def warning(self, message: str) -> None:
            """Say nothing."""

        def error(self, message: str) -> None:
            """Say nothing: what matters is raised."""

        def stage(self, finish: bool = False) -> None:
            """Say nothing."""

        def set_verbosity(self, verbosity: str) -> None:
            """Stay silent."""

        def progress_bar(
            self, cur_iter: int, total_iters: int, prefix: str = "", suffix: str = "", bar_length: int = 30
        ) -> None:
            """Tell how far it is."""
            del prefix, suffix, bar_length
            moved(min(1.0, cur_iter / total_iters) if total_iters else 1.0)

    return Quiet()

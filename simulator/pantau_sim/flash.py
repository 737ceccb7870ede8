"""NOR flash with the interface of esp32.Partition, for CPython and the VM: bits only fall, pages, wear, time, power cuts.

Times are typical figures of the W25Q128JV datasheet (Winbond, rev. F, AC characteristics: page program 0.4 ms, sector erase
45 ms) and a plain SPI read at 40 MHz in DIO mode, which a stock ESP32 image uses (80 Mbit/s = 10 bytes per us), plus 20 us of
driver overhead for each call, an assumption.
"""

MYPY = False  # to mypy it is True; the VM has neither typing nor collections.abc
if MYPY:
    from collections.abc import Callable

SECTOR = 4096
PAGE = 256
PROGRAM_US = 400
ERASE_US = 45000
READ_BYTES_PER_US = 10
CALL_US = 20
_EIO = 5


class PowerCut(BaseException):
    """The power went within a flash operation; nothing on the chip runs any more."""


class NorFlash:
    """A partition of `sectors` sectors of 4 KiB, filled with `image` or erased.

    One operation is one page program or one sector erase; `ops` counts them. hook(flash, op) is called before each with
    ("program", address, bytes) or ("erase", address). cut(op number, how, rand): the power goes before, within or after
    that operation. rand(bits) -> int decides what a torn operation leaves.
    """

    def __init__(self, sectors: int, image: bytes | None = None) -> None:
        self.data = bytearray(b"\xff" * (sectors * SECTOR)) if image is None else bytearray(image)
        self.sectors = sectors
        self.erases = [0] * sectors
        self.ops = 0
        self.programs = 0
        self.programmed = 0
        self.reads = 0
        self.us = 0
        self.hook: Callable[[NorFlash, tuple[str, int, bytes]], None] | None = None
        self.refuse = False  # every program and erase fails, as with a worn or locked chip
        self.overwrites = 0  # programs onto bytes that were not erased: a defect of the caller
        self._cut: tuple[int, str, Callable[[int], int]] | None = None
        self.dead = False

    def snapshot(self) -> bytes:
        """Return the content as bytes."""
        return bytes(self.data)

    def restore(self, image: bytes) -> None:
        """Put a content back; the counters go on."""
        self.data[:] = image
        self.dead = False
        self._cut = None

    def cut(self, op: int, how: str, rand: "Callable[[int], int]") -> None:
        """Arrange a power cut "before", "within" or "after" the operation with that number (the first is 1)."""
        self._cut = (op, how, rand)

    # -- esp32.Partition

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        """Fill buf from the block at offset."""
        self._alive()
        at = block * SECTOR + offset
        if at + len(buf) > len(self.data):
            raise OSError(_EIO)
        self.reads += 1
        self.us += CALL_US + len(buf) // READ_BYTES_PER_US
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, block: int, buf: bytes, offset: int | None = None) -> None:
        """Program buf at offset without erasing; without offset the blocks are erased first."""
        self._alive()
        at = block * SECTOR + (offset or 0)
        if at + len(buf) > len(self.data):
            raise OSError(_EIO)
        if offset is None:
            for one in range(block, block + (len(buf) + SECTOR - 1) // SECTOR):
                self._operate("erase", one * SECTOR, b"")
        start = 0
        while start < len(buf):
            size = min(PAGE - (at + start) % PAGE, len(buf) - start)
            self._operate("program", at + start, bytes(buf[start : start + size]))
            start += size

    def ioctl(self, op: int, arg: int) -> int:
        """Answer 4 (blocks), 5 (bytes of a block), 6 (erase block arg); the rest is accepted."""
        self._alive()
        if op == 4:
            return self.sectors
        if op == 5:
            return SECTOR
        if op == 6:
            if not 0 <= arg < self.sectors:
                raise OSError(_EIO)
            self._operate("erase", arg * SECTOR, b"")
        return 0

    # -- operations

    def _alive(self) -> None:
        if self.dead:
            raise PowerCut

    def _operate(self, kind: str, at: int, data: bytes) -> None:
        if self.refuse:
            raise OSError(_EIO)
        if self.hook is not None:
            self.hook(self, (kind, at, data))
        self.ops += 1
        self.us += CALL_US + (PROGRAM_US if kind == "program" else ERASE_US)
        cut = self._cut
        if cut is None or self.ops < cut[0]:
            self._apply(kind, at, data)
            return
        if cut[1] == "within":
            tear(self.data, kind, at, data, cut[2])
        elif cut[1] == "after":
            self._apply(kind, at, data)
        self.dead = True
        raise PowerCut

    def _apply(self, kind: str, at: int, data: bytes) -> None:
        if kind == "erase":
            self.data[at : at + SECTOR] = b"\xff" * SECTOR
            self.erases[at // SECTOR] += 1
            return
        self.programs += 1
        self.programmed += len(data)
        if program(self.data, at, data):
            self.overwrites += 1


def program(image: bytearray, at: int, data: bytes) -> bool:
    """Let the bits fall; return whether a byte was not erased before."""
    end = at + len(data)
    if image[at:end] == b"\xff" * len(data):
        image[at:end] = data
        return False
    for i in range(len(data)):
        image[at + i] &= data[i]
    return True


def tear(image: bytearray, kind: str, at: int, data: bytes, rand: "Callable[[int], int]") -> None:
    """Leave what an operation does whose power goes: a prefix and some bits of the next byte, or any bits of a sector."""
    if kind == "program":
        whole = rand(16) % len(data)
        program(image, at, data[:whole])
        image[at + whole] &= data[whole] | rand(8)
        return
    how = rand(2)
    done = rand(12)  # bytes that are erased already; the others keep their bits or lose any of them to 1
    image[at : at + done] = b"\xff" * done
    if how:
        for i in range(at + done, at + SECTOR):
            image[i] |= rand(8) & (rand(8) if how == 1 else 0xFF)
    else:
        for i in range(at + done, at + SECTOR):
            image[i] = rand(8)


def cut_short(image: bytearray, kind: str, at: int, data: bytes, how: str, rand: "Callable[[int], int]") -> None:
    """Leave in the image what a power cut "before", "within" or "after" a program or an erase of a sector leaves."""
    if how == "within":
        tear(image, kind, at, data, rand)
    elif how == "after" and kind == "program":
        program(image, at, data)
    elif how == "after":
        image[at : at + SECTOR] = b"\xff" * SECTOR

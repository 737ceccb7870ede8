"""Sectors of raw NOR flash as a log: append, close, erase ahead. Bits only fall; what was programmed is never programmed again.

The device has the interface of esp32.Partition: readblocks(block, buf, offset), writeblocks(block, buf, offset) which
programs without erasing, ioctl(4) blocks, ioctl(5) bytes of a block, ioctl(6, block) erases.

Sector: header of 12 bytes (what kind of log, sectors in it, sequence number, CRC-32), written only once the erase is complete,
so that a sector with a whole header was surely erased; then the entries. Sequence number s lives at (s - 1) mod sectors.

Entry: type, length u16, payload, CRC-32; a row is shorter: 0x40 | length, payload, 16 bits of the CRC-32 whose last byte is never
0xFF. So a row whose programming stopped anywhere is told from a whole one by its last byte, not by chance.

What only a start needs is in ringstart.py, so that it need not stay in RAM.
"""

import binascii
import struct

from micropython import const

SECTOR = 4096
HEADER = 12
WINDOW = 1072  # bytes read at once: the longest entry, a frame of 1024 bytes with its head, fits
ROW = 0x40
_PAGE = const(256)
_KINDS = const(0x3F)  # types of the longer entries: 1..63
_SKIP = const(3)  # sectors tried before an erase is given up
_ERASE_IOCTL = const(6)


def entry(kind, head, body=b""):
    """Return the bytes of an entry with a CRC-32; its payload is head + body."""
    size = len(head) + len(body)
    out = bytearray(7 + size)
    struct.pack_into(">BH", out, 0, kind, size)
    out[3 : 3 + len(head)] = head
    out[3 + len(head) : -4] = body
    struct.pack_into(">I", out, size + 3, binascii.crc32(memoryview(out)[:-4]))
    return out


def row(data):
    """Return the bytes of a row entry; one longer than 63 bytes becomes a long entry of type ROW - 1."""
    size = len(data)
    if size > 63:
        return entry(ROW - 1, data)
    out = bytearray(3 + size)
    out[0] = ROW | size
    out[1:-2] = data
    struct.pack_into(">H", out, size + 1, _short(memoryview(out)[:-2]))
    return out


def _short(data):
    crc = binascii.crc32(data) & 0xFFFF
    return crc if crc & 0xFF != 0xFF else crc & 0xFF7F


def parse(data, at):
    """Return (whole size, type, payload start, payload end) of the entry at `at` of a memoryview.

    Size 0: there is none; -1: data ends before it.
    """
    kind = data[at]
    end = at + 3
    if kind & 0xC0 == ROW:
        end += kind & 63
        if end > len(data):
            return -1, 0, 0, 0
        if struct.unpack_from(">H", data, end - 2)[0] == _short(data[at : end - 2]):
            return end - at, ROW, at + 1, end - 2
    elif 0 < kind <= _KINDS:
        if end <= len(data):
            end += 4 + (data[at + 1] << 8 | data[at + 2])
        if end > len(data):
            return -1, 0, 0, 0
        if struct.unpack_from(">I", data, end - 4)[0] == binascii.crc32(data[at : end - 4]):
            return end - at, (ROW if kind == ROW - 1 else kind), at + 3, end - 4
    return 0, 0, 0, 0


def used(data):
    """Return the offset after the last byte of a memoryview that is not erased."""
    end = len(data)
    blank = b"\xff" * 64
    while end >= 64 and data[end - 64 : end] == blank:
        end -= 64
    while end and data[end - 1] == 0xFF:
        end -= 1
    return end


def header(log, seq):
    """Return the header of a sector."""
    out = bytearray(HEADER)
    struct.pack_into(">2sHI", out, 0, log.magic, log.count, seq)
    struct.pack_into(">I", out, 8, binascii.crc32(memoryview(out)[:8]))
    return out


class RingLog:
    """One log on `count` sectors of the device from `first` on. magic: two bytes that tell whose log it is.

    start, limit: offsets within a sector between which entries are. head: sequence number of the sector in use; pos: where
    the next entry goes; top: greatest sequence number that is ready, head or head + 1; occupied sectors are oldest()..head.
    """

    def __init__(self, device, first, count, magic, start, limit):
        self._device = device
        self._first = first
        self.magic = magic
        self.count = count
        self.start = start
        self.limit = limit
        self.head = 0
        self.top = 0
        self.next = 1  # the sequence number that prepare() will try
        self.pos = start
        self.errors = 0
        self.skipped = 0  # damaged bytes passed over

    def oldest(self):
        """Return the least sequence number that a sector can have now."""
        return max(1, self.top - self.count + 1)

    def _block(self, seq):
        return self._first + (seq - 1) % self.count

    def read(self, seq, buf, at):
        """Fill buf from the sector; raises OSError."""
        self._device.readblocks(self._block(seq), buf, at)

    def program(self, seq, data, at):
        """Program erased bytes and read them back; False if the flash refuses or did not take them."""
        back = bytearray(len(data))
        try:
            self._device.writeblocks(self._block(seq), data, at)
            self.read(seq, back, at)
        except OSError:
            back = None
        if back == data:
            return True
        self.errors += 1
        return False

    def scan(self, seq, buf, each, lost=False):
        """Read a sector and call each(type, payload, offset of the entry) for every whole one; return (end, torn, lost).

        buf: WINDOW bytes to read into. Inside damage only a CRC-32 is trusted, so rows are passed over up to the next long
        entry; `lost` carries that from sector to sector. torn: behind the last whole entry there is something; end: after
        all that was ever programmed.
        """
        pos = at = last = end = self.start
        while pos < self.limit:
            data = memoryview(buf)[: self.limit - pos]
            self.read(seq, data, pos)
            after = pos + len(data)
            stop = used(data)
            if stop:
                end = pos + stop
                if at < pos:  # what was erased there has something behind it
                    lost = True
                    self.skipped += pos - at
                    at = pos
            while stop and at < end:
                size, kind, start, finish = parse(data, at - pos)
                if size < 0 and at > pos and after < self.limit:
                    after = at  # the entry goes on behind the window
                    break
                if size > 0 and not (lost and kind == ROW):
                    lost = not each(kind, data[start:finish], at)
                    last = at = at + size
                else:
                    lost = True
                    at += 1
                    self.skipped += 1
            pos = after
        return max(end, last), last < end, lost

    def room(self, size, reserve=0):
        """Return whether an entry of that size fits into the head."""
        return self.pos + size <= self.limit - reserve

    def append(self, data):
        """Program an entry at the head, which has room for it; False if the flash refuses."""
        at = self.pos
        self.pos = at + len(data)
        if self.program(self.head, data, at):
            return True
        self.skip()
        return False

    def skip(self):
        """After a torn or refused program nothing more goes to its page."""
        self.pos = min((self.pos + _PAGE - 1) // _PAGE * _PAGE, self.limit)

    def prepare(self):
        """Erase the next sector and write its header; True once one is ready. One that does not come clean is passed over.

        Whatever it held is gone: the caller has dealt with that.
        """
        if self.top > self.head:
            return True
        seq = self.next
        self.next = seq + 1
        if self._erase(seq) and self.program(seq, header(self, seq), 0):
            self.top = seq
            return True
        return False

    def _erase(self, seq):
        buf = memoryview(bytearray(_PAGE))
        for _ in range(_SKIP):
            try:
                self._device.ioctl(_ERASE_IOCTL, self._block(seq))
                for at in range(0, SECTOR, _PAGE):
                    self.read(seq, buf, at)
                    if used(buf):
                        raise OSError(5)
            except OSError:
                self.errors += 1
                continue
            return True
        return False

    def advance(self):
        """Move to the sector that is ready."""
        self.head = self.top
        self.pos = self.start

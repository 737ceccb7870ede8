"""Sectors of raw NOR flash as a log: append, close, erase ahead. Bits only fall; what was programmed is never programmed again.

The device has the interface of esp32.Partition: readblocks(block, buf, offset), writeblocks(block, buf, offset) which
programs without erasing, ioctl(4) blocks, ioctl(5) bytes of a block, ioctl(6, block) erases.

Sector: header of 12 bytes (what kind of log, sectors in it, sequence number, CRC-32), written only once the erase is complete,
so that a sector with a whole header was surely erased; then the entries. Sequence number s lives at (s - 1) mod sectors.

Entry: type, length u16, payload, CRC-32; a row is shorter: 0x40 | length, payload, 16 bits of the CRC-32 whose last byte is never
0xFF. So a row whose programming stopped anywhere is told from a whole one by its last byte, not by chance.
"""

import binascii
import struct

from micropython import const

SECTOR = 4096
PAGE = const(256)
HEADER = 12
ROW = 0x40
_KINDS = const(0x3F)  # types of the longer entries: 1..63
_SKIP = const(3)  # sectors tried before an erase is given up

COUNT_IOCTL = const(4)
SIZE_IOCTL = const(5)
ERASE_IOCTL = const(6)


def entry(kind, payload):
    """Return the bytes of an entry with a CRC-32."""
    out = bytearray(7 + len(payload))
    struct.pack_into(">BH", out, 0, kind, len(payload))
    out[3:-4] = payload
    struct.pack_into(">I", out, len(out) - 4, binascii.crc32(memoryview(out)[:-4]))
    return out


def row(payload):
    """Return the bytes of a row entry; one longer than 63 bytes becomes a long entry of type ROW - 1."""
    if len(payload) > 63:
        return entry(ROW - 1, payload)
    out = bytearray(3 + len(payload))
    out[0] = ROW | len(payload)
    out[1:-2] = payload
    struct.pack_into(">H", out, len(out) - 2, _short(memoryview(out)[:-2]))
    return out


def _short(data):
    crc = binascii.crc32(data) & 0xFFFF
    return crc if crc & 0xFF != 0xFF else crc & 0xFF7F


def parse(buf, at, end):
    """Return (whole size, type, payload start, payload end) of the entry at `at`; size 0 if there is none."""
    kind = buf[at]
    if kind & 0xC0 == ROW:
        size = 3 + (kind & 63)
        if at + size <= end:
            stored = buf[at + size - 2] << 8 | buf[at + size - 1]
            if stored == _short(memoryview(buf)[at : at + size - 2]):
                return size, ROW, at + 1, at + size - 2
    elif 0 < kind <= _KINDS and at + 7 <= end:
        size = 7 + (buf[at + 1] << 8 | buf[at + 2])
        if at + size <= end:
            crc = binascii.crc32(memoryview(buf)[at : at + size - 4])
            if struct.unpack_from(">I", buf, at + size - 4)[0] == crc:
                return size, (ROW if kind == ROW - 1 else kind), at + 3, at + size - 4
    return 0, 0, 0, 0


def used(buf, start, end):
    """Return the offset after the last byte in start..end that is not erased."""
    view = memoryview(buf)
    blank = b"\xff" * 64
    while end - start >= 64 and view[end - 64 : end] == blank:
        end -= 64
    while end > start and buf[end - 1] == 0xFF:
        end -= 1
    return end


class RingLog:
    """One log on `count` sectors of the device from `first` on. magic: two bytes that tell whose log it is.

    limit: offset within a sector at which entries end. head: sequence number of the sector in use; pos: where the next
    entry goes; top: greatest sequence number that is ready, head or head + 1; occupied sectors are oldest()..head.
    """

    def __init__(self, device, first, count, magic, start, limit):
        self._device = device
        self._first = first
        self._magic = magic
        self.count = count
        self.start = start
        self.limit = limit
        self.head = 0
        self.top = 0
        self.next = 1  # the sequence number that prepare() will try
        self.pos = start
        self.errors = 0
        self.skipped = 0  # damaged bytes passed over
        self._valid = bytearray((count + 7) // 8)  # sectors whose header is whole

    def oldest(self):
        """Return the least sequence number that a sector can have now."""
        return max(1, self.top - self.count + 1)

    def _header(self, seq):
        out = bytearray(HEADER)
        struct.pack_into(">2sHI", out, 0, self._magic, self.count, seq)
        struct.pack_into(">I", out, 8, binascii.crc32(memoryview(out)[:8]))
        return out

    def survey(self):
        """Read the headers; sets top, 0 on a device without a log. The head is the caller's to tell."""
        buf = bytearray(HEADER)
        at = [0] * self.count
        for i in range(self.count):
            self._device.readblocks(self._first + i, buf, 0)
            seq = struct.unpack_from(">I", buf, 4)[0]
            if seq % self.count == (i + 1) % self.count and seq and buf == self._header(seq):
                at[i] = seq
        self.top = max(at)
        self.next = self.top + 1
        for i in range(self.count):
            if at[i] > self.top - self.count:
                self._note(at[i], True)

    def _note(self, seq, valid):
        i = (seq - 1) % self.count
        if valid:
            self._valid[i >> 3] |= 1 << (i & 7)
        else:
            self._valid[i >> 3] &= ~(1 << (i & 7))

    def has(self, seq):
        """Return whether the sector of this sequence number is there."""
        i = (seq - 1) % self.count
        return self.oldest() <= seq <= self.top and bool(self._valid[i >> 3] >> (i & 7) & 1)

    def block(self, seq):
        """Return the device's block number."""
        return self._first + (seq - 1) % self.count

    def read(self, seq, buf, offset):
        """Fill buf from the sector; raises OSError."""
        self._device.readblocks(self.block(seq), buf, offset)

    def program(self, seq, data, offset):
        """Program erased bytes and read them back; False if the flash refuses or did not take them."""
        try:
            self._device.writeblocks(self.block(seq), data, offset)
            back = bytearray(len(data))
            self._device.readblocks(self.block(seq), back, offset)
        except OSError:
            self.errors += 1
            return False
        if back != data:
            self.errors += 1
            return False
        return True

    def scan(self, seq, buf, each, lost=False):
        """Read a sector into buf and call each(type, start, end) for every whole entry; return (end, torn, lost).

        Inside damage only a CRC-32 is trusted, so rows are passed over up to the next long entry; `lost` carries that from
        sector to sector. torn: behind the last whole entry there is something; end: after all that was ever programmed.
        """
        self.read(seq, buf, 0)
        end = used(buf, self.start, self.limit)
        at = last = self.start
        while at < end:
            size, kind, start, stop = parse(buf, at, self.limit)
            if size and not (lost and kind == ROW):
                lost = not each(kind, start, stop)
                at += size
                last = at
            else:
                lost = True
                at += 1
                self.skipped += 1
        return max(end, last), last < end, lost

    def previous(self, seq):
        """Return the sequence number of the sector before, or 0."""
        seq -= 1
        while seq >= self.oldest():
            if self.has(seq):
                return seq
            seq -= 1
        return 0

    def room(self, size, reserve=0):
        """Return whether an entry of that size fits into the head."""
        return self.pos + size <= self.limit - reserve

    def append(self, data):
        """Program an entry at the head, which has room for it; return its offset, or 0 if the flash refuses."""
        at = self.pos
        self.pos = at + len(data)
        if self.program(self.head, data, at):
            return at
        self._skip()
        return 0

    def _skip(self):
        """After a torn or refused program nothing more goes to its page."""
        self.pos = min((self.pos + PAGE - 1) // PAGE * PAGE, self.limit)

    def resume(self, head, end, torn):
        """Go on writing in sector `head` at offset `end`; torn: behind damage."""
        self.head = head
        self.pos = end
        if torn:
            self._skip()

    def prepare(self):
        """Erase the next sector and write its header; True once one is ready. One that does not come clean is passed over.

        Whatever it held is gone: the caller has dealt with that.
        """
        if self.top > self.head:
            return True
        seq = self.next
        self.next = seq + 1
        self._note(seq, False)
        if self._erase(seq) and self.program(seq, self._header(seq), 0):
            self._note(seq, True)
            self.top = seq
            return True
        return False

    def _erase(self, seq):
        block = self.block(seq)
        buf = bytearray(PAGE)
        for _ in range(_SKIP):
            try:
                self._device.ioctl(ERASE_IOCTL, block)
                for at in range(0, SECTOR, PAGE):
                    self._device.readblocks(block, buf, at)
                    if used(buf, 0, PAGE):
                        raise OSError(5)
            except OSError:
                self.errors += 1
                continue
            return True
        return False

    def begin(self):
        """Start an empty log; raises OSError if no sector comes clean."""
        for _ in range(_SKIP):
            if self.prepare():
                self.advance()
                return
        raise OSError(5)

    def advance(self):
        """Move to the sector that is ready."""
        self.head = self.top
        self.pos = self.start

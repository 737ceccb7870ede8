"""The frames of the ring: their sectors, how the oldest makes room. See ring.py; ringstart.py finds what is held at a start.

A sector: header, one mark byte for each frame (erased: held; programmed: acknowledged or given up), entries, and once it is
full a summary of it and of all that a start must know, so that a start reads the entries of the head only. Entries never
span sectors. Before a sector is erased an entry RETIRE makes its end durable, with the new totals.
"""

import binascii
import struct

from micropython import const

from pantau_wire.bits import get_varint, put_varint
from pantau_wire.errors import WireError

from . import ALARM, ringlog
from .ringindex import FRAMES, RingIndex

FRAME = 1  # entry: boot, seq, flags, records, ordinal, with TAKEN name's seq and records taken; then the frame
DROP = 2  # entry: sector, ordinal, totals: a frame is given up
RETIRE = 3  # entry: first sector still held, totals: those before it are given up and will be erased
UNBATCH = 4  # entry: boot, seq, records taken, totals: an open batch is given up
TAKEN = 2  # flag of a frame in flash: its records come from the open batch
MARKS = 12  # offset of the mark bytes: behind the header
_START = const(60)  # header and 48 marks
# row's names; last boot, seq; totals; batch name; tail; first live; taken; frames; alarms
_SUMMARY = ">IIIIIIIIIIIIBBQ"
_FIXED = const(58)
_FOOT = const(110)  # summary, records of each frame, CRC-32
_HEAD = const(26)  # what an entry adds to a frame at most
_RETIRE = const(22)  # an entry RETIRE at most
_SMALL = const(40)  # no other entry is longer; as much is kept free for RETIRE
_ENTRY = ">IIBBBBHH"  # boot, seq, flags, records, ordinal; bytes before the frame; size and offset of the entry
_SIZE = const(16)


def numbers(*values):
    """Return varints one after the other."""
    out = bytearray()
    for value in values:
        put_varint(out, value)
    return out


class FrameRing:
    """Frames on sectors first..first + count - 1 of the device.

    taken: (boot, seq, records): name of the last batch that frames were made of and how many records of it they have.
    """

    def __init__(self, device, first, count):
        self.log = ringlog.RingLog(device, first, count, b"F1", _START, ringlog.SECTOR - _FOOT)
        self.buf = bytearray(ringlog.WINDOW)
        self.cached = 0  # the sector whose frames are decoded: the first `_count` of `_heads`
        self._heads = bytearray(FRAMES * _SIZE)
        self._count = 0
        self.index = RingIndex(self.log, self.load, self.frame)
        self.taken = (0, 0, 0)
        self.last_boot = 0
        self.last_seq = 0
        self.overwritten_frames = 0
        self.overwritten_records = 0
        self.tail = 1  # sectors before it are given up
        self.begin()

    def begin(self):
        """Nothing is in the head yet."""
        self.closed = False
        self.frames = 0  # in the head
        self._alarms = 0
        self._records = bytearray(FRAMES)

    # -- reading

    def summary(self, sector):
        """Return (fields of _SUMMARY, records of each frame) of a sector, None where there is no summary."""
        foot = bytearray(_FOOT)
        self.log.read(sector, foot, self.log.limit)
        if struct.unpack_from(">I", foot, _FOOT - 4)[0] != binascii.crc32(memoryview(foot)[:-4]):
            return None
        return struct.unpack_from(_SUMMARY, foot, 0), foot[_FIXED:-4]

    def collect(self, kind, data, at):
        """Decode the head of an entry of the sector that is read; True if the entry is sound."""
        if kind != FRAME:
            return 0 < kind <= UNBATCH
        try:
            boot, i = get_varint(data, 0)
            seq, i = get_varint(data, i)
            flags, records, ordinal = data[i], data[i + 1], data[i + 2]
            i += 3
            if flags & TAKEN:
                i = get_varint(data, i)[1] + 1
        except (WireError, IndexError):
            return False
        if ordinal >= FRAMES or i > len(data):
            return False
        if self._count and self.frame(self._count - 1)[4] == ordinal:
            self._count -= 1  # what was refused is there all the same, and was given up or written again
        entry = boot, seq, flags, records, ordinal, i + 3, len(data) + 7, at
        struct.pack_into(_ENTRY, self._heads, self._count * _SIZE, *entry)
        self._count += 1
        return True

    def frame(self, i):
        """Return (boot, seq, flags, records, ordinal, ...) of the decoded frame i: see _ENTRY."""
        return struct.unpack_from(_ENTRY, self._heads, i * _SIZE)

    def restart(self, sector):
        """Begin to decode a sector."""
        self.cached = sector
        self._count = 0

    def load(self, sector):
        """Decode the frames of a sector; return how many the flash gives back. Those that it does not are given up."""
        if self.cached != sector:
            skipped = self.log.skipped
            try:
                self.restart(sector)
                self.log.scan(sector, self.buf, self.collect)
            except OSError:
                self.cached = 0
                raise
            self.log.skipped = skipped  # counted when it was found first
            self._lose(sector)
        return self._count

    def _lose(self, sector):
        """Give up the frames of a sector that the flash no longer gives back, counted."""
        live = self.index.row(sector)[4]
        for i in range(self._count):
            live &= ~(1 << self.frame(i)[4])
        found = self.summary(sector) if live else None
        for ordinal in range(FRAMES if found else 0):
            if live >> ordinal & 1:
                self.give_up(sector, ordinal, found[0][14] >> ordinal & 1, found[1][ordinal])

    def read(self, boot, seq):
        """Return a frame's bytes, or None once it left (or the flash does not give it back)."""
        try:
            found = self.index.find(boot, seq)
            if found is None:
                return None
            head, size, at = found[1][5:]
            data = memoryview(self.buf)[:size]
            self.log.read(found[0], data, at)
        except OSError:
            self.log.errors += 1
            return None
        return bytes(data[head : size - 4]) if ringlog.parse(data, 0)[0] == size else None

    # -- writing

    def seen(self, boot, seq):
        """Note a name that is used."""
        if boot > self.last_boot:
            self.last_boot, self.last_seq = boot, 0
        if boot == self.last_boot:
            self.last_seq = max(self.last_seq, seq)

    def note(self, ordinal, flags, records):
        """Note a frame of the head for its summary."""
        self.frames = ordinal + 1
        self._alarms |= (flags & ALARM) << ordinal
        self._records[ordinal] = records

    def write(self, boot, seq, wire, records, flags, batch):
        """Append a frame; batch: (name's seq, records taken) or None. False if the flash refuses."""
        for _ in range(2):
            if not self.room(len(wire) + _HEAD):
                return False
            head = numbers(boot, seq)
            head.append(flags & ALARM | (TAKEN if batch else 0))
            head.append(records)
            head.append(self.frames)
            if batch:
                put_varint(head, batch[0])
                head.append(batch[1])
            if self._append(ringlog.entry(FRAME, head, wire)):
                self.index.add(self.log.head, boot, seq, flags, records, self.frames)
                self.note(self.frames, flags, records)
                return True
        return False

    def _append(self, data):
        if self.cached == self.log.head:
            self.cached = 0
        return self.log.append(data)

    def tell(self, kind, *values):
        """Append a short entry with the totals; False if the flash refuses."""
        return self._append(ringlog.entry(kind, numbers(*values, self.overwritten_frames, self.overwritten_records)))

    def room(self, size=_SMALL):
        """Make room for an entry of that size in the head; False if the flash does not give a sector."""
        if self.log.room(size, _SMALL) and self.frames < FRAMES and not self.closed:
            return True
        for _ in range(3):  # a sector that does not come clean is passed over
            self.ready()
            if self.log.top > self.log.head:
                break
        else:
            return False
        self._close()
        self.log.advance()
        self.begin()
        return True

    def _close(self):
        """Write the summary of the head."""
        if self.closed:
            return
        self.closed = True
        foot = bytearray(_FOOT)
        row = self.index.row(self.log.head)
        fields = row[:4] + (self.last_boot, self.last_seq, self.overwritten_frames, self.overwritten_records)
        fields += self.taken[:2] + (self.tail, self.index.first, self.taken[2], self.frames, self._alarms)
        struct.pack_into(_SUMMARY, foot, 0, *fields)
        foot[_FIXED:-4] = self._records
        struct.pack_into(">I", foot, _FOOT - 4, binascii.crc32(memoryview(foot)[:-4]))
        self.log.program(self.log.head, foot, self.log.limit)

    def ready(self):
        """Give up the oldest sector, if the ring has gone round, and erase it."""
        log = self.log
        if log.top == log.head:
            if log.next - log.count >= self.tail:
                self._retire(log.next - log.count)
            log.prepare()

    def _retire(self, sector):
        """Make it durable that all up to a sector is gone: after an erase that was cut, its bits may say anything."""
        for old in range(self.tail, sector + 1):
            frames, records = self.index.clear(old)
            self.overwritten_frames += frames
            self.overwritten_records += records
        self.tail = sector + 1
        if self.cached <= sector:
            self.cached = 0
        if self.closed or not (self.log.room(_RETIRE) and self.tell(RETIRE, self.tail)):
            self._close()

    def give_up(self, sector, ordinal, flags, records):
        """Take out a frame that the flash does not give back, counted as overwritten."""
        self.room()  # first: a summary written for it must not count what is still held
        if sector < self.tail:
            return  # it made room, and is counted
        self.overwritten_frames += 1
        self.overwritten_records += records
        self.tell(DROP, sector, ordinal)
        self.index.drop(sector, ordinal, flags, records)
        self.mark(sector, [ordinal])

    def mark(self, sector, ordinals):
        """Program the marks of these frames, in order, a run at a time."""
        while ordinals:
            size = 1
            while size < len(ordinals) and ordinals[size] == ordinals[0] + size:
                size += 1
            self.log.program(sector, bytes(size), MARKS + ordinals[0])
            ordinals = ordinals[size:]

"""The frames of the ring: their sectors, how a start finds what is held, how the oldest makes room. See ring.py.

A sector: header, one mark byte for each frame (erased: held; programmed: acknowledged or given up), entries, and once it is
full a summary of it and of all that a start must know, so that a start reads the entries of the head only. Entries never
span sectors. Before a sector is erased an entry RETIRE makes its end durable, with the new totals.
"""

import binascii
import struct

from micropython import const

from pantau_wire.bits import get_varint, put_varint
from pantau_wire.errors import WireError

from . import ringlog
from .index import ALARM
from .ringindex import FRAME, FRAMES, TAKEN, RingIndex

DROP = 2  # entry: sector, ordinal, totals: a frame is given up
_RETIRE = const(3)  # entry: first sector still held, totals: those before it are given up and will be erased
UNBATCH = 4  # entry: boot, seq, records taken, totals: an open batch is given up
_MARKS = ringlog.HEADER
_START = const(60)  # header and 48 marks
_SUMMARY = (
    ">IIIIIIIIIIIIBBQ"  # row's names; last boot, seq; totals; batch name; tail; first live; taken; frames; alarms
)
_FIXED = const(58)
_FOOT = const(110)  # summary, records of each frame, CRC-32
HEAD = 26  # what an entry adds to a frame at most
SMALL = 40  # no other entry is longer; as much is kept free for RETIRE


def numbers(*values):
    """Return varints one after the other."""
    out = bytearray()
    for value in values:
        put_varint(out, value)
    return out


class FrameRing:
    """Frames on sectors first..first + count - 1 of the device. buf: 4 KiB that it may keep.

    taken: (boot, seq, records): name of the last batch that frames were made of and how many records of it they have.
    """

    def __init__(self, device, first, count, buf):
        self.log = ringlog.RingLog(device, first, count, b"F1", _START, ringlog.SECTOR - _FOOT)
        self.buf = buf
        self._cached = 0  # the sector that buf and _entries hold
        self._entries = []
        self.index = RingIndex(self.log, self._load)
        self.taken = (0, 0, 0)
        self.last_boot = 0
        self.last_seq = 0
        self.overwritten_frames = 0
        self.overwritten_records = 0
        self._tail = 1  # sectors before it are given up
        self._closed = False
        self.count = 0  # frames in the head
        self._alarms = 0
        self._records = bytearray(FRAMES)
        self._drops = []
        self._start_frames()
        self._cached = 0  # the journal reads into buf next

    # -- start: frames

    def _start_frames(self):
        log = self.log
        log.survey()
        if not log.top:
            log.begin()
            return
        head = log.top
        log.read(head, self.buf, 0)
        before = log.previous(head)
        fresh = ringlog.used(self.buf, _MARKS, ringlog.SECTOR) == _MARKS
        if fresh and before and self._summary(before) is None:
            log.read(before, self.buf, 0)
            if ringlog.used(self.buf, log.limit, ringlog.SECTOR) == log.limit:
                head = before
        log.head = head
        base = self._restore(head)
        for seq in range(max(self.index.first, self._tail, log.oldest()), base + 1):
            if log.has(seq):
                self._survey(seq)
        for seq in range(log.oldest(), self._tail):
            self.index.clear(seq)
        self.index.first = max(self.index.first, self._tail)
        for sector, ordinal in self._drops:
            self._settle_drop(sector, ordinal)
        self._drops = []

    def _restore(self, head):
        """Take over what the last summary says and replay what came after; return the sector of that summary, or 0."""
        log = self.log
        after = []
        seq = head
        while seq:
            found = self._summary(seq)
            if found is not None:
                fields = found[0]
                self.last_boot, self.last_seq, self.overwritten_frames, self.overwritten_records = fields[4:8]
                self.taken = fields[8:10] + (fields[12],)
                self._tail = fields[10]
                self.index.first = fields[11]
                break
            after.append(seq)
            seq = log.previous(seq)
        end, torn = ringlog.SECTOR, False
        self._closed = not after
        for one in reversed(after):
            end, torn = self._replay(one)
        log.resume(head, min(end, log.limit), torn)
        if after and ringlog.used(self.buf, log.limit, ringlog.SECTOR) > log.limit:
            self._closed = True  # a summary that was cut: nothing more fits in here
            log.pos = log.limit
        return seq

    def _summary(self, seq):
        """Return (fields of _SUMMARY, records of each frame) of a sector, None where there is no summary."""
        foot = bytearray(_FOOT)
        self.log.read(seq, foot, self.log.limit)
        if struct.unpack_from(">I", foot, _FOOT - 4)[0] != binascii.crc32(memoryview(foot)[:-4]):
            return None
        return struct.unpack_from(_SUMMARY, foot, 0), foot[_FIXED:-4]

    def _survey(self, seq):
        """Fill the index with a closed sector from its summary and its marks."""
        found = self._summary(seq)
        if found is None:
            self._fill(seq)
            return
        fields, each = found
        marks = bytearray(FRAMES)
        self.log.read(seq, marks, _MARKS)
        live = records = alarms = 0
        for ordinal in range(fields[13]):
            if marks[ordinal] == 0xFF:
                live |= 1 << ordinal
                records += each[ordinal]
                alarms += fields[14] >> ordinal & 1
        self.index.set(seq, fields[:4] + (live, records, alarms, fields[13]))

    def _fill(self, seq):
        """Fill the index with a sector from its entries and marks."""
        self.index.clear(seq)
        entries = self._load(seq)
        for boot, number, flags, records, ordinal, _, _ in entries:
            if self.buf[_MARKS + ordinal] == 0xFF:
                self.index.add(seq, boot, number, flags, records, ordinal)

    def _replay(self, seq):
        """Read a sector that has no summary and apply its entries; return where writing goes on, and if behind damage."""
        self.count = self._alarms = 0
        self._records = bytearray(FRAMES)
        self._cached = seq
        self._entries = []
        end, torn, _ = self.log.scan(seq, self.buf, self._apply)
        self._fill(seq)
        return end, torn

    def _apply(self, kind, start, end):
        """Apply one entry of the head; False if it makes no sense, which only a fault of the writer can cause."""
        try:
            if kind == FRAME:
                return self._apply_frame(start, end)
            first, at = get_varint(self.buf, start)
            if kind == _RETIRE:
                self._tail = first
            else:
                second, at = get_varint(self.buf, at)
                if kind == DROP:
                    self._drops.append((first, second))
                elif kind == UNBATCH:
                    taken, at = get_varint(self.buf, at)
                    self.taken = (first, second, taken)
                else:
                    return False
            self.overwritten_frames, at = get_varint(self.buf, at)
            self.overwritten_records, at = get_varint(self.buf, at)
        except WireError:
            return False
        return True

    def _apply_frame(self, start, end):
        if not self._collect(FRAME, start, end):
            return False
        boot, seq, flags, records, ordinal, _, _ = self._entries[-1]
        self.seen(boot, seq)
        self._note(ordinal, flags, records)
        if flags & TAKEN:
            name, at = get_varint(self.buf, self._after_head(start))
            self.taken = (boot, name, self.buf[at])
        return True

    def _after_head(self, start):
        at = get_varint(self.buf, get_varint(self.buf, start)[1])[1]
        return at + 3

    def _collect(self, kind, start, end):
        """Add the frame of an entry to the decoded sector; True if it is a sound entry."""
        if kind != FRAME:
            return 0 < kind <= UNBATCH
        try:
            boot, at = get_varint(self.buf, start)
            seq, at = get_varint(self.buf, at)
            flags, records, ordinal = self.buf[at], self.buf[at + 1], self.buf[at + 2]
            at += 3
            if flags & TAKEN:
                at = get_varint(self.buf, at)[1] + 1
        except WireError:
            return False
        if ordinal >= FRAMES or at > end:
            return False
        self._entries.append((boot, seq, flags, records, ordinal, at, end))
        return True

    def _load(self, seq):
        """Return the frames that the flash gives back of a sector, as RingIndex wants them; its bytes are in _buf."""
        if self._cached != seq:
            self._cached = seq
            self._entries = []
            skipped = self.log.skipped
            self.log.scan(seq, self.buf, self._collect)
            self.log.skipped = skipped  # counted when it was found first
            self._lose(seq)
        return self._entries

    def _lose(self, sector):
        """Give up the frames of a sector that the flash no longer gives back, counted."""
        live = self.index.row(sector)[4]
        for entry in self._entries:
            live &= ~(1 << entry[4])
        found = self._summary(sector) if live else None
        for ordinal in range(FRAMES if found else 0):
            if live >> ordinal & 1:
                self.give_up(sector, (0, 0, found[0][14] >> ordinal & 1, found[1][ordinal], ordinal, 0, 0))

    def seen(self, boot, seq):
        if boot > self.last_boot:
            self.last_boot, self.last_seq = boot, 0
        if boot == self.last_boot:
            self.last_seq = max(self.last_seq, seq)

    def _note(self, ordinal, flags, records):
        self.count = ordinal + 1
        self._alarms |= (flags & ALARM) << ordinal
        self._records[ordinal] = records

    def _settle_drop(self, sector, ordinal):
        """Finish at the start what a cut between a DROP and its mark left open."""
        if sector >= self._tail and self.log.has(sector):
            for entry in self._load(sector):
                if entry[4] == ordinal and self.index.row(sector)[4] >> ordinal & 1:
                    self.mark(sector, [entry])
                    return

    # -- writing

    def write(self, boot, seq, wire, records, flags, batch):
        """Append a frame; batch: (name's seq, records taken) or None. False if the flash refuses."""
        for _ in range(2):
            if not self.room(len(wire) + HEAD):
                return False
            data = numbers(boot, seq)
            data.append(flags & ALARM | (TAKEN if batch else 0))
            data.append(records)
            data.append(self.count)
            if batch:
                put_varint(data, batch[0])
                data.append(batch[1])
            data.extend(wire)
            if self.append(ringlog.entry(FRAME, data)):
                self.index.add(self.log.head, boot, seq, flags, records, self.count)
                self._note(self.count, flags, records)
                return True
        return False

    def append(self, data):
        if self._cached == self.log.head:
            self._cached = 0
        return self.log.append(data)

    def room(self, size):
        """Make room for an entry of that size in the head; False if the flash does not give a sector."""
        if self.log.room(size, SMALL) and self.count < FRAMES and not self._closed:
            return True
        for _ in range(3):  # a sector that does not come clean is passed over
            self.ready()
            if self.log.top > self.log.head:
                break
        else:
            return False
        self._close()
        self.log.advance()
        self._closed = False
        self.count = self._alarms = 0
        self._records = bytearray(FRAMES)
        return True

    def _close(self):
        """Write the summary of the head."""
        if self._closed:
            return
        self._closed = True
        foot = bytearray(_FOOT)
        row = self.index.row(self.log.head)
        fields = row[:4] + (self.last_boot, self.last_seq, self.overwritten_frames, self.overwritten_records)
        fields += self.taken[:2] + (self._tail, self.index.first, self.taken[2], self.count, self._alarms)
        struct.pack_into(_SUMMARY, foot, 0, *fields)
        foot[_FIXED:-4] = self._records
        struct.pack_into(">I", foot, _FOOT - 4, binascii.crc32(memoryview(foot)[:-4]))
        self.log.program(self.log.head, foot, self.log.limit)

    def ready(self):
        """Give up the oldest sector, if the ring has gone round, and erase it."""
        log = self.log
        if log.top == log.head:
            if log.next - log.count >= self._tail:
                self._retire(log.next - log.count)
            log.prepare()

    def _retire(self, seq):
        """Make it durable that all up to sector seq is gone: after an erase that was cut, its bits may say anything."""
        for old in range(self._tail, seq + 1):
            frames, records = self.index.clear(old)
            self.overwritten_frames += frames
            self.overwritten_records += records
        self._tail = seq + 1
        if self._cached <= seq:
            self._cached = 0
        data = ringlog.entry(_RETIRE, self.totals(self._tail))
        if self._closed or not (self.log.room(len(data)) and self.append(data)):
            self._close()

    def totals(self, *values):
        return numbers(*(values + (self.overwritten_frames, self.overwritten_records)))

    def give_up(self, sector, entry):
        """Take out a frame that the flash does not give back, counted as overwritten."""
        self.room(SMALL)  # first: a summary written for it must not count what is still held
        if sector < self._tail:
            return  # it made room, and is counted
        self.overwritten_frames += 1
        self.overwritten_records += entry[3]
        self.append(ringlog.entry(DROP, self.totals(sector, entry[4])))
        self.mark(sector, [entry])

    def fetch(self, boot, seq):
        """Return a frame's bytes, or None if it is not held or the flash does not give it back."""
        try:
            found = self.index.find(boot, seq)
        except OSError:
            self._cached = 0
            self.log.errors += 1
            return None
        return bytes(memoryview(self.buf)[found[1][5] : found[1][6]]) if found else None

    def mark(self, sector, entries):
        """Program the marks of these frames, in order of ordinals, a run at a time, and forget them."""
        at = 0
        while at < len(entries):
            first = entries[at][4]
            size = 0
            while at < len(entries) and entries[at][4] == first + size:
                _, _, flags, records, ordinal, _, _ = entries[at]
                self.index.drop(sector, ordinal, flags, records)
                at += 1
                size += 1
            self.log.program(sector, bytes(size), _MARKS + first)

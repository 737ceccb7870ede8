"""The outbox's map in RAM: 16 bytes for each frame held, in the order in which they were sealed, bounded."""

import struct

from micropython import const

_ENTRY = ">IIIBBH"  # offset, boot, seq, flags, records, bytes of the frame
_SIZE = const(16)
ALARM = 1
LIVE = 2  # sealed while the link was up and not sent yet
_GONE = const(128)

ANY = 0  # lane: whatever is held, oldest first
# An acknowledgement reaches 64 past its watermark; frames are sealed nearly in order, never this far out of it.
_REACH = const(160)


class Index:
    """Frames held. Positions change; a frame's name is (boot, seq).

    most: entries at most. Their RAM is taken at once, while the heap is whole: an index that grows later can fail to, and
    what is in flash but not in the index would be reported as gone.
    """

    def __init__(self, most):
        self.most = most
        self.live = 0  # frames held
        self.records = 0
        self.bytes = 0
        self._alarms = 0
        self._fresh = 0  # entries with the flag LIVE
        self._data = bytearray(most * _SIZE)
        self._head = 0
        self._tail = 0

    def add(self, offset, boot, seq, flags, records, size):
        """Append a frame; the caller has made room, so that live < most."""
        if self._tail * _SIZE == len(self._data):
            self._compact()
        struct.pack_into(_ENTRY, self._data, self._tail * _SIZE, offset, boot, seq, flags, records, size)
        self._tail += 1
        self.live += 1
        self.records += records
        self.bytes += size
        self._alarms += flags & ALARM
        self._fresh += (flags & LIVE) >> 1

    def _at(self, i):
        return struct.unpack_from(_ENTRY, self._data, i * _SIZE)

    def _compact(self):
        """Close the holes; there is one, since live < most."""
        data, to = self._data, 0
        for i in range(self._head, self._tail):
            if not data[i * _SIZE + 12] & _GONE:
                if to != i:
                    data[to * _SIZE : (to + 1) * _SIZE] = data[i * _SIZE : (i + 1) * _SIZE]
                to += 1
        self._head, self._tail = 0, to

    def _remove(self, i):
        _, _, _, flags, records, size = self._at(i)
        self._data[i * _SIZE + 12] = flags | _GONE
        self.live -= 1
        self.records -= records
        self.bytes -= size
        self._alarms -= flags & ALARM
        self._fresh -= (flags & LIVE) >> 1
        while self._head < self._tail and self._data[self._head * _SIZE + 12] & _GONE:
            self._head += 1

    def _find(self, boot, seq):
        for i in range(self._head, self._tail):
            entry = self._at(i)
            if entry[1] == boot and entry[2] == seq and not entry[3] & _GONE:
                return i
        return -1

    def place(self, boot, seq):
        """Return (offset, bytes) of a frame, or None if it is not held."""
        i = self._find(boot, seq)
        if i < 0:
            return None
        entry = self._at(i)
        return entry[0], entry[5]

    def oldest(self):
        """Return (boot, seq, records) of the oldest frame, or None."""
        if not self.live:
            return None
        _, boot, seq, _, records, _ = self._at(self._head)
        return boot, seq, records

    def least(self):
        """Return the least (boot, seq) held, or None: a batch is sealed behind younger frames of its boot."""
        found = None
        for i in range(self._head, self._tail):
            _, boot, seq, flags, _, _ = self._at(i)
            if found is not None and (boot > found[0] or seq > found[1] + _REACH):
                break
            if not flags & _GONE and (found is None or seq < found[1]):
                found = boot, seq
        return found

    def remove(self, boot, seq):
        """Forget one frame; return its number of records, or None if it is not held."""
        i = self._find(boot, seq)
        if i < 0:
            return None
        records = self._at(i)[4]
        self._remove(i)
        return records

    def ack(self, boot, through, bitmap):
        """Forget the frames of `boot` that the watermark and the 64-bit map name; return how many."""
        removed = 0
        i = self._head
        while i < self._tail:
            _, its, seq, flags, _, _ = self._at(i)
            if its > boot or (its == boot and seq > through + _REACH):
                break
            if its == boot and not flags & _GONE:
                late = seq - through - 1
                if late < 0 or (late < 64 and bitmap >> late & 1):
                    self._remove(i)
                    removed += 1
            i += 1
        return removed

    def pick(self, lane, busy):
        """Return (boot, seq) of the oldest frame of a lane (ALARM, LIVE or ANY) that busy(boot, seq) does not claim."""
        if not self.live or (lane == ALARM and not self._alarms) or (lane == LIVE and not self._fresh):
            return None
        for i in range(self._head, self._tail):
            _, boot, seq, flags, _, _ = self._at(i)
            if not flags & _GONE and flags & lane == lane and not busy(boot, seq):
                return boot, seq
        return None

    def sent(self, boot, seq):
        """Take a frame out of the live lane."""
        if self._fresh:
            i = self._find(boot, seq)
            if i >= 0 and self._data[i * _SIZE + 12] & LIVE:
                self._data[i * _SIZE + 12] &= ~LIVE
                self._fresh -= 1

    def demote(self):
        """The link is gone: what was live is backlog now."""
        for i in range(self._head, self._tail):
            self._data[i * _SIZE + 12] &= ~LIVE
        self._fresh = 0

    def moved(self, offsets):
        """Replace the offsets, in order of the frames held, after the file was rewritten."""
        at = 0
        for i in range(self._head, self._tail):
            if not self._data[i * _SIZE + 12] & _GONE:
                struct.pack_into(">I", self._data, i * _SIZE, offsets[at])
                at += 1

    def places(self):
        """Yield (boot, seq, flags, records, offset, bytes) of all frames held, oldest first."""
        for i in range(self._head, self._tail):
            offset, boot, seq, flags, records, size = self._at(i)
            if not flags & _GONE:
                yield boot, seq, flags, records, offset, size

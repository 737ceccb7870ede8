"""The outbox's map in RAM: 12 bytes for each frame held, in the order in which they were sealed, bounded."""

from array import array

from micropython import const

from . import ALARM, LIVE

# An entry is three words of 32 bits: offset (24 bits) and records; boot (22) and bytes of the frame less one (10); seq (29)
# and flags. They last for 16 MiB of log, for a restart a minute over 8 years, for a frame a second over 17.
_WORDS = const(3)
_GONE = const(4)
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
        self._data = array("I", bytes(4 * _WORDS * most))
        self._head = 0  # word where the oldest entry begins
        self._tail = 0

    def add(self, offset, boot, seq, flags, records, size):
        """Append a frame; the caller has made room, so that live < most."""
        if self._tail == len(self._data):
            self._compact()
        data, at = self._data, self._tail
        data[at] = offset << 8 | records
        data[at + 1] = boot << 10 | size - 1
        data[at + 2] = seq << 3 | flags
        self._tail += _WORDS
        self._count(1, at)

    def _count(self, sign, at):
        """Take an entry into the sums, or out of them."""
        data = self._data
        self.live += sign
        self.records += sign * (data[at] & 255)
        self.bytes += sign * ((data[at + 1] & 1023) + 1)
        self._alarms += sign * (data[at + 2] & ALARM)
        self._fresh += sign * (data[at + 2] & LIVE) >> 1

    def _compact(self):
        """Close the holes; there is one, since live < most."""
        data, to = self._data, 0
        for at in self._held():
            for i in range(_WORDS):
                data[to + i] = data[at + i]
            to += _WORDS
        self._head, self._tail = 0, to

    def _held(self):
        """Yield where the entries of the frames held are, the oldest first."""
        for at in range(self._head, self._tail, _WORDS):
            if not self._data[at + 2] & _GONE:
                yield at

    def _name(self, at):
        return self._data[at + 1] >> 10, self._data[at + 2] >> 3

    def _remove(self, at):
        self._count(-1, at)
        self._data[at + 2] |= _GONE
        while self._head < self._tail and self._data[self._head + 2] & _GONE:
            self._head += _WORDS

    def _find(self, boot, seq):
        data = self._data
        for at in range(self._head, self._tail, _WORDS):
            if data[at + 2] >> 3 == seq and data[at + 1] >> 10 == boot and not data[at + 2] & _GONE:
                return at
        return -1

    def place(self, boot, seq):
        """Return (offset, bytes) of a frame, or None if it is not held."""
        at = self._find(boot, seq)
        return (self._data[at] >> 8, (self._data[at + 1] & 1023) + 1) if at >= 0 else None

    def oldest(self):
        """Return (boot, seq, records) of the oldest frame, or None."""
        return self._name(self._head) + (self._data[self._head] & 255,) if self.live else None

    def least(self):
        """Return the least (boot, seq) held, or None: a batch is sealed behind younger frames of its boot."""
        found = None
        for at in self._held():
            name = self._name(at)
            if found is not None and (name[0] > found[0] or name[1] > found[1] + _REACH):
                break
            if found is None or name[1] < found[1]:
                found = name
        return found

    def remove(self, boot, seq):
        """Forget one frame; return its number of records, or None if it is not held."""
        at = self._find(boot, seq)
        if at < 0:
            return None
        self._remove(at)
        return self._data[at] & 255

    def ack(self, boot, through, bitmap):
        """Forget the frames of `boot` that the watermark and the 64-bit map name; return how many."""
        removed = 0
        for at in self._held():
            its, seq = self._name(at)
            if its > boot or (its == boot and seq > through + _REACH):
                break
            late = seq - through - 1
            if its == boot and (late < 0 or (late < 64 and bitmap >> late & 1)):
                self._remove(at)
                removed += 1
        return removed

    def pick(self, lane, busy):
        """Return (boot, seq) of the oldest frame of a lane (ALARM, LIVE or ANY) that busy(boot, seq) does not claim."""
        if not self.live or (lane == ALARM and not self._alarms) or (lane == LIVE and not self._fresh):
            return None
        for at in self._held():
            name = self._name(at)
            if self._data[at + 2] & lane == lane and not busy(*name):
                return name
        return None

    def sent(self, boot, seq):
        """Take a frame out of the live lane."""
        at = self._find(boot, seq) if self._fresh else -1
        if at >= 0 and self._data[at + 2] & LIVE:
            self._data[at + 2] ^= LIVE
            self._fresh -= 1

    def demote(self):
        """The link is gone: what was live is backlog now."""
        for at in self._held():
            self._data[at + 2] &= ~LIVE
        self._fresh = 0

    def moved(self, offsets):
        """Replace the offsets, in order of the frames held, after the file was rewritten."""
        for at, offset in zip(self._held(), offsets):
            self._data[at] = offset << 8 | self._data[at] & 255

    def places(self):
        """Yield (boot, seq, flags, records, offset, bytes) of all frames held, oldest first."""
        data = self._data
        for at in self._held():
            yield self._name(at) + (data[at + 2] & 7, data[at] & 255, data[at] >> 8, (data[at + 1] & 1023) + 1)

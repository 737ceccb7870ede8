"""What the ring knows in RAM: 19 bytes for each sector, nothing for each frame. Frames are found by reading their sector.

A frame is live until its mark byte in its sector is programmed; `live` mirrors the marks as a bitmap. The heads of one
sector's frames are held decoded (ringframes.py), which serves a run through the backlog.
"""

import struct

from micropython import const

from . import ALARM, LIVE

FRAMES = 48  # frames in a sector at most: the width of its marks and of the bitmap
# Least name (boot, seq); boots up to the greatest name, its seq above the least one's or, of another boot, above 0, in both
# 255 for "any"; live records; live alarms; live frames, the upper 16 and the lower 32
_ROW = ">IIBBHBHI"
_SIZE = const(19)
_ANY = const(255)
_MOST = 0xFFFFFFFF
_KEPT = const(
    32
)  # names of alarms and of fresh frames; more than are on their way or wait for it (sender.py: 8 and 16)


class RingIndex:
    """The frames held. log: the RingLog of frames.

    load(sector) -> how many frames of a sector the flash gives back; frame(i) -> (boot, seq, flags, records, ordinal, ...).
    """

    def __init__(self, log, load, frame):
        self._log = log
        self._load = load
        self._frame = frame
        self._data = bytearray(log.count * _SIZE)
        self._fresh = []  # names of live frames waiting for their first transmission; more are backlog
        self._first_alarms = None  # the oldest ones' names, once they were looked for
        self.live = 0
        self.records = 0
        self.alarms = 0
        self.first = 1  # no sector before this one holds a live frame

    # -- rows

    def row(self, sector):
        """Return (boot, seq, boot, seq, live, records, alarms) of a sector: bounds of the names, bitmap, sums."""
        at = (sector - 1) % self._log.count * _SIZE
        boot, seq, boots, above, records, alarms, upper, lower = struct.unpack_from(_ROW, self._data, at)
        most = above + (0 if boots else seq) if above < _ANY else _MOST
        return boot, seq, boot + boots if boots < _ANY else _MOST, most, upper << 32 | lower, records, alarms

    def set(self, sector, row):
        """Replace what is known of a sector and keep the sums."""
        old = self.row(sector)
        boot, seq, last, most, live, records, alarms = row
        self.live += _bits(live) - _bits(old[4])
        self.records += records - old[5]
        if alarms != old[6]:
            self.alarms += alarms - old[6]
            self._first_alarms = None
        boots = min(last - boot, _ANY)
        above = min(most if boots else most - seq, _ANY)
        at = (sector - 1) % self._log.count * _SIZE
        struct.pack_into(_ROW, self._data, at, boot, seq, boots, above, records, alarms, live >> 32, live & 0xFFFFFFFF)

    def clear(self, sector):
        """Forget a sector; return (frames, records) that were live in it."""
        old = self.row(sector)
        self.set(sector, (0, 0, 0, 0, 0, 0, 0))
        return _bits(old[4]), old[5]

    def add(self, sector, boot, seq, flags, records, ordinal):
        """Note a frame that was just written, or found at boot."""
        row = self.row(sector)
        name = (boot, seq)
        least = min(name, row[:2]) if row[4] else name
        most = max(name, row[2:4]) if row[4] else name
        self.set(sector, least + most + (row[4] | 1 << ordinal, row[5] + records, row[6] + (flags & ALARM)))
        if flags & LIVE and len(self._fresh) < _KEPT:
            self._fresh.append(name)

    def drop(self, sector, ordinal, flags, records):
        """Take one live frame out."""
        row = self.row(sector)
        if row[4] >> ordinal & 1:
            rest = (row[4] ^ 1 << ordinal, row[5] - min(records, row[5]), row[6] - min(flags & ALARM, row[6]))
            self.set(sector, row[:4] + rest)

    def sectors(self):
        """Yield the sequence numbers of the sectors with a live frame, oldest first; `first` follows."""
        seq = self.first = max(self.first, self._log.oldest())
        low = True
        while seq <= self._log.head:
            if self.row(seq)[4]:
                low = False
                yield seq
            elif low:
                self.first = seq + 1
            seq += 1
        self.first = min(self.first, max(self._log.head, 1))

    def entries(self, sector):
        """Yield the live frames of a sector."""
        count = self._load(sector)
        live = self.row(sector)[4]
        for i in range(count):
            entry = self._frame(i)
            if live >> entry[4] & 1:
                yield entry

    def find(self, boot, seq):
        """Return (sector, entry) of a frame held, or None."""
        name = (boot, seq)
        for sector in self.sectors():
            row = self.row(sector)
            if row[:2] <= name <= row[2:4]:
                for entry in self.entries(sector):
                    if entry[:2] == name:
                        return sector, entry
        return None

    place = find  # for the sender, who wants to know whether a frame is held

    def places(self):
        """Yield (boot, seq, flags, records, ...) of all frames held, oldest first."""
        for sector in self.sectors():
            for entry in list(self.entries(sector)):  # what is done with one may load another sector
                yield entry

    # -- the lanes

    def pick(self, lane, busy):
        """Return (boot, seq) of the oldest frame of a lane (ALARM, LIVE or ANY) that busy(boot, seq) does not claim."""
        if lane:
            names = self._alarms() if lane == ALARM else self._fresh[:]
            for name in names:
                if lane == LIVE and self.find(*name) is None:
                    self._fresh.remove(name)
                elif not busy(*name):
                    return name
            return None
        for sector in self.sectors():
            for entry in self.entries(sector):
                if not busy(entry[0], entry[1]):
                    return entry[:2]
        return None

    def _alarms(self):
        """Return the names of the oldest alarms."""
        names = self._first_alarms
        if names is None:
            names = []
            for sector in self.sectors() if self.alarms else ():
                if self.row(sector)[6]:
                    names += [entry[:2] for entry in self.entries(sector) if entry[2] & ALARM]
                if len(names) >= _KEPT:
                    break
            self._first_alarms = names = names[:_KEPT]
        return names

    def sent(self, boot, seq):
        """Take a frame out of the live lane."""
        if (boot, seq) in self._fresh:
            self._fresh.remove((boot, seq))

    def demote(self):
        """The link is gone: what was live is backlog now."""
        self._fresh = []

    def oldest(self):
        """Return (boot, seq) of the frame with the least name, or None.

        Names are only nearly in order: a batch is sealed after the health frames of its time.
        """
        best = None
        for sector in self.sectors():
            if best is None or self.row(sector)[:2] < best:
                for entry in self.entries(sector):
                    if best is None or entry[:2] < best:
                        best = entry[:2]
        return best


def _bits(number):
    count = 0
    while number:
        count += number & 1
        number >>= 1
    return count

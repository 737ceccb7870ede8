"""What the ring knows in RAM: 28 bytes for each sector, nothing for each frame. Frames are found by reading their sector.

A frame is live until its mark byte in its sector is programmed; `live` mirrors the marks as a bitmap. One sector at a time
is held decoded (4 KiB), which serves a run through the backlog.
"""

import struct

from micropython import const

from . import ringlog
from .index import ALARM, LIVE

FRAMES = 48  # frames in a sector at most: the width of its marks and of the bitmap
FRAME = 1  # type of a frame's entry
TAKEN = 2  # flag of a frame in flash: its records come from the open batch
_ROW = ">IIIIQHBB"  # least and greatest name (boot, seq, boot, seq), live, live records, live alarms, frames
_SIZE = const(28)
_ALARMS = const(32)  # more than can be on their way or wait for their turn (sender.py: 8 and 16)
_FRESH = const(32)  # live frames waiting for their first transmission; more are backlog


class RingIndex:
    """The frames held. log: the RingLog of frames.

    load(seq) -> the frames that the flash gives back of a sector: (boot, seq, flags, records, ordinal, start, end).
    """

    def __init__(self, log, load):
        self._log = log
        self._load = load
        self._data = bytearray(log.count * _SIZE)
        self._fresh = []
        self._oldest_alarms = None  # their names, once they were looked for
        self.live = 0
        self.records = 0
        self.alarms = 0
        self.first = 1  # no sector before this one holds a live frame

    @property
    def bytes(self):
        """Return the bytes of flash between the oldest live frame and the newest: what is not free for new frames."""
        return (self._log.head - self.first + 1) * ringlog.SECTOR if self.live else 0

    # -- rows

    def _at(self, seq):
        return (seq - 1) % self._log.count * _SIZE

    def row(self, seq):
        """Return (boot, seq, boot, seq, live, records, alarms, frames) of a sector."""
        return struct.unpack_from(_ROW, self._data, self._at(seq))

    def set(self, seq, row):
        """Replace what is known of a sector and keep the sums."""
        old = self.row(seq)
        self.live += _bits(row[4]) - _bits(old[4])
        self.records += row[5] - old[5]
        if row[6] != old[6]:
            self.alarms += row[6] - old[6]
            self._oldest_alarms = None
        struct.pack_into(_ROW, self._data, self._at(seq), *row)

    def clear(self, seq):
        """Forget a sector; return (frames, records) that were live in it."""
        old = self.row(seq)
        self.set(seq, (0, 0, 0, 0, 0, 0, 0, 0))
        return _bits(old[4]), old[5]

    def add(self, sector, boot, seq, flags, records, ordinal):
        """Note a frame that was just written, or found at boot."""
        low, low_seq, high, high_seq, live, held, alarms, _ = self.row(sector)
        name = (boot, seq)
        least = min(name, (low, low_seq)) if live else name
        most = max(name, (high, high_seq)) if live else name
        live |= 1 << ordinal
        self.set(sector, least + most + (live, held + records, alarms + (flags & ALARM), ordinal + 1))
        if flags & LIVE and len(self._fresh) < _FRESH:
            self._fresh.append(name)

    def drop(self, sector, ordinal, flags, records):
        """Take one live frame out."""
        row = list(self.row(sector))
        if row[4] >> ordinal & 1:
            row[4] ^= 1 << ordinal
            row[5] -= min(records, row[5])
            row[6] -= min(flags & ALARM, row[6])
            self.set(sector, tuple(row))

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
        entries = self._load(sector)
        live = self.row(sector)[4]
        for entry in entries:
            if live >> entry[4] & 1:
                yield entry

    def find(self, boot, seq):
        """Return (sector, entry) of a frame held, or None."""
        name = (boot, seq)
        for sector in self.sectors():
            row = self.row(sector)
            if row[:2] <= name <= row[2:4]:
                for entry in self.entries(sector):
                    if entry[1] == seq and entry[0] == boot:
                        return sector, entry
        return None

    # -- the interface that the sender and the core use

    def place(self, boot, seq):
        """Return (sector, bytes) of a frame, or None if it is not held."""
        found = self.find(boot, seq)
        return (found[0], found[1][6] - found[1][5]) if found else None

    def pick(self, lane, busy):
        """Return (boot, seq) of the oldest frame of a lane (ALARM, LIVE or ANY) that busy(boot, seq) does not claim."""
        if lane == LIVE:
            return self._pick_fresh(busy)
        if lane == ALARM:
            return self._pick_alarm(busy)
        for sector in self.sectors():
            for entry in self.entries(sector):
                if not busy(entry[0], entry[1]):
                    return entry[:2]
        return None

    def _pick_alarm(self, busy):
        if not self.alarms:
            return None
        if self._oldest_alarms is None:
            self._oldest_alarms = names = []
            for sector in self.sectors():
                for entry in self.entries(sector) if self.row(sector)[6] else ():
                    if entry[2] & ALARM and len(names) < _ALARMS:
                        names.append(entry[:2])
                if len(names) == _ALARMS:
                    break
        for name in self._oldest_alarms:
            if not busy(*name):
                return name
        return None

    def _pick_fresh(self, busy):
        for name in self._fresh[:]:
            if self.find(*name) is None:
                self._fresh.remove(name)
            elif not busy(*name):
                return name
        return None

    def sent(self, boot, seq):
        """Take a frame out of the live lane."""
        if (boot, seq) in self._fresh:
            self._fresh.remove((boot, seq))

    def demote(self):
        """The link is gone: what was live is backlog now."""
        self._fresh = []

    def oldest(self):
        """Return (boot, seq, records) of the frame with the least name, or None.

        Names are only nearly in order: a batch is sealed after the health frames of its time.
        """
        best = None
        for sector in self.sectors():
            if best is None or self.row(sector)[:2] < best[:2]:
                for entry in self.entries(sector):
                    if best is None or entry[:2] < best[:2]:
                        best = entry[:2] + (entry[3],)
        return best

    def places(self):
        """Yield (boot, seq, flags, records, sector, bytes) of all frames held, oldest first."""
        for sector in self.sectors():
            for boot, seq, flags, records, _, start, end in list(self.entries(sector)):
                yield boot, seq, flags, records, sector, end - start


def _bits(number):
    count = 0
    while number:
        count += number & 1
        number >>= 1
    return count

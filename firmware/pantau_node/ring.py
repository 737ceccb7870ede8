"""The outbox as a ring on raw flash: the interface of outbox.py on a block device like esp32.Partition (see ringlog.py).

Two logs share the partition. The journal takes the rows of the open batch, which are worth nothing once they are in a frame,
so eight sectors of it go round; all the others hold frames. Layout, reasons and figures: docs/decisions/0006-flash-ring.md.
"""

from . import ringlog
from .ringframes import SMALL, UNBATCH, FrameRing
from .ringjournal import SECTORS, RowJournal

LEAST = 16  # sectors of the smallest partition: half of it is the journal


class RingOutbox:
    """The outbox on `device`; raises ValueError if it is too small or not of 4 KiB sectors, OSError if it does not work."""

    def __init__(self, device):
        count = device.ioctl(ringlog.COUNT_IOCTL, 0)
        if device.ioctl(ringlog.SIZE_IOCTL, 0) != ringlog.SECTOR or count < LEAST:
            raise ValueError("ring: needs at least %d sectors of 4096 bytes" % LEAST)
        self.device = device
        buf = bytearray(ringlog.SECTOR)
        self._frames = FrameRing(device, SECTORS, count - SECTORS, buf)
        self._rows = RowJournal(device, buf)
        self.index = self._frames.index
        batch = self._rows.batch
        if batch is not None:
            self._frames.seen(batch.boot, batch.seq)
        self._rows.settle(self._frames.taken)

    @property
    def batch(self):
        """Return the open Batch or None."""
        return self._rows.batch

    @property
    def last_boot(self):
        """Return the latest boot that left anything here."""
        return self._frames.last_boot

    @property
    def last_seq(self):
        """Return the greatest seq of the latest boot."""
        return self._frames.last_seq

    @property
    def overwritten_frames(self):
        """Return how many frames made room for newer ones or were damaged, in the life of the ring."""
        return self._frames.overwritten_frames

    @property
    def overwritten_records(self):
        """Return how many records were in them."""
        return self._frames.overwritten_records

    @property
    def errors(self):
        """Return how many writes and erases the flash refused since the start."""
        return self._frames.log.errors + self._rows.log.errors

    @property
    def skipped(self):
        """Return how many damaged bytes were passed over since the start."""
        return self._frames.log.skipped + self._rows.log.skipped

    @property
    def erases(self):
        """Return how many sectors were erased in the life of the ring."""
        return self._frames.log.next + self._rows.log.next - 2

    def open_batch(self, batch):
        """Begin the journal of an empty batch; False if it is in RAM only."""
        self._frames.seen(batch.boot, batch.seq)
        whole = self._rows.open(batch)
        self._step()
        return whole

    def record(self, row):
        """Add one record to the open batch; True once it is durable, False if the flash refused and RAM holds it."""
        whole = self._rows.add(row)
        self._step()
        return whole

    def seal(self, boot, seq, wire, records, flags, taken):
        """Keep a frame; the first `taken` records of the open batch (recovered or current) are in it.

        Makes room by overwriting the oldest. Returns False if the flash refuses even so: the frame is then counted as
        overwritten.
        """
        frames, rows = self._frames, self._rows
        frames.seen(boot, seq)
        name = None
        if taken and rows.batch is not None and rows.batch.boot == boot:
            name = (rows.name[1], rows.base + min(taken, rows.batch.count))
        kept = frames.write(boot, seq, wire, records, flags, name)
        if name:
            frames.taken = (boot, name[0], name[1])
            rows.take(boot, taken)
        if not kept:
            frames.overwritten_frames += 1
            frames.overwritten_records += records
        self._step()
        return kept

    def drop_batch(self):
        """Give up the open batch (no frame can be made of it), counted."""
        frames, rows = self._frames, self._rows
        batch = rows.batch
        frames.room(SMALL)
        frames.overwritten_records += batch.count
        frames.taken = (rows.name[0], rows.name[1], rows.base + batch.count)
        if batch.count:
            rows.take(batch.boot, batch.count)
        frames.append(ringlog.entry(UNBATCH, frames.totals(*frames.taken)))

    def discard(self, boot, seq):
        """Give up a frame that the flash does not give back, counted as overwritten; nothing if it is not held."""
        found = self.index.find(boot, seq)
        if found is not None:
            self._frames.give_up(*found)

    def ack(self, boot, through, bitmap):
        """Let the confirmed frames go; returns how many. A mark that the flash refuses costs a resend, no data."""
        removed = 0
        for sector in self.index.sectors():
            row = self.index.row(sector)
            if _concerns(row, boot, through, bitmap):
                gone = []
                for entry in self.index.entries(sector):
                    late = entry[1] - through - 1
                    if entry[0] == boot and (late < 0 or (late < 64 and bitmap >> late & 1)):
                        gone.append(entry)
                self._frames.mark(sector, gone)
                removed += len(gone)
        if removed:
            self._step()
        return removed

    def _step(self):
        """Erase ahead: at most one sector at a time, so that no call takes long."""
        log = self._frames.log
        if log.top == log.head:
            self._frames.ready()
        elif self._rows.log.top == self._rows.log.head:
            self._rows.ready()

    def read(self, boot, seq):
        """Return a frame's bytes, or None once it left (or the flash does not give it back)."""
        return self._frames.fetch(boot, seq)

    def oldest(self):
        """Return (boot, seq) of the oldest thing held, frame or open batch, or None."""
        first = self.index.oldest()
        batch = self.batch
        if batch is not None and batch.count and (first is None or (batch.boot, batch.seq) < first[:2]):
            return batch.boot, batch.seq
        return first[:2] if first else None

    def records(self):
        """Return the number of records held, the open batch included."""
        return self.index.records + (self.batch.count if self.batch is not None else 0)

    def close(self):
        """Nothing is pending."""


def _concerns(row, boot, through, bitmap):
    """Return whether an acknowledgement can name a frame of the sector: reading it in vain is what costs time."""
    if not row[0] <= boot <= row[2]:
        return False
    low = row[1] if row[0] == boot else 0
    if low <= through:
        return True
    bitmap >>= low - through - 1
    return bool(bitmap & ((2 << row[3] - low) - 1 if row[2] == boot and row[3] - low < 64 else bitmap))

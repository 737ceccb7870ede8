"""The outbox as a ring on raw flash: the interface of outbox.py on a block device like esp32.Partition (see ringlog.py).

Two logs share the partition. The journal takes the rows of the open batch, which are worth nothing once they are in a frame,
so eight sectors of it go round; all the others hold frames (ringframes.py). Layout, reasons and figures:
docs/decisions/0006-flash-ring.md.
"""

from micropython import const

from .ringframes import UNBATCH, FrameRing
from .ringjournal import SECTORS, RowJournal

_LEAST = const(16)  # sectors of the smallest partition: half of it is the journal


class RingOutbox(FrameRing):
    """The outbox on `device`; raises ValueError if it is too small or not of 4 KiB sectors, OSError if it does not work.

    skipped: damaged bytes that were passed over at the start.
    """

    def __init__(self, device):
        count = device.ioctl(4, 0)
        if device.ioctl(5, 0) != 4096 or count < _LEAST:
            raise ValueError("ring: needs at least %d sectors of 4096 bytes" % _LEAST)
        super().__init__(device, SECTORS, count - SECTORS)
        self.rows = RowJournal(device)
        from .ringstart import start  # not at the top: what only a start needs can leave the memory again

        start(self)

    @property
    def batch(self):
        """Return the open Batch or None."""
        return self.rows.batch

    @property
    def errors(self):
        """Return how many writes and erases the flash refused since the start."""
        return self.log.errors + self.rows.log.errors

    @property
    def erases(self):
        """Return how many sectors were erased in the life of the ring."""
        return self.log.next + self.rows.log.next - 2

    def open_batch(self, batch):
        """Begin the journal of an empty batch; False if it is in RAM only."""
        self.seen(batch.boot, batch.seq)
        whole = self.rows.open(batch)
        self._step()
        return whole

    def record(self, row):
        """Add one record to the open batch; True once it is durable, False if the flash refused and RAM holds it."""
        whole = self.rows.add(row)
        self._step()
        return whole

    def seal(self, boot, seq, wire, records, flags, taken):
        """Keep a frame; the first `taken` records of the open batch (recovered or current) are in it.

        Makes room by overwriting the oldest. Returns False if the flash refuses even so: the frame is then counted as
        overwritten.
        """
        rows = self.rows
        batch = rows.batch
        self.seen(boot, seq)
        name = None
        if taken and batch is not None and batch.boot == boot:
            name = (rows.name[1], rows.base + min(taken, batch.count))
        kept = self.write(boot, seq, wire, records, flags, name)
        if name:
            self.taken = (boot, name[0], name[1])
            rows.take(boot, taken)
        if not kept:
            self.overwritten_frames += 1
            self.overwritten_records += records
        self._step()
        return kept

    def drop_batch(self):
        """Give up the open batch (no frame can be made of it), counted."""
        rows = self.rows
        boot, count = rows.batch.boot, rows.batch.count
        self.room()
        self.overwritten_records += count
        self.taken = (rows.name[0], rows.name[1], rows.base + count)
        rows.take(boot, count)
        self.tell(UNBATCH, *self.taken)

    def discard(self, boot, seq):
        """Give up a frame that the flash does not give back, counted as overwritten; nothing if it is not held."""
        found = self.index.find(boot, seq)
        if found is not None:
            _, _, flags, records, ordinal = found[1][:5]
            self.give_up(found[0], ordinal, flags, records)

    def ack(self, boot, through, bitmap):
        """Let the confirmed frames go; returns how many. A mark that the flash refuses costs a resend, no data."""
        removed = 0
        for sector in self.index.sectors():
            if _concerns(self.index.row(sector), boot, through, bitmap):
                gone = []
                for its, seq, flags, records, ordinal, _, _, _ in self.index.entries(sector):
                    late = seq - through - 1
                    if its == boot and (late < 0 or (late < 64 and bitmap >> late & 1)):
                        self.index.drop(sector, ordinal, flags, records)
                        gone.append(ordinal)
                self.mark(sector, gone)
                removed += len(gone)
        if removed:
            self._step()
        return removed

    def _step(self):
        """Erase ahead: at most one sector at a time, so that no call takes long."""
        if self.log.top == self.log.head:
            self.ready()
        elif self.rows.log.top == self.rows.log.head:
            self.rows.ready()

    def oldest(self):
        """Return (boot, seq) of the oldest thing held, frame or open batch, or None."""
        first = self.index.oldest()
        batch = self.batch
        if batch is not None and batch.count and (first is None or (batch.boot, batch.seq) < first):
            return batch.boot, batch.seq
        return first

    def records(self):
        """Return the number of records held, the open batch included."""
        return self.index.records + (self.batch.count if self.batch is not None else 0)

    def crowded(self):
        """Return whether half of the room is taken."""
        return 2 * (self.log.head - self.index.first + 1) >= self.log.count and self.index.live > 0

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

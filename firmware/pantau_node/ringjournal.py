"""The journal of the ring: the open batch, row by row, on a few sectors that go round. See ring.py and journal.py."""

from pantau_wire.bits import put_varint

from . import ringlog

SECTORS = 8  # the longest open batch (255 rows of 77 bytes) fits, whatever is half full or being erased
OPEN = 1  # entry: a batch begins; its name is its boot and seq
REOPEN = 2  # entry: an open batch anew: seq of its name, records of it that frames have, then as OPEN


class RowJournal:
    """The open batch and its copy in flash; ringstart.py finds them at a start.

    name: (boot, seq) under which it began; base: records of it that frames have; whole: every row of it is in flash;
    open_at: sector in which it begins.
    """

    def __init__(self, device):
        self.log = ringlog.RingLog(device, 0, SECTORS, b"J1", ringlog.HEADER, ringlog.SECTOR)
        self.batch = None
        self.name = (0, 0)
        self.base = 0
        self.whole = True
        self.open_at = 0

    def end(self):
        """No batch is open."""
        self.batch = None
        self.open_at = 0

    def take(self, boot, records):
        """Forget the first records: a frame has them."""
        batch = self.batch
        if batch is not None and batch.boot == boot and records:
            records = min(records, batch.count)
            self.base += records
            batch.drop(records)
            batch.seq = 0  # its number is used: a rest takes the next one
            if not batch.count:
                self.end()

    def open(self, batch):
        """Begin the journal of an empty batch; False if it is in RAM only."""
        self.batch = batch
        self.name = (batch.boot, batch.seq)
        self.base = 0
        return self._rewrite()

    def add(self, row):
        """Add one record to the open batch; True once it is durable, False if it is in RAM only."""
        # Rows are differences: after one that did not reach the flash, the whole batch is written anew. Whatever may
        # escape from here (no memory) counts as not reached.
        whole, self.whole = self.whole, False
        data = self.batch.add(row)
        if not whole:
            return self._rewrite()
        self.whole = self._put(ringlog.row(data))
        return self.whole

    def _rewrite(self):
        batch = self.batch
        self.whole = False
        self.open_at = 0  # what is there of it is not whole: its sectors may go
        kind, head = OPEN, bytearray()
        if self.base or self.name != (batch.boot, batch.seq):
            kind = REOPEN
            put_varint(head, self.name[1])
            head.append(self.base)
        if not self._put(ringlog.entry(kind, head, batch.encode_open())):
            return False
        self.open_at = self.log.head
        for data in batch.encode_rows():
            if not self._put(ringlog.row(data)):
                return False
        self.whole = True
        return True

    def _put(self, data):
        if not self.log.room(len(data)):
            if not self.ready():
                return False
            self.log.advance()
        return self.log.append(data)

    def ready(self):
        """Erase the next sector unless one is ready; False if the flash refuses or the open batch begins there."""
        log = self.log
        if log.top == log.head and 0 < self.open_at <= log.next - log.count:
            return False
        return log.prepare()

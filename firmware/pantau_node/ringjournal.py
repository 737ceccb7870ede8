"""The journal of the ring: the open batch, row by row, on a few sectors that go round. See ring.py and journal.py."""

from micropython import const

from pantau_wire.bits import get_varint, put_varint
from pantau_wire.errors import WireError

from . import ringlog
from .journal import Batch, decode_open

SECTORS = 8  # the longest open batch (255 rows of 77 bytes) fits, whatever is half full or being erased
_OPEN = const(1)  # a batch begins; its name is its boot and seq
_REOPEN = const(2)  # an open batch anew: seq of its name, records of it that frames have, then as OPEN


class RowJournal:
    """The open batch and its copy in flash. name: (boot, seq) under which it began; base: records of it that frames have.

    buf: 4 KiB, used at the start only.
    """

    def __init__(self, device, buf):
        self.log = ringlog.RingLog(device, 0, SECTORS, b"J1", ringlog.HEADER, ringlog.SECTOR)
        self.batch = None
        self.name = (0, 0)
        self.base = 0
        self._whole = True  # every row of the open batch is in flash
        self._open_at = 0  # sector in which it begins
        self._scanning = 0
        self._buf = buf
        self._start(buf)
        self._buf = b""  # the frames keep it

    def _start(self, buf):
        log = self.log
        log.survey()
        if not log.top:
            log.begin()
            return
        head = log.top
        log.read(head, buf, 0)
        if ringlog.used(buf, log.start, log.limit) == log.start:
            head = log.previous(head) or head
        first = log.head = head
        while True:
            # The batch began in the head or, rarely, before it.
            self.batch = None
            lost, end, torn = False, log.start, False
            for seq in range(first, head + 1):
                if log.has(seq):
                    self._scanning = seq
                    end, torn, lost = log.scan(seq, buf, self._apply, lost)
            first = log.previous(first)
            if self.batch is not None or not first:
                break
        log.resume(head, end, torn)
        self._whole = not (torn or lost)

    def _apply(self, kind, start, end):
        data = bytes(memoryview(self._buf)[start:end])
        try:
            if kind == ringlog.ROW:
                if self.batch is not None:
                    self.batch.replay(data)
                return True
            if kind not in (_OPEN, _REOPEN):
                return False
            name = base = at = 0
            if kind == _REOPEN:
                name, at = get_varint(data, 0)
                base = data[at]
                at += 1
            batch = decode_open(data[at:])
        except WireError:
            return False
        self.batch = batch
        self.name = (batch.boot, name if kind == _REOPEN else batch.seq)
        self.base = base
        self._open_at = self._scanning
        return True

    def settle(self, taken):
        """Take from the recovered batch what frames have already; taken: see FrameRing."""
        if self.batch is None:
            return
        if self.name < taken[:2]:
            self._end()  # an older one, whose successor's beginning is damaged
        elif self.name == taken[:2]:
            self.take(self.batch.boot, max(0, taken[2] - self.base))
        if self.batch is not None and not self.batch.count:
            self._end()

    def _end(self):
        self.batch = None
        self._open_at = 0

    def take(self, boot, records):
        """Forget the first records: a frame has them."""
        batch = self.batch
        if batch is not None and batch.boot == boot and records:
            taken = min(records, batch.count)
            self.base += taken
            batch.drop(taken)
            batch.seq = 0  # its number is used: a rest takes the next one
            if not batch.count:
                self._end()

    def open(self, batch):
        """Begin the journal of an empty batch; False if it is in RAM only."""
        self.batch = batch
        self.name = (batch.boot, batch.seq)
        self.base = 0
        self._open_at = 0
        self._whole = self._open(batch)
        return self._whole

    def add(self, row):
        """Add one record to the open batch; True once it is durable, False if it is in RAM only."""
        data = self.batch.add(row)
        # Rows are differences: after one that the flash refused, the whole batch is written anew.
        self._whole = self._put(ringlog.row(data)) if self._whole else self._rewrite()
        return self._whole

    def _open(self, batch):
        kind, data = _OPEN, batch.encode_open()
        if self.base or self.name != (batch.boot, batch.seq):
            head = bytearray()
            put_varint(head, self.name[1])
            head.append(self.base)
            kind, data = _REOPEN, bytes(head) + data
        if not self._put(ringlog.entry(kind, data)):
            return False
        self._open_at = self.log.head
        return True

    def _rewrite(self):
        batch = self.batch
        copy = Batch(batch.boot, batch.seq, batch.clock, batch.base_s, batch.interval_s, batch.profile, batch.columns)
        self._open_at = 0  # what is there of it is not whole: its sectors may go
        if not self._open(copy):
            return False
        for i in range(batch.count):
            row = {ident: (batch.values[c][i], batch.codes[c][i]) for c, ident in enumerate(batch.columns)}
            if not self._put(ringlog.row(copy.add(row))):
                return False
        return True

    def _put(self, data):
        if not self.log.room(len(data)):
            if not self.ready():
                return False
            self.log.advance()
        return bool(self.log.append(data))

    def ready(self):
        """Erase the next sector unless one is ready; False if the flash refuses or the open batch begins there."""
        log = self.log
        if log.top == log.head and 0 < self._open_at <= log.next - log.count:
            return False
        return log.prepare()

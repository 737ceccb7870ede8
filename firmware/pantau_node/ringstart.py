"""What the ring does only at a start: it finds what is held and where writing goes on. Nothing that stays refers to it.

See ring.py for the whole, ringlog.py, ringframes.py and ringjournal.py for what is in the flash.
"""

from micropython import const

from pantau_wire.bits import get_varint
from pantau_wire.errors import WireError

from . import ringlog
from .journalstart import decode_open, replay
from .ringframes import DROP, FRAME, MARKS, RETIRE, TAKEN, UNBATCH
from .ringindex import FRAMES
from .ringjournal import OPEN, REOPEN

_TRIES = const(3)  # sectors tried before a new log is given up


def _survey(log):
    """Read the headers, set top; return the sequence numbers of the sectors that are there, none on a device without a log."""
    buf = bytearray(ringlog.HEADER)
    there = []
    for i in range(log.count):
        log.read(i + 1, buf, 0)
        seq = int.from_bytes(buf[4:8], "big")
        if seq % log.count == (i + 1) % log.count and seq and buf == ringlog.header(log, seq):
            there.append(seq)
    if there:
        log.top = max(there)
    log.next = log.top + 1
    return [seq for seq in there if seq > log.top - log.count]


def _begin(log):
    """Start an empty log; raises OSError if no sector comes clean."""
    for _ in range(_TRIES):
        if log.prepare():
            log.advance()
            return
    raise OSError(5)


def _before(there, sector):
    """Return the sequence number of the sector before, or 0."""
    found = 0
    for seq in there:
        if found < seq < sector:
            found = seq
    return found


def _blank(log, sector, buf, start, end):
    """Return whether these bytes of a sector are erased."""
    while start < end:
        data = memoryview(buf)[: end - start]
        log.read(sector, data, start)
        if ringlog.used(data):
            return False
        start += len(data)
    return True


def _resume(log, head, end, torn):
    """Go on writing in sector `head` at offset `end`; torn: behind damage."""
    log.head = head
    log.pos = end
    if torn:
        log.skip()


class FrameStart:
    """Finds the frames of a FrameRing."""

    def __init__(self, ring):
        self._ring = ring
        self._log = ring.log
        self._drops = []
        self._there = _survey(ring.log)

    def run(self):
        """Fill the index and what else the ring knows."""
        ring, log, index = self._ring, self._log, self._ring.index
        if not log.top:
            _begin(log)
            return
        head = log.top
        before = _before(self._there, head)
        # A head without a byte, before it one without a summary that nothing was begun of: the latter is the head still.
        if (
            before
            and _blank(log, head, ring.buf, MARKS, ringlog.SECTOR)
            and ring.summary(before) is None
            and _blank(log, before, ring.buf, log.limit, ringlog.SECTOR)
        ):
            head = before
        log.head = head
        last = self._restore(head)
        for seq in range(max(index.first, ring.tail, log.oldest()), last + 1):
            if seq in self._there:
                self._closed(seq)
        for seq in range(log.oldest(), ring.tail):
            index.clear(seq)
        index.first = max(index.first, ring.tail)
        for sector, ordinal in self._drops:
            self._settle_drop(sector, ordinal)

    def _restore(self, head):
        """Take over what the last summary says and replay what came after; return the sector of that summary, or 0."""
        ring, log = self._ring, self._log
        after = []
        seq = head
        while seq:
            found = ring.summary(seq)
            if found is not None:
                fields = found[0]
                ring.last_boot, ring.last_seq, ring.overwritten_frames, ring.overwritten_records = fields[4:8]
                ring.taken = fields[8:10] + (fields[12],)
                ring.tail = fields[10]
                ring.index.first = fields[11]
                break
            after.append(seq)
            seq = _before(self._there, seq)
        end, torn = ringlog.SECTOR, False
        for one in reversed(after):
            ring.begin()
            ring.restart(one)
            end, torn, _ = log.scan(one, ring.buf, self._apply)
            self._fill(one)
        _resume(log, head, min(end, log.limit), torn)
        # With a summary, or one that was cut, nothing more fits into the head.
        ring.closed = not after
        if after and not _blank(log, head, ring.buf, log.limit, ringlog.SECTOR):
            ring.closed = True
            log.pos = log.limit
        return seq

    def _marks(self, sector):
        marks = bytearray(FRAMES)
        self._log.read(sector, marks, MARKS)
        return marks

    def _closed(self, sector):
        """Fill the index with a closed sector from its summary and its marks."""
        found = self._ring.summary(sector)
        if found is None:
            self._fill(sector)
            return
        fields, each = found
        marks = self._marks(sector)
        live = records = alarms = 0
        for ordinal in range(fields[13]):
            if marks[ordinal] == 0xFF:
                live |= 1 << ordinal
                records += each[ordinal]
                alarms += fields[14] >> ordinal & 1
        self._ring.index.set(sector, fields[:4] + (live, records, alarms))

    def _fill(self, sector):
        """Fill the index with a sector from its entries and marks."""
        ring = self._ring
        ring.index.clear(sector)
        marks = self._marks(sector)
        for i in range(ring.load(sector)):
            boot, seq, flags, records, ordinal = ring.frame(i)[:5]
            if marks[ordinal] == 0xFF:
                ring.index.add(sector, boot, seq, flags, records, ordinal)

    def _apply(self, kind, data, at):
        """Apply one entry of the head; False if it makes no sense, which only a fault of the writer can cause."""
        ring = self._ring
        if not ring.collect(kind, data, at):
            return False
        try:
            if kind == FRAME:
                self._apply_frame(data)
                return True
            first, i = get_varint(data, 0)
            if kind == RETIRE:
                ring.tail = first
            else:
                second, i = get_varint(data, i)
                if kind == DROP:
                    self._drops.append((first, second))
                elif kind == UNBATCH:
                    taken, i = get_varint(data, i)
                    ring.taken = (first, second, taken)
            ring.overwritten_frames, i = get_varint(data, i)
            ring.overwritten_records, i = get_varint(data, i)
        except WireError:
            return False
        return True

    def _apply_frame(self, data):
        ring = self._ring
        boot, i = get_varint(data, 0)
        seq, i = get_varint(data, i)
        flags, records, ordinal = data[i], data[i + 1], data[i + 2]
        ring.seen(boot, seq)
        ring.note(ordinal, flags, records)
        if flags & TAKEN:
            name, i = get_varint(data, i + 3)
            ring.taken = (boot, name, data[i])

    def _settle_drop(self, sector, ordinal):
        """Finish what a cut between a DROP and its mark left open."""
        ring = self._ring
        if sector >= ring.tail and sector in self._there:
            for i in range(ring.load(sector)):
                entry = ring.frame(i)
                if entry[4] == ordinal and ring.index.row(sector)[4] >> ordinal & 1:
                    ring.index.drop(sector, ordinal, entry[2], entry[3])
                    ring.mark(sector, [ordinal])
                    return


class RowStart:
    """Finds the open batch of a RowJournal. buf: WINDOW bytes to read into."""

    def __init__(self, rows, buf):
        self._rows = rows
        self._buf = buf
        self._sector = 0  # the one that is read

    def run(self):
        """Recover the open batch as it was written."""
        rows, log = self._rows, self._rows.log
        there = _survey(log)
        if not log.top:
            _begin(log)
            return
        head = log.top
        if _blank(log, head, self._buf, log.start, log.limit):
            head = _before(there, head) or head
        first = log.head = head
        while True:
            # The batch began in the head or, rarely, before it.
            rows.batch = None
            lost, end, torn = False, log.start, False
            for seq in range(first, head + 1):
                if seq in there:
                    self._sector = seq
                    end, torn, lost = log.scan(seq, self._buf, self._apply, lost)
            first = _before(there, first)
            if rows.batch is not None or not first:
                break
        _resume(log, head, end, torn)
        rows.whole = not (torn or lost)

    def _apply(self, kind, data, _at):
        rows = self._rows
        data = bytes(data)
        try:
            if kind == ringlog.ROW:
                if rows.batch is not None:
                    replay(rows.batch, data)
                return True
            if kind not in (OPEN, REOPEN):
                return False
            name = base = i = 0
            if kind == REOPEN:
                name, i = get_varint(data, 0)
                base = data[i]
                i += 1
            batch = decode_open(data[i:])
        except WireError:
            return False
        rows.batch = batch
        rows.name = (batch.boot, name if kind == REOPEN else batch.seq)
        rows.base = base
        rows.open_at = self._sector
        return True

    def settle(self, taken):
        """Take from the recovered batch what frames have already; taken: see FrameRing."""
        rows = self._rows
        batch = rows.batch
        if rows.name < taken[:2]:
            rows.end()  # an older one, whose successor's beginning is damaged
        elif rows.name == taken[:2]:
            rows.take(batch.boot, max(0, taken[2] - rows.base))
        if not batch.count:
            rows.end()


def start(box):
    """Let a RingOutbox find what its flash holds; raises OSError."""
    FrameStart(box).run()
    rows = RowStart(box.rows, box.buf)
    rows.run()
    if box.batch is not None:
        box.seen(box.batch.boot, box.batch.seq)
        rows.settle(box.taken)
    box.skipped = box.log.skipped + box.rows.log.skipped

"""The outbox: what the node has measured and nobody has confirmed yet. Survives a power cut at any byte.

Interface (a raw flash ring can stand in for FileOutbox):
    batch                         the open Batch or None; after a start that of the interrupted boot, to be sealed first
    last_boot, last_seq           the latest boot that left anything here and its greatest seq
    open_batch(batch)             journal: a batch begins
    record(row)                   journal: one record joins it; durable on return
    seal(boot, seq, wire, records, flags, taken)   a frame; `taken` records of the open batch are now in it
    ack(boot, through, bitmap)    frames that the bridge holds durably leave; returns how many
    discard(boot, seq)            give up a damaged frame, counted as overwritten
    drop_batch()                  give up the open batch, counted as overwritten
    index                         Index: pick(), sent(), demote(), live, records, bytes
    read(boot, seq)               bytes of a frame, or None once it left
    oldest(), overwritten_frames, overwritten_records, errors
    crowded()                     half of the room is taken: what has no records must wait

FileOutbox is one append-only log. Entry: type, length u16, payload, CRC-32; a journal row is shorter: 0x40 | length,
payload, low half of the CRC-32. A torn or damaged stretch is skipped byte by byte up to the next entry with a
whole CRC-32, and what is appended after it is found again. When the log has grown to twice its limit, or is mostly
history, the live part is copied to a new file that replaces it by a rename.
"""

import binascii
import os
import struct

from pantau_wire.bits import put_varint

from . import ALARM
from .files import missing
from .index import Index

MAX_FRAMES = 512  # 6 KiB of index: two and a half days of a frame of records and one of health each quarter of an hour
STATE = 1
OPEN = 2
FRAME = 3
ACK = 4
DROP = 5
ROW = 6
SHORT = 0x40
TAKEN = 2  # flag of a frame entry: its records come from the open batch
_IDLE = 8192  # a log shorter than this is not worth rewriting


def _entry(kind, payload):
    out = bytearray(3 + len(payload) + 4)
    struct.pack_into(">BH", out, 0, kind, len(payload))
    out[3:-4] = payload
    struct.pack_into(">I", out, len(out) - 4, binascii.crc32(memoryview(out)[:-4]))
    return out


def _row(payload):
    if len(payload) > 63:
        return _entry(ROW, payload)
    out = bytearray(3 + len(payload))
    out[0] = SHORT | len(payload)
    out[1:-2] = payload
    struct.pack_into(">H", out, len(out) - 2, binascii.crc32(memoryview(out)[:-2]) & 0xFFFF)
    return out


def _numbers(*numbers):
    out = bytearray()
    for number in numbers:
        put_varint(out, number)
    return out


class FileOutbox:
    """An outbox in one file. limit: bytes of frames held at most (the file itself stays below about twice that)."""

    def __init__(self, path, limit, most=MAX_FRAMES):
        self._path = path
        self._limit = limit
        self.index = Index(most)
        self.batch = None
        self.whole = True  # every row of the open batch is in the log, and its last one is the log's
        self.last_boot = 0
        self.last_seq = 0
        self.overwritten_frames = 0
        self.overwritten_records = 0
        self.errors = 0  # writes that the flash refused
        self.skipped = 0  # damaged bytes passed over at boot
        self.end = 0
        try:
            os.remove(path + ".new")  # a rewrite that was cut: the old log is still the whole one
        except OSError:
            pass
        try:
            self.file = open(path, "r+b")
        except OSError:
            if not missing(path):
                raise  # what cannot be read now may be whole: never replace it by an empty one
            open(path, "wb").close()
            self.file = open(path, "r+b")
        from .outboxstart import Start  # not at the top: what only a start needs can leave the memory again

        Start(self).run()

    def close(self):
        """Release the file; nothing is pending."""
        self.file.close()

    def seen(self, boot, seq):
        if boot > self.last_boot:
            self.last_boot, self.last_seq = boot, 0
        if boot == self.last_boot:
            self.last_seq = max(self.last_seq, seq)

    def take(self, boot, records):
        batch = self.batch
        if batch is not None and batch.boot == boot:
            batch.drop(min(records, batch.count))
            batch.seq = 0  # its number is used: a rest takes the next one
            if not batch.count:
                self.batch = None

    # -- writing

    def _append(self, *parts):
        """Write entries at the end and make them durable; raises OSError, and then the next write covers the torn one."""
        self.file.seek(self.end)
        size = 0
        for part in parts:
            self.file.write(part)
            size += len(part)
        self.file.flush()
        self.end += size

    def _try(self, *parts):
        try:
            self._append(*parts)
        except OSError:
            self.errors += 1
            return False
        return True

    def open_batch(self, batch):
        """Begin the journal of an empty batch; False if it is in RAM only."""
        self.batch = batch
        self.seen(batch.boot, batch.seq)
        self.whole = self._try(*_journal(batch))
        return self.whole

    def record(self, row):
        """Add one record to the open batch; True once it is durable, False if the flash refused and RAM holds it."""
        # Rows are differences: after one that did not reach the flash, the whole batch is written anew. Whatever may
        # escape from here (no memory) counts as not reached.
        whole, self.whole = self.whole, False
        data = self.batch.add(row)
        self.whole = self._try(_row(data)) if whole else self._try(*_journal(self.batch))
        return self.whole

    def seal(self, boot, seq, wire, records, flags, taken):
        """Keep a frame; the first `taken` records of the open batch (recovered or current) are in it.

        Makes room by overwriting the oldest. Returns False if the flash refuses even so: the frame is then counted as
        overwritten.
        """
        while self.index.live and (self.index.live >= self.index.most or self.index.bytes + len(wire) > self._limit):
            self.discard(*self.index.oldest()[:2])
        head = _numbers(boot, seq)
        head.append(flags & ALARM | (TAKEN if taken else 0))  # LIVE, which is the same bit, ends with this start
        head.append(records)
        at = self.end + 3 + len(head)
        kept = self._try(_entry(FRAME, bytes(head) + wire))
        self.seen(boot, seq)
        if taken:
            self.take(boot, taken)
        if kept:
            self.index.add(at, boot, seq, flags, records, len(wire))
        else:
            self.overwritten_frames += 1
            self.overwritten_records += records
        self._tidy()
        return kept

    def drop_batch(self):
        """Give up the open batch (no frame can be made of it), counted."""
        batch = self.batch
        self.overwritten_records += batch.count
        self.take(batch.boot, batch.count)
        self._try(self._drop_mark(batch.boot, 0))

    def _drop_mark(self, boot, seq):
        return _entry(DROP, _numbers(boot, seq, self.overwritten_frames, self.overwritten_records))

    def discard(self, boot, seq):
        """Give up a frame that the flash does not give back, counted as overwritten; nothing if it is not held."""
        if self.forget(boot, seq):
            self._try(self._drop_mark(boot, seq))

    def forget(self, boot, seq):
        records = self.index.remove(boot, seq)
        if records is None:
            return False
        self.overwritten_frames += 1
        self.overwritten_records += records
        return True

    def ack(self, boot, through, bitmap):
        """Let the confirmed frames go; returns how many. A mark that the flash refuses costs a resend, no data."""
        removed = self.index.ack(boot, through, bitmap)
        if removed:
            self._try(_entry(ACK, bytes(_numbers(boot, through)) + bitmap.to_bytes(8, "big")))
            self._tidy()
        return removed

    def read(self, boot, seq):
        """Return a frame's bytes, or None once it left (or the flash does not give it back)."""
        place = self.index.place(boot, seq)
        if place is None:
            return None
        try:
            self.file.seek(place[0])
            data = self.file.read(place[1])
        except OSError:
            self.errors += 1
            return None
        return data if len(data) == place[1] else None

    def oldest(self):
        """Return (boot, seq) of the oldest thing held, frame or open batch, or None."""
        first = self.index.least()
        batch = self.batch
        if batch is not None and batch.count and (first is None or (batch.boot, batch.seq) < first[:2]):
            return batch.boot, batch.seq
        return first[:2] if first else None

    def records(self):
        """Return the number of records held, the open batch included."""
        return self.index.records + (self.batch.count if self.batch is not None else 0)

    def crowded(self):
        """Return whether half of the room is taken."""
        return 2 * self.index.live >= self.index.most or 2 * self.index.bytes >= self._limit

    # -- the log does not grow for ever

    def _tidy(self):
        held = self.index.bytes
        if self.end > 2 * self._limit + _IDLE or self.end > _IDLE + 4 * held:
            try:
                self._rewrite()
            except OSError:
                self.errors += 1
                self.whole = False  # the old log's last row may not be what the batch would continue

    def _rewrite(self):
        """Copy what is held to a new file and put it in the old one's place."""
        offsets = []
        new = self._path + ".new"
        with open(new, "wb") as out:
            counts = (self.overwritten_frames, self.overwritten_records)
            end = out.write(_entry(STATE, _numbers(self.last_boot, self.last_seq, *counts)))
            for boot, seq, flags, records, offset, size in self.index.places():
                self.file.seek(offset)
                head = _numbers(boot, seq)
                head.append(flags & ALARM)
                head.append(records)
                offsets.append(end + 3 + len(head))
                end += out.write(_entry(FRAME, bytes(head) + self.file.read(size)))
            if self.batch is not None:
                for part in _journal(self.batch):
                    end += out.write(part)
            out.flush()
        self.file.close()
        try:
            os.rename(new, self._path)
            self.end = end
            self.index.moved(offsets)
        finally:
            self.file = open(self._path, "r+b")


def _journal(batch):
    """Return the entries that make up an open batch."""
    return [_entry(OPEN, batch.encode_open())] + [_row(data) for data in batch.encode_rows()]

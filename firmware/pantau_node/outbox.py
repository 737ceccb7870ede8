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

FileOutbox is one append-only log. Entry: type, length u16, payload, CRC-32; a journal row is shorter: 0x40 | length,
payload, low half of the CRC-32. A torn or damaged stretch is skipped byte by byte up to the next entry with a
whole CRC-32, and what is appended after it is found again. When the log has grown to twice its limit, or is mostly
history, the live part is copied to a new file that replaces it by a rename.
"""

import binascii
import os
import struct

from micropython import const

from pantau_wire.bits import get_varint, put_varint
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

from .files import missing
from .index import Index
from .journal import decode_open

MAX_FRAMES = 512  # 8 KiB of index: two and a half days of a frame of records and one of health each quarter of an hour
_STATE = const(1)
_OPEN = const(2)
_FRAME = const(3)
_ACK = const(4)
_DROP = const(5)
_ROW = const(6)
_SHORT = const(0x40)
_TAKEN = const(2)  # flag of a frame entry: its records come from the open batch
_LONGEST = MAX_FRAME + 32
_WINDOW = const(2048)  # read buffer of the scan: holds the longest entry
_IDLE = 8192  # a log shorter than this is not worth rewriting


def _entry(kind, payload):
    out = bytearray(3 + len(payload) + 4)
    struct.pack_into(">BH", out, 0, kind, len(payload))
    out[3:-4] = payload
    struct.pack_into(">I", out, len(out) - 4, binascii.crc32(memoryview(out)[:-4]))
    return out


def _row(payload):
    if len(payload) > 63:
        return _entry(_ROW, payload)
    out = bytearray(3 + len(payload))
    out[0] = _SHORT | len(payload)
    out[1:-2] = payload
    struct.pack_into(">H", out, len(out) - 2, binascii.crc32(memoryview(out)[:-2]) & 0xFFFF)
    return out


def _numbers(*numbers):
    out = bytearray()
    for number in numbers:
        put_varint(out, number)
    return out


def _parse(buf, at, end):
    """Return (whole size, type, payload start, payload end); size 0: not all there, -1: not an entry."""
    kind = buf[at]
    if kind & 0xC0 == _SHORT:
        size = 3 + (kind & 63)
        if at + size > end:
            return 0, 0, 0, 0
        crc = binascii.crc32(memoryview(buf)[at : at + size - 2]) & 0xFFFF
        good = struct.unpack_from(">H", buf, at + size - 2)[0] == crc
        return (size if good else -1), _ROW, at + 1, at + size - 2
    if not _STATE <= kind <= _ROW:
        return -1, 0, 0, 0
    if at + 3 > end:
        return 0, 0, 0, 0
    size = 7 + struct.unpack_from(">H", buf, at + 1)[0]
    if size > _LONGEST:
        return -1, 0, 0, 0
    if at + size > end:
        return 0, 0, 0, 0
    good = struct.unpack_from(">I", buf, at + size - 4)[0] == binascii.crc32(memoryview(buf)[at : at + size - 4])
    return (size if good else -1), kind, at + 3, at + size - 4


class FileOutbox:
    """An outbox in one file. limit: bytes of frames held at most (the file itself stays below about twice that)."""

    def __init__(self, path, limit, most=MAX_FRAMES):
        self._path = path
        self._limit = limit
        self.index = Index(most)
        self.batch = None
        self._before = None  # while reading the log: the open batch of which a shorter copy follows
        self._whole = True  # every row of the open batch is in the log, and its last one is the log's
        self.last_boot = 0
        self.last_seq = 0
        self.overwritten_frames = 0
        self.overwritten_records = 0
        self.errors = 0  # writes that the flash refused
        self.skipped = 0  # damaged bytes passed over at boot
        self._end = 0
        try:
            os.remove(path + ".new")  # a rewrite that was cut: the old log is still the whole one
        except OSError:
            pass
        try:
            self._file = open(path, "r+b")
        except OSError:
            if not missing(path):
                raise  # what cannot be read now may be whole: never replace it by an empty one
            open(path, "wb").close()
            self._file = open(path, "r+b")
        self._scan()
        # A row continues the last one of the log: after damage, or after a shorter copy, the journal is written anew.
        self._whole = self._before is None and not self.skipped
        if self._before is not None:
            self.batch, self._before = self._before, None
        if self.batch is not None and not self.batch.count:
            self.batch = None

    def close(self):
        """Release the file; nothing is pending."""
        self._file.close()

    # -- boot: read the log once

    def _scan(self):
        buf = bytearray(_WINDOW)
        lost = False  # inside damage only a whole CRC-32 is trusted
        pos = 0
        while True:
            self._file.seek(pos)
            have = self._file.readinto(buf)
            if not have:
                break
            at = 0
            while at < have:
                size, kind, start, end = _parse(buf, at, have)
                if not size and have == _WINDOW and at:
                    break
                if size > 0 and not (lost and kind == _ROW):
                    lost = not self._replay(kind, memoryview(buf)[start:end], pos + start)
                    at += size
                else:
                    lost = True
                    self.skipped += 1
                    at += 1
            pos += at
        self._end = pos

    def _replay(self, kind, data, at):
        """Apply one entry; False if it makes no sense, which only a fault of the writer can cause."""
        try:
            if kind == _FRAME:
                self._replay_frame(data, at)
            elif kind == _OPEN:
                self._replay_open(decode_open(bytes(data)))
            elif kind == _ROW:
                if self.batch is not None:
                    self.batch.replay(bytes(data))
                    if self._before is not None and self.batch.count >= self._before.count:
                        self._before = None
            else:
                self._replay_mark(kind, data)
        except WireError:
            return False
        return True

    def _replay_open(self, batch):
        """A journal written anew stands for the old one only when it holds as much: the power may fail in between."""
        old = self.batch if self._before is None else self._before
        again = old is not None and old.count and (old.boot, old.seq) == (batch.boot, batch.seq)
        self._before = old if again else None
        self.batch = batch
        self._seen(batch.boot, batch.seq)

    def _replay_frame(self, data, at):
        boot, i = get_varint(data, 0)
        seq, i = get_varint(data, i)
        flags, records = data[i], data[i + 1]
        i += 2
        self._seen(boot, seq)
        if flags & _TAKEN:
            self._take(boot, records)
        while self.index.live >= self.index.most:
            self._forget(*self.index.oldest()[:2])
        self.index.add(at + i, boot, seq, flags & ~_TAKEN, records, len(data) - i)

    def _replay_mark(self, kind, data):
        first, i = get_varint(data, 0)
        second, i = get_varint(data, i)
        if kind == _ACK:
            self.index.ack(first, second, int.from_bytes(data[i:], "big"))
            return
        if kind == _DROP and second:
            self.index.remove(first, second)
        elif kind == _DROP:
            self.batch = None
        self.overwritten_frames, i = get_varint(data, i)
        self.overwritten_records, i = get_varint(data, i)
        if kind == _STATE:
            self._seen(first, second)

    def _seen(self, boot, seq):
        if boot > self.last_boot:
            self.last_boot, self.last_seq = boot, 0
        if boot == self.last_boot:
            self.last_seq = max(self.last_seq, seq)

    def _take(self, boot, records):
        batch = self.batch
        self._before = None
        if batch is not None and batch.boot == boot:
            batch.drop(min(records, batch.count))
            batch.seq = 0  # its number is used: a rest takes the next one
            if not batch.count:
                self.batch = None

    # -- writing

    def _append(self, *parts):
        """Write entries at the end and make them durable; raises OSError, and then the next write covers the torn one."""
        self._file.seek(self._end)
        size = 0
        for part in parts:
            self._file.write(part)
            size += len(part)
        self._file.flush()
        self._end += size

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
        self._seen(batch.boot, batch.seq)
        self._whole = self._try(*_journal(batch))
        return self._whole

    def record(self, row):
        """Add one record to the open batch; True once it is durable, False if the flash refused and RAM holds it."""
        # Rows are differences: after one that did not reach the flash, the whole batch is written anew. Whatever may
        # escape from here (no memory) counts as not reached.
        whole, self._whole = self._whole, False
        data = self.batch.add(row)
        self._whole = self._try(_row(data)) if whole else self._try(*_journal(self.batch))
        return self._whole

    def seal(self, boot, seq, wire, records, flags, taken):
        """Keep a frame; the first `taken` records of the open batch (recovered or current) are in it.

        Makes room by overwriting the oldest. Returns False if the flash refuses even so: the frame is then counted as
        overwritten.
        """
        while self.index.live and (self.index.live >= self.index.most or self.index.bytes + len(wire) > self._limit):
            self.discard(*self.index.oldest()[:2])
        head = _numbers(boot, seq)
        head.append(flags | (_TAKEN if taken else 0))
        head.append(records)
        at = self._end + 3 + len(head)
        kept = self._try(_entry(_FRAME, bytes(head) + wire))
        self._seen(boot, seq)
        if taken:
            self._take(boot, taken)
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
        self._take(batch.boot, batch.count)
        self._try(self._drop_mark(batch.boot, 0))

    def _drop_mark(self, boot, seq):
        return _entry(_DROP, _numbers(boot, seq, self.overwritten_frames, self.overwritten_records))

    def discard(self, boot, seq):
        """Give up a frame that the flash does not give back, counted as overwritten; nothing if it is not held."""
        if self._forget(boot, seq):
            self._try(self._drop_mark(boot, seq))

    def _forget(self, boot, seq):
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
            self._try(_entry(_ACK, bytes(_numbers(boot, through)) + bitmap.to_bytes(8, "big")))
            self._tidy()
        return removed

    def read(self, boot, seq):
        """Return a frame's bytes, or None once it left (or the flash does not give it back)."""
        place = self.index.place(boot, seq)
        if place is None:
            return None
        try:
            self._file.seek(place[0])
            data = self._file.read(place[1])
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

    # -- the log does not grow for ever

    def _tidy(self):
        held = self.index.bytes
        if self._end > 2 * self._limit + _IDLE or self._end > _IDLE + 4 * held:
            try:
                self._rewrite()
            except OSError:
                self.errors += 1

    def _rewrite(self):
        """Copy what is held to a new file and put it in the old one's place."""
        offsets = []
        new = self._path + ".new"
        with open(new, "wb") as out:
            counts = (self.overwritten_frames, self.overwritten_records)
            end = out.write(_entry(_STATE, _numbers(self.last_boot, self.last_seq, *counts)))
            for boot, seq, flags, records, offset, size in self.index.places():
                self._file.seek(offset)
                head = _numbers(boot, seq)
                head.append(flags & ~_TAKEN)
                head.append(records)
                offsets.append(end + 3 + len(head))
                end += out.write(_entry(_FRAME, bytes(head) + self._file.read(size)))
            if self.batch is not None:
                for part in _journal(self.batch):
                    end += out.write(part)
            out.flush()
        self._file.close()
        try:
            os.rename(new, self._path)
            self._end = end
            self.index.moved(offsets)
        finally:
            self._file = open(self._path, "r+b")


def _journal(batch):
    """Return the entries that make up an open batch."""
    return [_entry(_OPEN, batch.encode_open())] + [_row(data) for data in batch.encode_rows()]

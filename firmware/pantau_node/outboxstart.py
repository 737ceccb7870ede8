"""What FileOutbox does only at a start: it reads the log once. Nothing that stays refers to it. See outbox.py."""

import binascii
import struct

from micropython import const

from pantau_wire.bits import get_varint
from pantau_wire.errors import WireError
from pantau_wire.frame import MAX_FRAME

from .journalstart import decode_open, replay
from .outbox import ACK, DROP, FRAME, OPEN, ROW, SHORT, STATE, TAKEN

_LONGEST = MAX_FRAME + 32
_WINDOW = const(2048)  # read buffer of the scan: holds the longest entry


def _parse(buf, at, end):
    """Return (whole size, type, payload start, payload end); size 0: not all there, -1: not an entry."""
    kind = buf[at]
    if kind & 0xC0 == SHORT:
        size = 3 + (kind & 63)
        if at + size > end:
            return 0, 0, 0, 0
        crc = binascii.crc32(memoryview(buf)[at : at + size - 2]) & 0xFFFF
        good = struct.unpack_from(">H", buf, at + size - 2)[0] == crc
        return (size if good else -1), ROW, at + 1, at + size - 2
    if not STATE <= kind <= ROW:
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


class Start:
    """Fills a FileOutbox from its file."""

    def __init__(self, box):
        self._box = box
        self._before = None  # the open batch of which a shorter copy follows

    def run(self):
        """Read the log; raises OSError."""
        box = self._box
        self._scan()
        # A row continues the last one of the log: after damage, or after a shorter copy, the journal is written anew.
        box.whole = self._before is None and not box.skipped
        if self._before is not None:
            box.batch = self._before
        if box.batch is not None and not box.batch.count:
            box.batch = None

    def _scan(self):
        box = self._box
        buf = bytearray(_WINDOW)
        lost = False  # inside damage only a whole CRC-32 is trusted
        pos = 0
        while True:
            box.file.seek(pos)
            have = box.file.readinto(buf)
            if not have:
                break
            at = 0
            while at < have:
                size, kind, start, end = _parse(buf, at, have)
                if not size and have == _WINDOW and at:
                    break
                if size > 0 and not (lost and kind == ROW):
                    lost = not self._replay(kind, memoryview(buf)[start:end], pos + start)
                    at += size
                else:
                    lost = True
                    box.skipped += 1
                    at += 1
            pos += at
        box.end = pos

    def _replay(self, kind, data, at):
        """Apply one entry; False if it makes no sense, which only a fault of the writer can cause."""
        box = self._box
        try:
            if kind == FRAME:
                self._replay_frame(data, at)
            elif kind == OPEN:
                self._replay_open(decode_open(bytes(data)))
            elif kind == ROW:
                if box.batch is not None:
                    replay(box.batch, bytes(data))
                    if self._before is not None and box.batch.count >= self._before.count:
                        self._before = None
            else:
                self._replay_mark(kind, data)
        except WireError:
            return False
        return True

    def _replay_open(self, batch):
        """A journal written anew stands for the old one only when it holds as much: the power may fail in between."""
        box = self._box
        old = box.batch if self._before is None else self._before
        again = old is not None and old.count and (old.boot, old.seq) == (batch.boot, batch.seq)
        self._before = old if again else None
        box.batch = batch
        box.seen(batch.boot, batch.seq)

    def _replay_frame(self, data, at):
        box = self._box
        boot, i = get_varint(data, 0)
        seq, i = get_varint(data, i)
        flags, records = data[i], data[i + 1]
        i += 2
        box.seen(boot, seq)
        if flags & TAKEN:
            self._before = None
            box.take(boot, records)
        while box.index.live >= box.index.most:
            box.forget(*box.index.oldest()[:2])
        box.index.add(at + i, boot, seq, flags & ~TAKEN, records, len(data) - i)

    def _replay_mark(self, kind, data):
        box = self._box
        first, i = get_varint(data, 0)
        second, i = get_varint(data, i)
        if kind == ACK:
            box.index.ack(first, second, int.from_bytes(data[i:], "big"))
            return
        if kind == DROP and second:
            box.index.remove(first, second)
        elif kind == DROP:
            box.batch = None
        box.overwritten_frames, i = get_varint(data, i)
        box.overwritten_records, i = get_varint(data, i)
        if kind == STATE:
            box.seen(first, second)

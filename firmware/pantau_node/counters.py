"""Numbers that only grow, on two sectors of raw flash: the interface of marks.Monotonic, several of them sharing the sectors.

Entries of 16 bytes: which (u32), value (u64), CRC-32; one after the other, never programmed twice. The sector in use begins
with an entry of which 0, its sequence number, programmed only after the latest value of every counter was copied to it. So
the other sector can be erased at any time, and a torn write loses only itself.
"""

import binascii
import struct

from micropython import const

_SIZE = const(16)
_SECTOR = const(4096)
_WINDOW = const(256)
_BLANK = b"\xff" * 16
_BLANK_WINDOW = _BLANK * 16


def _entry(which, value):
    body = struct.pack(">IQ", which, value)
    return body + struct.pack(">I", binascii.crc32(body))


class Counters:
    """All counters of the sectors `first` and the one after it of a device like esp32.Partition; raises OSError."""

    def __init__(self, device, first):
        self._device = device
        self._first = first
        self.values = {}
        self._seq = 0  # of the sector in use
        self._pos = _SECTOR  # where its next entry goes
        here = {}
        for i in (0, 1):
            seq, pos, found = self._scan(i)
            if seq > self._seq:
                self._seq, self._pos, here = seq, pos, found
            for which in found:
                # They only grow: the greatest is right wherever it stands.
                self.values[which] = max(found[which], self.values.get(which, 0))
        for which in self.values:
            if here.get(which) != self.values[which]:
                try:
                    self.put(which, self.values[which])  # what is told must not be in a sector that may be erased
                except OSError:
                    pass  # as durable as it was

    def _scan(self, i):
        """Return (sequence number or 0, end of what was ever programmed, {which: value}) of a sector."""
        buf = bytearray(_WINDOW)
        seq = pos = 0
        found = {}
        for base in range(0, _SECTOR, _WINDOW):
            self._device.readblocks(self._first + i, buf, base)
            if buf == _BLANK_WINDOW:
                continue
            for at in range(0, _WINDOW, _SIZE):
                one = bytes(buf[at : at + _SIZE])
                if one == _BLANK:
                    continue
                pos = base + at + _SIZE
                which, value = struct.unpack_from(">IQ", one)
                if one != _entry(which, value):
                    continue
                if which:
                    found[which] = max(value, found.get(which, 0))
                elif pos == _SIZE and value & 1 == i:
                    seq = value
        return seq, pos, found

    def _program(self, seq, at, data):
        """Program an entry and read it back; return whether it is there."""
        block = self._first + (seq & 1)
        back = bytearray(_SIZE)
        try:
            self._device.writeblocks(block, data, at)
            self._device.readblocks(block, back, at)
        except OSError:
            return False
        return bytes(back) == data

    def put(self, which, value):
        """Make a value durable; raises OSError if the flash refuses."""
        for _ in (0, 1):  # a damaged place is passed over
            if self._pos < _SECTOR:
                self._pos += _SIZE
                if self._program(self._seq, self._pos - _SIZE, _entry(which, value)):
                    break
        else:
            self._turn(which, value)
        self.values[which] = value

    def _turn(self, which, value):
        """Go on in the other sector."""
        values = dict(self.values)
        values[which] = value
        seq = self._seq + 1
        self._device.ioctl(6, self._first + (seq & 1))
        at = _SIZE
        good = True
        for one in sorted(values):
            good = good and self._program(seq, at, _entry(one, values[one]))
            at += _SIZE
        if not (good and self._program(seq, 0, _entry(0, seq))):
            raise OSError(5)
        self._seq, self._pos = seq, at


class Counter:
    """One of them. value: the greatest number ever passed to advance(), 0 at first."""

    def __init__(self, counters, which):
        self._counters = counters
        self._which = which

    @property
    def value(self):
        """Return the number."""
        return self._counters.values.get(self._which, 0)

    def advance(self, value):
        """Make `value` durable; raises ValueError if it is not greater than before, OSError if the flash refuses."""
        if value <= self.value:
            raise ValueError("counter must grow: %d after %d" % (value, self.value))
        self._counters.put(self._which, value)

"""A number that only grows and survives any power cut: the boot counter, the last command's counter.

A file of 12-byte entries (u64 big-endian, CRC-32): appended, never rewritten in place, so a torn write loses only
itself. Long files are replaced by one entry through a rename.
"""

import binascii
import os
import struct

from .files import missing

_SIZE = 12
_ENTRIES = 64  # 768 bytes: one flash block read at boot


def _entry(value):
    body = struct.pack(">Q", value)
    return body + struct.pack(">I", binascii.crc32(body))


class Monotonic:
    """The greatest number ever passed to advance(), read back from the file; 0 where there is none."""

    def __init__(self, path):
        self._path = path
        self.value = 0
        self._count = 0
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            if not missing(path):
                raise  # not readable now is not zero: a counter that starts again lets old orders in
            return
        at = 0
        while at + _SIZE <= len(data):
            body = data[at : at + 8]
            good = struct.unpack_from(">I", data, at + 8)[0] == binascii.crc32(body)
            if good:
                self.value = max(self.value, struct.unpack(">Q", body)[0])
            # A torn entry shifts all that follow it: look for the next one at every byte.
            at += _SIZE if good else 1
            self._count += 1

    def advance(self, value):
        """Make `value` durable; raises ValueError if it is not greater than before, OSError if the flash refuses."""
        if value <= self.value:
            raise ValueError("counter must grow: %d after %d" % (value, self.value))
        if self._count < _ENTRIES:
            with open(self._path, "ab") as file:
                file.write(_entry(value))
        else:
            # The old file stays until the rename, which is atomic on littlefs and POSIX.
            with open(self._path + ".new", "wb") as file:
                file.write(_entry(value))
            os.rename(self._path + ".new", self._path)
            self._count = 0
        self._count += 1
        self.value = value

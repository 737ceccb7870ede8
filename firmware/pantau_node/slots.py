"""Two copies of a small text that survive any power cut: raw sectors or files. Identity and configuration live in them.

A copy: magic, generation, length (big-endian u32 each), CRC-32 of these and of the payload, payload. One that was cut or
damaged is as good as none.
"""

import binascii
import struct

from .files import missing

HEAD = 16
MOST = 4096 - HEAD  # bytes of the longest payload, in files too: one sector
_MAGIC = b"PNT1"
_NAMES = (".a", ".b")


def _crc(head, payload):
    return binascii.crc32(payload, binascii.crc32(head[:12]))


class Slots:
    """What both kinds have in common."""

    def _load(self, i):
        """Return the bytes of copy i from its header on."""
        raise NotImplementedError

    def _store(self, i, data):
        raise NotImplementedError

    def _copy(self, i):
        """Return (generation, payload) of copy i, or None if there is no sound one; raises OSError."""
        data = self._load(i)
        if len(data) < HEAD or data[:4] != _MAGIC:
            return None
        generation, size, crc = struct.unpack_from(">III", data, 4)
        payload = data[HEAD:]
        return (generation, payload) if len(payload) == size and _crc(data, payload) == crc else None

    def _copies(self):
        copies = []
        for i in (0, 1):
            try:
                copies.append(self._copy(i))
            except OSError:
                copies.append(None)  # unreadable is not sound; the other copy is there for that
        return copies

    def read(self):
        """Return [(generation, payload), ...] of the sound copies, the newest first."""
        found = [copy for copy in self._copies() if copy is not None]
        return found[::-1] if len(found) == 2 and found[1][0] > found[0][0] else found

    def write(self, generation, payload, keep):
        """Write a copy, never over one of generation `keep` that is the only one; read back.

        Raises OSError if the flash refuses, ValueError if the payload is longer than MOST.
        """
        if len(payload) > MOST:
            raise ValueError("%d bytes, more than %d" % (len(payload), MOST))
        there = [copy[0] if copy is not None else -1 for copy in self._copies()]
        i = 1 - there.index(keep) if keep in there else int(there[1] < there[0])
        head = bytearray(HEAD)
        struct.pack_into(">4sII", head, 0, _MAGIC, generation, len(payload))
        struct.pack_into(">I", head, 12, _crc(head, payload))
        self._store(i, head + payload)
        if self._copy(i) != (generation, payload):
            raise OSError(5)


class FlashSlots(Slots):
    """Two sectors of a device like esp32.Partition, `first` and the one after it."""

    def __init__(self, device, first):
        self._device = device
        self._first = first

    def _load(self, i):
        head = bytearray(HEAD)
        self._device.readblocks(self._first + i, head, 0)
        size = struct.unpack_from(">I", head, 8)[0]
        if size > MOST:
            return b""
        data = bytearray(HEAD + size)
        self._device.readblocks(self._first + i, data, 0)
        return bytes(data)

    def _store(self, i, data):
        self._device.ioctl(6, self._first + i)
        self._device.writeblocks(self._first + i, data, 0)


class FileSlots(Slots):
    """Two files, `path`.a and `path`.b."""

    def __init__(self, path):
        self._path = path

    def _load(self, i):
        path = self._path + _NAMES[i]
        try:
            with open(path, "rb") as file:
                return file.read(HEAD + MOST)
        except OSError:
            if not missing(path):
                raise
            return b""

    def _store(self, i, data):
        with open(self._path + _NAMES[i], "wb") as file:
            file.write(data)

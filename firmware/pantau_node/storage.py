"""What the node keeps over power cuts, and where: raw flash partitions where the image has them, files below root elsewhere.

pantau_id: two sectors, the copies of the identity; pantau_cfg: four, the copies of the configuration and the counters;
pantau_ring: the outbox. Reasons: docs/decisions/0007-identity-and-config-in-flash.md.
"""

import os

from micropython import const

from .rare import Mark, slots

_SECTOR = const(4096)
_LOST_BOOT = const(1048576)  # more restarts than a node lives to see
_NEVER = const(1 << 62)
_FILES = ("boot.cnt", "orders.cnt", "config.cnt", "floor.cnt")


class Storage:
    """identity, config: Slots; later: function that gives config's again; boots, orders, committed, floor: Mark; problems: texts, one for each fallback.

    boots: this boot's number; orders: counter of the last order; committed: generation of the last configuration that has
    proved itself; floor: Unix seconds that have surely passed.
    """

    def __init__(self, board, root):
        self._root = root.rstrip("/") + "/"
        self.problems = []
        self._ring = self._partition(board, "pantau_ring", 16)
        self.identity = slots(self._partition(board, "pantau_id", 2), self._root + "identity")()
        device = self._partition(board, "pantau_cfg", 4)
        marks = None
        if device is not None:
            from .counters import Counters

            try:
                values = Counters(device, 2).values
                marks = [Mark((device, which), values.get(which, 0)) for which in (1, 2, 3, 4)]
            except OSError as error:
                device = self._fall("pantau_cfg", error)
        if marks is None:
            marks = [self._file(name) for name in _FILES]
        self.boots, self.orders, self.committed, self.floor = marks
        self.later = slots(device, self._root + "config")
        self.config = self.later()

    def _file(self, name):
        """Return the Mark of a counter's file. One that is there and cannot be read must not end the node, nor begin at 0."""
        try:
            return Mark(self._root + name)
        except OSError as error:
            self.problems.append("%s: cannot be read (%s): remove it" % (name, error))
        lost = 0
        if name == "boot.cnt":
            lost = _LOST_BOOT + int.from_bytes(os.urandom(2), "big")  # a number that surely no boot had
        elif name == "orders.cnt":
            lost = _NEVER  # no order is safe from a replay
        return Mark(None, lost)

    def _partition(self, board, label, least):
        """Return a device of at least that many sectors that can be read, else None; missing is no problem, a small one is."""
        try:
            device = board.partition(label)
            if device is None:
                return None
            if device.ioctl(5, 0) != _SECTOR or device.ioctl(4, 0) < least:
                raise ValueError("needs %d sectors of %d bytes" % (least, _SECTOR))
            device.readblocks(0, bytearray(16), 0)
        except (OSError, ValueError) as error:
            return self._fall(label, error)
        return device

    def _fall(self, label, error):
        self.problems.append("%s: %s; files instead" % (label, error))

    def path(self, name):
        """Return the path of a file of the node."""
        return self._root + name.lstrip("/")

    def outbox(self, limit):
        """Return the outbox: the ring, or a file that holds at most `limit` bytes of frames; raises OSError."""
        if self._ring is not None:
            from .ring import RingOutbox

            try:
                return RingOutbox(self._ring)
            except (OSError, ValueError) as error:
                self._fall("pantau_ring", error)
        from .outbox import FileOutbox

        return FileOutbox(self.path("outbox.log"), limit)

"""Modules that are needed now and then only: RAM is what the chip has least of, and its file system holds them anyway."""

import gc
import sys


def drop(*names):
    """Let modules of pantau_node (or named in full) go; the next import loads them again.

    Nothing that stays may hold a function of theirs.
    """
    for name in names:
        package, _, last = (name if name.startswith("pantau_") else "pantau_node." + name).rpartition(".")
        if sys.modules.pop(package + "." + last, None) is not None and hasattr(sys.modules[package], last):
            delattr(sys.modules[package], last)
    gc.collect()


def slots(device, path):
    """Return a function that gives the Slots on the device, or in files where it is None; their module is loaded then."""

    def give():
        from .slots import FileSlots, FlashSlots

        return FlashSlots(device, 0) if device is not None else FileSlots(path)

    return give


class Mark:
    """A number that only grows. value: the greatest one ever passed to advance(). What keeps it is loaded to write only.

    place: path of its file, or (device, number) of one of the counters in two sectors of a device, or None where nothing
    can be kept; value: where it is known.
    """

    def __init__(self, place, value=None):
        self._place = place
        self.value = self._kept().value if value is None else value

    def _kept(self):
        if self._place is None:
            raise OSError(5)
        if isinstance(self._place, str):
            from .marks import Monotonic

            return Monotonic(self._place)
        from .counters import Counter, Counters

        device, which = self._place
        return Counter(Counters(device, 2), which)

    def advance(self, value):
        """Make `value` durable; raises ValueError if it is not greater than before, OSError if the flash refuses."""
        self._kept().advance(value)
        self.value = value

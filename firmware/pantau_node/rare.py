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

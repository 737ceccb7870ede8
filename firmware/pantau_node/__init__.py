"""The node's firmware: stock MicroPython from 1.25 on, and CPython for its tests. Integers only. Here is what all its parts share."""

import sys

from micropython import const

VERSION = "0.1.0"
# No clock is believed that says it is earlier than this (2023-01-01): older than every recorded series that we replay.
EARLIEST_S = 1672531200
# When this version was made (2026-11-24): an RTC that lost its time is lifted to it, so that certificates have begun.
BUILT_S = 1795478400

# What is known of a frame in the outbox beside its name: flags, and the lanes that the sender takes it from.
ANY = const(0)  # lane: whatever is held, oldest first
ALARM = const(1)
LIVE = const(2)  # sealed while the link was up and not sent yet; it ends with the boot


LOG = const(5)  # section of the keep
_RECENT = const(900)  # bytes in it: RTC memory has 2,048 for all sections
keep = None  # pantau_boot.Keep, where the last lines of the log outlive a restart, and cost no heap


def log(level, room, text):
    """Print one line on stderr; level is error, warn or info. Callers never pass secrets or whole configurations."""
    print(level, room + ":", text, file=sys.stderr)
    if keep is not None:
        try:
            keep.put(LOG, ((keep.get(LOG) or b"") + ("%s: %s\n" % (room, text)).encode())[-_RECENT:])
        except MemoryError:
            pass  # it was on the console

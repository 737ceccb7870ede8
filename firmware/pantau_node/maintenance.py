"""Somebody works on the station: records go on, flagged; nothing is an alarm. Loaded while that lasts.

A technician leaves a file `maintenance` with the number of seconds in the node's folder, or the control room sends the
order. The file stays until it is over, so that a restart in the middle of the work does not sound the siren; where the
clock is not set then, the time begins anew, and never lasts longer than it was given for from the last start.
"""

import os

from micropython import const

from pantau_wire import _tables as T
from pantau_wire.frame import quality

MOST_S = const(86400)
_SUSPECT = const(2)  # place of the flag on the wire: what is worse keeps its own reason


class Maintenance:
    """left_s: for how long; until_s: Unix seconds when it ends, 0 if nobody knows; path: of the file or None."""

    def __init__(self, clock, path, left_s, until_s):
        self._clock = clock
        self._path = path
        self._until_s = until_s
        self._end_ms = clock.uptime_ms() + left_s * 1000

    def left_s(self):
        """Return for how many seconds more, 0: it is over."""
        now = self._clock.uptime_ms()
        left = self._end_ms - now
        utc = self._clock.utc_ms(now)
        if self._until_s and utc is not None:
            left = min(left, self._until_s * 1000 - utc)
        return max(0, left // 1000)

    def over(self):
        """Return whether it is over; then the file goes."""
        if self.left_s():
            return False
        self.end()
        return True

    def end(self):
        """Remove the file."""
        try:
            os.remove(self._path)
        except OSError:
            pass  # never written, or the flash refuses: it ends again at the next start

    @staticmethod
    def mark(row):
        """Return the record with every reading that is not worse flagged: {property id: (value, quality code)}."""
        flagged = {}
        for ident in row:
            value, code = row[ident]
            if ident != T.TIME_OFFSET and value is not None and code & 7 <= _SUSPECT:
                code = quality(T.R_MAINTENANCE)
            flagged[ident] = value, code
        return flagged


def begin(clock, path, left_s):
    """Return a Maintenance that the file keeps, unless the flash refuses: then a restart ends it."""
    utc = clock.utc_ms()
    until_s = 0 if utc is None else utc // 1000 + left_s
    try:
        with open(path, "w") as file:
            file.write("%d %d" % (left_s, until_s))
    except OSError:
        pass
    return Maintenance(clock, path, left_s, until_s)


def replace(kept, clock, path, left_s):
    """Return the Maintenance that an order of so many seconds puts in the place of `kept`, None where it ends it."""
    if kept is not None:
        kept.end()
    return begin(clock, path, left_s) if left_s else None


def found(clock, path):
    """Return (Maintenance that a file asks for or None, what is wrong with the file or None)."""
    try:
        with open(path) as file:
            words = file.read().split()
    except OSError:
        return None, None
    try:
        left_s, until_s = int(words[0]), int(words[1]) if len(words) > 1 else 0
        if not 0 < left_s <= MOST_S or until_s < 0:
            raise ValueError
    except (ValueError, IndexError):
        return None, "maintenance: the file must hold a number of seconds, 1..%d" % MOST_S
    kept = Maintenance(clock, path, left_s, until_s)
    if kept.over():
        return None, None
    if not until_s and clock.utc_ms() is not None:
        return begin(clock, path, left_s), None
    return kept, None

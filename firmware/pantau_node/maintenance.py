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
    """left_s: for how long; until_s: Unix seconds when it ends, 0 if nobody knows; path: of the file or None.

    FIELD: of the health frame, which left_s() tells.
    """

    FIELD = "maintenance_s"

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
        """Remove the file; return whether it went."""
        try:
            os.remove(self._path)
        except OSError:
            return False  # never written, or the flash refuses: it ends again at the next start
        return True

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


def _keep(path, *numbers):
    try:
        with open(path + ".new", "w") as file:
            file.write(" ".join([str(number) for number in numbers]))
        os.rename(path + ".new", path)
    except OSError:
        pass  # the flash refuses: a restart ends it


def begin(clock, path, left_s, boot):
    """Return a Maintenance that a file keeps: seconds, Unix seconds of its end or 0, the boot, its uptime at the end in s."""
    now = clock.uptime_ms()
    utc = clock.utc_ms(now)
    until_s = 0 if utc is None else utc // 1000 + left_s
    _keep(path, left_s, until_s, boot, now // 1000 + left_s)
    return Maintenance(clock, path, left_s, until_s)


def replace(kept, clock, path, left_s, boot):
    """Return the Maintenance that an order of so many seconds puts in the place of `kept`, None where it ends it."""
    (kept or Maintenance(clock, path, 0, 0)).end()  # also a file that could not be read
    return begin(clock, path, left_s, boot) if left_s else None


def found(clock, path, boot):
    """Return (Maintenance that a file asks for or None, what is wrong with the file or None).

    In the boot that wrote it (a wake from deep sleep goes on in its boot) the uptime says how much is left.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(64)
        words = [int(word) for word in text.replace(b"\xef\xbb\xbf", b"").split()]
        left_s = words[0]
        if not 0 < left_s <= MOST_S or min(words) < 0:
            raise ValueError
    except OSError:
        return None, None
    except (ValueError, IndexError):
        return None, "maintenance: the file must hold a number of seconds, 1..%d, as plain text" % MOST_S
    if len(words) < 4:
        return begin(clock, path, left_s, boot), None
    if words[2] == boot:
        left_s = max(0, min(left_s, words[3] - clock.uptime_ms() // 1000))
    elif not words[1] and clock.utc_ms() is not None:
        return begin(clock, path, left_s, boot), None
    kept = Maintenance(clock, path, left_s, words[1])
    return (None if kept.over() else kept), None

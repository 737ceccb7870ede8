"""What inputs that count closures share; one file per sensor says which property that is and what is bounce."""

from micropython import const

from pantau_wire import _tables as T

from . import base

_FORGET_MS = const(1 << 28)  # three days: before the wrap of the clock makes a stamp young again


def debounce(stamps, last, gap_ms):
    """Return (stamps of real closures, last of them, edges thrown away); an edge within gap_ms of the last is bounce."""
    kept = []
    dropped = 0
    for stamp in stamps:
        if last is not None and 0 <= base.since(last, stamp) < gap_ms:
            dropped += 1
        else:
            kept.append(stamp)
            last = stamp
    return kept, last, dropped


class Driver:
    """Closures since the last read; an input cannot tell a silent road from a cut wire, so it is never absent.

    debounce_ms: an edge that soon after a closure is its bounce. collect() must be called before the board's list of
    stamps is full: closures without a stamp are counted and suspect.
    """

    _property = 0
    _gap_ms = 0

    def __init__(self, bus, debounce_ms=None):
        if debounce_ms is not None:
            self._gap_ms = debounce_ms
        self._bus = bus
        self._last = None  # stamp of the latest closure, None when that was days ago
        self._edges = bus.count()
        self._n = 0
        self._suspect = False
        self.counters = base.Counters()

    async def collect(self):
        """Take in the closures up to now; return the stamps of those that have one."""
        edges = self._bus.count() - self._edges
        stamps = self._bus.take()
        unstamped = max(0, edges - len(stamps))  # the stamp list is bounded: these were only counted
        self._edges += len(stamps) + unstamped
        kept, self._last, dropped = debounce(stamps, self._last, self._gap_ms)
        if self._last is not None and base.since(self._last, base.now()) > _FORGET_MS:
            self._last = None
        self._suspect = self._suspect or unstamped > 0
        self._n += len(kept) + unstamped
        self.counters.good += len(kept) + unstamped
        self.counters.bounce += dropped
        return kept

    async def read(self, deadline_ms) -> list:
        await self.collect()
        n, reason = min(self._n, 65535), T.R_BOUNCE if self._suspect else T.R_OK
        self._n, self._suspect = 0, False
        return [(self._property, n, reason)]

"""Pulse input of the road: loop relay, pneumatic tube or light beam; counts closures. Speed and length are host's or later.

Range: 0..65535 pulses a record
Power: dry contact
Source: FHWA Traffic Monitoring Guide 2022; McGowen 2011 (tubes)
"""

from pantau_wire import _traffic as P
from pantau_wire import _tables as T

from . import base

BUS = "pulse"
PROPERTIES = (P.PULSE_COUNT,)
WARM_UP_MS = 0
PERIOD_MS = 0
COUNTS = True  # what comes while the chip sleeps is lost


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

    _property = P.PULSE_COUNT
    _gap_ms = 50  # two axles at 120 km/h, 2.5 m apart, are 75 ms apart
    _suspect_ms = 0  # closures nearer than this are kept and told

    def __init__(self, bus, debounce_ms=None):
        if debounce_ms is not None:
            self._gap_ms = debounce_ms
        self._bus = bus
        self._last = None
        self._edges = bus.count()
        self._n = 0
        self._suspect = False
        self.counters = base.Counters()

    async def collect(self):
        """Take in the closures up to now."""
        edges = self._bus.count() - self._edges
        stamps = self._bus.take()
        unstamped = max(0, edges - len(stamps))  # the stamp list is bounded: these were only counted
        self._edges += len(stamps) + unstamped
        before = self._last
        kept, self._last, dropped = debounce(stamps, before, self._gap_ms)
        suspect = self._suspect or unstamped > 0
        for stamp in kept:
            suspect = suspect or (before is not None and 0 <= base.since(before, stamp) < self._suspect_ms)
            before = stamp
        self._suspect = suspect
        self._n += len(kept) + unstamped
        self.counters.good += len(kept) + unstamped
        self.counters.bounce += dropped

    async def read(self, deadline_ms):
        await self.collect()
        n, reason = min(self._n, 65535), T.R_BOUNCE if self._suspect else T.R_OK
        self._n, self._suspect = 0, False
        return [(self._property, n, reason)]

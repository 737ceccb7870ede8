"""Tipping bucket rain gauge: one closure of a reed contact per tip. The volume of a tip is site knowledge, kept by the host.

A reed that stays closed and a clogged funnel look like a dry day from here: the host tells them by the neighbours' rain.

Range: 0..300 mm/h (2.4 s a tip of 0.2 mm)
Power: dry contact
Source: Stagnaro 2016; Segovia-Cardozo 2023 (tip spacing); reed contact sheets (bounce < 20 ms)
"""

from micropython import const

from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import base, counting

BUS = "pulse"
PROPERTIES = (P.RAIN_TIPS, P.RAIN_FIRST_TIP_AGE, P.RAIN_LAST_TIP_AGE)
WARM_UP_MS = 0
PERIOD_MS = 0
COUNTS = True  # what comes while the chip sleeps is lost

_ROCKING_MS = const(500)  # a tip takes longer in any rain (2.4 s at 300 mm/h): what comes sooner is none
# By then the contact, closed for 50 to 200 ms, has opened and chattered; what closes later is a bucket that rocks.
_RELEASE_MS = const(220)


class Driver(counting.Driver):
    """Tips since the last read, and how long ago the first and the last of them were; tip_um: rain of a tip, in um.

    `heavy`: the latest two tips were nearer than those of 10 mm/h, and that is not longer ago than their spacing.
    A rocking bucket is no proof of rain: its second tip is none, flags the record and leaves `heavy` as it was; how often
    that was, and all other bounce, is counters.bounce. collect() keeps it up to date.
    """

    _property = P.RAIN_TIPS
    _gap_ms = 100

    def __init__(self, bus, tip_um=200, debounce_ms=None):
        super().__init__(bus, debounce_ms)
        self._spacing_ms = tip_um * 360  # of 10 mm/h
        self._first = None  # stamp of the first tip since the last read
        self.heavy = False

    async def collect(self):
        last = self._last
        stamps = await super().collect()
        for stamp in stamps:
            gap = self._spacing_ms if last is None else base.since(last, stamp)
            if gap < _ROCKING_MS:
                self._suspect = self._suspect or gap >= _RELEASE_MS
                self._n -= 1
                self.counters.good -= 1
                self.counters.bounce += 1
                continue
            if self._first is None:
                self._first = stamp
            self.heavy = gap < self._spacing_ms
            last = stamp
        if stamps:
            self._last = last
        self.heavy = self.heavy and base.since(last, base.now()) < self._spacing_ms
        return stamps

    async def read(self, deadline_ms):
        readings = await super().read(deadline_ms)
        for ident, stamp in ((P.RAIN_FIRST_TIP_AGE, self._first), (P.RAIN_LAST_TIP_AGE, self._last)):
            value, reason = None, T.R_NO_SAMPLE
            if None not in (self._first, stamp):
                reason = readings[0][2]
                value = min((max(0, base.since(stamp, base.now())) + 50) // 100, 65535)
            readings.append((ident, value, reason))
        self._first = None
        return readings

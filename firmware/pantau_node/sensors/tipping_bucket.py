"""Tipping bucket rain gauge: one closure of a reed contact per tip. The volume of a tip is site knowledge, kept by the host.

Range: 0..300 mm/h (2.4 s a tip of 0.2 mm)
Power: dry contact
Source: Stagnaro 2016; Segovia-Cardozo 2023 (tip spacing); reed contact sheets (bounce < 20 ms)
"""

from pantau_wire import _tables as T

from . import base
from .pulse import Counter

MODEL = "tipping_bucket"
BUS = "pulse"
PROPERTIES = (T.RAIN_TIPS,)
WARM_UP_MS = 0
PERIOD_MS = 0

DEBOUNCE_MS = 100
SUSPECT_MS = 500  # nearer tips than any rain makes: the bucket rocked, kept and flagged


class Driver:
    """Tips since the last read."""

    def __init__(self, bus, debounce_ms=DEBOUNCE_MS):
        self.counters = base.Counters()
        self._counter = Counter(bus, debounce_ms, SUSPECT_MS, self.counters)

    async def collect(self):
        """Take in the tips up to now."""
        self._counter.collect()

    async def read(self, deadline_ms):
        n, reason = self._counter.take()
        return [(T.RAIN_TIPS, n, reason)]

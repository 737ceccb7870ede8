"""Float switch: a dry contact at a height of the bank, an independent check of the distance. Waves make it chatter.

A contact cannot tell a cut wire from dry, nor a short one from wet: closed_is_wet = false (a switch that opens when the
water lifts it) makes a cut wire cry flood instead of keeping silent. Compare it with the distance of the same record.

Range: 0..1
Power: dry contact
Source: debounce 5-10 s: facts of the field
"""

from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import base

BUS = "contact"
PROPERTIES = (P.WATER_CONTACT,)
WARM_UP_MS = 0  # a look takes no time; a node that sleeps takes one a wake
PERIOD_MS = 0


class Driver:
    """wet: what two looks at least debounce_s apart agreed on, with none between that saw otherwise; False until then.

    debounce_s 0, of a node that sleeps between its looks: every look counts.

    collect() must be called every 5 s: a change counts after 5 to 10 s. Until the first two looks have agreed the state
    at hand is given as warming up; so it is in every record of a node that sleeps between them. A change that did not
    last is one bounce, and is told in the record.
    """

    def __init__(self, bus, closed_is_wet=True, debounce_s=5):
        self._bus = bus
        self._wet_level = 0 if closed_is_wet else 1
        self._debounce_ms = debounce_s * 1000
        self._known = None  # the state that counts
        self._seen = None  # what the contact shows since _age
        self._age = base.Age()
        self._bounced = False
        self.wet = False
        self.counters = base.Counters()

    async def collect(self):
        """Look at the contact."""
        seen = self._bus.value() == self._wet_level
        if seen != self._seen:
            if self._known is not None and seen == self._known:
                self._bounced = True
                self.counters.bounce += 1
            self._seen = seen
            self._age.mark()
        if self._age.ms() >= self._debounce_ms and seen != self._known:
            self._known = self.wet = seen
            self.counters.good += 1

    async def read(self, deadline_ms):
        await self.collect()
        state, reason = self._known, T.R_BOUNCE if self._bounced else T.R_OK
        if state is None:
            state, reason = self._seen, self.counters.count(T.R_WARMING)
        self._bounced = False
        return [(P.WATER_CONTACT, 1 if state else 0, reason)]

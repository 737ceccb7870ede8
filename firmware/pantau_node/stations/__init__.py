"""What stations share. A station is its drivers read as one record; one file per domain says which properties in which order."""

import asyncio

from pantau_node.sensors import base
from pantau_wire import _tables as T
from pantau_wire.frame import quality


class Station:
    """The sensors of one place, read together.

    PROPERTIES: ids in column order; of an instance, those that its sensors have. COLLECT_MS: how often streaming sensors
    are emptied between samples; LOOK_MS: how often a sampler is to ask pace_s() between them. Counters are read first and slow sensors last, so that what is counted belongs to the instant of the record.
    """

    PROPERTIES = ()
    watch = None  # the Watch of a station that has an alarm
    COLLECT_MS = 1000
    LOOK_MS = 3600000  # only a record changes the pace

    def __init__(self, drivers, _settings=()):
        """drivers: {model: Driver}; settings: Config.alarm, for a station that has one."""
        from .make import arrange

        self.drivers = drivers
        self._order, self.PROPERTIES = arrange(drivers, self.PROPERTIES)
        self.broken = 0  # bugs of drivers survived

    async def sample(self, deadline_ms):
        """Return {property id: (value or None, quality code)} for PROPERTIES, within deadline_ms milliseconds from now."""
        start = base.now()
        nothing = (None, quality(T.R_NOT_EVALUATED))
        out = dict.fromkeys(self.PROPERTIES, nothing)
        for model in self._order:
            left = max(0, deadline_ms - base.since(start, base.now()))
            try:
                readings = await self.drivers[model].read(left)
            except Exception:  # noqa: BLE001  a bug in one driver costs its own readings, never the record
                self.broken += 1
                continue
            for ident, value, reason in readings:
                # Two sensors of one property: the first one speaks, unless it has nothing to say.
                if ident in out and (out[ident] is nothing or (out[ident][0] is None and value is not None)):
                    out[ident] = (value, quality(reason))
        return out

    async def run(self):
        """Collect from the streaming sensors for ever, those with a COLLECT_MS of their own beside the others."""
        streaming = []
        for driver in self.drivers.values():
            if hasattr(driver, "COLLECT_MS"):
                asyncio.create_task(self._collect([driver], driver.COLLECT_MS))
            elif hasattr(driver, "collect"):
                streaming.append(driver)
        if streaming:
            await self._collect(streaming, self.COLLECT_MS)

    async def _collect(self, streaming, pace_ms):
        while True:
            for driver in streaming:
                try:
                    await driver.collect()
                except Exception:  # noqa: BLE001  as in sample: the others go on
                    self.broken += 1
            await base.sleep_ms(pace_ms)

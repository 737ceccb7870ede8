"""A sample that the console asks for, and what it says of each sensor. Loaded for the question.

It is a record like any other: what is counted is neither lost nor told twice.
"""

import asyncio

from micropython import const

_ROOM_MS = const(7000)  # the slowest sensors need 5 s and a bit
_OFTEN_S = const(5)  # a node that samples so often is not asked for more
_LOOK_MS = const(200)
_SOUND = const(3)  # places of the flag on the wire that are good, not evaluated or suspect
_BUSES = ("uart", "i2c", "pulse", "pulses", "contact")


class _Tap:
    """Sees the next record on its way to the core."""

    def __init__(self, sampler):
        self._sampler = sampler
        self._emit = sampler.emit
        self.seen = None
        sampler.emit = self.pass_on

    def pass_on(self, instant_s, row, *rest):
        """Take the place of the sampler's way out."""
        self.seen = instant_s, row
        self._emit(instant_s, row, *rest)

    def close(self):
        """Let the sampler have its own way out again."""
        self._sampler.emit = self._emit


async def _fresh(app):
    """Return (instant, row) of a record made now or due in a moment, or None."""
    sampler, clock = app.sampler, app.clock
    pace_ms = sampler.pace() * 1000
    if not app.sampling or app.node.outbox.crowded():
        return None
    tap = _Tap(sampler)
    try:
        end = clock.uptime_ms() + pace_ms + 3 * _ROOM_MS
        while tap.seen is None and clock.uptime_ms() < end:
            now = clock.uptime_ms()
            instant_s = now // 1000
            room = sampler.next_s * 1000 - now
            # Regular records are at multiples of the pace; two of one second would be one instant.
            free = pace_ms > _OFTEN_S * 1000 and instant_s * 1000 % pace_ms
            if free and room >= min(_ROOM_MS, pace_ms * 2 // 3):
                row = await sampler.take(instant_s, room - _LOOK_MS)
                station = sampler.station
                alarm = getattr(station, "alarm", False)
                sampler.emit(instant_s, row, bool(alarm), sampler.pace(), bool(getattr(station, "urgent", alarm)))
                await asyncio.sleep(1 - clock.uptime_ms() % 1000 / 1000)
                break
            await asyncio.sleep(_LOOK_MS / 1000)
        return tap.seen
    finally:
        tap.close()


def _last(batch):
    """Return (instant or None, row) of the latest record of the open batch."""
    row = {}
    if batch is not None and batch.count:
        for i, ident in enumerate(batch.columns):
            codes = batch.codes[i]
            row[ident] = batch.values[i][-1], codes[-1] if codes else 0
    return None, row


def _counts(drivers):
    return [dict(driver.counters.errors()) if driver else {} for driver in drivers]


async def sample(app, judged):
    """Return the answer to `read`, or where `judged` to `selftest`."""
    node, drivers = app.node, app.facts.drivers
    before = _counts(drivers)
    fresh = await _fresh(app)
    instant_s, row = fresh or _last(node.outbox.batch)
    sensors = []
    for index, item in enumerate(node.config.sensors):
        driver = drivers[index] if index < len(drivers) else None
        told = {"model": item["model"], "bus": {name: item[name] for name in item if name in _BUSES}}
        gives = []
        told.update(made=0, good=0, errors=(), properties=gives)
        if driver is not None:
            told["made"] = 1
            from .sensors import catalog

            gives.extend([ident for ident in catalog.load(item["model"]).PROPERTIES if ident in row])
            told["good"] = driver.counters.good
            told["errors"] = driver.counters.errors()
        if judged:
            more = driver is not None and dict(driver.counters.errors()) != before[index]
            sound = [row[ident][0] is not None and row[ident][1] & 7 < _SOUND for ident in gives]
            told["ok"] = int(bool(fresh and sound and all(sound) and not more))
        sensors.append(told)
    base_s = None if instant_s is None else app.clock.base(instant_s * 1000)
    return {
        "at_s": instant_s,
        "utc_s": base_s[1] if base_s and base_s[0] else None,
        "fresh": int(fresh is not None),
        "readings": {str(ident): row[ident] for ident in row},
        "sensors": sensors,
    }

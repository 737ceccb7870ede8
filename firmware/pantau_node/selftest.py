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


async def _fresh(app):
    """Return [instant, row] of a record made now or due in a moment, or []."""
    sampler, clock = app.sampler, app.clock
    pace_ms = sampler.pace() * 1000
    if not app.sampling or app.node.outbox.crowded():
        return []
    emit, seen = sampler.emit, []

    def tap(*record):
        seen[:] = record[:2]
        emit(*record)

    sampler.emit = tap  # the next record is seen on its way to the core
    try:
        end = clock.uptime_ms() + pace_ms + 3 * _ROOM_MS
        while not seen and clock.uptime_ms() < end:
            now = clock.uptime_ms()
            instant_s = now // 1000
            room = sampler.next_s * 1000 - now
            # Regular records are at multiples of the pace; two of one second would be one instant.
            free = pace_ms > _OFTEN_S * 1000 and instant_s * 1000 % pace_ms
            if free and room >= min(_ROOM_MS, pace_ms * 2 // 3):
                row = await sampler.take(instant_s, room - _LOOK_MS)
                station = sampler.station
                alarm = getattr(station, "alarm", False)
                tap(instant_s, row, bool(alarm), sampler.pace(), bool(getattr(station, "urgent", alarm)))
                await asyncio.sleep((1000 - clock.uptime_ms() % 1000) / 1000)
            else:
                await asyncio.sleep(_LOOK_MS / 1000)
    finally:
        sampler.emit = emit
    return seen


def _last(batch):
    """Return the latest record of the open batch, as far as there is one."""
    row = {}
    if batch is not None and batch.count:
        for i, ident in enumerate(batch.columns):
            codes = batch.codes[i]
            row[ident] = batch.values[i][-1], codes[-1] if codes else 0
    return row


def _counts(drivers):
    return [dict(driver.counters.errors()) if driver else {} for driver in drivers]


async def sample(app, verb):
    """Return the answer to `read`, or to `selftest`, which judges."""
    node, drivers = app.node, app.facts.drivers
    before = _counts(drivers)
    seen = await _fresh(app)
    row = seen[1] if seen else _last(node.outbox.batch)
    sensors = []
    for index, item in enumerate(node.config.sensors):
        driver = drivers[index] if index < len(drivers) else None
        gives, good, errors = [], 0, ()
        if driver is not None:
            from .sensors import catalog

            gives = [ident for ident in catalog.load(item["model"]).PROPERTIES if ident in row]
            good, errors = driver.counters.good, driver.counters.errors()
        bus = {name: item[name] for name in item if name in _BUSES}
        names = ("model", "bus", "made", "good", "errors", "properties", "ok")
        told = dict(zip(names, (item["model"], bus, int(driver is not None), good, errors, gives)))
        if verb == "selftest":
            sound = [row[ident][0] is not None and row[ident][1] & 7 < _SOUND for ident in gives]
            told["ok"] = int(bool(seen and sound and all(sound) and dict(errors) == before[index]))
        sensors.append(told)
    base = app.clock.base(seen[0] * 1000) if seen else (0, 0)
    values = (seen[0] if seen else None, base[1] if base[0] else None, int(bool(seen)))
    values += ({str(ident): row[ident] for ident in row}, sensors)
    return dict(zip(("at_s", "utc_s", "fresh", "readings", "sensors"), values))

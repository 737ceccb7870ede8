"""The sampling grid: a record at every uptime k * interval_s, whatever happens."""

import asyncio

from micropython import const

from pantau_wire import _tables as T
from pantau_wire.frame import quality

from . import log

_GRACE_MS = const(60000)  # a start later than this (soft reset, late app) begins with the next instant
_SAMPLE_MS = const(20000)  # no supported sensor needs longer
_LOOK_MS = const(10000)  # how late it is noticed that a station wants a shorter interval


class Sampler:
    """Asks the station at each instant and hands the record on.

    station: PROPERTIES and sample(deadline_ms), perhaps judge(instant_s, row), alarm, urgent and pace_s(), which brings
    the next instant nearer; LOOK_MS: how often it is to be asked for that between two records; emit: emit(instant_s, row, alarm, interval_s, urgent). An instant that was slept through or that failed gives a
    record too, with every reading missing and the reason. start_s: the first instant, where it is known from before (a wake
    from deep sleep).
    """

    def __init__(self, clock, station, interval_s, run_s, emit, start_s=0):
        self._clock = clock
        self.station = station
        self.interval_s = interval_s
        self._run_s = run_s
        self.emit = emit
        now = clock.uptime_ms()
        self.next_s = start_s or (1 if now < _GRACE_MS else now // (interval_s * 1000) + 1) * interval_s
        self._told = None
        self.failed = 0
        self.late = 0
        self.beat_ms = now  # uptime of the last sign of life, or of the next while it sleeps: for the watchdog

    async def run(self):
        """Sample until run_s (0: for ever)."""
        while not self._run_s or self.next_s <= self._run_s:
            await self.step()

    async def step(self):
        """Wait for the next instant and record it."""
        while True:
            now = self._clock.uptime_ms()
            pace = self.pace()
            self.next_s = min(self.next_s, (now // (pace * 1000) + 1) * pace)
            wait_ms = self.next_s * 1000 - now
            if wait_ms <= 0:
                break
            wait_ms = min(wait_ms, getattr(self.station, "LOOK_MS", _LOOK_MS))
            self.beat_ms = now + wait_ms
            await asyncio.sleep(wait_ms / 1000)
        instant_s = self.next_s
        late_ms = -wait_ms
        before = pace
        alarm = urgent = False
        if late_ms >= pace * 1000:
            self.late += 1
            row = self._missing(T.R_NO_SAMPLE)
        else:
            row = await self.take(instant_s, min(pace * 900 - late_ms, _SAMPLE_MS))
            alarm = getattr(self.station, "alarm", False)
            urgent = getattr(self.station, "urgent", alarm)
            if late_ms >= 1000:
                row[T.TIME_OFFSET] = (late_ms // 1000, 0)
            pace = self.pace()
        # What an event asks for begins now: nobody asked for the instants that a late record has passed.
        since_s = instant_s if pace >= before else max(instant_s, self._clock.uptime_ms() // 1000)
        self.next_s = (since_s // pace + 1) * pace
        self.emit(instant_s, row, bool(alarm), pace, bool(urgent))
        self.beat_ms = self._clock.uptime_ms()

    def pace(self):
        """Return the interval in force, s: a station may want a shorter one in an event."""
        wanted = self.station.pace_s() if hasattr(self.station, "pace_s") else 0
        return min(wanted or self.interval_s, self.interval_s)

    async def take(self, instant_s, budget_ms):
        station = self.station
        try:
            got = await station.sample(max(budget_ms, 50))
            row = {ident: got.get(ident, (None, quality(T.R_NO_SAMPLE))) for ident in station.PROPERTIES}
            if hasattr(station, "judge"):
                station.judge(instant_s, row)
        except Exception as error:  # noqa: BLE001  the station promises not to; a defect must not stop the record
            self.failed += 1
            if self._told != repr(error):
                self._told = repr(error)
                log("error", "sampler", "the station failed: " + self._told)
            return self._missing(T.R_NO_SAMPLE)
        return row

    def _missing(self, reason):
        code = quality(reason)
        return dict.fromkeys(self.station.PROPERTIES, (None, code))

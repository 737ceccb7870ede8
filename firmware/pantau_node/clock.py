"""The node's clock: uptime that does not wrap, UTC as an offset to it, and how far that may be believed.

No I/O and no epoch of a port: ticks come in as a function, time in Unix milliseconds through set_utc().
"""

from micropython import const

UNSET = const(0)
CARRIED = const(1)  # the RTC kept running over a reset: right when it was set, drifting since
COARSE = const(2)  # more than a second off is possible
SYNCED = const(3)

# Who said so, the less reliable first. What a better one said no other moves out of its error for 7 days.
RTC = const(1)  # carried over a reset
SNTP = const(2)  # anybody on the way may have written it
TECHNICIAN = const(3)
BRIDGE = const(4)  # signed, and the answer to our own question

_WRAP = const(0x3FFFFFFF)  # ticks_ms of the ESP32 wraps at 2**30; a longer tick is masked to the same
LATEST_S = const(4102444800)  # 2100-01-01: later than any node lives
_SLEW_RATE = const(200)  # 1 ms of correction in 200 ms: 500 ms take 100 s
_DRIFT = const(10000)  # 100 ppm: crystals of 10 to 20 ppm, ageing and the heat of a closed box
_SYNCED_MS = const(1000)


class Clock:
    """Uptime in ms and its mapping to UTC.

    ticks: function that returns wrapping milliseconds; it must be asked at least every 12 days. start_ms: uptime at
    this moment where it continues from before (None: the ticks count from power-on). `epoch` grows when the mapping
    appears or jumps: what was stamped under another epoch does not compare. `source`: the best one that vouches for the
    time; `floor_s`: what is not authenticated may say nothing earlier.
    """

    def __init__(self, ticks, floor_s, start_ms=None):
        self._ticks = ticks
        self._last = ticks() & _WRAP
        self._uptime = self._last if start_ms is None else start_ms
        self.earliest_ms = floor_s * 1000
        self.floor_s = floor_s
        self.offset = 0
        self.slew = 0  # what is still to be added to the offset, ms
        self.slewed_at = 0
        self.mine = (0, 0)  # (error in ms, uptime when it was that) of the offset
        self.sure = (0, 0, 0)  # (offset, error, uptime) as `source` last said
        self.quality = UNSET
        self.source = 0
        self.epoch = 0
        self.steps = 0
        self.slews = 0
        self.refused = 0
        self.last_change_ms = 0  # size of the last step or slew

    def uptime_ms(self):
        """Return milliseconds since the start of this boot."""
        now = self._ticks() & _WRAP
        self._uptime += (now - self._last) & _WRAP
        self._last = now
        return self._uptime

    def utc_ms(self, at_ms=None):
        """Return Unix milliseconds now, or at the given uptime near now; None while the clock is unset."""
        if self.quality == UNSET:
            return None
        now = self.uptime_ms()
        self.settle(now)
        if self.quality == SYNCED and self.error_ms(now) > _SYNCED_MS:
            self.quality = COARSE  # nobody has confirmed it for hours
        return self.offset + (now if at_ms is None else at_ms)

    def error_ms(self, now):
        """Return by how much the time may be wrong at the uptime `now`, ms: as it was set, the drift since, a slew to come."""
        return grown(now, *self.mine) + abs(self.slew)

    def base(self, at_ms):
        """Return (clock quality, base_s) of an uptime instant: Unix seconds once the clock is set, else uptime."""
        utc = self.utc_ms(at_ms)
        return (UNSET, at_ms // 1000) if utc is None else (self.quality, (utc + 500) // 1000)

    def set_utc(self, utc_ms, error_ms, quality, source):
        """Take a time that is right within error_ms; return "refused", "kept", "slewed" or "stepped".

        Refused: outside of what a node can live to see, or in contradiction to a better source for as long as that is
        trusted. Kept: no better than what is known, or a difference that the error explains.
        """
        from . import clockset  # now and then

        return clockset.set_utc(self, utc_ms, error_ms, quality, source)

    def settle(self, now):
        """Move the offset by what the slew allows since it was last asked."""
        if not self.slew:
            return
        part = (now - self.slewed_at) // _SLEW_RATE
        if not part:
            return
        part = min(part, abs(self.slew))
        self.slewed_at += part * _SLEW_RATE
        step = part if self.slew > 0 else -part
        self.offset += step
        self.slew -= step


def grown(now, error, at):
    """Return an error of the uptime `at` with the drift until now."""
    return error + (now - at) // _DRIFT

"""The time over resets: the chip's RTC, how it was set, and a floor that not even a power cut lowers.

The RTC keeps counting over a reset and in deep sleep, by an RC oscillator: a reset moves it by that oscillator's error
over the whole time that the chip was up before (ESP-IDF derives the time from it anew), a sleep by its error meanwhile.
A mark in RTC memory says what the RTC holds. I/O-free but for the board and the keep that it is given.
"""

import struct

from micropython import const

from . import BUILT_S
from . import clock as clocks

KEY = const(1)  # section of the keep
MARK = "<BQIQ"  # source or 0 for "only a floor", Unix ms of the RTC, its error in ms, uptime then
_ROUND_MS = const(500)  # the RTC is read and set in seconds
# More than this is no time: records of a boot without one are dated exactly later on, those with a wrong one never.
WORST_MS = const(600000)
_DAY_S = const(86400)
_LIFE_S = const(
    315360000
)  # 10 years: a bridge with a mad clock must not lift RTC and floor out of every certificate's life


class Timekeeper:
    """clock: Clock; board: rtc_read(), rtc_write(unix_s), reset_cause(); keep: Keep; floor: Monotonic of Unix seconds."""

    def __init__(self, clock, board, keep, floor):
        self.clock = clock
        self.board = board
        self.keep = keep
        self.floor = floor

    def restore(self, made_s):
        """Take what the RTC knows at boot; made_s: when the identity was made. Leaves the RTC at a possible time."""
        from .timestart import restore

        restore(self, made_s)

    def save(self):
        """Set the RTC and say so; call it when the clock was set, and every hour, also while it is not."""
        clock = self.clock
        now = clock.uptime_ms()
        utc = clock.utc_ms(now)
        if utc is None:
            rtc_s = self.board.rtc_read()
            if rtc_s is not None:
                self.mark(0, rtc_s * 1000, 0, 0)
        elif clock.quality > clocks.CARRIED and clock.error_ms(now) <= WORST_MS:
            # What was carried over keeps the mark of when it was known, a technician's time stays as he left it.
            unix_s = (utc + 500) // 1000
            if unix_s >= BUILT_S + _LIFE_S:
                return  # or TLS would find every certificate expired, and nobody could set it right
            self.board.rtc_write(unix_s)
            self.mark(clock.source, unix_s * 1000, clock.error_ms(now) + _ROUND_MS, now)
            if clock.source == clocks.BRIDGE and self.floor.value + _DAY_S <= unix_s:
                self._advance(unix_s)

    def _advance(self, unix_s):
        try:
            self.floor.advance(unix_s)
        except (OSError, MemoryError):
            pass  # not now: the old floor holds

    def mark(self, *fields):
        """Write down what the RTC holds now: the fields of MARK."""
        self.keep.put(KEY, struct.pack(MARK, *fields))

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
_MARK = "<BQIQ"  # source or 0 for "only a floor", Unix ms of the RTC, its error in ms, uptime then
_DEEPSLEEP = const(4)  # machine.reset_cause()
_ASLEEP = const(33)  # 1/33 = 3 %: 2.6 % was needed elsewhere, a minute in an hour seen (facts/firmware.md 4.6)
_AWAKE = const(100)  # 1 %: calibrated against the crystal at boot, what the weather adds
_ROUND_MS = const(500)  # the RTC is read and set in seconds
# More than this is no time: records of a boot without one are dated exactly later on, those with a wrong one never.
_WORST_MS = const(600000)
# mpremote rtc --set writes the computer's local time: up to 14 h from UTC. SNTP within that is believed at once.
_LOCAL_MS = const(50400000)
_GAP_S = const(90000)  # 25 h: longer than any sleep between two calls of save()
_DAY_S = const(86400)
_LIFE_S = const(315360000)  # 10 years: a bridge with a mad clock must not lift the floor out of every certificate's life


class Timekeeper:
    """clock: Clock; board: rtc_read(), rtc_write(unix_s), reset_cause(); keep: Keep; floor: Monotonic of Unix seconds."""

    def __init__(self, clock, board, keep, floor):
        self._clock = clock
        self._board = board
        self._keep = keep
        self._floor = floor

    def restore(self, made_s):
        """Take what the RTC knows at boot; made_s: when the identity was made. Leaves the RTC at a possible time.

        TLS looks at the RTC, and an ESP32 wakes in the year 2000, before every certificate; the clock stays unset then.
        """
        clock, board = self._clock, self._board
        floor_s = clock.floor_s = max(BUILT_S, made_s, self._floor.value)
        rtc_s = board.rtc_read()
        if rtc_s is None or rtc_s < floor_s:
            board.rtc_write(floor_s)
            self._mark(0, floor_s * 1000, 0, 0)
            return
        rtc_ms = rtc_s * 1000 + _ROUND_MS
        mark = self._keep.get(KEY)
        if mark is None or len(mark) != struct.calcsize(_MARK):
            source, was_ms, error, uptime = 0, 0, 0, 0
        else:
            source, was_ms, error, uptime = struct.unpack(_MARK, mark)
        gone_ms = rtc_ms - was_ms
        if gone_ms < -_ROUND_MS or (not source and gone_ms > _GAP_S * 1000):
            # Not what we left there: somebody set it by hand.
            clock.set_utc(rtc_ms, _LOCAL_MS, clocks.COARSE, clocks.TECHNICIAN)
        elif source:
            per = _ASLEEP if board.reset_cause() == _DEEPSLEEP else _AWAKE
            error += _ROUND_MS + (uptime + max(0, gone_ms)) // per
            if error <= _WORST_MS:
                clock.set_utc(rtc_ms, error, clocks.CARRIED, clocks.RTC)

    def save(self):
        """Set the RTC and say so; call it when the clock was set, and every hour, also while it is not."""
        clock = self._clock
        now = clock.uptime_ms()
        utc = clock.utc_ms(now)
        if utc is None:
            rtc_s = self._board.rtc_read()
            if rtc_s is not None:
                self._mark(0, rtc_s * 1000, 0, 0)
        elif clock.quality > clocks.CARRIED and clock.error_ms(now) <= _WORST_MS:
            # What was carried over keeps the mark of when it was known, a technician's time stays as he left it.
            unix_s = (utc + 500) // 1000
            self._board.rtc_write(unix_s)
            self._mark(clock.source, unix_s * 1000, clock.error_ms(now) + _ROUND_MS, now)
            if clock.source == clocks.BRIDGE and self._floor.value + _DAY_S <= unix_s < BUILT_S + _LIFE_S:
                self._advance(unix_s)

    def _advance(self, unix_s):
        try:
            self._floor.advance(unix_s)
        except OSError:
            pass  # the flash refuses: the old floor holds

    def _mark(self, *fields):
        self._keep.put(KEY, struct.pack(_MARK, *fields))

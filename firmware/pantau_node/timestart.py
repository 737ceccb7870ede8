"""What the clock takes from the RTC at the start; needed once. See timekeeper.py."""

import struct

from micropython import const

from . import BUILT_S
from . import clock as clocks
from .timekeeper import KEY, MARK, WORST_MS

_DEEPSLEEP = const(4)  # machine.reset_cause()
_ASLEEP = const(33)  # 1/33 = 3 %: 2.6 % was needed elsewhere, a minute in an hour seen (facts/firmware.md 4.6)
_AWAKE = const(100)  # 1 %: calibrated against the crystal at boot, what the weather adds
_ROUND_MS = const(500)  # the RTC is read and set in seconds
_BY_HAND_MS = const(2000)  # a computer's clock, and the way through its USB port
# More than passes between two calls of save(): hourly awake, a day asleep. A floor is no time: there the greater one rules.
_AWAKE_MS = const(7200000)
_DAY_MS = const(90000000)


def restore(keeper, made_s):
    """Give the clock of a Timekeeper what the RTC knows; made_s: when the identity was made.

    TLS looks at the RTC, and an ESP32 wakes in the year 2000, before every certificate; the clock stays unset then.
    """
    clock, board = keeper.clock, keeper.board
    floor_s = clock.floor_s = max(BUILT_S, made_s, keeper.floor.value)
    rtc_s = board.rtc_read()
    if rtc_s is None or not floor_s <= rtc_s < clocks.LATEST_S:
        board.rtc_write(floor_s)
        keeper.mark(0, floor_s * 1000, 0, 0)
        return
    rtc_ms = rtc_s * 1000 + _ROUND_MS
    mark = keeper.keep.get(KEY)
    if mark is None or len(mark) != struct.calcsize(MARK):
        source, was_ms, error, uptime = 0, 0, 0, 0
    else:
        source, was_ms, error, uptime = struct.unpack(MARK, mark)
    gone_ms = rtc_ms - was_ms
    slept = board.reset_cause() == _DEEPSLEEP
    if gone_ms < -_ROUND_MS or gone_ms > (_AWAKE_MS if source and not slept else _DAY_MS):
        # Somebody set it by hand, and `mpremote rtc --set` writes local time. It may serve TLS; records that are dated
        # by a wrong time are never dated right, those without one are.
        keeper.mark(0, rtc_s * 1000, 0, 0)
    elif source:
        per = _ASLEEP if slept else _AWAKE
        error += _ROUND_MS + (uptime + max(0, gone_ms)) // per
        if error <= WORST_MS and source == clocks.TECHNICIAN:
            clock.set_utc(rtc_ms, error, clocks.COARSE, source)
        elif error <= WORST_MS:
            clock.set_utc(rtc_ms, error, clocks.CARRIED, clocks.RTC)


def by_hand(board, keep, unix_s):
    """A technician says what time it is, in UTC; the next start believes it. See docs/install-by-hand.md."""
    board.rtc_write(unix_s)
    keep.put(KEY, struct.pack(MARK, clocks.TECHNICIAN, unix_s * 1000, _BY_HAND_MS, 0))

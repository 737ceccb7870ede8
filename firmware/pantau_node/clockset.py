"""Setting the clock: whom to believe, and whether to step or to slew. Loaded when somebody tells the time; see clock.py."""

from micropython import const

from .clock import BRIDGE, LATEST_S, UNSET, grown

_SLEW_MS = const(500)  # smaller corrections are slewed, so that records keep their order
_SLACK_MS = const(50)  # scheduling jitter of the node itself
_TRUST_MS = const(604800000)  # 7 days: the drift is a minute by then, and a technician's slip must not last for ever


def set_utc(clock, utc_ms, error_ms, quality, source):
    """See Clock.set_utc."""
    now = clock.uptime_ms()
    clock.settle(now)
    offset = utc_ms - now
    earliest_ms = clock.earliest_ms if source == BRIDGE else clock.floor_s * 1000
    if not earliest_ms <= utc_ms < LATEST_S * 1000 or _contradicts(clock, now, offset, error_ms, source):
        clock.refused += 1
        return "refused"
    change = offset - clock.offset - clock.slew  # against where a slew under way will lead
    size = abs(change)
    known = grown(now, *clock.mine)
    if clock.quality != UNSET and error_ms >= known and size <= error_ms + known:
        clock.quality = max(clock.quality, quality)  # confirmed, if not improved
        return "kept"
    mine = (error_ms, now)
    if clock.quality == UNSET or size > _SLEW_MS:
        clock.last_change_ms = offset - clock.offset if clock.quality else 0
        clock.offset = offset
        clock.slew = 0
        clock.epoch += 1
        clock.steps += 1
        did = "stepped"
    elif size > error_ms + _SLACK_MS:
        if not clock.slew:
            clock.slewed_at = now
        clock.slew += change
        clock.last_change_ms = change
        clock.slews += 1
        did = "slewed"
    else:
        mine = (min(error_ms + size, known) if clock.quality else error_ms, now)  # not worth moving for
        did = "kept"
    clock.quality = quality
    clock.mine = mine
    return did


def _contradicts(clock, now, offset, error_ms, source):
    """Whether a better source denies it; else remember what this one vouches for, if it is as good or nobody is."""
    was, error, at = clock.sure
    known = grown(now, error, at)
    apart = abs(offset - was) > error_ms + known
    if source < clock.source and now - at < _TRUST_MS:
        return apart
    if source != clock.source or apart or error_ms <= known or now - at >= _TRUST_MS:
        clock.source = source
        clock.sure = (offset, error_ms, now)
    return False

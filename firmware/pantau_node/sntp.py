"""Time from an SNTP server (RFC 4330, RFC 5905): what to ask, and whether an answer can be believed. No I/O.

Nobody signs it. So the random cookie must come back, everything that can be checked is, three samples have to agree,
and the clock takes it for no more than it is: it never moves what the bridge has said in this boot (clock.py).
"""

import struct

from micropython import const

from . import EARLIEST_S

PORT = const(123)
SAMPLES = const(3)
REPLY_MS = const(2000)  # a longer round trip says too little
_EPOCH = const(2208988800)  # 1900 to 1970, s
_ERA = const(4294967296)  # the seconds of NTP wrap in 2036
_MOST = const(65536)  # 1 s in 16.16: a server that says of itself that it is worse is no help

KISS = "the server refuses us"


def request(cookie):
    """Return the question: version 4, client, and 8 random bytes where the time of sending would be."""
    return b"\x23" + bytes(39) + cookie


def judge(data, cookie, trip_ms):
    """Return (why not or None, Unix ms at the arrival, error in ms) for any bytes; trip_ms: since the question left."""
    if len(data) < 48:
        return "too short", 0, 0
    if data[24:32] != cookie:
        return "no answer to our question", 0, 0
    head, stratum = data[0], data[1]
    if head & 7 != 4 or head >> 3 & 7 not in (3, 4):
        return "not from a server", 0, 0
    if not stratum:
        return KISS, 0, 0  # a "kiss of death": DENY, RSTR, RATE
    delay, spread = struct.unpack_from(">II", data, 4)
    got_s, got_f, sent_s, sent_f = struct.unpack_from(">IIII", data, 32)
    if head >> 6 == 3 or stratum > 15 or delay > _MOST or spread > _MOST or not got_s or not sent_s:
        return "the server has no time itself", 0, 0
    held_ms = _unix_ms(sent_s, sent_f) - _unix_ms(got_s, got_f)
    if not 0 <= held_ms <= trip_ms + 1 or trip_ms > REPLY_MS:
        return "its times do not fit the round trip", 0, 0
    way_ms = max(0, trip_ms - held_ms)
    return None, _unix_ms(sent_s, sent_f) + way_ms // 2, way_ms // 2 + (delay // 2 + spread) * 1000 // _MOST + 2


def choose(samples):
    """Return (offset, error) of the sample with the least error, or None: too few, or they do not agree.

    samples: (offset, error) in ms, offset being UTC less uptime.
    """
    best = None
    for offset, error in samples:
        if best is None or error < best[1]:
            best = (offset, error)
        for other, its in samples:
            if abs(offset - other) > error + its:
                return None
    return best if len(samples) > 1 else None


def _unix_ms(seconds, fraction):
    unix_s = seconds - _EPOCH
    return (unix_s if unix_s >= EARLIEST_S else unix_s + _ERA) * 1000 + (fraction * 1000 >> 32)

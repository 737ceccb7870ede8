"""Ultrasonic distance, the FF H L SUM family: DFRobot A02YYUW and A01NYUB, JSN-SR04T and AJ-SR04M in serial modes.

Packet: FF, distance in mm big-endian, SUM = low byte of the three. FF is also a legal SUM, 0 and 65535 mm mean no echo.

Range: 30..4500 mm
Power: 5 V, < 8 mA (unverified)
Source: DFRobot SEN0311 wiki; ESPHome a02yyuw, a01nyub; JSN-SR04T V3 sheet
"""

from micropython import const

from pantau_wire import _flood as P
from pantau_wire import _tables as T

from . import base

MODEL = "a02yyuw"
BUS = "uart"
BAUD = 9600
RXBUF = const(256)  # 2 s of 100 ms packets, the longest that a read without fresh ones looks back, and as much again
_PIECE = const(
    128
)  # bytes parsed at a time: a full buffer of small packets at once is more heap than a node has to spare
PROPERTIES = (P.WATER_DISTANCE, P.WATER_DISTANCE_SPREAD, P.WATER_DISTANCE_N)
WARM_UP_MS = 1000
PERIOD_MS = 300  # RX open: processed output; RX low or JSN: 100

# model: (least mm, greatest mm)
LIMITS = {"a02yyuw": (30, 4500), "a01nyub": (280, 7500), "jsn_sr04t": (200, 6000), "aj_sr04m": (200, 6000)}
READ = b"\x55"  # asks a JSN-SR04T in mode 3 for one packet
READS = const(7)  # of a full set; 4 must be valid (FloodNet's sampling, facts of the field)
_DISCARD = const(3)  # packets after power-up
_MAX_MAD_MM = const(15)
_GUARD_MS = const(20)  # a packet on the wire takes 4 ms; also keeps the last sleep inside the deadline


def _length(_head):
    return 4


def _verify(packet):
    return "" if (packet[0] + packet[1] + packet[2]) & 0xFF == packet[3] else "checksum"


class Parser:
    """Bytes to distances in mm, as the packets carry them: range is judged by classify."""

    def __init__(self):
        self.counters = base.Counters()
        self.framer = base.Framer((b"\xff",), 4, _length, _verify, self.counters, 4)

    def feed(self, data):
        values = []
        for packet in self.framer.feed(data):
            values.append(packet[1] << 8 | packet[2])
        return values


def classify(mm, model=MODEL):
    """Return the reason id of one distance."""
    low, high = LIMITS[model]
    if mm in (0, 0xFFFF, high):
        return T.R_NO_ECHO  # a lost echo often reads as the greatest distance
    return T.R_OK if low <= mm < high else T.R_OUT_OF_RANGE


def enough(want):
    """Return how many of `want` reads must be valid: 4 of 7, in the same ratio below (2 of 3, 1 of 1)."""
    return (4 * want + 6) // 7


def summarise(mms, want=READS, model=MODEL, judge=classify):
    """Return (median mm or None, MAD mm or None, n valid, reason id) of the packets of one instant."""
    valid = []
    seen = []
    for mm in mms:
        reason = judge(mm, model)
        if reason == T.R_OK:
            valid.append(mm)
        elif reason == T.R_OUT_OF_RANGE:
            seen.append(mm)
    if valid:
        middle = base.median(valid)
        mad = base.median([abs(mm - middle) for mm in valid])
        bad = mad > _MAX_MAD_MM or len(valid) < enough(want)
        return middle, mad, len(valid), T.R_SPREAD if bad else T.R_OK
    if seen:
        return base.median(seen), None, 0, T.R_OUT_OF_RANGE
    return None, None, 0, T.R_NO_ECHO


class Driver:
    """Median of 7. period_ms: 300, or 100 with RX low; trigger: the sensor sends when asked (JSN mode 3).

    When 7 packets fit the deadline they are fresh ones; in a shorter one (the demo samples every second) the packets
    that came since the last read are taken, and as many of the set are wanted as the deadline has periods.
    sound_mm_s: the speed of sound that the module assumes; 0: it measures its own temperature and corrects itself.
    maxbotix.py samples the same way, with a parser and a judgement of its own.
    """

    def __init__(self, bus, model=MODEL, period_ms=PERIOD_MS, trigger=False, stuck_s=21600, sound_m_s=None):
        if sound_m_s is None:
            sound_m_s = 340 if "sr04" in model else 0  # they report echo time * 340 / 2
        self.sound_mm_s = sound_m_s * 1000
        self._bus = bus
        self._model = model
        self._period = period_ms
        self._trigger = trigger
        self._discard = self._fresh = _DISCARD
        self._heard = False
        self._stuck = base.Stuck(stuck_s)
        self._parser = Parser()
        self._judge = classify
        self.counters = self._parser.counters

    async def read(self, deadline_ms):
        count = self.counters.count
        framer = self._parser.framer
        discard, refused, good = self._discard, framer.refused, self.counters.good
        want = max(1, min(READS, deadline_ms // self._period))
        values = await self._collect(want, deadline_ms)
        left = self._discard
        for mm in values:
            count(self._judge(mm, self._model))
        value, mad, n, reason = summarise(values, want, self._model, self._judge)
        if not values:
            bad = framer.refused > refused
            self._discard = max(self._discard, self._fresh)  # it may have been without power
            if bad and framer.cause == "inverted":
                reason = T.R_DEVICE_FAULT  # counted by the parser
            elif bad and self.counters.good == good:
                reason = T.R_CHECKSUM  # counted by the framer
            elif left < discard:
                reason = count(T.R_WARMING)
            else:
                reason = count(T.R_TIMEOUT if self._heard else T.R_ABSENT)
        elif value is not None and self._stuck.check(value if mad == 0 else -1) and not mad and reason == T.R_OK:
            reason = count(T.R_STUCK)
        return [
            (P.WATER_DISTANCE, value, reason),
            (P.WATER_DISTANCE_SPREAD, mad, T.R_OK if mad is not None else reason),
            (P.WATER_DISTANCE_N, n, T.R_OK),
        ]

    async def _collect(self, want, deadline_ms):
        start = base.now()
        limit = min(deadline_ms - _GUARD_MS, 3 * READS * self._period)  # three times as long as a healthy sensor needs
        values = []
        if want < READS:
            values = self._pull()
        else:
            # What came before is up to a minute old, and finding its 96 packets would cost 40 KB of garbage.
            stale = len(self._bus.read() or b"")
            if stale:
                self._discard = max(0, self._discard - stale // 4)
                self._parser.framer.cut()
        while len(values) < want:
            missing = 1 if self._trigger else want - len(values)
            left = limit - base.since(start, base.now())
            if left <= 0:
                break
            if self._trigger:
                self._bus.write(READ)
            await base.sleep_ms(min(missing * self._period + _GUARD_MS, left))
            values += self._pull()
        return values[-READS:]

    def _pull(self):
        data = self._bus.read() or b""
        values = []
        for at in range(0, len(data), _PIECE):
            found = self._parser.feed(data[at : at + _PIECE])
            if found:
                self._heard = True
                drop = min(self._discard, len(found))
                self._discard -= drop
                values = (values + found[drop:])[-READS:]
        if len(data) > RXBUF - 4:
            self._parser.framer.cut()  # full: what came then is lost, and the next byte is from the middle of a packet
        return values

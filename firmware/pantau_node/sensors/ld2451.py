"""HLK-LD2451, 24 GHz vehicle radar: targets with angle, distance, direction, speed; vehicles are counted as tracks.

Report: F4 F3 F2 F1 | length LE16 | count, alarm, count x (angle + 0x80, distance m, direction, speed km/h, SNR) | F8 F7 F6 F5.
No checksum: the tail and length = 2 + 5 * count stand in. Direction 1 is approaching: the manual's table and field logs
say so, its worked example the opposite. Some units say nothing on an empty road, so silence alone is no failure; some come
set to 256000 baud, so a unit that was never heard is looked for at both rates.

Range: 0..120 km/h, to 100 m, 5 targets
Power: 5 V, 107 mA mean, > 300 mA supply
Source: HLK-LD2451 serial protocol V1.03, user manual V1.00
"""

from micropython import const

from pantau_wire import _tables as T
from pantau_wire import _traffic as P

from . import base
from .tracks import Tracker

BUS = "uart"
BAUD = 115200
RXBUF = 2048  # 5 s of full reports
PROPERTIES = (
    P.VEHICLE_COUNT_APPROACHING,
    P.VEHICLE_COUNT_RECEDING,
    P.VEHICLE_SPEED_MEAN,
    P.VEHICLE_SPEED_85,
    P.OCCUPANCY,
) + tuple(range(P.VEHICLE_SPEED_BIN_1, P.VEHICLE_SPEED_BIN_1 + 8))
WARM_UP_MS = const(3000)
PERIOD_MS = const(100)
COUNTS = True  # what comes while the chip sleeps is lost

REPORT, REPORT_END = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
COMMAND, COMMAND_END = b"\xfd\xfc\xfb\xfa", b"\x04\x03\x02\x01"
_MAX_TARGETS = const(5)
_LONGEST = const(2 + 2 + 5 * 5)  # body of a report
_MAX_REPLY = const(32)  # longest documented body is 12
_FIRMWARE_ACK = const(0x01A0)  # printed with length 0B for 12 bytes: both forms are accepted
_QUIET_MS = const(120000)  # of a unit that is silent when the road is empty: then ask whether it lives
_QUIET_TALKER_MS = const(3000)  # of a unit that has sent empty reports before
_CATCH_UP_MS = const(5000)  # a receive buffer of full reports
_SWAPPED_MS = const(300000)  # of silence, questions unanswered: a spare may speak at the other rate
_ANSWER_MS = const(10000)  # of silence after that: it is gone; also the pace of asking
_FAST = const(256000)
_ASKS = const(4)  # at one baud rate, then at the other: some 10 s


def _length(head):
    size = head[4] | head[5] << 8
    if head[:4] == REPORT:
        return 10 + size if size <= 2 + 5 * _MAX_TARGETS else 0
    if size == 0x0B and head[6] | head[7] << 8 == _FIRMWARE_ACK:
        size = 0x0C
    return 10 + size if 2 <= size <= _MAX_REPLY else 0


def _verify(packet):
    report = packet[:4] == REPORT
    if packet[-4:] != (REPORT_END if report else COMMAND_END):
        return "tail"
    if report and len(packet) > 10 and len(packet) - 10 != 2 + 5 * packet[6]:
        return "count"
    return ""


def command(code, value=b"", length=None):
    """Return the bytes of command `code` (LE16 word); length overrides the true one, as the firmware reply does."""
    size = 2 + len(value) if length is None else length
    return COMMAND + bytes((size & 0xFF, size >> 8, code & 0xFF, code >> 8)) + value + COMMAND_END


class Parser:
    """Bytes to reports, as what stands between their header and tail; replies go to `replies`."""

    def __init__(self):
        self.counters = base.Counters()
        self.framer = base.Framer((REPORT, COMMAND), 8, _length, _verify, self.counters, 10 + _MAX_REPLY)
        self.replies = []  # (code, value, declared length) since the caller last emptied it, the last 4

    def feed(self, data):
        """Return the reports that `data` completes: length LE16, count, alarm, count x (angle + 0x80, distance m, direction, speed km/h, SNR).

        Nearly always they follow each other without a fault and are cut apart at once; all else is the framer's.
        """
        framer = self.framer
        row = framer.buf + data
        end = row.rfind(REPORT_END)
        if framer.gap or end < 4 or row[:4] != REPORT:
            return self._find(data)
        found = row[4:end].split(REPORT_END + REPORT)
        nothing = b"\x00\x00"
        for body in found:
            if body != nothing:
                size = len(body)
                if not 4 <= size <= _LONGEST or body[0] != size - 2 or body[1] or 5 * body[2] != size - 4:
                    return self._find(data)
        framer.buf = b""
        framer.pending = 0
        framer.synced = True
        self.counters.good += len(found)
        rest = row[end + 4 :]
        return found + self._find(rest) if rest else found

    def _find(self, data):
        found = []
        for packet in self.framer.feed(data):
            if packet[:4] == COMMAND:
                reply = packet[6] | packet[7] << 8, packet[8:-4], packet[4] | packet[5] << 8
                self.replies = self.replies[-3:] + [reply]
            else:
                found.append(packet[4:-4])
        return found


class Driver:
    """Counts, speeds and occupancy since the last read. approach: the direction byte of an approaching vehicle.

    collect() must be called often enough that the receive buffer does not overflow (every 2 s).
    """

    def __init__(self, bus, approach=1, zone_m=20):
        self._bus = bus
        self._parser = Parser()
        self._tracker = Tracker(approach, zone_m, base.now())
        self._heard = False
        self._last = base.Age()  # of the last good packet
        self._asked = base.Age()
        self._at = base.now()  # instant given to the latest report
        self._empty = 0  # empty reports in a row
        self._talker = False  # reports an empty road, too
        self._refused = 0
        self._asks = 0  # without an answer, of one that was never heard or may be another one by now
        self.counters = self._parser.counters

    async def collect(self):
        """Take in what the radar sent; ask it for its settings when it has been silent for long."""
        if self._pull():
            return
        quiet, asked = self._last.ms(), self._asked.ms()
        if quiet > self._patience() and asked > _ANSWER_MS // 4:
            self._asked.mark()
            if not self._heard or quiet > _SWAPPED_MS:
                if self._asks and self._asks % _ASKS == 0:
                    self._bus.init(baudrate=_FAST if self._asks // _ASKS & 1 else BAUD)
                    self._parser.framer.cut()
                self._asks += 1
            # Enable commands, get the detection parameters, end commands.
            for code, value in ((0x00FF, b"\x01\x00"), (0x0012, b""), (0x00FE, b"")):
                self._bus.write(command(code, value))
                await base.sleep_ms(100)  # it answers within 50 ms, and ignores what comes before the answer
            self._pull()

    def _patience(self):
        if not self._heard:
            return WARM_UP_MS // 2
        return _QUIET_TALKER_MS if self._talker else _QUIET_MS

    def _pull(self):
        """Take in what has come; return whether it was anything good."""
        data = self._bus.read()
        t = base.now()
        counters = self.counters
        good = counters.good
        reports = None
        if data:
            reports = self._parser.feed(data)
            self._parser.replies = []
        if reports:
            self._track(reports, t)
        else:
            self._tracker.expire(t)
        if counters.good == good:
            return False
        self._heard = True
        self._asks = 0
        self._last.mark()
        return True

    def _track(self, reports, t):
        """Give the reports that one read brought their instants.

        They go on from the last one at the radar's pace. A gap in the reports of a unit that is silent on an empty road
        may lie anywhere among them: it is caught up with gently, as a step in time would tear the tracks.
        """
        count = len(reports)
        span = base.since(self._at, t)
        if self._tracker.empty() or not 0 <= span <= _CATCH_UP_MS:
            span = count * PERIOD_MS
            self._at = t - span
        step = max(PERIOD_MS - 20, min(PERIOD_MS + 30, span // count))
        self._at = self._tracker.feed(self._at, step, reports)
        if not self._talker:
            for report in reports:
                self._empty = 0 if len(report) > 4 else self._empty + 1
                self._talker = self._talker or self._empty >= 20

    async def read(self, deadline_ms):
        self._pull()
        reason = self._state()
        taken = self._tracker.take(base.now())
        if reason != T.R_OK:
            return [(ident, None, reason) for ident in PROPERTIES]
        values = taken[:-1] + tuple(taken[-1])  # in the order of PROPERTIES
        return [(i, v, T.R_NO_SAMPLE if v is None else T.R_OK) for i, v in zip(PROPERTIES, values)]

    def _state(self):
        refused = self._parser.framer.refused
        only_bad = refused > self._refused
        self._refused = refused
        quiet, _ = self._last.ms(), self._asked.ms()  # both: an Age that nobody asks for days turns young again
        if self._heard and quiet <= self._patience() + _ANSWER_MS:
            return T.R_OK
        if only_bad:
            return T.R_CHECKSUM
        if self._heard:
            return self.counters.count(T.R_TIMEOUT)
        return self.counters.count(T.R_WARMING if quiet <= WARM_UP_MS else T.R_ABSENT)

"""Ultrasonic distance, MaxBotix HRXL-MaxSonar-WR: a line of text about six times a second.

Line: R, four digits of mm, CR; XL parts send three digits of cm. Stray FF bytes occur between them, a text at power-up.
No target: 5000 (5 m parts), 9999 (10 m parts). What is nearer than the least distance reads as it: 300, 10 m parts 500.
MB736x send RS-232 polarity (0 V..supply, idle low), which the UART turns; MB738x send TTL. device_fault instead of a
distance: the lines arrive as their complement, so the model of the configuration is the one of the other polarity.

Range: 300..4999 mm
Power: 3.3 V or 5 V, 3 mA (unverified)
Source: MaxBotix PD11500 by ESPHome hrxl_maxsonar_wr and EnviroDIY ModularSensors; FloodNet flood-sensor
"""

from micropython import const

from pantau_wire import _tables as T

from . import a02yyuw, base

MODEL = "mb7389"
BUS = "uart"
BAUD = 9600
RXBUF = a02yyuw.RXBUF  # 6 s
INVERTED = ("mb7369", "mb7368")
PROPERTIES = a02yyuw.PROPERTIES
WARM_UP_MS = 500
PERIOD_MS = 150  # 10 m parts: 181

# model: (least mm, greatest mm); the least also stands for everything nearer
LIMITS = {"mb7389": (300, 4999), "mb7369": (300, 4999), "mb7388": (500, 9998), "mb7368": (500, 9998)}
_DISCARD = const(1)  # lines after power-up


def _length(head):
    return 5 if head[4] in b"\r\xf2" else 6


class Parser:
    """Bytes to distances in mm, as the lines carry them: range is judged by classify.

    cm: also take the three digits of XL parts. An HRXL that lost a digit must not be taken for one of them.
    """

    def __init__(self, cm=True):
        self._cm = cm
        self.counters = base.Counters()
        # AD is the complement of R; C1 is what stands in its place in the public vector of an inverted line
        headers = (b"R", b"\xad", b"\xc1")
        self.framer = base.Framer(headers, 5, _length, self._verify, self.counters, 6)

    def _verify(self, line):
        flip = 0 if line[0] == 0x52 else 0xFF
        for byte in line[1:-1]:
            if not 0x30 <= byte ^ flip <= 0x39:
                return "digit"
        if line[-1] ^ flip != 0x0D:
            return "length" if 0x30 <= line[-1] ^ flip <= 0x39 else "tail"
        return "" if flip or len(line) == 6 or self._cm else "length"

    def feed(self, data):
        values = []
        for line in self.framer.feed(data.replace(b"\xff", b"")):
            if line[0] != 0x52:  # a whole line, and a fault of the installation
                self.framer.refused += 1
                self.framer.cause = "inverted"
                self.counters.good -= 1
                self.counters.fault += 1
            else:
                values.append(int(line[1:-1]) * (1 if len(line) == 6 else 10))
        return values


def classify(mm, model=MODEL):
    """Return the reason id of one distance; at the least one the water may be nearer, so it is out of range."""
    low, high = LIMITS[model]
    if mm == high + 1 or mm >= 9998:  # the end of 10 m parts: some say 9998 for no target
        return T.R_NO_ECHO
    return T.R_OK if low < mm <= high else T.R_OUT_OF_RANGE


class Driver(a02yyuw.Driver):
    """One line after power-up is not believed. The module knows its own temperature; sound_m_s says otherwise."""

    def __init__(self, bus, model=MODEL, period_ms=None, stuck_s=21600, sound_m_s=0):
        if period_ms is None:
            period_ms = PERIOD_MS if LIMITS[model][1] < 5000 else 181
        super().__init__(bus, model, period_ms, False, stuck_s, sound_m_s)
        self._parser = Parser(False)
        self._judge = classify
        self._discard = self._fresh = _DISCARD
        self.counters = self._parser.counters

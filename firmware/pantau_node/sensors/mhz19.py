"""Winsen MH-Z19B/C: carbon dioxide by infrared absorption, nine bytes when asked.

Ask: FF 01 86 00 00 00 00 00 79. Answer: FF 86 | ppm BE16 | temperature + 40 | status | 2 bytes | checksum; all after ppm is undocumented.
While it warms up it says 400, 410 or 500, as the model may be; nothing in the answer tells that for sure, so time decides.
Its automatic calibration takes the least of a day for 400 ppm, which no kerbside sees: it is switched off. The range is left as it is.

Range: 0..5000 ppm (range_ppm: 2000, 10000)
Power: 5 V, 60 mA, 150 mA peak (unverified)
Source: Winsen MH-Z19B manual 1.6; PyPMS docs and captures; warm-up value of the C: open-lv/air-guard
"""

from micropython import const

from pantau_wire import _air as P
from pantau_wire import _tables as T

from . import base
from .winsen import command, verify

BUS = "uart"
BAUD = 9600
RXBUF = 512
PROPERTIES = (P.CO2,)
WARM_UP_MS = 180000
PERIOD_MS = 5000  # its own averaging (unverified)

_READ = const(0x86)
_ABC = const(0x79)
_ANSWER_MS = const(300)  # 19 ms on the wire both ways; the rest is the module's own time
_STEP_MS = const(20)


def _length(_head):
    return 9


class Parser:
    """Bytes to rows: code of the command that is answered, and of a reading ppm, temperature in Cel, status."""

    def __init__(self):
        self.counters = base.Counters()
        self.framer = base.Framer((b"\xff",), 1, _length, verify, self.counters, 9)

    def feed(self, data):
        return [(p[1], p[2] << 8 | p[3], p[4] - 40, p[5]) for p in self.framer.feed(data)]


class Driver:
    """One answer per read. range_ppm: what the module is set to; abc: leave its automatic calibration on."""

    def __init__(self, bus, model="mhz19", range_ppm=5000, abc=False, warm_up_s=WARM_UP_MS // 1000, stuck_s=21600):
        self._bus = bus
        self._range = range_ppm
        self._abc = 0xA0 if abc else 0
        self._on = base.Age()
        self._warm_up_ms = warm_up_s * 1000
        self._heard = self._met = False
        self._missed = 0  # answers in a row
        self._stuck = base.Stuck(stuck_s)
        self.counters = base.Counters()

    async def read(self, deadline_ms):
        start = base.now()
        value = None
        reason = T.R_TIMEOUT
        for _ in range(2):  # a disturbed answer is asked for once more
            left = deadline_ms - base.since(start, base.now())
            if left < _ANSWER_MS:
                break
            row, noise = await self._ask(command(_READ))
            if row is None:
                reason = self._missing(noise)
            elif row[0] != _READ:
                reason = self.counters.count(T.R_DEVICE_FAULT)  # of nine bytes, and right, but no MH-Z19
            else:
                self.counters.framing += noise > 0
                value = row[1]
                reason = self._judge(value)
                break
        if value is not None and not self._met and deadline_ms - base.since(start, base.now()) >= _ANSWER_MS:
            self._met = True
            await self._ask(command(_ABC, self._abc))  # some firmware answers, some does not
        return [(P.CO2, value, reason)]

    async def _ask(self, order):
        """Return (the first whole answer or None, how many other bytes came)."""
        self._bus.read()  # what came unasked
        self._bus.write(order)
        parser = Parser()
        size = 0
        for _ in range(_ANSWER_MS // _STEP_MS):
            await base.sleep_ms(_STEP_MS)
            data = self._bus.read()
            if data:
                size += len(data)
                rows = parser.feed(data)
                if rows:
                    return rows[0], size - 9
        return None, size

    def _missing(self, noise):
        if noise:
            return self.counters.count(T.R_CHECKSUM)
        self._missed += 1
        return self.counters.count(T.R_TIMEOUT if self._heard else T.R_ABSENT)

    def _judge(self, ppm):
        if self._missed > 1:  # it may have been without power, or is another one
            self._on.mark()
            self._stuck.check(None)
            self._met = False
        self._missed = 0
        self._heard = True
        self.counters.good += 1
        stuck = self._stuck.check(ppm)
        if self._on.ms() < self._warm_up_ms:
            reason = T.R_WARMING
        elif not 0 < ppm < self._range:
            reason = T.R_OUT_OF_RANGE
        else:
            reason = T.R_STUCK if stuck else T.R_OK
        return self.counters.count(reason)

"""A clock in the hand and buses to go with it, for the dual tests of drivers and stations."""

from pantau_node.sensors import base

REAL = base.now, base.sleep_ms


def give_back():
    """Give the clock back: on CPython other tests follow in this process."""
    base.now, base.sleep_ms = REAL


class Clock:
    """Replaces the clock of the drivers; sleep moves it."""

    def __init__(self, start=(1 << 30) - 5000):  # the wrap comes after five seconds
        self.t = start
        base.now = self.now
        base.sleep_ms = self.sleep_ms

    def now(self):
        return self.t & ((1 << 30) - 1)

    async def sleep_ms(self, ms):
        assert ms >= 0
        self.t += ms


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a driver waited for something other than its clock")


class Uart:
    """Sends `packet(k)` every period_ms while `on`, from t0; holds rxbuf bytes like the chip."""

    def __init__(self, clock, packet, period_ms, rxbuf=1024):
        self.clock, self.packet, self.period_ms, self.rxbuf = clock, packet, period_ms, rxbuf
        self.k = 0
        self.t0 = clock.t
        self.on = True
        self.sent = b""
        self.polls = 0

    def read(self):
        self.polls += 1
        out = b""
        while self.t0 + (self.k + 1) * self.period_ms <= self.clock.t:
            self.k += 1
            if self.on and len(out) < self.rxbuf:
                out += self.packet(self.k)
        return out or None

    def write(self, data):
        self.sent += data


class I2c:
    """Answers from `reply(address, order)`; None is no acknowledgement."""

    def __init__(self, reply):
        self.reply = reply
        self.order = b""

    def writeto(self, address, data):
        self.order = bytes(data)
        if self.reply(address, None) is None:
            raise OSError(19)

    def readfrom(self, address, size):
        data = self.reply(address, self.order)
        if data is None:
            raise OSError(19)
        return (data + b"\xff" * size)[:size]

    def writeto_mem(self, address, register, data):
        self.writeto(address, bytes((register,)) + bytes(data))

    def readfrom_mem(self, address, register, size):
        self.order = bytes((register,))
        return self.readfrom(address, size)


class Pulse:
    def __init__(self):
        self.edges = []
        self.n = 0

    def hit(self, *stamps):
        self.edges += stamps
        self.n += len(stamps)

    def count(self):
        return self.n

    def take(self):
        edges, self.edges = self.edges, []
        return edges


class Edges:
    """One input with both edges stamped; hit(ms, closed)."""

    def __init__(self):
        self.edges = []
        self.overflow = 0

    def hit(self, *edges):
        self.edges += edges

    def take(self):
        edges, self.edges = self.edges, []
        return edges


class Contact:
    """A contact that is asked for its state: 0 is closed."""

    closed = False

    def value(self):
        return 0 if self.closed else 1


def dead_bus(kind, clock):
    """Return a bus of that kind at which nothing is connected."""
    if kind == "uart":
        return Uart(clock, lambda _k: b"", 100)
    if kind == "i2c":
        return I2c(lambda _address, _order: None)
    return [Edges(), Edges()] if kind == "pulses" else Contact() if kind == "contact" else Pulse()


def a02(mm):
    return bytes((255, mm >> 8, mm & 255, (255 + (mm >> 8) + mm) & 255))


def pms(pm25, n03=700, error=0):
    words = [1, pm25, pm25, 1, pm25, pm25, n03, 100, 30, 3, 1, 0, 0x9700 | error]
    body = b"\x42\x4d\x00\x1c"
    for word in words:
        body += bytes((word >> 8, word & 255))
    total = sum(body)
    return body + bytes((total >> 8, total & 255))


def broken(packet):
    return packet[:-1] + bytes((packet[-1] ^ 1,))


def read(thing, deadline_ms=20000):
    """Read within the deadline; {property: (value, reason)}."""
    start = base.now()
    readings = run(thing.read(deadline_ms))
    assert base.since(start, base.now()) <= deadline_ms
    return {ident: (value, reason) for ident, value, reason in readings}

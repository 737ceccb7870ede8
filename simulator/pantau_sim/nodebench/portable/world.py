"""Runs in the 32-bit VM: all that is outside of a node's heap. Board, sensors, flash and broker, as small as they can be.

Flash and sensor bytes are files of the VM's file system, which is not in the heap. bridge() is broker and bridge in one.
"""

import loop
from loop import clock

SECTOR = 4096
DOWN = (7200000, 9000000)  # of each 2 h 30 min the link is down for the last half hour: up 80 %


def link_up():
    return clock.now % DOWN[1] < DOWN[0]


class Flash:
    """What esp32.Partition does, on a file."""

    def __init__(self, path, sectors):
        self._file = open(path, "r+b")
        self._sectors = sectors
        self._blank = b"\xff" * 256

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * SECTOR + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(6, block)
        self._file.seek(block * SECTOR + (offset or 0))
        self._file.write(buf)

    def ioctl(self, op, block):
        if op == 4:
            return self._sectors
        if op == 5:
            return SECTOR
        if op == 6:
            self._file.seek(block * SECTOR)
            for _ in range(SECTOR // 256):
                self._file.write(self._blank)
        return 0


class Uart:
    """Plays a file of packets, each after its length, one every period_ms."""

    def __init__(self, path, period_ms, rxbuf):
        self._file = open(path, "rb")
        self._period = period_ms
        self._rxbuf = rxbuf
        self._next = clock.now + period_ms

    def read(self, _size=None):
        out = bytearray()
        while self._next <= clock.now:
            self._next += self._period
            size = self._file.read(1)
            if not size:
                self._file.seek(0)
                size = self._file.read(1)
            packet = self._file.read(size[0])
            if len(out) < self._rxbuf:
                out.extend(packet)
        return bytes(out) or None

    def write(self, data):
        return len(data)


class I2c:
    """Plays answers: {(address, what was asked): bytes of one or more answers, given in turn}."""

    def __init__(self, answers):
        self._answers = answers
        self._turns = dict.fromkeys(answers, 0)
        self._asked = b""

    def writeto(self, address, data):
        self._asked = bytes(data)

    def readfrom(self, address, size):
        key = address, self._asked
        at = self._turns[key]
        data = self._answers[key][at : at + size]
        self._turns[key] = (at + size) % len(self._answers[key])
        return data

    def writeto_mem(self, address, register, data):
        pass

    def readfrom_mem(self, address, register, size):
        self._asked = bytes((register,))
        return self.readfrom(address, size)


class Pulse:
    """A closure every period_ms."""

    def __init__(self, period_ms):
        self._period = period_ms
        self._count = 0

    def count(self):
        return self._count

    def take(self):
        seen = self._count
        self._count = clock.now // self._period
        return [n * self._period for n in range(max(seen, self._count - 64) + 1, self._count + 1)]


class Contact:
    """An open contact, or an output."""

    def value(self, *level):
        return 1


class Wlan:
    def isconnected(self):
        return link_up()

    def status(self, what=None):
        return -60

    def active(self, on=None):
        return True

    def disconnect(self):
        pass

    def config(self, *args, **options):
        pass

    def connect(self, *args):
        pass

    def ifconfig(self, *args):
        pass


class Wdt:
    def feed(self):
        pass


class Board:
    """A stock ESP32: flash partitions are what `flash` has, the clock is what was written to it."""

    def __init__(self, buses, flash):
        self._buses = buses
        self._flash = flash
        self._memory = b""

    def uart(self, number, baud, rxbuf=512, inverted=False):
        path, period_ms = self._buses["uart"]
        return Uart(path, period_ms, rxbuf)

    def i2c(self, number):
        return I2c(self._buses["i2c"])

    def pulse(self, number):
        return Pulse(self._buses["pulse"])

    def contact(self, number):
        return Contact()

    def output(self, name, value):
        return Contact()

    def partition(self, label):
        return self._flash.get(label)

    def choose(self, name):
        return None

    def memory(self, *data):
        if data:
            self._memory = bytes(data[0])
        return self._memory

    def rtc_read(self):
        return 0

    def rtc_write(self, unix_s):
        pass

    def reset_cause(self):
        return 1

    def heap_free(self):
        return 60000

    heap_largest = heap_free

    def battery_mv(self):
        return None

    def keyboard(self, on):
        pass

    def cable(self):
        return None, None

    def wlan(self):
        return Wlan()

    def wdt(self, timeout_ms):
        return Wdt()


class Stream:
    """The TCP connection, both ends of it."""

    def __init__(self):
        self.up = b""  # what the node wrote
        self.down = b""
        self.closed = False
        self.reader = None

    def write(self, data):
        self.up += bytes(data)

    def drain(self):
        yield clock.now
        if self.closed or not link_up():
            raise OSError(104)
        peer.at = clock.now + 20

    def read(self, size):
        while not self.down and not self.closed:
            self.reader = loop.current
            yield min(DOWN[0] + clock.now // DOWN[1] * DOWN[1] + 1, loop.NEVER)
            self.closed = self.closed or not link_up()
        data, self.down = self.down[:size], self.down[size:]
        return data

    def close(self):
        self.closed = True

    def wait_closed(self):
        yield clock.now


stream = None
peer = None


def open_connection(host, port, ssl=None, server_hostname=None):
    global stream
    yield clock.now + 1000
    if not link_up():
        raise OSError(113)
    stream = Stream()
    return stream, stream


def ack_seqs(seqs, through, seq):
    """Add seq; return through with what follows it. seqs holds what came out of order."""
    if seq > through and seq not in seqs:
        seqs.append(seq)
    while through + 1 in seqs:
        through += 1
        seqs.remove(through)
    return through


class Bridge:
    """Takes what the node sends, answers as a broker and acknowledges as the bridge; counts frames and packets."""

    def __init__(self, frame, mqtt, tag_key, node, order):
        self._frame, self._mqtt, self._key, self._node, self._order = frame, mqtt, tag_key, node, order
        self._reader = None
        self._of = None
        self._counter = 1700000000000
        self.through = 0
        self.seqs = []
        self.frames = 0

    def run(self):
        while True:
            yield loop.NEVER
            if stream is None:
                continue
            if self._of is not stream:
                self._of, self._reader = stream, self._mqtt.Reader(4096)
            self._reader.feed(stream.up)
            stream.up = b""
            packet = self._reader.next()
            while packet is not None:
                stream.down += self._answer(*packet)
                packet = self._reader.next()
            if stream.down and stream.reader is not None:
                stream.reader.at = clock.now + 20
                stream.reader = None

    def _answer(self, kind, flags, body):
        if kind == 1:
            return b"\x20\x02\x01\x00"
        if kind == 8:
            return b"\x90\x04" + body[:2] + b"\x01\x01"
        if kind == 12:
            return b"\xd0\x00"
        if kind != 3:
            return b""
        topic, payload, _qos, pid = self._mqtt.split_publish(flags, body)
        out = self._mqtt.puback(pid)
        if not topic.endswith(b"/up"):
            return out
        head = self._frame.header(payload)
        self.frames += 1
        self.through = ack_seqs(self.seqs, self.through, head.seq)
        bits = 0
        for seq in self.seqs:
            if seq - self.through <= 64:
                bits |= 1 << (seq - self.through - 1)
        out += self._send(8, {"boot": head.boot, "through": self.through, "map": bits})
        nonce = self._nonce(payload) if head.kind == 2 else 0
        if nonce:
            out += self._send(9, {"utc_ms": 1700000000000 + clock.now, "nonce": nonce})
        if self._order is not None and clock.now > 1800000:
            fields, self._order = self._order, None
            out += self._send(10, fields)
        return out

    def _nonce(self, payload):
        _, at = self._frame._get_head(payload)
        for ident, start, end in self._frame._get_heads(payload[:-8], at):
            if ident == 15:
                return int.from_bytes(payload[start:end], "big")
        return 0

    def _send(self, kind, fields):
        f = self._frame.Frame(kind)
        self._counter += 1
        f.counter = self._counter
        f.fields = fields
        return self._mqtt.publish("d", self._frame.encode(f, self._node, self._key), 1, 7)

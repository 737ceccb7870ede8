"""MQTT 3.1.1 packets (OASIS standard, 2014), I/O-free: builders return bytes, Reader turns bytes into packets.

Both ends are here: the node and the bridge speak the client's half, the simulator's broker model the other.
"""

import struct

from .errors import WireError
from .text import text

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
REFUSED = {
    1: "protocol version not accepted",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}


def _packet(first, body):
    size = len(body)
    head = bytearray([first])
    while size > 127:
        head.append(128 | (size & 127))
        size >>= 7
    head.append(size)
    return bytes(head) + body


def _text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def connect(client_id, user=None, password=None, keepalive=60, clean=False, will=None):
    """Return CONNECT; keepalive in seconds, will = (topic, payload, qos, retain)."""
    flags = 2 if clean else 0
    tail = _text(client_id)
    if will:
        topic, payload, qos, retain = will
        flags |= 4 | qos << 3 | (32 if retain else 0)
        tail += _text(topic) + _text(payload)
    if user is not None:
        flags |= 128
        tail += _text(user)
        if password is not None:
            flags |= 64
            tail += _text(password)
    return _packet(CONNECT << 4, _text("MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + tail)


def connack(session_present, code):
    """Return CONNACK; code 0 accepts, REFUSED names the others."""
    return _packet(CONNACK << 4, bytes([1 if session_present else 0, code]))


def publish(topic, payload, qos=0, pid=0, retain=False, dup=False):
    """Return PUBLISH; pid is used when qos > 0."""
    body = _text(topic) + (struct.pack(">H", pid) if qos else b"") + payload
    return _packet(PUBLISH << 4 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body)


def puback(pid):
    """Return PUBACK."""
    return _packet(PUBACK << 4, struct.pack(">H", pid))


def subscribe(pid, filters):
    """Return SUBSCRIBE for [(topic filter, qos)]."""
    return _packet(SUBSCRIBE << 4 | 2, struct.pack(">H", pid) + b"".join([_text(f) + bytes([q]) for f, q in filters]))


def suback(pid, codes):
    """Return SUBACK; a code is the granted QoS or 128 for refused."""
    return _packet(SUBACK << 4, struct.pack(">H", pid) + bytes(codes))


def unsubscribe(pid, filters):
    """Return UNSUBSCRIBE for a list of topic filters."""
    return _packet(UNSUBSCRIBE << 4 | 2, struct.pack(">H", pid) + b"".join([_text(f) for f in filters]))


def unsuback(pid):
    """Return UNSUBACK."""
    return _packet(UNSUBACK << 4, struct.pack(">H", pid))


def pingreq():
    """Return PINGREQ."""
    return b"\xc0\x00"


def pingresp():
    """Return PINGRESP."""
    return b"\xd0\x00"


def disconnect():
    """Return DISCONNECT."""
    return b"\xe0\x00"


class Reader:
    """Bytes in, packets out; holds at most one packet of max_packet bytes beside what one feed brought."""

    def __init__(self, max_packet):
        self._max = max_packet
        self._data = b""
        self._at = 0

    def feed(self, data):
        """Take bytes as they arrived."""
        rest = self._data[self._at :] if self._at < len(self._data) else b""
        self._data = rest + bytes(data)
        self._at = 0

    def next(self):
        """Return (type, flags, body) of the next whole packet, or None; WireError means: close the connection."""
        data = self._data
        at = self._at + 1
        size = shift = 0
        while True:
            if at >= len(data):
                return None
            byte = data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift > 21:
                raise WireError("bad_field", "remaining length")
        if size > self._max:
            raise WireError("too_long", "packet of %d bytes" % size)
        if at + size > len(data):
            return None
        first = data[self._at]
        self._at = at + size
        return first >> 4, first & 15, data[at : at + size]


class _Body:
    """Walks a packet's body; WireError for what does not fit."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def raw(self, size):
        """Return the next size bytes."""
        if self.at + size > len(self.data):
            raise WireError("truncated", "packet")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self):
        """Return a 16-bit number."""
        return struct.unpack(">H", self.raw(2))[0]

    def binary(self):
        """Return length-prefixed bytes."""
        return self.raw(self.number())

    def text(self):
        """Return length-prefixed UTF-8."""
        return text(self.binary())

    def more(self):
        """Tell whether bytes are left."""
        return self.at < len(self.data)


def parse_publish(flags, body):
    """Return (topic, payload, qos, pid, retain, dup)."""
    qos = flags >> 1 & 3
    if qos == 3:
        raise WireError("bad_field", "qos")
    walk = _Body(body)
    topic = walk.text()
    pid = walk.number() if qos else 0
    return topic, body[walk.at :], qos, pid, bool(flags & 1), bool(flags & 8)


def parse_connack(body):
    """Return (session_present, code)."""
    if len(body) != 2:
        raise WireError("bad_field", "CONNACK")
    return bool(body[0] & 1), body[1]


def parse_pid(body):
    """Return the packet id of PUBACK or UNSUBACK."""
    return _Body(body).number()


def parse_suback(body):
    """Return (pid, [granted qos or 128])."""
    walk = _Body(body)
    return walk.number(), list(walk.data[2:])


class Connect:
    """What a CONNECT says; will is (topic, payload, qos, retain) or None."""

    def __init__(self, body):
        walk = _Body(body)
        if walk.binary() != b"MQTT" or walk.raw(1)[0] != 4:
            raise WireError("bad_field", "protocol")
        flags = walk.raw(1)[0]
        self.keepalive = walk.number()
        self.client_id = walk.text()
        self.clean = bool(flags & 2)
        self.will = (walk.text(), walk.binary(), flags >> 3 & 3, bool(flags & 32)) if flags & 4 else None
        self.user = walk.text() if flags & 128 else None
        self.password = walk.text() if flags & 64 else None


def parse_connect(body):
    """Return the Connect in body."""
    return Connect(body)


def parse_subscribe(body):
    """Return (pid, [(topic filter, qos)])."""
    walk = _Body(body)
    pid = walk.number()
    filters = []
    while walk.more():
        filters.append((walk.text(), walk.raw(1)[0] & 3))
    return pid, filters


def parse_unsubscribe(body):
    """Return (pid, [topic filter])."""
    walk = _Body(body)
    pid = walk.number()
    filters = []
    while walk.more():
        filters.append(walk.text())
    return pid, filters

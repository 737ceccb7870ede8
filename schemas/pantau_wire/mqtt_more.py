"""MQTT 3.1.1 packets, the rest of mqtt.py: what the bridge reads beyond it, and the broker's half for models and tests."""

from .errors import WireError
from .mqtt import CONNACK, SUBACK, binary, packet, split_publish
from .text import text

CONNECT, SUBSCRIBE, UNSUBSCRIBE, UNSUBACK = 1, 8, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14


def connack(session_present, code):
    """Return CONNACK; code 0 accepts, refused.py names the others."""
    return packet(CONNACK << 4, bytes([1 if session_present else 0, code]))


def suback(pid, codes):
    """Return SUBACK; a code is the granted QoS or 128 for refused."""
    return packet(SUBACK << 4, pid.to_bytes(2, "big") + bytes(codes))


def unsubscribe(pid, filters):
    """Return UNSUBSCRIBE for a list of topic filters."""
    return packet(UNSUBSCRIBE << 4 | 2, pid.to_bytes(2, "big") + b"".join([binary(f) for f in filters]))


def unsuback(pid):
    """Return UNSUBACK."""
    return packet(UNSUBACK << 4, pid.to_bytes(2, "big"))


def pingresp():
    """Return PINGRESP."""
    return b"\xd0\x00"


def disconnect():
    """Return DISCONNECT."""
    return b"\xe0\x00"


def parse_publish(flags, body):
    """Return (topic, payload, qos, pid, retain, dup)."""
    topic, payload, qos, pid = split_publish(flags, body)
    return text(topic), payload, qos, pid, bool(flags & 1), bool(flags & 8)


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
        return int.from_bytes(self.raw(2), "big")

    def binary(self):
        """Return length-prefixed bytes."""
        return self.raw(self.number())

    def text(self):
        """Return length-prefixed UTF-8."""
        return text(self.binary())

    def more(self):
        """Tell whether bytes are left."""
        return self.at < len(self.data)


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

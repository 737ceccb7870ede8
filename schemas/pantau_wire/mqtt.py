"""MQTT 3.1.1 packets (OASIS standard, 2014), I/O-free: what a node writes and reads. mqtt_more.py has the rest."""

from .errors import WireError

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9


def packet(first, body):
    """Return a packet of this first byte."""
    size = len(body)
    head = bytearray([first])
    while size > 127:
        head.append(128 | (size & 127))
        size >>= 7
    head.append(size)
    return bytes(head) + body


def _u16(value):
    return value.to_bytes(2, "big")


def binary(value):
    """Return bytes or a str with their length before them."""
    data = value.encode() if isinstance(value, str) else value
    return _u16(len(data)) + data


def connect(client_id, user=None, password=None, keepalive=60, clean=False, will=None):
    """Return CONNECT; keepalive in seconds, will = (topic, payload, qos, retain)."""
    flags = 2 if clean else 0
    tail = binary(client_id)
    if will:
        topic, payload, qos, retain = will
        flags |= 4 | qos << 3 | (32 if retain else 0)
        tail += binary(topic) + binary(payload)
    if user is not None:
        flags |= 128
        tail += binary(user)
        if password is not None:
            flags |= 64
            tail += binary(password)
    return packet(0x10, b"\x00\x04MQTT\x04" + bytes([flags]) + _u16(keepalive) + tail)


def publish(topic, payload, qos=0, pid=0, retain=False, dup=False):
    """Return PUBLISH; pid is used when qos > 0."""
    body = binary(topic) + (_u16(pid) if qos else b"") + payload
    return packet(0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body)


def puback(pid):
    """Return PUBACK."""
    return b"\x40\x02" + _u16(pid)


def subscribe(pid, filters):
    """Return SUBSCRIBE for [(topic filter, qos)]."""
    return packet(0x82, _u16(pid) + b"".join([binary(f) + bytes([q]) for f, q in filters]))


def pingreq():
    """Return PINGREQ."""
    return b"\xc0\x00"


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


def split_publish(flags, body):
    """Return (topic as bytes, payload, qos, pid) of PUBLISH."""
    qos = flags >> 1 & 3
    at = 2 + int.from_bytes(body[:2], "big")
    end = at + 2 if qos else at
    if qos == 3:
        raise WireError("bad_field", "qos")
    if end > len(body):
        raise WireError("truncated", "packet")
    return body[2:at], body[end:], qos, int.from_bytes(body[at:end], "big")


def parse_connack(body):
    """Return (session_present, code)."""
    if len(body) != 2:
        raise WireError("bad_field", "CONNACK")
    return bool(body[0] & 1), body[1]


def parse_pid(body):
    """Return the packet id of PUBACK or UNSUBACK."""
    if len(body) < 2:
        raise WireError("truncated", "packet")
    return int.from_bytes(body[:2], "big")


def parse_suback(body):
    """Return (pid, [granted qos or 128])."""
    return parse_pid(body), list(body[2:])

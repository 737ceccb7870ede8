"""MQTT 5.0 packets (OASIS standard, 2019), I/O-free: the client's half, as far as a bridge needs it.

Framing is that of MQTT 3.1.1 (`pantau_wire.mqtt.Reader` reads both). Any bytes give a result or WireError. Properties
that we never asked for are checked for their form and left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau_wire.errors import WireError
from pantau_wire.mqtt import binary, packet
from pantau_wire.text import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = 5
FOR_EVER = 0xFFFF_FFFF  # a session expiry: never
_MAX_TEXT = 200  # of a broker's own words; they end up on one line of a log

# Property ids (2.2.2.2) that are used here by name.
SESSION_EXPIRY, SERVER_KEEP_ALIVE, SERVER_REFERENCE, REASON_STRING = 0x11, 0x13, 0x1C, 0x1F
RECEIVE_MAXIMUM, MAXIMUM_QOS, USER_PROPERTY, MAXIMUM_PACKET, WILDCARDS = 0x21, 0x24, 0x26, 0x27, 0x28

_BYTE, _U16, _U32, _VARINT, _TEXT, _BINARY, _PAIR = range(7)
_FORMS = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), _BYTE),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), _U16),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), _U32),
    0x0B: _VARINT,
    **dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), _TEXT),
    **dict.fromkeys((0x09, 0x16), _BINARY),
    0x26: _PAIR,
}
_REPEATABLE = frozenset({0x0B, 0x26})
_WIDTH = {_BYTE: 1, _U16: 2, _U32: 4}

Value = int | str | bytes


class Answer(NamedTuple):
    """What a CONNACK, PUBACK, SUBACK, UNSUBACK or DISCONNECT says: its codes and properties. Pid 0 where it has none."""

    pid: int
    codes: bytes
    properties: Mapping[int, Value]
    session_present: bool = False

    @property
    def code(self) -> int:
        """Return the first code."""
        return self.codes[0]

    @property
    def said(self) -> str:
        """Return the broker's own words, on one line and shortened; "" when it has none."""
        words = [self.properties.get(REASON_STRING, ""), self.properties.get(SERVER_REFERENCE, "")]
        whole = " ".join(str(word) for word in words if word)
        return "".join(c if c.isprintable() else " " for c in whole)[:_MAX_TEXT]

    def number(self, identifier: int, default: int) -> int:
        """Return a numeric property, `default` where it is absent."""
        value = self.properties.get(identifier, default)
        return value if isinstance(value, int) else default


def varint(value: int) -> bytes:
    """Return a variable byte integer (1.5.5) below 2^28."""
    data = bytearray()
    while value > 127:
        data.append(128 | (value & 127))
        value >>= 7
    data.append(value)
    return bytes(data)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (value, where it ends). WireError when it does not end, is too long or not the shortest form."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                raise WireError("bad_field", "variable byte integer")
            return value, at
        shift += 7
        if shift > 21:
            raise WireError("bad_field", "variable byte integer")
    raise WireError("truncated", "packet")


def properties(values: Mapping[int, Value]) -> bytes:
    """Return numeric and text properties with their length before them."""
    body = b"".join(bytes([name]) + _property(_FORMS[name], value) for name, value in values.items())
    return varint(len(body)) + body


def _property(form: int, value: Value) -> bytes:
    if not isinstance(value, int):
        return bytes(binary(value))
    return varint(value) if form == _VARINT else value.to_bytes(_WIDTH[form], "big")


def read_properties(data: bytes, at: int) -> tuple[dict[int, Value], int]:
    """Return ({id: value}, where they end). What may repeat is checked and not returned: nobody here asks for it."""
    size, at = read_varint(data, at)
    end = at + size
    if end > len(data):
        raise WireError("truncated", "packet")
    found: dict[int, Value] = {}
    while at < end:
        name, at = read_varint(data, at)
        form = _FORMS.get(name)
        if form is None or name in found:
            raise WireError("bad_field", f"property 0x{name:02X}")
        value, at = _read(form, data, at, end)
        if name not in _REPEATABLE:
            found[name] = value
    if at > end:
        raise WireError("truncated", "packet")
    return found, end


def _read(form: int, data: bytes, at: int, end: int) -> tuple[Value, int]:
    if form in _WIDTH:
        after = at + _WIDTH[form]
        if after > end:
            raise WireError("truncated", "packet")
        return int.from_bytes(data[at:after], "big"), after
    if form == _VARINT:
        return read_varint(data, at)
    raw, at = _raw(data, at, end)
    if form == _PAIR:
        text(raw)
        raw, at = _raw(data, at, end)
    return (raw if form == _BINARY else str(text(raw))), at


def _raw(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    start = at + 2
    after = start + int.from_bytes(data[at:start], "big")
    if start > end or after > end:
        raise WireError("truncated", "packet")
    return bytes(data[start:after]), after


def connect(
    client_id: str,
    values: Mapping[int, Value],
    *,
    user: str | None = None,
    password: str | None = None,
    keepalive_s: int = 60,
    clean: bool = False,
) -> bytes:
    """Return CONNECT. A password without a user is legal in this version."""
    flags = (2 if clean else 0) | (128 if user is not None else 0) | (64 if password is not None else 0)
    login = b"".join(bytes(binary(word)) for word in (user, password) if word is not None)
    head = b"\x00\x04MQTT" + bytes([VERSION, flags]) + keepalive_s.to_bytes(2, "big") + properties(values)
    return bytes(packet(0x10, head + binary(client_id) + login))


def subscribe(pid: int, filters: Sequence[tuple[str, int]]) -> bytes:
    """Return SUBSCRIBE for [(topic filter, qos)], without properties and options beyond the QoS."""
    body = b"".join(bytes(binary(name)) + bytes([qos]) for name, qos in filters)
    return bytes(packet(0x82, pid.to_bytes(2, "big") + b"\x00" + body))


def unsubscribe(pid: int, filters: Sequence[str]) -> bytes:
    """Return UNSUBSCRIBE."""
    return bytes(packet(0xA2, pid.to_bytes(2, "big") + b"\x00" + b"".join(bytes(binary(name)) for name in filters)))


def publish(topic: str, payload: bytes, pid: int) -> bytes:
    """Return PUBLISH with QoS 1, not retained, without properties."""
    return bytes(packet(0x32, binary(topic) + pid.to_bytes(2, "big") + b"\x00" + payload))


def split_publish(flags: int, body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return (topic, payload, packet id as on the wire, b"" with QoS 0). Properties are stepped over, whatever they are.

    A topic alias needs a maximum that we never grant. An empty topic is handed on, to be refused as no topic of ours.
    """
    end = 2 + int.from_bytes(body[:2], "big")
    at = end + 2 if flags & 6 else end
    if flags & 6 == 6:
        raise WireError("bad_field", "qos")
    if at >= len(body):
        raise WireError("truncated", "packet")
    size = body[at]
    start = at + 1
    if size > 127:
        size, start = read_varint(body, at)
    if start + size > len(body):
        raise WireError("truncated", "packet")
    return body[2:end], body[start + size :], body[end:at]


def read_connack(body: bytes) -> Answer:
    """Return the broker's answer to CONNECT."""
    if len(body) < 2:
        raise WireError("truncated", "packet")
    # Two bytes are what a broker that knows only MQTT 3.1.1 answers; its codes are below 0x80 and mean refusal.
    found, end = read_properties(body, 2) if len(body) > 2 else ({}, 2)
    if body[0] & 254 or end != len(body) or (len(body) == 2 and not body[1]):
        raise WireError("bad_field", "CONNACK")
    return Answer(0, bytes(body[1:2]), found, bool(body[0]))


def read_puback(body: bytes) -> Answer:
    """Return the broker's answer to one PUBLISH; code and properties may be left out and mean success then."""
    if len(body) < 2:
        raise WireError("truncated", "packet")
    found, end = read_properties(body, 3) if len(body) > 3 else ({}, len(body))
    if end != len(body):
        raise WireError("bad_field", "PUBACK")
    return Answer(int.from_bytes(body[:2], "big"), bytes(body[2:3]) or b"\x00", found)


def read_suback(body: bytes) -> Answer:
    """Return the broker's answer to SUBSCRIBE or UNSUBSCRIBE: one code for each filter."""
    if len(body) < 3:
        raise WireError("truncated", "packet")
    found, end = read_properties(body, 2)
    if end >= len(body):
        raise WireError("truncated", "packet")
    return Answer(int.from_bytes(body[:2], "big"), bytes(body[end:]), found)


def read_disconnect(body: bytes) -> Answer:
    """Return why the broker ends the connection."""
    found, end = read_properties(body, 1) if len(body) > 1 else ({}, len(body))
    if end != len(body):
        raise WireError("bad_field", "DISCONNECT")
    return Answer(0, bytes(body[:1]) or b"\x00", found)

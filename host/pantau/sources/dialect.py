"""The two versions of MQTT that a session can speak, behind one set of functions. I/O-free.

What a broker answers comes back as words with advice ("" = all well), so that a session need not know the codes. What
is on the hot path is alike in both: framing, PUBACK (a code and properties may be left out), PINGREQ, DISCONNECT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pantau.sources import mqtt5
from pantau.sources.refusals import FAILED, login_reason, old_reason, reason
from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST = 65_535
_PUBACK = b"\x40\x02"
_QOS1 = 1


class Login(NamedTuple):
    """Who we are to the broker. `keep`: the session outlives the connection."""

    client_id: str
    user: str | None = None
    password: str | None = None
    keepalive_s: int = 60
    keep: bool = True


class Connack(NamedTuple):
    """What the broker answered to CONNECT.

    `refused`: why we may not come in; `warnings`: what will go wrong though we may. `keepalive_s`: the broker's own,
    which then rules. `in_flight`: publishes of ours that may wait for their PUBACK; `packet_bytes`: the longest of ours.
    """

    session_present: bool
    refused: str = ""
    warnings: tuple[str, ...] = ()
    keepalive_s: int | None = None
    in_flight: int = _MOST
    packet_bytes: int | None = None


class Dialect(Protocol):
    """One version of MQTT. Whatever is parsed raises WireError when it cannot be: end the connection then."""

    @property
    def name(self) -> str:
        """Return what people call it."""

    def connect(self, login: Login) -> bytes:
        """Return CONNECT."""

    def connack(self, body: bytes) -> Connack:
        """Return what a CONNACK says."""

    def subscribe(self, pid: int, filters: Sequence[tuple[str, int]]) -> bytes:
        """Return SUBSCRIBE for [(topic filter, qos)]."""

    def suback(self, body: bytes) -> tuple[int, list[str]]:
        """Return (pid, for each filter "" or why it is not subscribed with QoS 1)."""

    def unsubscribe(self, pid: int, filters: Sequence[str]) -> bytes:
        """Return UNSUBSCRIBE."""

    def publish(self, topic: str, payload: bytes, pid: int) -> bytes:
        """Return PUBLISH with QoS 1."""

    def puback(self, body: bytes) -> tuple[int, str]:
        """Return (pid, "" or why the broker threw our message away)."""

    def split_publish(self, flags: int, body: bytes) -> tuple[bytes, bytes, bytes]:
        """Return (topic, payload, packet id: two bytes as on the wire, b"" when it wants no confirmation)."""

    def disconnected(self, body: bytes) -> str:
        """Return why the broker ended the connection, and what to do."""


def pubacks(pids: Iterable[bytes]) -> bytes:
    """Return the PUBACKs of these packet ids, the same bytes in both versions; b"" for none. An empty pid wants none."""
    return b"".join([_PUBACK + pid for pid in pids if pid])


PINGREQ = bytes(mqtt.pingreq())
DISCONNECT = bytes(mqtt_more.disconnect())  # in order; with no reason it has the same bytes in both versions


@dataclass(frozen=True, slots=True)
class Mqtt311:
    """MQTT 3.1.1. The broker's window for us is its own setting; why it ends a connection it cannot say."""

    name: str = "MQTT 3.1.1"

    def connect(self, login: Login) -> bytes:
        """Return CONNECT."""
        words = (login.client_id, login.user, login.password)
        return bytes(mqtt.connect(*words, keepalive=login.keepalive_s, clean=not login.keep))

    def connack(self, body: bytes) -> Connack:
        """Return what a CONNACK says."""
        # Longer than two bytes is MQTT 5 in answer to our 3.1.1: no broker may do that, some proxy might.
        present, code = mqtt.parse_connack(body)
        return Connack(present, old_reason(code) if code else "")

    def subscribe(self, pid: int, filters: Sequence[tuple[str, int]]) -> bytes:
        """Return SUBSCRIBE."""
        return bytes(mqtt.subscribe(pid, filters))

    def suback(self, body: bytes) -> tuple[int, list[str]]:
        """Return (pid, for each filter "" or why it is not subscribed with QoS 1)."""
        pid, codes = mqtt.parse_suback(body)
        return pid, [_granted(code) for code in codes]

    def unsubscribe(self, pid: int, filters: Sequence[str]) -> bytes:
        """Return UNSUBSCRIBE."""
        return bytes(mqtt_more.unsubscribe(pid, filters))

    def publish(self, topic: str, payload: bytes, pid: int) -> bytes:
        """Return PUBLISH with QoS 1."""
        return bytes(mqtt.publish(topic, payload, qos=_QOS1, pid=pid))

    def puback(self, body: bytes) -> tuple[int, str]:
        """Return (pid, ""): this version knows no refusal here."""
        return mqtt.parse_pid(body), ""

    def split_publish(self, flags: int, body: bytes) -> tuple[bytes, bytes, bytes]:
        """Return (topic, payload, packet id as on the wire)."""
        end = 2 + int.from_bytes(body[:2], "big")
        at = end + 2 if flags & 6 else end
        if flags & 6 == 6:
            raise WireError("bad_field", "qos")
        if at > len(body):
            raise WireError("truncated", "packet")
        return body[2:end], body[at:], body[end:at]

    def disconnected(self, body: bytes) -> str:
        """Raise WireError: a broker of this version never sends DISCONNECT."""
        raise WireError("bad_field", f"DISCONNECT of {len(body)} bytes from the broker")


@dataclass(frozen=True, slots=True)
class Mqtt5:
    """MQTT 5.0. `receive_maximum`: messages that may wait for our PUBACK.

    `packet_bytes` should stay None: what is longer a broker throws away without a word to anybody (3.1.2.11.4), while
    the session hands its head on, to be refused with a reason.
    """

    receive_maximum: int = _MOST
    packet_bytes: int | None = None
    name: str = "MQTT 5"

    def connect(self, login: Login) -> bytes:
        """Return CONNECT; a kept session never expires."""
        values: dict[int, mqtt5.Value] = {mqtt5.RECEIVE_MAXIMUM: self.receive_maximum}
        if login.keep:
            values[mqtt5.SESSION_EXPIRY] = mqtt5.FOR_EVER
        if self.packet_bytes is not None:
            values[mqtt5.MAXIMUM_PACKET] = self.packet_bytes
        who = {"user": login.user, "password": login.password}
        return mqtt5.connect(login.client_id, values, **who, keepalive_s=login.keepalive_s, clean=not login.keep)

    def connack(self, body: bytes) -> Connack:
        """Return what a CONNACK says."""
        answer = mqtt5.read_connack(body)
        if len(body) == 2 and answer.code < FAILED:  # a broker of the older version
            return Connack(False, old_reason(answer.code))
        if answer.code:
            return Connack(False, login_reason(answer.code, answer.said))
        if not answer.number(mqtt5.MAXIMUM_QOS, _QOS1):
            return Connack(answer.session_present, reason(0x9B))
        if not answer.number(mqtt5.WILDCARDS, 1):
            return Connack(answer.session_present, reason(0xA2))
        keepalive = answer.properties.get(mqtt5.SERVER_KEEP_ALIVE)
        largest = answer.properties.get(mqtt5.MAXIMUM_PACKET)
        return Connack(
            answer.session_present,
            "",
            self._warnings(answer),
            keepalive if isinstance(keepalive, int) else None,
            answer.number(mqtt5.RECEIVE_MAXIMUM, _MOST) or _MOST,
            largest if isinstance(largest, int) else None,
        )

    def _warnings(self, answer: mqtt5.Answer) -> tuple[str, ...]:
        expiry = answer.number(mqtt5.SESSION_EXPIRY, mqtt5.FOR_EVER)
        if expiry == mqtt5.FOR_EVER:
            return ()
        said = f"the broker forgets our session {expiry} s after the connection ends, and what it held with it"
        return (f"{said}; let it keep sessions (Mosquitto: persistent_client_expiration)",)

    def subscribe(self, pid: int, filters: Sequence[tuple[str, int]]) -> bytes:
        """Return SUBSCRIBE."""
        return mqtt5.subscribe(pid, filters)

    def suback(self, body: bytes) -> tuple[int, list[str]]:
        """Return (pid, for each filter "" or why it is not subscribed with QoS 1)."""
        answer = mqtt5.read_suback(body)
        return answer.pid, [_granted(code, answer.said) for code in answer.codes]

    def unsubscribe(self, pid: int, filters: Sequence[str]) -> bytes:
        """Return UNSUBSCRIBE."""
        return mqtt5.unsubscribe(pid, filters)

    def publish(self, topic: str, payload: bytes, pid: int) -> bytes:
        """Return PUBLISH with QoS 1."""
        return mqtt5.publish(topic, payload, pid)

    def puback(self, body: bytes) -> tuple[int, str]:
        """Return (pid, "" or why the broker threw our message away); that nobody listens is no fault."""
        answer = mqtt5.read_puback(body)
        return answer.pid, reason(answer.code, answer.said) if answer.code >= FAILED else ""

    def split_publish(self, flags: int, body: bytes) -> tuple[bytes, bytes, bytes]:
        """Return (topic, payload, packet id as on the wire)."""
        return mqtt5.split_publish(flags, body)

    def disconnected(self, body: bytes) -> str:
        """Return why the broker ended the connection, and what to do."""
        answer = mqtt5.read_disconnect(body)
        return reason(answer.code, answer.said)


def _granted(code: int, said: str = "") -> str:
    """Return "" for QoS 1, else what the broker did instead. Code 0x80 is all that MQTT 3.1.1 can say."""
    if code == _QOS1:
        return ""
    if code == 0x80:
        return f"refused{f' ({said})' if said else ''}; allow it in the broker's ACL"
    if code < FAILED:
        return f"granted with QoS {code} and not 1: messages would be lost; allow QoS 1 in the broker"
    return reason(code, said)

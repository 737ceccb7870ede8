"""An MQTT 3.1.1 broker without I/O: bytes of a connection in, bytes out, time as an argument.

Persistent sessions, QoS 0 and 1, retained messages, wills, keepalive, in-flight window, queue limit, redelivery with DUP,
wildcards and access rules, as Mosquitto has them: tests/integration/test_broker_suite.py holds it to that. What differs:

- QoS 2 ends the connection, and MQTT 3.1 and 5 are refused, as nothing of ours uses them.
- The window is kept. Mosquitto up to 2.0 sends more of a queue than it has room for, once something was acknowledged
  (eclipse-mosquitto/mosquitto#2301).
- A silent client is dropped at 1.5 keepalives to the millisecond; Mosquitto looks every few seconds.
- Retained messages come in the order of their topics' first message; Mosquitto walks its tree of topics.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError

IN_FLIGHT = 20  # unacknowledged QoS 1 messages per session: Mosquitto's max_inflight_messages unless set
MAX_QUEUED = (
    1000  # kept beyond those for an absent or slow session; more are dropped: its max_queued_messages unless set
)
MAX_PAYLOAD = 65536  # more is acknowledged and dropped: message_size_limit of our template
MAX_PACKET = 131072  # after the fixed header; more ends the connection: max_packet_size, which counts one byte more
_ACCEPTED, _BAD_VERSION, _BAD_ID, _NOT_AUTHORISED = 0, 1, 2, 5  # of CONNACK
_HELLO = b"\x00\x04MQTT"
_MOST_QOS = 1
_IGNORED = (mqtt.SUBACK, mqtt_more.UNSUBACK, mqtt_more.PINGRESP)  # a broker's own packets that Mosquitto lets pass
_LITERAL, _PLUS, _HASH, _END = range(4)  # the order in which Mosquitto walks the branches of its tree of filters


@dataclass(frozen=True, slots=True)
class Message:
    """One application message."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False


@dataclass(slots=True)
class Session:
    """What the broker keeps of a client between connections."""

    client_id: str
    clean: bool
    user: str | None = None
    filters: dict[str, int] = field(default_factory=dict)
    queue: deque[Message] = field(default_factory=deque)
    in_flight: dict[int, Message] = field(default_factory=dict)
    next_pid: int = 1
    connection: "Connection | None" = None


class Connection:
    """One transport connection. Feed it with `receive`, send what `take` gives, close the transport when `closed`."""

    def __init__(self, broker: "BrokerModel") -> None:
        self.closed = False
        self.session: Session | None = None
        self.user: str | None = None
        self.will: Message | None = None
        self.deadline_ms: int | None = None
        self._broker = broker
        self._reader = mqtt.Reader(MAX_PACKET)
        self._out = bytearray()
        self._keepalive_ms = 0
        self._begun = False

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the client; a protocol error closes the connection."""
        if self.closed:
            return
        if self._keepalive_ms:
            self.deadline_ms = now_ms + self._keepalive_ms
        try:
            if data and not self._begun:
                self._begun = True
                _require(data[0] == mqtt_more.CONNECT << 4, "the first packet is not CONNECT")
            self._reader.feed(data)
            while not self.closed:
                packet = self._reader.next()
                if packet is None:
                    return
                self._broker.handle(self, packet, now_ms)
        except WireError:
            self.lost()

    def lost(self) -> None:
        """The transport is gone, or has to go, without DISCONNECT: the will is published."""
        self._broker.close(self, with_will=True)

    def take(self) -> bytes:
        """Bytes to send to the client."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def send(self, packet: bytes) -> None:
        """Queue bytes for the client."""
        if not self.closed:
            self._out += packet

    def greeted(self, keepalive_s: int, now_ms: int) -> None:
        """CONNECT was accepted; a silent client is dropped after 1.5 keepalives (MQTT-3.1.2-24)."""
        self._keepalive_ms = keepalive_s * 1500
        self.deadline_ms = now_ms + self._keepalive_ms if keepalive_s else None


class BrokerModel:
    """All sessions, connections and retained messages.

    `login(client_id, user, password)` and `allowed(user, topic, write)` decide on access; without them all is open. As with
    Mosquitto's acl_file, any filter may be asked for: `allowed` is asked about each message, when it is published and again,
    with write false, for each session that it would go to. `in_flight`, `max_queued`: what mosquitto.conf sets.
    """

    def __init__(
        self,
        login: Callable[[str, str | None, str | None], bool] | None = None,
        allowed: Callable[[str | None, str, bool], bool] | None = None,
        *,
        in_flight: int = IN_FLIGHT,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.retained: dict[str, Message] = {}
        self.published: dict[int, int] = {0: 0, 1: 0}
        self.dropped = 0
        self.on_publish: Callable[[str | None, Message], None] | None = None
        self._login = login
        self._allowed = allowed
        self._in_flight = in_flight
        self._max_queued = max_queued
        self._nameless = 0

    def connect(self) -> Connection:
        """A client's transport has come up."""
        connection = Connection(self)
        self.connections.append(connection)
        return connection

    def tick(self, now_ms: int) -> None:
        """Drop clients that were silent for too long."""
        for connection in list(self.connections):
            if connection.deadline_ms is not None and now_ms >= connection.deadline_ms:
                connection.lost()

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do at the earliest."""
        return min((c.deadline_ms for c in self.connections if c.deadline_ms is not None), default=None)

    def restart(self, *, keep_sessions: bool = True) -> None:
        """All connections end. In order all wills are published first, and sessions and retained messages are kept.

        Without keep_sessions all is forgotten, as without persistence, or after a crash before Mosquitto saved anything.
        """
        if keep_sessions:
            for connection in self.connections:
                self._last_will(connection)
        for connection in list(self.connections):
            self.close(connection, with_will=False)
        if not keep_sessions:
            self.sessions.clear()
            self.retained.clear()

    def close(self, connection: Connection, *, with_will: bool) -> None:
        """End a connection; its session stays unless it is clean."""
        if connection.closed:
            return
        connection.closed = True
        self.connections.remove(connection)
        session = connection.session
        if session and session.connection is connection:
            session.connection = None
            if session.clean:
                self.sessions.pop(session.client_id, None)
        if with_will:
            self._last_will(connection)

    def _last_will(self, connection: Connection) -> None:
        if connection.will and self._may(connection.user, connection.will.topic, write=True):
            self.publish(connection.user, connection.will)

    def publish(self, user: str | None, message: Message) -> None:
        """Route a message to all sessions that asked for it."""
        self.published[message.qos] += 1
        if self.on_publish:
            self.on_publish(user, message)
        if message.retain:
            if message.payload:
                self.retained[message.topic] = message
            else:
                self.retained.pop(message.topic, None)
        for session in self.sessions.values():
            granted = [filter_ for filter_ in session.filters if matches(filter_, message.topic)]
            if granted:  # once, by the filter that Mosquitto finds first
                most = session.filters[granted[0] if len(granted) == 1 else min(granted, key=_place)]
                self._enqueue(session, Message(message.topic, message.payload, min(message.qos, most)))

    def handle(self, connection: Connection, packet: tuple[int, int, bytes], now_ms: int) -> None:
        """One packet from a client; WireError for what MQTT does not allow."""
        kind, flags, body = packet
        session = connection.session
        if session is None:
            self._connect(connection, flags, body, now_ms)
        elif kind == mqtt.PUBLISH:
            self._published(connection, flags, body)
        elif kind == mqtt.PUBACK:
            session.in_flight.pop(_pid(body), None)
            self._pump(session)
        elif kind == mqtt_more.SUBSCRIBE:
            _require(flags == 2, "flags of SUBSCRIBE")
            self._subscribe(connection, session, body)
        elif kind == mqtt_more.UNSUBSCRIBE:
            _require(flags == 2, "flags of UNSUBSCRIBE")
            pid, filters = mqtt_more.parse_unsubscribe(body)
            _require(pid > 0 and bool(filters) and all(map(valid_filter, filters)), "UNSUBSCRIBE")
            for filter_ in filters:
                session.filters.pop(filter_, None)
            connection.send(mqtt_more.unsuback(pid))
        elif kind == mqtt_more.PINGREQ:
            connection.send(mqtt_more.pingresp())
        elif kind == mqtt_more.DISCONNECT:
            self.close(connection, with_will=flags != 0)
        else:
            _require(kind in _IGNORED, f"packet type {kind} from a client")

    def _connect(self, connection: Connection, flags: int, body: bytes, now_ms: int) -> None:
        if body[: len(_HELLO)] == _HELLO and body[len(_HELLO) : len(_HELLO) + 1] != b"\x04":
            self._refuse(connection, _BAD_VERSION)
            return
        packet = mqtt_more.parse_connect(body)
        _require(flags == 0, "flags of CONNECT")
        _check_connect(body[len(_HELLO) + 1], packet)
        if not packet.client_id and not packet.clean:
            self._refuse(connection, _BAD_ID)
            return
        if self._login and not self._login(packet.client_id, packet.user, _text(packet.password)):
            self._refuse(connection, _NOT_AUTHORISED)
            return
        if not packet.client_id:
            self._nameless += 1
            packet.client_id = f"auto-{self._nameless}"
        session, present = self._session(packet)
        session.connection = connection
        connection.session = session
        connection.user = session.user = packet.user
        connection.greeted(packet.keepalive, now_ms)
        if packet.will:
            topic, payload, qos, retain = packet.will
            connection.will = Message(topic, payload, min(qos, _MOST_QOS), retain)
        connection.send(mqtt_more.connack(present, _ACCEPTED))
        for pid, message in session.in_flight.items():
            connection.send(mqtt.publish(message.topic, message.payload, 1, pid, message.retain, dup=True))
        self._pump(session)

    def _refuse(self, connection: Connection, code: int) -> None:
        connection.send(mqtt_more.connack(False, code))
        self.close(connection, with_will=False)

    def _session(self, packet: mqtt_more.Connect) -> tuple[Session, bool]:
        """The session of a new connection, and whether it was there; a connection that has it now is closed.

        The will of that one is published unless the session goes on: the client is seen as still there.
        """
        old = self.sessions.get(packet.client_id)
        if old and old.connection:
            self.close(old.connection, with_will=packet.clean or old.clean)
        if packet.clean:
            self.sessions.pop(packet.client_id, None)
        session = self.sessions.get(packet.client_id)
        if session is not None:
            return session, True
        session = self.sessions[packet.client_id] = Session(packet.client_id, packet.clean)
        return session, False

    def _published(self, connection: Connection, flags: int, body: bytes) -> None:
        topic, payload, qos, pid, retain, _dup = mqtt_more.parse_publish(flags, body)
        _require(qos <= _MOST_QOS and valid_topic(topic) and (pid > 0 or not qos), "PUBLISH")
        if len(payload) <= MAX_PAYLOAD and self._may(connection.user, topic, write=True):
            self.publish(connection.user, Message(topic, bytes(payload), qos, retain))
        if qos:
            connection.send(mqtt.puback(pid))

    def _subscribe(self, connection: Connection, session: Session, body: bytes) -> None:
        pid, filters = mqtt_more.parse_subscribe(body)
        _require(pid > 0 and bool(filters), "SUBSCRIBE")
        for filter_, qos in filters:
            _require(valid_filter(filter_) and qos < 3, "SUBSCRIBE")
            session.filters[filter_] = min(qos, _MOST_QOS)
        connection.send(mqtt_more.suback(pid, [min(qos, _MOST_QOS) for _, qos in filters]))
        for filter_, qos in filters:
            for kept in list(self.retained.values()):
                if matches(filter_, kept.topic):
                    most = min(kept.qos, qos, _MOST_QOS)
                    self._enqueue(session, Message(kept.topic, kept.payload, most, retain=True))

    def _may(self, user: str | None, topic: str, *, write: bool) -> bool:
        return self._allowed is None or self._allowed(user, topic, write)

    def _enqueue(self, session: Session, message: Message) -> None:
        """Give a session a message: QoS 0 now or never, QoS 1 in its turn, if there is room."""
        if not self._may(session.user, message.topic, write=False):
            return
        connection = session.connection
        if message.qos == 0:
            if connection:
                connection.send(mqtt.publish(message.topic, message.payload, 0, 0, message.retain))
            return
        room = self._max_queued + (self._in_flight if connection else 0)
        if len(session.in_flight) + len(session.queue) >= room:
            self.dropped += 1
            return
        session.queue.append(message)
        self._pump(session)

    def _pump(self, session: Session) -> None:
        """Send what the window allows, in order."""
        connection = session.connection
        while connection and session.queue and len(session.in_flight) < self._in_flight:
            message = session.queue.popleft()
            pid = session.next_pid
            while pid in session.in_flight:
                pid = pid % 65535 + 1
            session.next_pid = pid % 65535 + 1
            session.in_flight[pid] = message
            connection.send(mqtt.publish(message.topic, message.payload, 1, pid, message.retain))


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise WireError("bad_field", what)


def _check_connect(flags: int, packet: mqtt_more.Connect) -> None:
    """What MQTT forbids of a CONNECT that could be read: WireError."""
    will_qos = flags >> 3 & 3
    _require(not flags & 1, "reserved flag of CONNECT")
    _require(will_qos < 3 and (packet.will is not None or not flags & 0x38), "will flags of CONNECT")
    _require(packet.will is None or valid_topic(packet.will[0]), "topic of the will")
    _require(packet.password is None or packet.user is not None, "password without a user")


def _pid(body: bytes) -> int:
    pid: int = mqtt.parse_pid(body)
    _require(pid > 0, "packet id 0")
    return pid


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def valid_topic(topic: str) -> bool:
    """Whether something may be published under it: not empty, no wildcards, no U+0000."""
    return bool(topic) and not any(character in topic for character in "+#\0")


def valid_filter(filter_: str) -> bool:
    """Whether a topic filter is well formed: wildcards stand alone in their level, # only at the end."""
    levels = filter_.split("/")
    if not filter_ or "\0" in filter_ or any("#" in level for level in levels[:-1]):
        return False
    return all(level in ("+", "#") or ("+" not in level and "#" not in level) for level in levels)


def matches(filter_: str, topic: str) -> bool:
    """Whether a topic falls under a filter; a leading wildcard does not match topics that begin with $."""
    wanted, have = filter_.split("/"), topic.split("/")
    if have[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for k, level in enumerate(wanted):
        if level == "#":
            return True
        if k >= len(have) or (level not in ("+", have[k])):
            return False
    return len(wanted) == len(have)


def _place(filter_: str) -> tuple[int, ...]:
    """Where Mosquitto comes to a filter on its walk, among filters that match the same topic."""
    return (*({"+": _PLUS, "#": _HASH}.get(level, _LITERAL) for level in filter_.split("/")), _END)

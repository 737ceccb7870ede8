"""An MQTT 3.1.1 broker without I/O: bytes of a connection in, bytes out, time as an argument.

Persistent sessions, QoS 0 and 1, retained messages, wills, keepalive, in-flight window, redelivery with DUP, wildcards;
QoS 2 closes the connection, as nothing of ours uses it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pantau_wire import mqtt, mqtt_more
from pantau_wire.errors import WireError

MAX_PACKET = 65536
IN_FLIGHT = 20  # unacknowledged QoS 1 messages per session, Mosquitto's default
MAX_QUEUED = 1000  # messages kept for an absent or slow session; more are dropped and counted, as Mosquitto does
_ACCEPTED, _BAD_LOGIN = 0, 4
_REFUSED_FILTER = 128


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

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the client; a protocol error closes the connection."""
        if self.closed:
            return
        if self._keepalive_ms:
            self.deadline_ms = now_ms + self._keepalive_ms
        self._reader.feed(data)
        try:
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

    `login(client_id, user, password)` and `allowed(user, topic, write)` decide on access; without them all is open.
    """

    def __init__(
        self,
        login: Callable[[str, str | None, str | None], bool] | None = None,
        allowed: Callable[[str | None, str, bool], bool] | None = None,
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.retained: dict[str, Message] = {}
        self.published: dict[int, int] = {0: 0, 1: 0}
        self.dropped = 0
        self.on_publish: Callable[[str | None, Message], None] | None = None
        self._login = login
        self._allowed = allowed

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
        """All connections end; without keep_sessions everything else is forgotten too, as without persistence."""
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
        if with_will and connection.will:
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
            granted = [qos for filter_, qos in session.filters.items() if matches(filter_, message.topic)]
            if granted:
                self._enqueue(session, Message(message.topic, message.payload, min(message.qos, max(granted))))

    def handle(self, connection: Connection, packet: tuple[int, int, bytes], now_ms: int) -> None:
        """One packet from a client; WireError for what MQTT does not allow."""
        kind, flags, body = packet
        session = connection.session
        if session is None:
            if kind != mqtt_more.CONNECT:
                raise WireError("bad_field", "first packet is not CONNECT")
            self._connect(connection, mqtt_more.parse_connect(body), now_ms)
        elif kind == mqtt.PUBLISH:
            self._published(connection, flags, body)
        elif kind == mqtt.PUBACK:
            session.in_flight.pop(mqtt.parse_pid(body), None)
            self._pump(session)
        elif kind == mqtt_more.SUBSCRIBE:
            self._subscribe(connection, session, body)
        elif kind == mqtt_more.UNSUBSCRIBE:
            pid, filters = mqtt_more.parse_unsubscribe(body)
            for filter_ in filters:
                session.filters.pop(filter_, None)
            connection.send(mqtt_more.unsuback(pid))
        elif kind == mqtt_more.PINGREQ:
            connection.send(mqtt_more.pingresp())
        elif kind == mqtt_more.DISCONNECT:
            self.close(connection, with_will=False)
        else:
            raise WireError("bad_field", f"packet type {kind} from a client")

    def _connect(self, connection: Connection, packet: mqtt_more.Connect, now_ms: int) -> None:
        if self._login and not self._login(packet.client_id, packet.user, _text(packet.password)):
            connection.send(mqtt_more.connack(False, _BAD_LOGIN))
            self.close(connection, with_will=False)
            return
        old = self.sessions.get(packet.client_id)
        if old and old.connection:
            old.connection.lost()
        if packet.clean:
            self.sessions.pop(packet.client_id, None)
        session = self.sessions.get(packet.client_id)
        present = session is not None
        if session is None:
            session = self.sessions[packet.client_id] = Session(packet.client_id, packet.clean)
        session.clean = packet.clean
        session.connection = connection
        connection.session = session
        connection.user = packet.user
        connection.greeted(packet.keepalive, now_ms)
        if packet.will:
            topic, payload, qos, retain = packet.will
            connection.will = Message(topic, payload, min(qos, 1), retain)
        connection.send(mqtt_more.connack(present, _ACCEPTED))
        for pid, message in session.in_flight.items():
            connection.send(mqtt.publish(message.topic, message.payload, 1, pid, message.retain, dup=True))
        self._pump(session)

    def _published(self, connection: Connection, flags: int, body: bytes) -> None:
        topic, payload, qos, pid, retain, _dup = mqtt_more.parse_publish(flags, body)
        if qos > 1 or not topic or "+" in topic or "#" in topic:
            raise WireError("bad_field", "PUBLISH")
        if self._allowed is None or self._allowed(connection.user, topic, True):
            self.publish(connection.user, Message(topic, bytes(payload), qos, retain))
        if qos:
            connection.send(mqtt.puback(pid))

    def _subscribe(self, connection: Connection, session: Session, body: bytes) -> None:
        pid, filters = mqtt_more.parse_subscribe(body)
        codes = []
        for filter_, qos in filters:
            if not valid_filter(filter_) or (self._allowed and not self._allowed(connection.user, filter_, False)):
                codes.append(_REFUSED_FILTER)
                continue
            session.filters[filter_] = min(qos, 1)
            codes.append(min(qos, 1))
        connection.send(mqtt_more.suback(pid, codes))
        for (filter_, _qos), code in zip(filters, codes, strict=True):
            if code != _REFUSED_FILTER:
                for kept in list(self.retained.values()):
                    if matches(filter_, kept.topic):
                        self._enqueue(session, Message(kept.topic, kept.payload, min(kept.qos, code), retain=True))

    def _enqueue(self, session: Session, message: Message) -> None:
        if session.connection is None and message.qos == 0:
            return
        if len(session.queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        session.queue.append(message)
        self._pump(session)

    def _pump(self, session: Session) -> None:
        """Send what the window allows, in order."""
        connection = session.connection
        while connection and session.queue:
            message = session.queue[0]
            if message.qos and len(session.in_flight) >= IN_FLIGHT:
                return
            session.queue.popleft()
            pid = 0
            if message.qos:
                pid = session.next_pid
                while pid in session.in_flight:
                    pid = pid % 65535 + 1
                session.next_pid = pid % 65535 + 1
                session.in_flight[pid] = message
            connection.send(mqtt.publish(message.topic, message.payload, message.qos, pid, message.retain))


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def valid_filter(filter_: str) -> bool:
    """Whether a topic filter is well formed: wildcards stand alone in their level, # only at the end."""
    levels = filter_.split("/")
    if not filter_ or any("#" in level for level in levels[:-1]):
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

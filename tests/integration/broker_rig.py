"""One small MQTT client over two transports: the broker model in virtual time, and a real Mosquitto over TCP.

Nothing here waits for a while to see whether something comes. A broker answers a client's packets in order, so what it has
for a client is what stands before the answer to a ping (`packets`), or before the end of the connection (`ended`).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from needs import need
from pantau_sim.broker import MAX_PACKET, MAX_PAYLOAD, MAX_QUEUED, BrokerModel, Connection, matches
from pantau_sim.servers.mosquitto import Server
from pantau_wire import mqtt, mqtt_more

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORDS = {"n1": "secret-1", "n2": "secret-2"}
WRITES = {"n1": ("+/n1/up", "+/n1/will"), "n2": ("#",)}  # who has no name may do everything
READS = {"n1": ("+/n1/down", "+/n1/up"), "n2": ("#",)}
_PATIENCE_S = 15.0
_MAX_PACKET = 1 << 20


class Got(NamedTuple):
    """A message as a client received it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


def got(topic: str, payload: bytes = b"x", qos: int = 1, *, retain: bool = False, dup: bool = False) -> Got:
    """Return a message as it is expected."""
    return Got(topic, payload, qos, retain, dup)


def payloads(messages: list[Got]) -> list[bytes]:
    """Return what messages say."""
    return [message.payload for message in messages]


class Transport(Protocol):
    """Bytes to a broker and back."""

    def send(self, data: bytes) -> None:
        """Send bytes; nothing happens when the broker has ended the connection."""

    def receive(self) -> bytes:
        """Return what came, waiting for it; nothing when the connection has ended."""

    def lose(self) -> None:
        """Lose the connection without a word; the broker has noticed when this returns."""


class Client:
    """One connection of one client; `present` and `code` are what CONNACK said."""

    def __init__(self, transport: Transport, case: str) -> None:
        self.present: bool | None = None
        self.code: int | None = None
        self.closed = False
        self.pids: list[int] = []  # of the QoS 1 messages received, in order
        self._transport = transport
        self._case = case
        self._reader = mqtt.Reader(_MAX_PACKET)
        self._pid = 0

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.send(data)

    def drop(self) -> None:
        """Lose the connection."""
        self._transport.lose()
        self.closed = True

    def leave(self) -> None:
        """Say goodbye, and see the broker end the connection."""
        self.send(mqtt_more.disconnect())
        self.ended()

    def packets(self) -> list[tuple[int, int, bytes]]:
        """Return the packets that the broker had for us by now."""
        self.send(mqtt.pingreq())
        return self.until(mqtt_more.PINGRESP)[:-1]

    def ended(self) -> list[tuple[int, int, bytes]]:
        """Return the packets that came before the broker ended the connection, as it must."""
        found = self.until(None)
        self.closed = True
        return found

    def messages(self, *, ack: bool = True) -> list[Got]:
        """Return the messages that the broker had for us by now, and acknowledge them."""
        return self.read(self.packets(), ack=ack)

    def read(self, packets: list[tuple[int, int, bytes]], *, ack: bool = True) -> list[Got]:
        """Return the messages among packets, their topics without the prefix of the case."""
        out = []
        for kind, flags, body in packets:
            if kind != mqtt.PUBLISH:
                continue
            topic, payload, qos, pid, retain, dup = mqtt_more.parse_publish(flags, body)
            out.append(Got(topic.replace(self._case + "/", "", 1), bytes(payload), qos, retain, dup))
            if qos:
                self.pids.append(pid)
                if ack:
                    self.send(mqtt.puback(pid))
        return out

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 1, *, retain: bool = False) -> None:
        """Publish, and return when the broker has routed it."""
        self._pid += 1
        self.send(mqtt.publish(self.topic(topic), payload, qos, self._pid, retain))
        if qos:
            assert mqtt.parse_pid(self.until(mqtt.PUBACK)[-1][2]) == self._pid
        else:
            self.packets()

    def subscribe(self, *filters: str | tuple[str, int], ack: bool = True) -> tuple[list[int], list[Got]]:
        """Subscribe at QoS 1 unless said; return the codes, and the messages that came after SUBACK."""
        asked = [(self.topic(f), 1) if isinstance(f, str) else (self.topic(f[0]), f[1]) for f in filters]
        self._pid += 1
        self.send(mqtt.subscribe(self._pid, asked))
        pid, codes = mqtt.parse_suback(self.until(mqtt.SUBACK)[-1][2])
        assert pid == self._pid
        return codes, self.messages(ack=ack)

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe, and see it answered."""
        self._pid += 1
        self.send(mqtt_more.unsubscribe(self._pid, [self.topic(f) for f in filters]))
        assert mqtt.parse_pid(self.until(mqtt_more.UNSUBACK)[-1][2]) == self._pid

    def topic(self, name: str) -> str:
        """Return a topic or filter as it goes over the wire: in the case's own part of the tree."""
        return f"${self._case}/{name[1:]}" if name.startswith("$") else f"{self._case}/{name}"

    def hello(self, packet: bytes) -> Client:
        """Send CONNECT and read its answer."""
        self.send(packet)
        found = self.until(mqtt.CONNACK)
        self.present, self.code = mqtt.parse_connack(found[-1][2])
        return self

    def until(self, wanted: int | None) -> list[tuple[int, int, bytes]]:
        """Return the packets up to one of this kind, waiting for it, or up to the end of the connection for None."""
        found = []
        while True:
            packet = self._reader.next()
            if packet is not None:
                found.append(packet)
                if packet[0] == wanted:
                    return found
                continue
            data = self._transport.receive()
            if not data:
                assert wanted is None, f"the broker ended the connection instead of packet {wanted}, after {found}"
                return found
            self._reader.feed(data)


class Rig:
    """A broker that is one or the other; each case has ids and topics of its own."""

    kind: str

    def __init__(self) -> None:
        self.case = ""
        self._count = 0
        self._transports: list[Transport] = []

    @contextlib.contextmanager
    def one_case(self) -> Iterator[Self]:
        """One case; connections that it leaves open are lost."""
        self._count += 1
        self.case = f"case{self._count}"
        try:
            yield self
        finally:
            for transport in self._transports:
                transport.lose()
            self._transports.clear()

    def client(self) -> Client:
        """Return a transport that came up, nothing said."""
        self._transports.append(self.open())
        return Client(self._transports[-1], self.case)

    def connect(
        self, name: str, *, clean: bool = True, keepalive: int = 0, user: str | None = None, password: str | None = None,
        will: tuple[str, bytes, int, bool] | None = None,
    ) -> Client:  # fmt: skip
        """Return a client after CONNACK."""
        client = self.client()
        last = (client.topic(will[0]), *will[1:]) if will else None
        client_id = f"{self.case}-{name}"
        return client.hello(mqtt.connect(client_id, user, password, keepalive, clean=clean, will=last))

    def subscriber(self, *filters: str | tuple[str, int], name: str = "sub", clean: bool = True) -> Client:
        """Return a client with subscriptions."""
        client = self.connect(name, clean=clean)
        client.subscribe(*filters)
        return client

    def open(self) -> Transport:
        """Return a new connection."""
        raise NotImplementedError

    def restart(self, *, keep: bool) -> None:
        """Stop the broker in order and start it again, with what it kept or without."""
        raise NotImplementedError

    def now_s(self) -> float:
        """Return this broker's time."""
        raise NotImplementedError

    def close(self) -> None:
        """End it."""


class _Wire:
    """A connection to the model. Waiting for bytes of which there are none lets time go on to the next thing that is due."""

    def __init__(self, rig: ModelRig) -> None:
        self._rig = rig
        self._connection: Connection = rig.broker.connect()

    def send(self, data: bytes) -> None:
        self._connection.receive(data, self._rig.now_ms)

    def receive(self) -> bytes:
        data = self._connection.take()
        while not data and not self._connection.closed:
            due = self._rig.broker.next_deadline_ms()
            assert due is not None, "the model has nothing to send and never will"
            self._rig.now_ms = max(self._rig.now_ms, due)
            self._rig.broker.tick(self._rig.now_ms)
            data = self._connection.take()
        return data

    def lose(self) -> None:
        self._connection.lost()


class ModelRig(Rig):
    """The model."""

    kind = "model"

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.broker = BrokerModel(_login, _allowed)

    def open(self) -> Transport:
        return _Wire(self)

    def restart(self, *, keep: bool) -> None:
        self.broker.restart(keep_sessions=keep)

    def now_s(self) -> float:
        return self.now_ms / 1000


def _login(_client_id: str, user: str | None, password: str | None) -> bool:
    return user is None or PASSWORDS.get(user) == password


def _allowed(user: str | None, topic: str, write: bool) -> bool:
    return user is None or any(matches(filter_, topic) for filter_ in (WRITES if write else READS)[user])


class _Tcp:
    """A connection to Mosquitto."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionError:
            return b""

    def lose(self) -> None:
        with self._socket, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(65536):
                pass


class MosquittoRig(Rig):
    """A Mosquitto with the limits of the model."""

    kind = "mosquitto"

    def __init__(self, folder: Path) -> None:
        need("mosquitto", "mosquitto")
        super().__init__()
        folder.mkdir(exist_ok=True)
        (folder / "passwords").touch(mode=0o600)
        for user, password in PASSWORDS.items():
            tool = need("mosquitto_passwd", "mosquitto")
            subprocess.run([tool, "-b", folder / "passwords", user, password], check=True, capture_output=True)
        rules = ["topic readwrite #", *(f"topic readwrite $case{n}/#" for n in range(1, 1000))]
        for user in PASSWORDS:
            rules += [
                f"user {user}",
                *(f"topic write {f}" for f in WRITES[user]),
                *(f"topic read {f}" for f in READS[user]),
            ]
        (folder / "rules").write_text("\n".join(rules) + "\n")
        (folder / "rules").chmod(0o600)
        self._server = Server(
            folder,
            listener=f"allow_anonymous true\npassword_file {folder}/passwords\nacl_file {folder}/rules",
            config=f"max_queued_messages {MAX_QUEUED}\nmessage_size_limit {MAX_PAYLOAD}\nmax_packet_size {MAX_PACKET + 1}",
        )
        self._server.start()

    def open(self) -> Transport:
        return _Tcp(self._server.port)

    def restart(self, *, keep: bool) -> None:
        self._server.stop()
        if not keep:
            (self._server.folder / "mosquitto.db").unlink()
        self._server.start()

    def now_s(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        self._server.stop()

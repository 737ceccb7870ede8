"""One connection to a broker for publishing: MQTT 3.1.1, QoS 1, every receipt awaited, all waiting bounded."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, cast

from pantau.problems import ConfigError, Problem
from pantau.settings import read_secret
from pantau.sinks.items import TargetTrouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paho.mqtt.client import Client

    from pantau.config import MqttTable
    from pantau.sinks.mqtt import MqttJsonTable

_KEY = "sinks.mqtt"
_TICK_S = 0.25
_CLOSE_S = 2.0


class Link:
    """A connection that is made anew after any trouble: nothing of before is left in it to be sent later."""

    def __init__(self, settings: MqttJsonTable, client_id: str, key: str = _KEY) -> None:
        """Raise ConfigError for files that cannot be used. `key` names the table in messages."""
        self._settings = settings
        self._client_id = client_id
        self._key = key
        self._context = _tls(settings, key)
        self._user, self._password = settings.user, None
        if settings.token_file is not None:
            self._user = read_secret(settings.token_file, f"{key}.token_file")
        if settings.password_file is not None:
            self._password = read_secret(settings.password_file, f"{key}.password_file")
        self._client: Client | None = None
        self._waiting: dict[int, int] = {}  # packet id: bytes of what has no receipt yet
        self._answer = ""  # to CONNECT: "" none yet, "yes", or why not
        self._moved_at = 0.0

    def ready(self) -> bool:
        """Connect if need be; return whether this is a new connection. Raises TargetTrouble."""
        if self._client is not None:
            try:
                self._turn(0.0)  # nobody has listened to the broker since the last call: it may have left meanwhile
            except TargetTrouble:
                self.drop()
            else:
                return False
        try:
            self._connect()
        except (OSError, ValueError) as error:  # ValueError: a bad host name
            self.drop()
            raise TargetTrouble(self._words(error)) from None
        except TargetTrouble:
            self.drop()
            raise
        return True

    def send(self, messages: Iterable[tuple[str, bytes]], *, retain: bool = False) -> None:
        """Publish in order and return when the broker has confirmed all. Raises TargetTrouble, ambiguous."""
        try:
            for topic, payload in messages:
                self._until_fewer(self._settings.in_flight)
                client = self._connected()
                sent = client.publish(topic, payload, qos=1, retain=retain)
                self._waiting[sent.mid] = len(payload)
            self._until_fewer(1)
        except TargetTrouble:
            self.drop()
            raise

    def drop(self) -> None:
        """Leave at once."""
        client, self._client = self._client, None
        self._waiting.clear()
        if client is not None:
            client.on_connect = client.on_publish = None  # they lead back here: the client is to go now
            if (left := client.socket()) is not None:
                left.close()

    def close(self) -> None:
        """Leave in order, as far as the broker lets us."""
        client = self._client
        if client is not None:
            client.disconnect()
            until = time.monotonic() + _CLOSE_S
            while client.socket() is not None and client.want_write() and time.monotonic() < until:
                _wait(client, _TICK_S)
        self.drop()

    def _connect(self) -> None:
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, clean_session=True, protocol=MQTTv311,
            reconnect_on_failure=False,
        )  # fmt: skip
        client.connect_timeout = settings.timeout_s
        client.max_inflight_messages_set(settings.in_flight)
        if self._context is not None:
            client.tls_set_context(self._context)
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        client.on_connect, client.on_publish = self._on_connect, self._on_publish
        self._client, self._answer, self._moved_at = client, "", time.monotonic()
        client.connect(settings.host, settings.port, settings.keepalive_s)
        if (link := client.socket()) is not None:
            cast("socket.socket", link).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._answer:
            self._turn(_TICK_S)
            self._patience("does not answer to CONNECT; is this its MQTT port?")
        if self._answer != "yes":
            secret = f"check user, password_file or token_file in [{self._key}]"
            raise TargetTrouble(f"the broker {self._where()} refuses us: {self._answer}; {secret}")

    def _until_fewer(self, most: int) -> None:
        """Return when less than `most` messages have no receipt."""
        self._moved_at = time.monotonic()
        while len(self._waiting) >= most:
            self._turn(_TICK_S)
            self._patience("gave no receipt; look at it")

    def _turn(self, wait_s: float) -> None:
        """Read and write what can be, after waiting `wait_s` at most for something."""
        client = self._connected()
        _wait(client, wait_s)
        if client.socket() is not None or self._answer not in {"", "yes"}:
            return
        said = f"the broker {self._where()} closed the connection"
        if self._waiting:
            largest = max(self._waiting.values())
            said += f" before it confirmed {len(self._waiting)} messages of up to {largest} bytes; if it does so again, see its log,"
            raise TargetTrouble(f"{said} and lower max_bytes in [{self._key}] to what it takes", ambiguous=True)
        raise TargetTrouble(f"{said}; see its log")

    def _connected(self) -> Client:
        if self._client is None:
            raise TargetTrouble(f"the broker {self._where()} is not connected; look at it")
        return self._client

    def _patience(self, what: str) -> None:
        """Raise TargetTrouble when nothing has come for the whole time-out."""
        within_s = self._settings.timeout_s
        if time.monotonic() - self._moved_at > within_s:
            raise TargetTrouble(f"for {within_s:g} s the broker {self._where()} {what}", ambiguous=True)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._answer = str(reason) if reason.is_failure else "yes"

    def _on_publish(self, _client: Any, _data: Any, packet: int, _reason: Any, _properties: Any) -> None:
        self._waiting.pop(packet, None)
        self._moved_at = time.monotonic()

    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _words(self, error: Exception) -> str:
        where = self._where()
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"broker {where}: its certificate does not fit: {error.verify_message}; check host and ca in [{self._key}]"
        if isinstance(error, ssl.SSLError):
            return f"broker {where} does not speak TLS as asked ({error.reason}); check that this is its TLS port"
        if isinstance(error, socket.gaierror):
            return f"broker {self._settings.host}: the name is not known ({error.strerror}); check [{self._key}] host and the DNS"
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {where}: start the broker or correct [{self._key}] host and port"
        if isinstance(error, TimeoutError):
            return f"broker {where} does not answer within {self._settings.timeout_s:g} s; check the address and the firewall"
        return f"broker {where} cannot be reached: {error}; check [{self._key}] host and port"


def _wait(client: Client, wait_s: float) -> None:
    """Wait for the socket, which may have any number, and let the client do what it can do then."""
    link = client.socket()
    if link is None:
        return
    _hasten(link)
    poller = select.poll()
    poller.register(link, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
    pending = link.pending() if isinstance(link, ssl.SSLSocket) else 0
    for _, events in poller.poll(0.0 if pending else 1000.0 * wait_s) or ([(0, select.POLLIN)] if pending else []):
        if events & ~select.POLLOUT:
            client.loop_read()
        if events & select.POLLOUT and client.socket() is not None:
            client.loop_write()
    client.loop_misc()


def _hasten(link: Any) -> None:
    """Have the kernel confirm at once what comes: a broker holds its second receipt back until we have the first (Nagle).

    Else the last receipts of each delivery take 40 ms. Linux forgets the wish, so it is told again each time.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _tls(settings: MqttJsonTable, key: str) -> ssl.SSLContext | None:
    """Return the context for the broker as the bridge's own source makes it. ConfigError names our table."""
    from pantau.sources.mqtt import tls_context

    try:
        context = tls_context(cast("MqttTable", settings))  # of which it reads what both tables have
    except ConfigError as error:
        raise ConfigError(
            [Problem(p.file, f"{key}{p.key.removeprefix('mqtt')}", p.message) for p in error.problems]
        ) from None
    if context is not None:
        context.sslsocket_class = _Socket
    return context


class _Socket(ssl.SSLSocket):
    """One that does not stay open when the other side is not whom we want: the package would leave it so."""

    def do_handshake(self, block: bool = False) -> None:
        """Do as the base does."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

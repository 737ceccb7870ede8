"""MQTT source (3.1.1 or 5): 64 persistent partition sessions in one event loop, each with its own connection and back-off.

QoS 1 throughout. A message is confirmed to the broker only after its commit, in order of receipt.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from pantau import keys
from pantau.log import event
from pantau.problems import ConfigError, Problem
from pantau.reconnect import Backoff
from pantau.sources.dialect import Login, Mqtt5, Mqtt311
from pantau.sources.session import Session, SourceLost
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pantau.config import MqttTable
    from pantau.sources import Inbox
    from pantau.sources.dialect import Dialect

_log = logging.getLogger("pantau.mqtt")
_AT_ONCE = 8  # connections being made at a time: a TLS handshake costs milliseconds of the loop
_TICK_S = 1.0
_ADDRESSES = 40_000  # remembered at a time
_UNREACHABLE_AFTER_S = 3.0  # of no session at all, before it is called a problem


def tls_context(settings: MqttTable) -> ssl.SSLContext | None:
    """Return the context for the broker, None for plain. ConfigError names each file that cannot be used."""
    if not settings.tls:
        return None
    problems = []

    def unusable(key: str, path: Path | None, error: OSError) -> None:  # ssl.SSLError is one
        what = f"{path} cannot be used: {error.strerror or error}; it must be a PEM file"
        problems.append(Problem("", key, what))

    try:
        context = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
    except OSError as error:
        unusable("mqtt.ca", settings.ca, error)
        context = ssl.create_default_context()
    if settings.certificate is not None and settings.private_key is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.private_key)
        except OSError as error:
            unusable("mqtt.certificate", settings.certificate, error)
    if problems:
        raise ConfigError(problems)
    return context


def read_password(settings: MqttTable) -> str | None:
    """Return the password, None without one. ConfigError when the file is missing, open to others or not text."""
    path = settings.password_file
    if path is None:
        return None
    keys.require_private(path)
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        what = "is not UTF-8 text"
    raise ConfigError([Problem("", "mqtt.password_file", f"{path} {what}; it holds the password on one line")])


def explain(error: Exception, settings: MqttTable) -> str:
    """Return what went wrong with the broker and what to do."""
    where = f"{settings.host}:{settings.port}"
    if isinstance(error, SourceLost):
        return f"broker {where}: {error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"broker {where}: its certificate does not fit: {error.verify_message}; check [mqtt] ca and server_name"
    if isinstance(error, ssl.SSLError):
        return f"broker {where} does not speak TLS as asked ({error.reason}); is this its TLS port?"
    if isinstance(error, socket.gaierror):
        return f"broker {settings.host}: the name is not known ({error.strerror}); check [mqtt] host and the DNS"
    if isinstance(error, ConnectionRefusedError):
        return (
            f"nothing listens at {where}: start the broker (Debian package mosquitto) or correct [mqtt] host and port"
        )
    if isinstance(error, TimeoutError):
        return f"broker {where} does not answer within {settings.connect_timeout_s:g} s; check the address and the firewall"
    return f"broker {where} cannot be reached: {error}; check [mqtt] host and port"


def dialect_of(settings: MqttTable) -> Dialect:
    """Return the version of MQTT that is spoken to the broker."""
    return Mqtt5() if settings.version == "5" else Mqtt311()


async def open_session(
    login: Login, filters: list[tuple[str, int]], settings: MqttTable, context: ssl.SSLContext | None, inbox: Inbox
) -> Session:
    """Return a connected and subscribed session. Raises OSError, TimeoutError or SourceLost."""
    session = Session(dialect_of(settings), login, filters, inbox)
    name = (settings.server_name or settings.host) if context is not None else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            await loop.create_connection(
                lambda: session, settings.host, settings.port, ssl=context, server_hostname=name
            )
            ends: set[asyncio.Future[Any]] = {session.ready, session.lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        session.leave()
        raise
    if session.lost.done():
        session.lost.result()
    return session


class Partition:
    """One partition's session; remembers what the broker had not confirmed when the connection broke."""

    def __init__(self, number: int, city: str, settings: MqttTable, password: str | None) -> None:
        self.session: Session | None = None
        self._settings = settings
        client = f"{settings.client_prefix}-p{number:02d}"
        self._login = Login(client, settings.user, password, settings.keepalive_s)
        under = f"pantau/v1/{city}/{number}/+"
        self._filters = [(f"{under}/up", 1), (f"{under}/will", 1)]
        self._unconfirmed: list[tuple[str, bytes]] = []

    @property
    def ready(self) -> bool:
        """Return whether messages can pass."""
        return self.session is not None and not self.session.lost.done()

    async def open(self, inbox: Inbox, context: ssl.SSLContext | None) -> bool:
        """Connect and subscribe; return session_present. Raises OSError, TimeoutError or SourceLost."""
        session = await open_session(self._login, self._filters, self._settings, context, inbox)
        self.session = session
        if inbox.full:
            session.read(on=False)
        for topic, payload in self._unconfirmed:
            session.publish(topic, payload)
        self._unconfirmed = []
        return session.ready.result()

    async def lost(self) -> None:
        """Return when the connection was left on purpose; raises SourceLost when it was lost."""
        if self.session is not None:
            try:
                await asyncio.shield(self.session.lost)
            finally:
                # An acknowledgement on its way must arrive; a late answer about the time would mislead.
                self._unconfirmed = [sent for sent in self.session.unconfirmed() if sent[0].endswith("/ack")]


class MqttSource:
    """All partitions of one broker."""

    name = "mqtt"

    def __init__(self, city: str, settings: MqttTable, *, expect_session: bool, on_settled: Callable[[], None]) -> None:
        """Raise ConfigError for files that cannot be used.

        `expect_session`: these sessions existed before, so their absence is news. `on_settled` is called whenever all
        of them exist.
        """
        self._city = city
        self._settings = settings
        self._context = tls_context(settings)
        password = read_password(settings)
        self._partitions = [Partition(n, city, settings, password) for n in range(topics.PARTITIONS)]
        self._addresses: dict[
            tuple[str, str], tuple[int, str]
        ] = {}  # partition and topic: an answer a frame is not rare
        self._known = [expect_session] * topics.PARTITIONS
        self._on_settled = on_settled
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._trouble = ""
        self._down_since: float | None = time.monotonic()
        self._said: tuple[int, str] = (-1, "")
        self._forgotten = 0
        self._reconnects = 0
        self._closing = False

    @property
    def connected(self) -> int:
        """Return how many partitions are connected and subscribed."""
        return sum(partition.ready for partition in self._partitions)

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled or closed."""
        inbox.on_full = self._on_full
        event(
            _log,
            logging.INFO,
            "mqtt.connecting",
            broker=f"{self._settings.host}:{self._settings.port}",
            tls=self._settings.tls,
        )
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._partitions)):
                group.create_task(self._keep(number, inbox), name=f"mqtt-p{number:02d}")
            group.create_task(self._watch(inbox), name="mqtt-watch")

    def publish(self, node: str, what: str, payload: bytes) -> bool:
        """Send to a node through its partition's session."""
        address = self._addresses.get((node, what))
        if address is None:
            address = (topics.partition(node), topics.topic(self._city, node, what))
            if len(self._addresses) >= _ADDRESSES:
                self._addresses.clear()
            self._addresses[node, what] = address
        session = self._partitions[address[0]].session
        return session is not None and session.publish(address[1], payload)

    async def close(self) -> None:
        """Leave all sessions in order; the broker keeps them and what arrives meanwhile."""
        self._closing = True
        for partition in self._partitions:
            if partition.session is not None:
                partition.session.leave()

    def problems(self) -> Sequence[str]:
        """Return what is wrong with the broker."""
        connected = self.connected
        if connected == len(self._partitions):
            return []
        if connected:
            return [
                f"{connected} of {len(self._partitions)} partition sessions are connected: {self._trouble or 'connecting'}"
            ]
        if self._down_since is not None and time.monotonic() - self._down_since < _UNREACHABLE_AFTER_S:
            return []
        return [self._trouble or "connecting to the broker"]

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics."""
        return {
            "broker_connected": float(self.connected > 0),
            "partitions_connected": self.connected,
            "broker_reconnects_total": self._reconnects,
            "broker_sessions_forgotten_total": self._forgotten,
        }

    async def _keep(self, number: int, inbox: Inbox) -> None:
        """Hold one partition's session until closed."""
        partition, backoff = self._partitions[number], Backoff()
        while not self._closing:
            since = time.monotonic()
            try:
                async with self._gate:
                    present = await partition.open(inbox, self._context)
                since = time.monotonic()
                self._opened(number, present=present)
                await partition.lost()
            except (
                OSError,
                ValueError,
                SourceLost,
            ) as error:  # TimeoutError and SSLError are OSErrors; ValueError: a bad host name
                self._trouble = explain(error, self._settings)
                self._reconnects += 1
                backoff.worked(time.monotonic() - since if partition.session is not None else 0.0)
            partition.session = None
            if not self._closing:
                await asyncio.sleep(backoff.next())

    def _opened(self, number: int, *, present: bool) -> None:
        if self._known[number] and not present:
            self._forgotten += 1
            event(
                _log, logging.WARNING, "mqtt.session_forgotten", partition=number,
                meaning="the broker lost this session and what it held; nodes still have every frame not acknowledged",
            )  # fmt: skip
        self._known[number] = True
        if self.connected == len(self._partitions):
            self._trouble = ""
            self._tell()
            self._on_settled()

    async def _watch(self, inbox: Inbox) -> None:
        """Keep connections alive, and log the state when it changed: one line a second at most, however many sessions."""
        while not self._closing:
            connected = self.connected
            if connected:
                self._down_since = None
            elif self._down_since is None:
                self._down_since = time.monotonic()
            if connected or self._trouble:
                self._tell()
            for partition in self._partitions:
                if partition.session is not None:
                    partition.session.tick(reading=not inbox.full)
            await asyncio.sleep(_TICK_S)

    def _tell(self) -> None:
        """Log the state when it is not the one that was logged last."""
        connected = self.connected
        state = (connected, self._trouble)
        if state != self._said:
            self._said = state
            level = logging.INFO if connected == len(self._partitions) else logging.WARNING
            trouble = {"trouble": self._trouble} if self._trouble else {}
            event(_log, level, "mqtt.sessions", connected=connected, of=len(self._partitions), **trouble)

    def _on_full(self, full: bool) -> None:
        event(_log, logging.WARNING if full else logging.INFO, "mqtt.reading", on=not full)
        for partition in self._partitions:
            if partition.session is not None:
                partition.session.read(on=not full)


async def probe(city: str, settings: MqttTable, inbox: Inbox) -> None:
    """Connect once beside our sessions, and subscribe as they do. Raises ConfigError, OSError or SourceLost."""
    login = Login("", settings.user, read_password(settings), keep=False)
    session = await open_session(login, [(f"pantau/v1/{city}/0/+/up", 1)], settings, tls_context(settings), inbox)
    session.leave()

"""MQTT source (3.1.1 or 5): persistent partition sessions in one event loop, each with its own connection and back-off.

All 64 of a city, or those that this bridge holds among several. QoS 1 throughout. A message is confirmed to the broker only
after its commit, in order of receipt.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING

from pantau import keys
from pantau.log import event
from pantau.ops.expiry import left_of, problem
from pantau.problems import ConfigError, Problem
from pantau.reconnect import Backoff
from pantau.sources.dialect import Login
from pantau.sources.partition import Partition, open_session
from pantau.sources.session import SourceLost
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pantau.config import MqttTable
    from pantau.sources import Inbox

_log = logging.getLogger("pantau.mqtt")
_AT_ONCE = 8  # connections being made at a time: a TLS handshake costs milliseconds of the loop
_TICK_S = 1.0
_TOLD_S = 0.2  # between two log lines about sessions: they come and go by the dozen
_ASK_S = 0.5  # whether a partition is ours again
_LEAVE_S = 5.0  # for confirming what was received
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


class MqttSource:
    """The partitions that we hold of one broker; all of them unless told otherwise by `hold`."""

    name = "mqtt"

    def __init__(self, city: str, settings: MqttTable, *, expect_session: bool, on_settled: Callable[[], None]) -> None:
        """Raise ConfigError for files that cannot be used.

        `expect_session`: these sessions existed before, so their absence is news. `on_settled` is called whenever all
        that we hold exist.
        """
        self._city = city
        self._settings = settings
        self._context = tls_context(settings)
        self._password = read_password(settings)
        self._partitions: dict[int, Partition] = {}
        self._addresses: dict[
            tuple[str, str], tuple[int, str]
        ] = {}  # partition and topic: an answer a frame is not rare
        self._known = [expect_session] * topics.PARTITIONS
        self._on_settled = on_settled
        # Asked before each connection: a session that another bridge took over is not taken back while it is not ours.
        self.ours: Callable[[int], bool] = lambda _number: True
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._running: tuple[asyncio.TaskGroup, Inbox] | None = None
        self._trouble = ""
        self._down_since: float | None = time.monotonic()
        self._said: tuple[int, int, str] = (-1, -1, "")
        self._said_at = -_TOLD_S
        self._forgotten = 0
        self._reconnects = 0
        self._closing = False
        self.hold(range(topics.PARTITIONS))

    @property
    def connected(self) -> int:
        """Return how many partitions are connected and subscribed."""
        return sum(partition.ready for partition in self._partitions.values())

    @property
    def held(self) -> frozenset[int]:
        """Return the partitions that we hold, those that are being left among them."""
        return frozenset(self._partitions)

    def hold(self, numbers: Iterable[int]) -> None:
        """Hold these partitions and no others: connect to those that are new, `drop` those that are not among them."""
        wanted = frozenset(numbers)
        self.drop(self.held - wanted)
        for number in sorted(wanted - self.held):
            partition = Partition(number, self._city, self._settings, self._password)
            self._partitions[number] = partition
            self._start(partition)

    async def release(self, numbers: Iterable[int], within_s: float = _LEAVE_S) -> None:
        """Leave these partitions in order: read no more, and go when what was received has been confirmed.

        What is not confirmed after `within_s` the broker gives to whoever holds the partition next.
        """
        leaving = [self._partitions[number] for number in numbers if number in self._partitions]
        await asyncio.gather(*(partition.release(within_s) for partition in leaving))
        for partition in leaving:
            if self._partitions.get(partition.number) is partition:
                del self._partitions[partition.number]

    def drop(self, numbers: Iterable[int]) -> None:
        """Leave these partitions at once: they are not ours any more. What was received is not confirmed."""
        for number in numbers:
            partition = self._partitions.pop(number, None)
            if partition is not None:
                partition.drop()

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
        try:
            async with asyncio.TaskGroup() as group:
                self._running = group, inbox
                for partition in self._partitions.values():
                    self._start(partition)
                group.create_task(self._watch(inbox), name="mqtt-watch")
        finally:
            self._running = None

    def publish(self, node: str, what: str, payload: bytes) -> bool:
        """Send to a node through its partition's session; False for one of a partition that we do not hold."""
        address = self._addresses.get((node, what))
        if address is None:
            address = (topics.partition(node), topics.topic(self._city, node, what))
            if len(self._addresses) >= _ADDRESSES:
                self._addresses.clear()
            self._addresses[node, what] = address
        partition = self._partitions.get(address[0])
        session = partition.session if partition is not None else None
        return session is not None and session.publish(address[1], payload)

    async def close(self) -> None:
        """Leave all sessions in order; the broker keeps them and what arrives meanwhile."""
        self._closing = True
        for partition in self._partitions.values():
            if partition.session is not None:
                partition.session.leave()

    def problems(self) -> Sequence[str]:
        """Return what is wrong with the broker."""
        connected = self.connected
        if connected == len(self._partitions):
            return (
                [] if (end_s := self._shown_until_s()) is None else problem("broker", end_s, "the broker's certificate")
            )
        if connected:
            of = len(self._partitions)
            return [f"{connected} of {of} partition sessions are connected: {self._trouble or 'connecting'}"]
        if self._down_since is not None and time.monotonic() - self._down_since < _UNREACHABLE_AFTER_S:
            return []
        return [self._trouble or "connecting to the broker"]

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics."""
        shown = {} if (end_s := self._shown_until_s()) is None else left_of("broker", end_s)
        return shown | {
            "broker_connected": float(self.connected > 0 or not self._partitions),
            "partitions_connected": self.connected,
            "partitions_held": len(self._partitions),
            "broker_reconnects_total": self._reconnects,
            "broker_sessions_forgotten_total": self._forgotten,
        }

    def _shown_until_s(self) -> float | None:
        """Return until when the broker's certificate is valid, Unix seconds; None while none was shown."""
        ends = [end_s for partition in self._partitions.values() if (end_s := partition.shown_until_s) is not None]
        return min(ends, default=None)

    def _start(self, partition: Partition) -> None:
        """Hold a partition from now on, or as soon as we run."""
        if self._running is not None and not self._closing:
            group, inbox = self._running
            partition.task = group.create_task(self._keep(partition, inbox), name=f"mqtt-p{partition.number:02d}")

    async def _keep(self, partition: Partition, inbox: Inbox) -> None:
        """Hold one partition's session until closed."""
        backoff = Backoff()
        while not self._closing:
            if not self.ours(partition.number):
                await asyncio.sleep(_ASK_S)
                continue
            since = time.monotonic()
            try:
                async with self._gate:
                    present = await partition.open(inbox, self._context)
                since = time.monotonic()
                self._opened(partition.number, present=present)
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
            if time.monotonic() - self._said_at >= _TOLD_S:
                self._tell()
            self._on_settled()

    async def _watch(self, inbox: Inbox) -> None:
        """Keep connections alive, and log the state when it changed: one line a second at most, however many sessions."""
        while not self._closing:
            connected = self.connected
            if connected:
                self._down_since = None
            elif self._down_since is None and self._partitions:
                self._down_since = time.monotonic()
            if connected or self._trouble:
                self._tell()
            for partition in self._partitions.values():
                partition.tick(reading=not inbox.full)
            await asyncio.sleep(_TICK_S)

    def _tell(self) -> None:
        """Log the state when it is not the one that was logged last."""
        connected, of = self.connected, len(self._partitions)
        state = (connected, of, self._trouble)
        if state != self._said:
            self._said, self._said_at = state, time.monotonic()
            level = logging.INFO if connected == of else logging.WARNING
            trouble = {"trouble": self._trouble} if self._trouble else {}
            event(_log, level, "mqtt.sessions", connected=connected, of=of, **trouble)

    def _on_full(self, full: bool) -> None:
        event(_log, logging.WARNING if full else logging.INFO, "mqtt.reading", on=not full)
        for partition in self._partitions.values():
            partition.read(on=not full)


async def probe(city: str, settings: MqttTable, inbox: Inbox) -> None:
    """Connect once beside our sessions, and subscribe as they do. Raises ConfigError, OSError or SourceLost."""
    login = Login("", settings.user, read_password(settings), keep=False)
    session = await open_session(login, [(f"pantau/v1/{city}/0/+/up", 1)], settings, tls_context(settings), inbox)
    session.leave()

"""One partition's session over its connections: opened again and again, left in order, or given up at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pantau.sources.dialect import Login, Mqtt5, Mqtt311
from pantau.sources.session import Session

if TYPE_CHECKING:
    import ssl

    from pantau.config import MqttTable
    from pantau.sources import Inbox
    from pantau.sources.dialect import Dialect


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
        self.number = number
        self.session: Session | None = None
        self.leaving = False
        self.task: asyncio.Task[None] | None = None
        self._settings = settings
        client = f"{settings.client_prefix}-p{number:02d}"
        self._login = Login(client, settings.user, password, settings.keepalive_s)
        under = f"pantau/v1/{city}/{number}/+"
        self._filters = [(f"{under}/up", 1), (f"{under}/will", 1)]
        self._unconfirmed: list[tuple[str, bytes]] = []

    @property
    def shown_until_s(self) -> float | None:
        """Return until when the certificate is valid that the broker showed, Unix seconds; None without TLS or a connection."""
        return self.session.shown_until_s if self.session is not None else None

    @property
    def ready(self) -> bool:
        """Return whether messages can pass."""
        return self.session is not None and not self.session.lost.done()

    async def open(self, inbox: Inbox, context: ssl.SSLContext | None) -> bool:
        """Connect and subscribe; return session_present. Raises OSError, TimeoutError or SourceLost."""
        session = await open_session(self._login, self._filters, self._settings, context, inbox)
        self.session = session
        if inbox.full or self.leaving:
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

    def read(self, *, on: bool) -> None:
        """Read from the socket or leave the bytes to the broker's flow control."""
        if self.session is not None:
            self.session.read(on=on and not self.leaving)

    def tick(self, *, reading: bool) -> None:
        """Keep the connection alive."""
        if self.session is not None:
            self.session.tick(reading=reading and not self.leaving)

    async def release(self, within_s: float) -> None:
        """Receive no more, and leave once what was received has been confirmed, at the latest after `within_s`."""
        self.leaving = True
        if self.session is not None and self.ready:
            self.read(on=False)
            await self.session.depart(within_s)
        self.drop()

    def drop(self) -> None:
        """End the connection and connect no more; the broker keeps the session."""
        self.leaving = True
        if self.session is not None:
            self.session.leave()
        if self.task is not None:
            self.task.cancel()

"""How many unconfirmed messages the broker grants a session: measured, for MQTT 3.1.1 has no word for it.

Rate law: messages/s <= sessions x window / (time to the PUBACK). Mosquitto's default of 20 is enough for a city on a fast
disk and too little for one on an SD card; nobody finds out before the flood unless it is looked at before.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, NamedTuple

from pantau.pace import MOST_S
from pantau.sources import Inbox
from pantau.sources.dialect import Login
from pantau.sources.mqtt import read_password, tls_context
from pantau.sources.partition import open_session
from pantau.sources.session import SourceLost
from pantau_wire import topics

if TYPE_CHECKING:
    from pantau.config import MqttTable

ENOUGH = 1_000  # more is not asked for: beyond it the window no longer limits anything here
_QUIET_S = 0.5  # without another message: that was all
_PATIENCE_S = 15.0


class Law(NamedTuple):
    """What the window allows, beside what the stations of the registry send. Rates in frames per second.

    Under load a message waits for the read that gathers it (pantau.pace) and for its commit.
    """

    window: int
    commit_s: float
    expected: float

    @property
    def allows(self) -> float:
        """Return the highest rate, over all partition sessions."""
        return topics.PARTITIONS * self.window / (self.commit_s + MOST_S)

    def __str__(self) -> str:
        held = f"{self.window}{' or more' if self.window >= ENOUGH else ''}"
        return (
            f"window {held} x {topics.PARTITIONS} sessions / ({1000 * MOST_S:.0f} ms + commit {1000 * self.commit_s:.2f} ms) = "
            f"{self.allows:,.0f} frames/s at most, {self.expected:,.2f} expected"
        )


async def granted(city: str, settings: MqttTable) -> int | None:
    """Return the window, `ENOUGH` when it is that or more; None when the broker does not let us hear ourselves.

    Sends small messages to a topic that no node has, and confirms none that come back. Raises OSError or SourceLost.
    """
    name = f"window-{secrets.token_hex(6)}"
    topic = topics.topic(city, name, "cmd")
    inbox = Inbox()
    login = Login(f"{settings.client_prefix}-window", settings.user, read_password(settings), keep=False)
    try:
        session = await open_session(login, [(topic, 1)], settings, tls_context(settings), inbox)
    except SourceLost:
        return None  # an ACL that gives the bridge what it needs and no more
    got = sent = 0
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while got < ENOUGH:
                while sent < ENOUGH and session.publish(topic, b""):
                    sent += 1
                before = got
                await inbox.wait(_QUIET_S)
                got += sum(len(chunk.payloads) for chunk in inbox.take(ENOUGH))
                if got == before and (sent == ENOUGH or session.lost.done()):
                    break
    except TimeoutError:
        pass
    finally:
        session.leave()
    return min(got, ENOUGH) or None

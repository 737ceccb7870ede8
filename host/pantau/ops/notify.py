"""What a supervisor is told: systemd's notify protocol, and a watchdog that is fed by work done, not by a timer.

Without NOTIFY_SOCKET nothing is sent and nothing is missing. `assignments` and `Watchdog` do no I/O.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

from pantau.log import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

_log = logging.getLogger("pantau.notify")
_STATUS_MAX = 512  # characters of a status line; `systemctl status` shows one line
_FEEDS = 4  # within one limit: three may get lost before the supervisor acts


def assignments(**fields: str | int) -> bytes:
    """Return `KEY=value` lines, as in READY=1; a value is one line, whatever a stranger sent."""
    lines = (f"{key}={' '.join(str(value).split())[:_STATUS_MAX]}" for key, value in fields.items())
    return "\n".join(lines).encode()


def watchdog_limit_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Return within how many seconds the supervisor wants to hear of process `pid`; None when it does not watch it."""
    try:
        limit_us = int(environ["WATCHDOG_USEC"])
        if limit_us <= 0 or int(environ.get("WATCHDOG_PID", pid)) != pid:
            return None
    except (KeyError, ValueError):
        return None
    return limit_us / 1_000_000


class Notifier:
    """Sends to NOTIFY_SOCKET: a path, or @name for an abstract socket. Never blocks and never raises."""

    def __init__(self, address: str | None) -> None:
        """Take the address as systemd gives it, None or "" for no supervisor."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._told = False

    @classmethod
    def from_environment(cls) -> Notifier:
        """Return the notifier of this process's supervisor."""
        return cls(os.environ.get("NOTIFY_SOCKET"))

    @property
    def supervised(self) -> bool:
        """Return whether anybody listens."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """Say that start-up, or a reload, is over."""
        return self._send(READY=1, **({"STATUS": status} if status else {}))

    def status(self, text: str) -> bool:
        """Say one line for `systemctl status`."""
        return self._send(STATUS=text)

    def reloading(self) -> bool:
        """Say that the configuration is being read again; `ready` ends it."""
        return self._send(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def stopping(self, status: str = "") -> bool:
        """Say that the end has begun."""
        return self._send(STOPPING=1, **({"STATUS": status} if status else {}))

    def main_pid(self, pid: int) -> bool:
        """Say which process the supervisor is to watch."""
        return self._send(MAINPID=pid)

    def more_time(self, seconds: float) -> bool:
        """Ask for more time to start or stop, as a long migration needs."""
        return self._send(EXTEND_TIMEOUT_USEC=int(seconds * 1_000_000))

    def alive(self) -> bool:
        """Feed the supervisor's watchdog."""
        return self._send(WATCHDOG=1)

    def _send(self, **fields: str | int) -> bool:
        """Send one datagram; False when nobody took it. A supervisor that is gone must not stop the bridge."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(assignments(**fields), self._address)
        except (OSError, ValueError) as error:
            if not self._told:
                self._told = True
                event(
                    _log, logging.WARNING, "notify.failed", socket=self._address, reason=error,
                    meaning="the supervisor hears nothing of this bridge; it may be restarted for it",
                )  # fmt: skip
            return False
        return True


class Watchdog:
    """Whether each part of the bridge has come on within `limit_s`. Times are any monotonic seconds.

    A part says `progress` when work is done, or when it looked and there was none: a commit, an idle turn of the commit
    loop, a heartbeat that the city process answered. A commit that the disk refused in so many words counts too: it is a
    known state that a restart does not cure. What never counts is a call that does not come back.
    """

    def __init__(self, limit_s: float, parts: Iterable[str] = (), at: float = 0.0) -> None:
        """Watch `parts` from `at` on; others are watched from their first progress on."""
        self.limit_s = limit_s
        self._last = dict.fromkeys(parts, at)
        self._fed: float | None = None

    def progress(self, name: str, at: float) -> None:
        """Note that the part `name` has come on."""
        self._last[name] = at

    def forget(self, name: str) -> None:
        """Watch a part no longer: it has ended in order."""
        self._last.pop(name, None)

    def stalled(self, at: float) -> list[str]:
        """Return the parts that stand still, with for how long."""
        return [f"{name} for {at - last:.0f} s" for name, last in self._last.items() if at - last > self.limit_s]

    def due(self, at: float) -> bool:
        """Return whether the supervisor is to be fed now: all parts have come on, and the last time is a while ago."""
        return not self.stalled(at) and (self._fed is None or at - self._fed >= self.limit_s / _FEEDS)

    def fed(self, at: float) -> None:
        """Note that it was."""
        self._fed = at


async def keep_informed(
    notifier: Notifier, watchdog: Watchdog, status: Callable[[], str], now: Callable[[], float] = time.monotonic
) -> None:
    """Feed the supervisor while all parts come on, and tell it what changed, until cancelled."""
    said, was_stalled = "", False
    while True:
        at = now()
        stalled = watchdog.stalled(at)
        if stalled and not was_stalled:
            event(_log, logging.ERROR, "watchdog.stalled", parts=", ".join(stalled), limit_s=watchdog.limit_s)
        was_stalled = bool(stalled)
        if watchdog.due(at) and (notifier.alive() or not notifier.supervised):
            watchdog.fed(at)
        line = f"stands still: {', '.join(stalled)}" if stalled else status()
        if line != said and notifier.status(line):
            said = line
        await asyncio.sleep(min(1.0, watchdog.limit_s / (2 * _FEEDS)))


@contextlib.asynccontextmanager
async def informed(notifier: Notifier, watchdog: Watchdog, status: Callable[[], str]) -> AsyncIterator[None]:
    """Say READY, keep the supervisor informed inside, say STOPPING at the end."""
    notifier.ready(status())
    task = asyncio.create_task(keep_informed(notifier, watchdog, status), name="notify")
    try:
        yield
    finally:
        notifier.stopping("stops: finishes what it has begun")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

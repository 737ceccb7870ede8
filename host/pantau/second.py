"""The first process's end of the second (pantau.city): started, told, heard, started again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from pantau import peer
from pantau.log import event
from pantau.reconnect import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau.reload import Setup

_log = logging.getLogger("pantau.bridge")
_SILENT_S = 10.0  # without a beat, of which there is one a second
_STOP_S = 12.0  # more than its sinks and its page get


class CityFailedError(RuntimeError):
    """The second process cannot run; the text says why and what to do."""

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.final = final  # and no other start will help


class SecondProcess:
    """Runs the second process for as long as `run` runs, again and again.

    Only what no other start can help, at the first start, is raised: ingest does not depend on this process.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.figures: dict[str, float] = {}
        self.heard_at = time.monotonic()
        self._problems: list[str] = []
        self._writer: asyncio.StreamWriter | None = None
        self._grown = self._busy = False
        self.ready = asyncio.Event()
        self.alive = False  # ready, and not ended since
        self._starts = 0
        self._anew = False  # it was told to end, to start with another setup
        self._stop = asyncio.Event()

    @property
    def _listens(self) -> bool:
        """Return whether it is to hear more: not once it was told to end, which closes our half of the line."""
        return not self._stop.is_set() and not self._anew

    def problems(self) -> list[str]:
        """Return what is wrong with it and in it."""
        silent = time.monotonic() - self.heard_at
        if silent > _SILENT_S and (self.alive or not self._problems):  # else it is known why
            return [
                f"the city process has said nothing for {silent:.0f} s: sinks, alerts and page stand still; see the log"
            ]
        return self._problems

    def grown(self) -> None:
        """Tell that the log has grown; said once for all commits of one turn of the loop."""
        if not self._grown and not self._stop.is_set():
            self._grown = True
            asyncio.get_running_loop().call_later(0.005, self._tell_grown)

    def alarm(self, ids: list[int]) -> None:
        """Tell which frames of the log are alarms: they are looked at before what waits."""
        if self._writer is not None and self._listens:
            peer.send(self._writer, "alarm", ids)

    def busy(self, busy: bool) -> None:
        """Tell whether the first process is busy with a flood."""
        self._busy = busy
        if self._writer is not None and self._listens:
            peer.send(self._writer, "busy", busy)

    def tell(self, figures: dict[str, float], problems: list[str]) -> None:
        """Tell how the first process is, for the page."""
        if self._writer is not None and self._listens:
            peer.send(self._writer, "state", figures, problems)

    def reconfigure(self, setup: Setup) -> None:
        """Tell of another setup, which also holds for the next start."""
        other_sinks = setup.config.sinks != self.setup.config.sinks
        self.setup = setup
        if self._writer is not None and self._listens:
            if other_sinks:  # they are opened at its start; it ends in order, and ingest goes on meanwhile
                self._anew = True
                self._writer.write_eof()
            else:
                peer.send(self._writer, "setup", setup, needed=True)

    async def run(self) -> None:
        """Keep it running until `stop`. Raises CityFailedError for what people must correct before it ever ran."""
        backoff = Backoff()
        while not self._stop.is_set():
            began = time.monotonic()
            self._starts += 1
            failed = await self._once()
            if self._stop.is_set():
                return
            if self._anew:
                self._anew = False
                continue
            if failed is not None and failed.final and not self.ready.is_set():
                raise failed
            self._problems = [f"the city process ended ({failed or 'see the log'}); it is started again"]
            event(_log, logging.ERROR, "city.died", reason=failed or "see above", meaning="it is started again")
            backoff.worked(time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), backoff.next())

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Let it finish what it has begun, and end."""
        self._stop.set()
        if self._writer is not None:
            self._writer.write_eof()
        done, _ = await asyncio.wait({task}, timeout=_STOP_S)
        if not done:
            task.cancel()
            await asyncio.wait({task})

    async def _once(self) -> CityFailedError | None:
        self.alive = False
        ours, theirs = socket.socketpair()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pantau.city", str(theirs.fileno()), pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=1 << 26)
        try:
            peer.send(self._writer, "setup", self.setup, needed=True)
            peer.send(self._writer, "busy", self._busy)
            return await self._hear(reader)
        finally:
            self.alive = False
            self._writer.close()
            self._writer = None
            try:
                await asyncio.wait_for(child.wait(), _STOP_S)
            except TimeoutError:
                child.kill()
                await child.wait()
            except asyncio.CancelledError:
                child.kill()
                await child.wait()
                raise

    async def _hear(self, reader: asyncio.StreamReader) -> CityFailedError | None:
        while (message := await peer.receive(reader)) is not None:
            self.heard_at = time.monotonic()
            if message[0] == "beat":
                self.figures, self._problems = message[1], message[2]
            elif message[0] == "ready":
                self.alive = True
                self.ready.set()
                event(_log, logging.INFO, "city.ready", starts=self._starts)
            elif message[0] == "failed":
                return CityFailedError(message[1], final=message[2])
        return (
            None if self.ready.is_set() else CityFailedError("the city process ended before it was ready", final=False)
        )

    def _tell_grown(self) -> None:
        self._grown = False
        if self._writer is not None and self._listens:
            peer.send(self._writer, "grown")


class Elsewhere:
    """Stands for the second process where the city's followers run on the shared log, on this machine or another."""

    figures: Mapping[str, float] = MappingProxyType({})
    alive = False  # so that no watchdog waits for it

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ready.set()
        self.heard_at = 0.0
        self._stop = asyncio.Event()

    def problems(self) -> list[str]:
        """Return nothing: `pantau city run` says how it is."""
        return []

    def grown(self) -> None:
        """Tell nobody: followers of the shared log hear of it there."""

    def alarm(self, ids: list[int]) -> None:
        """Tell nobody."""

    def busy(self, busy: bool) -> None:
        """Tell nobody."""

    def tell(self, figures: dict[str, float], problems: list[str]) -> None:
        """Tell nobody."""

    def reconfigure(self, setup: Setup) -> None:
        """Tell nobody."""

    async def run(self) -> None:
        """Do nothing until `stop`."""
        await self._stop.wait()

    async def stop(self, task: asyncio.Task[None]) -> None:
        """End."""
        self._stop.set()
        await asyncio.wait({task})

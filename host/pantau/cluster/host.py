"""`pantau city run`: followers, alerts and page on the shared log, without a bridge beside them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from pantau import log
from pantau.log import event
from pantau.ops.about import about, memory
from pantau.ops.notify import Notifier, Watchdog, informed, watchdog_limit_s
from pantau.ops.status import SOCKET, StatusServer
from pantau.owner import sole_owner
from pantau.problems import ConfigError, Problem
from pantau.second import SecondProcess
from pantau.watcher import Watcher

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("pantau.city")
_TELL_S = 1.0
_LOOK_S = 2.0
_WATCHED_S = 60.0


class CityHost:
    """Keeps the city's process running, tells it of changed files, and says how it is."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._config = watcher.setup.config
        self.city = SecondProcess(watcher.setup)
        limit_s = watchdog_limit_s(os.environ, os.getpid()) or _WATCHED_S
        self._watchdog = Watchdog(limit_s, ("city",), time.monotonic())

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises CityFailedError for what people must correct."""
        config = self._config
        status = StatusServer(config.bridge.data_dir / SOCKET, self, city=config.bridge.city, store=config.store_path)
        city = asyncio.create_task(self.city.run(), name="city")
        others = {
            asyncio.create_task(part, name=name)
            for name, part in (
                ("status", status.run()), ("tell", self._tell()), ("files", self._look()), ("stop", _until(stop)),
            )
        }  # fmt: skip
        async with informed(Notifier.from_environment(), self._watchdog, self.status):
            ended, _ = await asyncio.wait({city, *others}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not city.done():
                await self.city.stop(city)
        finally:
            for task in others:
                task.cancel()
            await asyncio.gather(city, *others, return_exceptions=True)
        for task in ended:
            if (error := task.exception()) is not None:
                raise error

    def problems(self) -> list[str]:
        """Return what is wrong now, each with what to do; empty = healthy."""
        return self.city.problems() + self._watcher.problems() + self._watcher.notes()

    def figures(self) -> dict[str, float]:
        """Return plain numbers for metrics and status."""
        config = self._config
        said = about(config.bridge.city, config.bridge.data_dir, self.problems()) | memory("ingest")
        return said | dict(self.city.figures)

    def status(self) -> str:
        """Return one line for `systemctl status`."""
        problems = self.problems()
        return problems[0] if problems else "the city follows the shared log, all well"

    async def _tell(self) -> None:
        while True:
            self.city.tell({}, [])
            if self.city.alive:
                self._watchdog.progress("city", self.city.heard_at)
            else:
                self._watchdog.forget("city")
            await asyncio.sleep(_TELL_S)

    async def _look(self) -> None:
        while True:
            plan = await asyncio.to_thread(self._watcher.look)
            if plan is not None:
                for line in plan.words():
                    event(_log, logging.INFO, "city.reconfigured", change=line)
                self.city.reconfigure(plan.setup)
            await asyncio.sleep(_LOOK_S)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _run(watcher: Watcher) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await CityHost(watcher).run(stop)


def run(path: Path) -> None:
    """Run the city of the pantau.toml in `path` until SIGTERM or SIGINT. Raises ConfigError or CityFailedError."""
    watcher = Watcher(path)
    config = watcher.setup.config
    log.set_up(config.bridge.log_level, as_json=config.bridge.log_json)
    if config.cluster is None:
        what = "is missing: without it the bridge runs the city itself, and nothing else is to be started"
        raise ConfigError([Problem(str(path), "cluster", what)])
    with sole_owner(config.bridge.data_dir):
        asyncio.run(_run(watcher))

"""The alerts' way to people, in the city process: reads decisions as they are committed and tells every channel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from typing import TYPE_CHECKING

from pantau.log import event
from pantau.notify.collector import Collector
from pantau.notify.opening import context_of, open_channel
from pantau.notify.outbox import FILE, Outbox
from pantau.notify.sender import Sender
from pantau.ops.figures import Histogram, key
from pantau.problems import ConfigError
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.alerts.store import AlertStore, Recorded
    from pantau.notify import Context
    from pantau.notify.settings import ChannelTable
    from pantau.reload import Setup

_log = logging.getLogger("pantau.notify")
_TICK_S = 1.0
_PRUNE_EVERY_S = 3600.0
_CLOSE_S = 1.0
_DELAYS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Notifier:
    """Collector and senders. Made in the event loop's thread; `wake` may be called from any."""

    def __init__(self, setup: Setup, alerts: AlertStore, now_ms: Callable[[], int]) -> None:
        """Raise sqlite3.Error and StoreError for trouble with notices.sqlite3."""
        config = setup.config
        self._alerts, self._now_ms = alerts, now_ms
        self._outbox = Outbox(config.bridge.data_dir / FILE, config.bridge.city)
        self._books = Worker("notices")  # the thread that owns the file
        self._collector = Collector(self._outbox, alerts.path, config.web.title, now_ms)
        self._setup = setup
        self._wake, self._stop = asyncio.Event(), asyncio.Event()
        self._senders: dict[str, tuple[Sender, asyncio.Task[None]]] = {}
        self._known: dict[str, tuple[str, ChannelTable, Context]] = {}
        self._wrong: dict[str, str] = {}
        self._trouble = ""
        self._counted: dict[str, tuple[int, int]] = {}  # of senders that have ended: sent, failed
        self._delay = Histogram(_DELAYS_S)
        self._pruned_at = 0.0
        self._taken_over = False

    async def run(self) -> None:
        """Tell until `stop`."""
        loop = asyncio.get_running_loop()

        def heard(_recorded: tuple[Recorded, ...]) -> None:  # in the thread that committed them
            with contextlib.suppress(RuntimeError):  # the loop is closed: the next start reads on
                loop.call_soon_threadsafe(self._wake.set)

        leave = self._alerts.subscribe(heard)
        try:
            cut_off = await self._books.call(self._outbox.recover, self._now_ms())
            if cut_off:
                event(_log, logging.WARNING, "notify.recovered", attempts=cut_off)
        except sqlite3.Error as error:
            self._trouble = str(error)
        try:
            while not self._stop.is_set():
                self._wake.clear()
                more = await self._round()
                if not more:
                    await _either(self._wake, self._stop, _TICK_S)
        finally:
            leave()

    def use(self, setup: Setup) -> None:
        """Go on with other channels, stations and texts; a channel that stays as it is goes on undisturbed."""
        self._setup, self._taken_over = setup, False
        self._wake.set()

    async def stop(self, within_s: float, task: asyncio.Task[None]) -> None:
        """End in order: what is being told is told, the rest waits for the next start."""
        self._stop.set()
        self._wake.set()
        ends = (self._end(name, within_s) for name in tuple(self._senders))
        await asyncio.gather(asyncio.wait({task}, timeout=within_s), *ends)
        try:
            await asyncio.wait_for(self._books.call(self._outbox.close), _CLOSE_S)
        except TimeoutError:
            event(_log, logging.WARNING, "notify.left_open", file=self._outbox.path)
        self._books.stop()

    def problems(self) -> list[str]:
        """Return what is wrong now."""
        own = [f"alerts do not go out: {self._trouble}"] if self._trouble else []
        wrong = [f"notify channel {name} cannot be used: {said}" for name, said in self._wrong.items()]
        return own + wrong + [said for sender, _ in self._senders.values() for said in sender.problems()]

    def figures(self) -> dict[str, float]:
        """Return the numbers for the metrics."""
        figures: dict[str, float] = {}
        now = self._now_ms()
        for name, (sender, _) in self._senders.items():
            sent, failed = self._counted.get(name, (0, 0))
            load = sender.load
            waiting = load.waiting if load is not None else 0
            oldest = load.oldest_ms if load is not None else None
            figures[key("notices_sent_total", channel=name)] = sent + sender.sent
            figures[key("notices_failed_total", channel=name)] = failed + sender.failed
            figures[key("notices_waiting", channel=name)] = waiting
            figures[key("notices_oldest_seconds", channel=name)] = max(0, now - oldest) / 1000 if oldest else 0.0
            figures[key("notice_channel_working", channel=name)] = float(not sender.trouble)
        return figures | (self._delay.figures("notice_delay_seconds") if self._senders else {})

    async def _round(self) -> bool:
        """Look once at what there is to do; return whether there is more."""
        try:
            if not self._taken_over:
                await self._take_over()
            more, channels = await self._books.call(self._collector.collect)
            await self._prune()
        except (sqlite3.Error, RuntimeError) as error:
            self._stuck(f"{error}; look at {self._outbox.path} and the free space of its disk")
            return False
        except Exception as error:  # noqa: BLE001  a defect of ours here must not end sinks and page as well
            self._stuck(f"internal: {type(error).__name__}: {error}; report it")
            return False
        if self._trouble:
            event(_log, logging.INFO, "notify.unstuck")
            self._trouble = ""
        for name in channels & self._senders.keys():
            self._senders[name][0].wake()
        return more

    def _stuck(self, reason: str) -> None:
        if reason != self._trouble:
            event(_log, logging.ERROR, "notify.stuck", reason=reason)
        self._trouble = reason

    async def _take_over(self) -> None:
        """Open, close and keep channels as the configuration says."""
        setup = self._setup
        context = context_of(setup.config, setup.rules.settings.zone)
        listed = setup.config.notify.listed()
        wanted = {table.name: (kind, table, context) for kind, _, table in listed if table.enabled}
        for name in [name for name, known in self._known.items() if wanted.get(name) != known]:
            await self._end(name, 5.0)
        self._wrong = {}
        # Also what cannot be opened now keeps its notices: they wait for the repair.
        await self._books.call(self._collector.use, [table for _, table, _ in wanted.values()], setup.registry)
        for name, known in wanted.items():
            if name not in self._senders:
                self._begin(name, *known)
        self._taken_over = True

    def _begin(self, name: str, kind: str, table: ChannelTable, context: Context) -> None:
        try:
            channel = open_channel(kind, table, context)
        except ConfigError as error:
            self._wrong[name] = str(error)
            event(_log, logging.ERROR, "notify.unusable", channel=name, reason=error)
            return
        sender = Sender(table, channel, self._outbox, self._books, context, self._now_ms, self._delay)
        self._known[name] = (kind, table, context)
        self._senders[name] = (sender, asyncio.create_task(sender.run(), name=f"notify-{name}"))

    async def _end(self, name: str, within_s: float) -> None:
        sender, task = self._senders.pop(name)
        self._known.pop(name, None)
        await sender.stop(within_s, task)
        sent, failed = self._counted.get(name, (0, 0))
        self._counted[name] = (sent + sender.sent, failed + sender.failed)

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned_at >= _PRUNE_EVERY_S or not self._pruned_at:
            await self._books.call(self._outbox.prune, self._setup.config.notify.keep_days, self._now_ms())
            self._pruned_at = time.monotonic()


async def _either(one: asyncio.Event, other: asyncio.Event, within_s: float) -> None:
    """Wait for one of them, `within_s` at most. `stop` sets both."""
    if other.is_set():
        return
    try:
        async with asyncio.timeout(within_s):
            await one.wait()
    except TimeoutError:
        return

"""The bridge's second process: what happens behind the acknowledgement. Followers, quality control, alerts, the page.

It has an interpreter of its own, so that decoding never takes a turn from receiving, and a lower priority: when the machine
has too little for both, frames are still made durable and the sinks catch up later. It ends when the first process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any

from pantau import again, log, natslink, peer
from pantau.alerts.store import AlertStore
from pantau.cluster.message import sequence_of
from pantau.cluster.reader import SharedReaders
from pantau.decode import Decoder
from pantau.express import Express
from pantau.follower import Follower
from pantau.followers import FOLLOWERS, FollowerStore
from pantau.log import event
from pantau.notify.notifier import Notifier
from pantau.ops.about import memory
from pantau.ops.retention import CityAging, before_ms
from pantau.owner import sole_owner
from pantau.problems import ConfigError, Problem
from pantau.quality.assessor import Assessor
from pantau.sinks import Context
from pantau.sinks.opening import followers, open_apart
from pantau.sinks.sqlite import CityStore
from pantau.spool import LOG, Spool, SpoolBroken, SpoolReader, SpoolUnavailable
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.delivery import Mark
    from pantau.reload import Setup
    from pantau.sinks import Sink

_log = logging.getLogger("pantau.city")
_NICE = 10
_CORES, _REST = (
    4,
    9.0,
)  # where broker and both of us share fewer cores, a flood leaves the followers a tenth of their time
_TICK_S = 1.0
_SILENT_S = 10.0  # without a word of the first process, which has one a second
_NOTICE_STOP_S = 2.0  # for a channel to end what it is telling; what waits is told after the next start
_SINK_STOP_S = 5.0  # for a sink to take what the log still holds; what it does not take it gets at the next start
_PREDECESSOR_S = 20.0  # for the city process of a bridge that was killed to notice and end
PAST_MS = 3_600_000
_AGING_S, _AGING_STEP_S = 600.0, 0.1
_SPAN = 5_000  # frames of a span handed to a follower at a time
_FOR_PEOPLE = (ConfigError, SpoolBroken, RuntimeError)  # no other start will help: say it and end
_PASSING = (SpoolUnavailable, sqlite3.Error, OSError)  # a disk that is full now; ingest goes on meanwhile


def now_ms() -> int:
    """Return Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


def the_same_log(spool: Spool, store: FollowerStore, identity: str) -> str:
    """Return `identity`, the log that this folder's positions count in. ConfigError when they count in another one."""
    followed = spool.noted("follows") or ("of its own bridge" if store.begun else identity)
    if followed != identity:
        what = f"this folder has followed the log '{followed}', and [cluster] leads to '{identity}': positions differ"
        raise ConfigError([Problem("", "bridge.data_dir", f"{what}; give the new log a data_dir of its own")])
    spool.note("follows", identity)
    return identity


class Books:
    """What followers write down: cursors and states, and the quarantine. One thread owns both files."""

    def __init__(self, store: FollowerStore, spool: Spool) -> None:
        self.store, self.spool = store, spool
        self._worker = Worker("books")

    async def mark(self, marks: list[Mark]) -> None:
        """Put stored frames into quarantine."""
        await self._worker.call(self.spool.mark, marks)

    async def resolved(self, entries: list[int]) -> None:
        """Delete entries of the quarantine."""
        await self._worker.call(self.spool.resolve, entries)

    async def save(self, sink: str, position: int, state: dict[str, str]) -> None:
        """Note how far the sink has come. Raises SpoolUnavailable."""
        try:
            await self._worker.call(self.store.save, sink, position, state)
        except sqlite3.Error as error:
            raise SpoolUnavailable(f"{self.store.path}: {error}; look at the disk and its free space") from error

    async def call(self, function: Callable[..., Any], *values: Any) -> Any:
        """Run a call in the owner's thread."""
        return await self._worker.call(function, *values)

    def close(self) -> None:
        """Close both files after what waits."""
        self._worker.stop()
        self.store.close()
        self.spool.close()


class City:
    """The second process's parts. `figures` and `problems` are those of the whole bridge, as the page shows them."""

    notifier: Notifier | None = None

    def __init__(self, setup: Setup, shared: SharedReaders | None = None, start: int = 0) -> None:
        """Follow this bridge's spool, or the `shared` log, in which a store of alerts that is new begins after `start`."""
        self._setup, self._shared = setup, shared
        config = setup.config
        kept = config.quarantine
        spool = Spool(
            config.spool_path, max_mib=config.spool.max_mib, quarantine_rows=kept.max_rows, quarantine_mib=kept.max_mib
        )
        self._books = Books(FollowerStore(config.bridge.data_dir / FOLLOWERS), spool)
        name = spool.noted(LOG) or "" if shared is None else the_same_log(spool, self._books.store, shared.identity)
        context = Context(config.bridge.city, name, config.bridge.data_dir / "sinks", setup.registry)
        wanted = followers(config)
        sinks = {name: open_apart(name, config, context) for name in wanted if name != AlertStore.name}
        store = sinks.get(CityStore.name)
        self.store = store if isinstance(store, CityStore) else None
        self.alerts: AlertStore | None = None
        if AlertStore.name in wanted:
            # A store that is new beside an old log does not judge years; what it begins with it marks as past.
            start = spool.held_at(now_ms() - PAST_MS) if shared is None else start
            path = config.bridge.data_dir / "alerts.sqlite3"
            self.alerts = AlertStore(path, setup.rules, setup.registry, start=start)
            sinks[AlertStore.name] = self.alerts
            self.notifier = Notifier(setup, self.alerts, now_ms)
        self.followers = [self._follower(sink) for sink in sinks.values()]
        self.page = None
        if config.web.enabled and self.store is not None:
            from pantau.page import Page  # a web server is ten megabytes, for those who have none

            self.page = Page(config, self.store, self, lambda: self._setup.registry, self.alerts)
        self._ingest: tuple[dict[str, float], list[str], float] = ({}, [], time.monotonic())
        self._log_end = spool.last_id
        self._few_cores = len(os.sched_getaffinity(0)) < _CORES
        self._express: Express | None = None
        if self.alerts is not None and shared is None:
            self._express = Express(config.spool_path, Decoder(setup.registry), self.alerts)
        self._alert_figures: dict[str, float] = {}
        self._aged = 0
        self._changing: set[asyncio.Future[None]] = set()  # sinks that are still to take over another registry
        self._spans: dict[str, int] = {}  # by sink: through which frame a span was handed over

    def problems(self) -> list[str]:
        """Return what is wrong now, each with what to do; empty = healthy."""
        silent = time.monotonic() - self._ingest[2]
        hung = (
            [f"the ingest process has said nothing for {silent:.0f} s: look at its log"] if silent > _SILENT_S else []
        )
        return hung + self._ingest[1] + self.own_problems()

    def figures(self) -> dict[str, float]:
        """Return plain numbers for the metrics."""
        return self._ingest[0] | self.own_figures()

    def own_problems(self) -> list[str]:
        """Return what is wrong in this process."""
        own = [problem for follower in self.followers for problem in follower.problems()]
        return own + (self.notifier.problems() if self.notifier is not None else [])

    def own_figures(self) -> dict[str, float]:
        """Return the numbers of this process."""
        figures: dict[str, float] = memory("city") | {"store_pruned_observations_total": float(self._aged)}
        figures |= self._alert_figures | (self.notifier.figures() if self.notifier is not None else {})
        for follower in self.followers:
            label = f'{{sink="{follower.name}"}}'
            lag = self._lag(follower)
            behind_ms = now_ms() - follower.newest_ms if lag and follower.newest_ms else 0
            figures[f"sink_lag_frames{label}"] = float(lag)
            figures[f"sink_lag_seconds{label}"] = behind_ms / 1000
            figures[f"sink_delivered_total{label}"] = float(follower.delivered)
            figures[f"sink_observations_total{label}"] = float(follower.observations)
            figures[f"sink_rejected_total{label}"] = float(follower.rejected)
            figures[f"quality_defects_total{label}"] = float(sum(follower.quality.defects.values()))
            figures[f"sink_working{label}"] = float(not follower.trouble)
            figures |= {f"{name}{label}": value for name, value in follower.figures().items()}
        return figures

    def _lag(self, follower: Follower) -> int:
        """Return how many frames of the log the sink has not taken; of the shared log how many messages."""
        if self._shared is None:
            return max(0, self._log_end - follower.position)
        return 0 if follower.at_end else max(0, sequence_of(self._log_end) - sequence_of(follower.position))

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Follow the log until the first process says stop or ends."""
        follow = {asyncio.create_task(f.run(), name=f"sink-{f.name}"): f for f in self.followers}
        others = {
            asyncio.create_task(self._listen(reader), name="listen"),
            asyncio.create_task(self._tick(writer), name="tick"),
        }
        if self.store is not None:
            others.add(asyncio.create_task(self._age(), name="age"))
        if self._express is not None:
            others.add(asyncio.create_task(self._express.run(lambda: self.followers[-1].position), name="express"))
        if self.page is not None:
            others.add(asyncio.create_task(self.page.run(), name="page"))
        notify = None
        if self.notifier is not None:
            others.add(notify := asyncio.create_task(self.notifier.run(), name="notify"))
        if self._shared is not None:
            others.add(asyncio.create_task(natslink.ended(self._shared.client), name="nats"))
        peer.send(writer, "ready")
        parts = {*follow, *others}
        ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        try:
            await asyncio.gather(*(follower.stop(_SINK_STOP_S, task) for task, follower in follow.items()))
            if self.notifier is not None and notify is not None:  # after the alerts: what they decided last goes too
                await self.notifier.stop(_NOTICE_STOP_S, notify)
            peer.send(writer, "beat", self.own_figures(), self.own_problems(), needed=True)
        finally:
            if self.page is not None:
                self.page.stop()
            for task in others:
                if task.get_name() != "page":
                    task.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._books.close()
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take what the first process tells until it ends."""
        while (message := await peer.receive(reader)) is not None:
            if message[0] == "grown":
                for follower in self.followers:
                    follower.wake()
            elif message[0] == "state":
                self._ingest = (message[1], message[2], time.monotonic())
                if self._shared is None:
                    self._log_end = int(message[1].get("spool_last_id", self._log_end))
            elif message[0] == "busy":
                for follower in self.followers:
                    follower.rest = _REST if message[1] and self._few_cores else 0.0
            elif message[0] == "alarm" and self._express is not None:
                self._express.put(message[1])
            elif message[0] == "setup":
                await self._reconfigure(message[1])

    async def _tick(self, writer: asyncio.StreamWriter) -> None:
        """Once a second: say that we live, let time pass for the alerts, look for what is to be delivered again."""
        while True:
            peer.send(writer, "beat", self.own_figures(), self.own_problems())
            try:
                if self._shared is not None:
                    self._log_end = await self._shared.last_id()
                if self.alerts is not None:
                    if not self._lag(self.followers[-1]):
                        await asyncio.to_thread(self.alerts.tick, now_ms())
                    self._alert_figures = await asyncio.to_thread(self.alerts.figures)
                await self._again()
            except (SpoolUnavailable, sqlite3.Error) as error:
                event(_log, logging.WARNING, "city.tick_failed", reason=error)
            await asyncio.sleep(_TICK_S)

    async def _age(self) -> None:
        """Delete observations that have had their days, in steps that no delivery waits long for."""
        aging = CityAging(self._setup.config.store_path)
        while True:
            pause_s = _AGING_S
            cutoff = before_ms(self._setup.config.retention.observations_days, now_ms())
            try:
                if cutoff is not None and (gone := await asyncio.to_thread(aging.step, cutoff)) is not None:
                    self._aged += gone
                    pause_s = _AGING_STEP_S
            except sqlite3.Error as error:
                event(_log, logging.WARNING, "city.aging_failed", reason=error)
            await asyncio.sleep(pause_s)

    async def _again(self) -> None:
        """Hand followers what was asked for: entries of the quarantine, and spans of the log."""
        entries = await self._books.call(self._books.spool.redelivery_wanted, _SPAN)
        for follower in self.followers if entries else ():
            mine = [e for e in entries if e.reason != "sink_rejected" or e.detail.startswith(f"{follower.name}:")]
            follower.deliver_again({entry.frame_id: entry.id for entry in mine})
        if entries:
            await self._books.call(self._books.spool.resolve, (), [entry.id for entry in entries])
        for follower in self.followers:
            if follower.waiting_again:
                continue
            if (through := self._spans.pop(follower.name, None)) is not None:
                await self._books.call(again.served, self._books.spool, follower.name, through)
            span = await self._books.call(again.asked, self._books.spool, follower.name)
            if span is not None and span.first <= follower.position:
                last = max(span.first, min(span.last, span.first + _SPAN - 1, follower.position))
                self._spans[follower.name] = last
                follower.deliver_again(dict.fromkeys(range(span.first, last + 1), 0))

    async def _reconfigure(self, setup: Setup) -> None:
        """Go on with other stations, rules and options."""
        self._setup = setup
        log.set_up(setup.config.bridge.log_level, as_json=setup.config.bridge.log_json)
        for follower in self.followers:
            # Each when its delivery is through: one that hangs must not keep us from listening.
            task = asyncio.ensure_future(follower.use(setup.registry))
            self._changing.add(task)
            task.add_done_callback(self._changing.discard)
        if self._express is not None:
            self._express.decoder = Decoder(setup.registry)
        if self.notifier is not None:
            self.notifier.use(setup)
        if self.alerts is not None:
            await asyncio.to_thread(self.alerts.use_rules, setup.rules, setup.registry)

    def _follower(self, sink: Sink) -> Follower:
        """Return the follower of one sink, from where we noted it to be."""
        store = self._books.store
        quality = Assessor(self._setup.registry, store.state(sink.name))
        reader = SpoolReader(self._setup.config.spool_path) if self._shared is None else self._shared.reader()
        return Follower(sink, reader, Decoder(self._setup.registry), quality, self._books, store.position(sink.name))


async def serve(channel: socket.socket) -> int:
    """Run the second process on its end of the socket pair; return its exit status."""
    reader, writer = await asyncio.open_connection(sock=channel, limit=1 << 26)
    first = await peer.receive(reader)
    if first is None:
        return 0
    setup: Setup = first[1]
    config = setup.config
    log.set_up(config.bridge.log_level, as_json=config.bridge.log_json)
    try:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(sole_owner(config.bridge.data_dir, "city.lock", within_s=_PREDECESSOR_S))
            except ConfigError as error:
                raise SpoolUnavailable(f"the city process before this one has not ended yet: {error}") from None
            shared = start = None
            if config.cluster is not None:
                shared = await SharedReaders.connect(config.bridge.city, config.cluster)
                start = await shared.held_at(now_ms() - PAST_MS)
            try:
                await City(setup, shared, start or 0).run(reader, writer)
            finally:
                if shared is not None:
                    await natslink.close(shared.client)
    except (*_FOR_PEOPLE, *_PASSING) as error:
        peer.send(writer, "failed", str(error), isinstance(error, _FOR_PEOPLE), needed=True)
        await writer.drain()
        return 1
    finally:
        writer.close()
    return 0


def main() -> None:
    """Start the second process; the first one passes the file descriptor of its end of the pair."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process says when to stop, having more to finish itself
    os.nice(_NICE)
    sys.exit(asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])))))


if __name__ == "__main__":
    main()

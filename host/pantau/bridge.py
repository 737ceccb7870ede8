"""The daemon: sources -> pipeline -> spool in this process, everything behind the acknowledgement in a second. Wiring only."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import sqlite3
import statistics
import time
from typing import TYPE_CHECKING

from pantau import log
from pantau.cluster.member import Member
from pantau.cluster.spool import SharedSpool
from pantau.downlink import Downlink
from pantau.fleet.clerk import Clerk
from pantau.followers import FOLLOWERS, highest_position
from pantau.ingest import Ingest
from pantau.log import event
from pantau.ops.about import about, memory
from pantau.ops.expiry import Expiry
from pantau.ops.notify import Notifier, Watchdog, informed, watchdog_limit_s
from pantau.ops.retention import SpoolLimits, limits_of, prunable
from pantau.ops.status import SOCKET, StatusServer
from pantau.owner import sole_owner
from pantau.pipeline import Pipeline
from pantau.problems import ConfigError
from pantau.second import Elsewhere, SecondProcess
from pantau.sinks.opening import followers
from pantau.sources import replay
from pantau.sources.granted import Law, granted
from pantau.sources.mqtt import MqttSource
from pantau.sources.serial import SerialSource
from pantau.sources.session import SourceLost
from pantau.sources.several import Several
from pantau.spool import LOG, Spool, SpoolUnavailable
from pantau.watcher import Watcher
from pantau.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.config import Config
    from pantau.reload import Setup
    from pantau.sources import Source

_log = logging.getLogger("pantau.bridge")
_CONFLICT_S = 3600.0  # an alarm that stands long enough to be seen, and ends
_DISK_LOW = 0.9  # of the spool's limit: time to act before the bridge stops acknowledging
_LOOK_S = 2.0  # at the files
_TELL_S = 1.0
_ROOM_S = 60.0
_GARBAGE = 20_000  # containers made between two looks for cycles; a batch makes thousands that are none
_BLOCKS = 10  # deleted between two commits
_AGE_S, _AGE_MS = 3600.0, 86_400_000
_TRIALS = 9  # commits, of which the median counts
_HEADROOM = 10.0  # times what is expected: after an outage the backlog has to come in too
_READY_S = 30.0  # for the second process, before a supervisor hears that ingest is ready without it
_WATCHED_S = 60.0  # without a supervisor that says its own limit


def now_ms() -> int:
    """Return Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


def open_spool(config: Config) -> Spool:
    """Open the spool of `config`. Raises SpoolUnavailable, SpoolBroken, or sqlite3.Error of what sinks hold."""
    kept = config.quarantine
    kind = Spool if config.cluster is None else SharedSpool
    spool = kind(
        config.spool_path, max_mib=config.spool.max_mib, quarantine_rows=kept.max_rows, quarantine_mib=kept.max_mib
    )
    if spool.noted(LOG) is None:
        spool.note(LOG, secrets.token_hex(8))
    seen = highest_position(config.bridge.data_dir, config.store_path)
    if seen > spool.last_id:
        event(
            _log, logging.WARNING, "spool.goes_on", ends=spool.last_id, sinks_at=seen,
            meaning="the log is new or was restored from an older copy; new frames get ids above what sinks have",
        )  # fmt: skip
        spool.go_on_after(seen)
    return spool


class Bridge:
    """One bridge: build it, `run` it once. Raises ConfigError, SpoolUnavailable or SpoolBroken when it cannot start."""

    def __init__(self, watcher: Watcher) -> None:
        """Open the log; whoever constructs holds `sole_owner` of the data folder."""
        self._watcher = watcher
        setup = watcher.setup
        self._config = config = setup.config
        self.spool = open_spool(config)
        self._worker = Worker("spool")
        self._started_ms = now_ms()
        self._downlink = Downlink(setup.keys, now_ms)
        self._ingest = Ingest(config.bridge.city, setup.registry, setup.keys, self.spool)
        shares = config.cluster is not None
        self.city: SecondProcess | Elsewhere = Elsewhere() if shares else SecondProcess(setup)
        self.pipeline = Pipeline(
            self._ingest,
            self.spool,
            self._downlink,
            self._worker,
            max_batch=config.spool.max_batch,
            ack_interval_s=config.spool.ack_interval_ms / 1000,
            on_stored=self.city.grown,
            on_alarm=self.city.alarm,
            on_busy=self.city.busy,
            replays=replay.Replays(config.bridge.data_dir / replay.FOLDER, config.bridge.city),
            holds=self._holds if shares else None,
        )
        self._session_note = f"mqtt {config.mqtt.host}:{config.mqtt.port} {config.mqtt.client_prefix}"
        expect = self.spool.noted(self._session_note) is not None
        broker = MqttSource(config.bridge.city, config.mqtt, expect_session=expect, on_settled=self._settled)
        self.member: Member | None = None
        if config.cluster is not None and isinstance(self.spool, SharedSpool):
            self.member = Member(
                config.bridge.city,
                config.cluster,
                config.bridge.data_dir,
                self.spool,
                self._ingest,
                broker,
                self._worker,
            )
        # The ports first: they know their nodes, while a broker takes a message for anybody.
        ports = [SerialSource(config.bridge.city, config.serial)] if config.serial else []
        self.source: Source = Several([*ports, broker]) if ports else broker
        self.pipeline.source = self.source
        self.clerk = Clerk(config, self.spool, self._downlink, self.pipeline, now_ms, self._holds if shares else None)
        limit_s = watchdog_limit_s(os.environ, os.getpid()) or _WATCHED_S
        self._watchdog = Watchdog(limit_s, ("commits",), time.monotonic())
        self._pruned = 0
        self._oldest_ms: int | None = None
        self._connected = asyncio.Event()  # to the broker, for the first time
        self._window: Law | None = None
        self._expiry = Expiry()
        self._tasks: set[asyncio.Task[None]] = set()
        self.look_now = asyncio.Event()  # at the files: SIGHUP

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end in order. Raises what made a part of the bridge fail."""
        status = StatusServer(
            self._config.bridge.data_dir / SOCKET, self, city=self._config.bridge.city, store=self._config.store_path
        )
        city = asyncio.create_task(self.city.run(), name="city")
        pipeline = asyncio.create_task(self.pipeline.run(), name="pipeline")
        others = {
            asyncio.create_task(part, name=name)
            for name, part in (
                ("source", self.source.run(self.pipeline.inbox)),
                ("acks", self.pipeline.run_acks()),
                ("status", status.run()),
                ("tell", self._tell()),
                ("files", self._look()),
                ("retention", self._keep_room()),
                ("fleet", self.clerk.run()),
                ("expiry", self._expiry.run(lambda: self._config)),
                ("stop", _until(stop)),
            )
        }
        if self.member is not None:
            others.add(asyncio.create_task(self.member.run(), name="cluster"))
        parts = {city, pipeline, *others}
        others.add(asyncio.create_task(self._law(), name="window"))  # ends when it has been said
        event(
            _log, logging.INFO, "bridge.started", city=self._config.bridge.city, spool=self.spool.last_id, page=self._page()
        )  # fmt: skip
        ready = asyncio.create_task(self.city.ready.wait(), name="ready")
        await asyncio.wait({ready, *parts}, return_when=asyncio.FIRST_COMPLETED, timeout=_READY_S)
        ready.cancel()
        # What is there now stays: a city's windows and keys need not be looked through for garbage again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        async with informed(Notifier.from_environment(), self._watchdog, self.status):
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        failed = next((error for task in ended if (error := task.exception()) is not None), None)
        event(_log, logging.INFO, "bridge.stopping", **({"failed": repr(failed)} if failed else {}))
        try:
            if self.member is not None and not pipeline.done():
                await self.member.leave()
            self.pipeline.stop()
            await asyncio.wait({pipeline})
            await self.pipeline.send_acks()
            await self.source.close()
            await self.city.stop(city)
        finally:
            for task in (*others, city):
                task.cancel()
            results = await asyncio.gather(*parts, *others, return_exceptions=True)
            self._worker.stop()
            self.spool.close()
        event(_log, logging.INFO, "bridge.stopped", spool=self.spool.last_id)
        for error in results:
            if isinstance(error, Exception):
                raise error

    def problems(self) -> list[str]:
        """Return what is wrong now, each with what to do; empty = healthy."""
        return self._own_problems() + self.city.problems()

    def figures(self) -> dict[str, float]:
        """Return plain numbers for metrics and status."""
        return self._own_figures() | dict(self.city.figures)

    def status(self) -> str:
        """Return one line for `systemctl status`."""
        problems = self.problems()
        return problems[0] if problems else f"{self.spool.last_id} frames stored, all well"

    def _own_problems(self) -> list[str]:
        found = list(self.source.problems()) + ([] if self.member is None else self.member.problems())
        limit_mib = self._config.spool.max_mib
        if self.pipeline.trouble:
            found.append(f"spool: {self.pipeline.trouble}; nothing is acknowledged, nodes keep their frames")
        elif self.spool.bytes > _DISK_LOW * limit_mib * (1 << 20):
            found.append(f"spool: {self.spool.bytes >> 20} of {limit_mib} MiB used; raise [spool] max_mib")
        at = self.pipeline.conflict_at
        if at is not None and time.monotonic() - at < _CONFLICT_S:
            found.append("conflicting frames came within the hour; see `pantau quarantine list --reason conflict`")
        law = self._window
        if law is not None and law.allows < _HEADROOM * law.expected:
            found.append(f"{law}; raise max_inflight_messages in mosquitto.conf, or give the spool a faster disk")
        return (
            found + self.clerk.problems() + self._expiry.problems() + self._watcher.problems() + self._watcher.notes()
        )

    def _own_figures(self) -> dict[str, float]:
        figures = {
            "start_time_ms": float(self._started_ms),
            "spool_last_id": float(self.spool.last_id),
            "spool_bytes": float(self.spool.bytes),
            "spool_limit_bytes": float(self._config.spool.max_mib << 20),
            "spool_pruned_frames_total": float(self._pruned),
            "quarantine_entries": float(self.spool.quarantine.rows),
            "quarantine_dropped_total": float(self.spool.quarantine.dropped),
        }
        if self._window is not None:
            figures["window_messages"] = float(self._window.window)
            figures["window_frames_per_second"] = self._window.allows
        if (oldest := self._oldest_ms) is not None:
            figures["spool_oldest_seconds"] = max(0.0, (now_ms() - oldest) / 1000)
        said = about(self._config.bridge.city, self._config.bridge.data_dir, self.problems()) | memory("ingest")
        shared = {} if self.member is None else self.member.figures()
        certificates = self._expiry.figures()
        parts = dict(self.source.figures()) | self.pipeline.figures() | self.clerk.figures()
        return figures | said | certificates | parts | shared

    def _page(self) -> str:
        return f"http://{self._config.web.listen}/" if self._config.web.enabled else "off"

    async def _tell(self) -> None:
        while True:
            self.city.tell(self._own_figures(), self._own_problems())
            self._watchdog.progress("commits", self.pipeline.turned_at)
            if self.city.alive:
                self._watchdog.progress("city", self.city.heard_at)
            else:  # starting, or between two starts: not a reason to end ingest
                self._watchdog.forget("city")
            await asyncio.sleep(_TELL_S)

    async def _look(self) -> None:
        """Take over what changed in the files, whole and while running; what is wrong in them stays without effect."""
        while True:
            asked = self.look_now.is_set()
            self.look_now.clear()
            plan = await asyncio.to_thread(self._watcher.look, now=asked)
            if plan is not None:
                for line in plan.words():
                    event(_log, logging.INFO, "bridge.reconfigured", change=line)
                self._config = plan.setup.config
                self.clerk.use(self._config)
                log.set_up(self._config.bridge.log_level, as_json=self._config.bridge.log_json)
                await self._worker.call(self._reconfigure, plan.setup)
                self.city.reconfigure(plan.setup)
            elif asked and (problems := self._watcher.problems()):
                for problem in problems:
                    event(_log, logging.ERROR, "bridge.config_refused", problem=problem)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.look_now.wait(), _LOOK_S)

    async def _law(self) -> None:
        """Measure once what the broker's window allows at the latency of our commits, and say it."""
        await self._connected.wait()
        commits = [await self._worker.call(self._timed_commit) for _ in range(_TRIALS)]
        try:
            window = await granted(self._config.bridge.city, self._config.mqtt)
        except (OSError, ValueError, SourceLost, ConfigError) as error:
            event(_log, logging.WARNING, "mqtt.window_unknown", reason=error)
            return
        if window is None:
            what = "the broker does not let the bridge hear its own commands; Mosquitto's default is 20"
            event(_log, logging.INFO, "mqtt.window_unknown", reason=what)
            return
        stations = self._watcher.setup.registry.stations.values()
        self._window = Law(window, statistics.median(commits), sum(1 / s.report_interval_s for s in stations))
        self.pipeline.pace.use_window(window)
        tight = self._window.allows < _HEADROOM * self._window.expected
        event(_log, logging.WARNING if tight else logging.INFO, "mqtt.window", law=self._window)

    def _timed_commit(self) -> float:
        began = time.monotonic()
        with contextlib.suppress(SpoolUnavailable):
            self.spool.note("trial", str(now_ms()))
        return time.monotonic() - began

    async def _keep_room(self) -> None:
        """Let go of what everybody has taken, by age and when the log's limit comes near.

        By age a day each hour at most: a clock that jumped by years must not cost what a replay needs.
        """
        aged_at = 0.0
        while True:
            config = self._config
            limits = limits_of(config.retention, config.spool.max_mib)
            oldest = await self._worker.call(lambda: self.spool.oldest)
            self._oldest_ms = oldest[1] if oldest else None
            crowded = self.spool.bytes > limits.high_bytes
            if oldest and (crowded or time.monotonic() >= aged_at):
                most = await self._worker.call(self.spool.held_at, oldest[1] + _AGE_MS)
                with contextlib.suppress(SpoolUnavailable, sqlite3.Error):  # the next look may find the disk well again
                    while await self._let_go(limits, self.spool.last_id if crowded else most):
                        pass
                aged_at = time.monotonic() + _AGE_S
            await asyncio.sleep(_ROOM_S)

    async def _let_go(self, limits: SpoolLimits, most: int) -> int:
        """Delete what may go, up to the frame `most`, a few blocks at a time; return how many frames went."""
        files = (self._config.spool_path, self._config.bridge.data_dir / FOLLOWERS)
        through = min(most, await asyncio.to_thread(prunable, *files, self._followers(), now_ms(), limits))
        gone = 0
        while step := await self._worker.call(self.spool.prune, through, _BLOCKS):
            gone += step
        self._pruned += gone
        return gone

    def _followers(self) -> tuple[str, ...] | None:
        """Return who must have taken what our spool lets go of; None where the shared log has it."""
        return followers(self._config) if self.member is None else None

    def _holds(self, partition: int) -> bool:
        return self.member is not None and self.member.holds(partition)

    def _reconfigure(self, setup: Setup) -> None:
        self._ingest.reconfigure(setup.registry, setup.keys)
        self._downlink.use(setup.keys)

    def _settled(self) -> None:
        """Remember that the broker has our sessions, so that their loss is noticed."""
        self._connected.set()
        task = asyncio.create_task(self._note(), name="note")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self) -> None:
        with contextlib.suppress(SpoolUnavailable):
            await self._worker.call(self.spool.note, self._session_note, str(now_ms()))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _run(watcher: Watcher, stop: asyncio.Event | None) -> None:
    ended = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    bridge = Bridge(watcher)
    loop.add_signal_handler(signal.SIGHUP, bridge.look_now.set)
    await bridge.run(ended)


def run(path: Path, stop: asyncio.Event | None = None) -> None:
    """Run the bridge of the pantau.toml in `path` in this thread until SIGTERM, SIGINT or `stop`.

    Raises ConfigError, CityFailedError, SpoolUnavailable or SpoolBroken.
    """
    watcher = Watcher(path)
    with sole_owner(watcher.setup.config.bridge.data_dir):
        asyncio.run(_run(watcher, stop))

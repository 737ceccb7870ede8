"""The daemon: source -> pipeline -> spool, one follower per sink behind it, and the page. Wiring only."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import uvicorn

from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.decode import Decoder
from pantau.downlink import Downlink
from pantau.follower import Follower
from pantau.ingest import Ingest
from pantau.log import event
from pantau.pipeline import Pipeline
from pantau.problems import ConfigError, Problem
from pantau.sinks.sqlite import CityStore, StationRow
from pantau.sources.mqtt import MqttSource
from pantau.spool import Spool, SpoolBroken, SpoolReader, SpoolUnavailable
from pantau.web.app import create_app
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pantau.config import Config
    from pantau.keys import Keys
    from pantau.quarantine import Entry
    from pantau.registry import Registry
    from pantau.sinks import Sink

_log = logging.getLogger("pantau.bridge")
_SINK_STOP_S = 5.0  # for a sink to take what the log still holds; what it does not take it gets at the next start
_WEB_STOP_S = 2.0
_CONFLICT_S = 3600.0  # an alarm that stands long enough to be seen, and ends
_DISK_LOW = 0.9  # of the spool's limit: time to act before the bridge stops acknowledging


def now_ms() -> int:
    """Return Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


def open_spool(config: Config) -> Spool:
    """Open the spool of `config`. Raises SpoolUnavailable or SpoolBroken."""
    kept = config.quarantine
    return Spool(
        config.spool_path, max_mib=config.spool.max_mib, quarantine_rows=kept.max_rows, quarantine_mib=kept.max_mib
    )


@contextlib.contextmanager
def sole_owner(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; ConfigError when another bridge has it. The lock ends with the process, however it ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(data_dir / "bridge.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        what = f"cannot be written ({error.strerror}); make it and give it to the user of the bridge"
        raise ConfigError([Problem(str(data_dir), "bridge.data_dir", what)]) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken = "another bridge runs on this folder; stop it, or give this one its own data_dir"
            raise ConfigError([Problem(str(data_dir), "bridge.data_dir", taken)]) from None
        yield
    finally:
        os.close(handle)


def station_rows(registry: Registry, at_ms: int) -> list[StationRow]:
    """Return the registry's stations with the nodes that stand there at `at_ms`, as the city store takes them."""
    return [
        StationRow(s.id, s.name, s.domain, s.longitude, s.latitude, s.report_interval_s, registry.nodes_at(s.id, at_ms))
        for s in registry.stations.values()
    ]


class PortTakenError(RuntimeError):
    """Something else listens where the page should; the text says where and what to do."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the bridge: it has more to stop than the page."""
        yield


class Bridge:
    """One bridge: build it, `run` it once. Raises ConfigError, SpoolUnavailable or SpoolBroken when it cannot start."""

    def __init__(self, config: Config) -> None:
        """Read registry and keys and open the files; whoever constructs holds `sole_owner` of the data folder."""
        self._config = config
        self._registry = registry_file.load(config.bridge.registry)
        self._keys: Keys = key_file.load(config.bridge.keys)
        self.spool = open_spool(config)
        self.store = CityStore(config.store_path)
        self.store.put_stations(station_rows(self._registry, now_ms()))
        self._worker = Worker("spool")
        self._started_ms = now_ms()
        ingest = Ingest(config.bridge.city, self._registry, self._keys, self.spool)
        self.pipeline = Pipeline(
            ingest,
            self.spool,
            Downlink(self._keys, now_ms),
            self._worker,
            max_batch=config.spool.max_batch,
            ack_interval_s=config.spool.ack_interval_ms / 1000,
            on_stored=self._stored,
            on_again=self._again,
        )
        self._session_note = f"mqtt {config.mqtt.host}:{config.mqtt.port} {config.mqtt.client_prefix}"
        expect = self.spool.noted(self._session_note) is not None
        self.source = MqttSource(config.bridge.city, config.mqtt, expect_session=expect, on_settled=self._settled)
        self.pipeline.source = self.source
        self._tasks: set[asyncio.Task[None]] = set()
        self._followers: list[Follower] = []
        self._end_streams: Callable[[], None] = lambda: None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end in order. Raises what made a part of the bridge fail."""
        server, listener = self._web()
        self._followers = [self._follower(sink) for sink in (self.store,)]
        follow = {asyncio.create_task(f.run(), name=f"sink-{f.name}"): f for f in self._followers}
        pipeline = asyncio.create_task(self.pipeline.run(), name="pipeline")
        others = {
            asyncio.create_task(self.source.run(self.pipeline.inbox), name="source"),
            asyncio.create_task(self.pipeline.run_acks(), name="acks"),
            asyncio.create_task(_until(stop), name="stop"),
        }
        web = {asyncio.create_task(server.serve([listener]), name="web")} if server and listener else set()
        parts = {pipeline, *others, *web, *follow}
        event(
            _log, logging.INFO, "bridge.started", city=self._config.bridge.city, spool=self.spool.last_id, page=self._page()
        )  # fmt: skip
        ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        failed = next((error for task in ended if (error := task.exception()) is not None), None)
        event(_log, logging.INFO, "bridge.stopping", **({"failed": repr(failed)} if failed else {}))
        try:
            self.pipeline.stop()
            await asyncio.wait({pipeline})
            self.pipeline.send_acks()
            await self.source.close()
            for task, follower in follow.items():
                await follower.stop(_SINK_STOP_S, task)
        finally:
            for task in others:
                task.cancel()
            if server is not None:
                server.should_exit = True
                self._end_streams()
            results = await asyncio.gather(*parts, return_exceptions=True)
            self._worker.stop()
            self.spool.close()
        event(_log, logging.INFO, "bridge.stopped", spool=self.spool.last_id)
        for error in results:
            if isinstance(error, Exception):
                raise error

    def _follower(self, sink: Sink) -> Follower:
        """Return the follower of one sink, at the lesser of what we noted and what the sink has."""
        return Follower(
            sink,
            SpoolReader(self.spool.path),
            Decoder(self._registry),
            min(self.spool.cursor(sink.name), sink.position()),
            mark=lambda marks: self._worker.call(self.spool.mark, marks),
            save=lambda name, position: self._worker.call(self.spool.save_cursors, [(name, position)]),
            resolved=lambda entries: self._worker.call(self.spool.resolve, entries),
        )

    def problems(self) -> list[str]:
        """Return what is wrong now, each with what to do; empty = healthy."""
        found = list(self.source.problems())
        if self.pipeline.trouble:
            found.append(f"spool: {self.pipeline.trouble}; nothing is acknowledged, nodes keep their frames")
        elif self.spool.bytes > _DISK_LOW * self._config.spool.max_mib * (1 << 20):
            found.append(
                f"spool: {self.spool.bytes >> 20} of {self._config.spool.max_mib} MiB used; raise [spool] max_mib"
            )
        for follower in self._followers:
            found += follower.problems()
        at = self.pipeline.conflict_at
        if at is not None and time.monotonic() - at < _CONFLICT_S:
            found.append("conflicting frames came within the hour; see `pantau quarantine list --reason conflict`")
        return found

    def figures(self) -> dict[str, float]:
        """Return plain numbers for the metrics."""
        figures = {
            "start_time_ms": float(self._started_ms),
            "spool_last_id": float(self.spool.last_id),
            "spool_bytes": float(self.spool.bytes),
            "quarantine_entries": float(self.spool.quarantine.rows),
            "quarantine_dropped_total": float(self.spool.quarantine.dropped),
        }
        for follower in self._followers:
            label = f'{{sink="{follower.name}"}}'
            figures[f"sink_lag_frames{label}"] = float(self.spool.last_id - follower.position)
            figures[f"sink_delivered_total{label}"] = float(follower.delivered)
            figures[f"sink_rejected_total{label}"] = float(follower.rejected)
        return figures | dict(self.source.figures()) | self.pipeline.figures()

    def _web(self) -> tuple[_Server | None, socket.socket | None]:
        """Return the page's server with its socket already bound: a taken port is a mistake to name, not to die of."""
        web = self._config.web
        if not web.enabled:
            return None, None
        try:
            listener = socket.create_server(
                web.address, family=socket.AF_INET6 if ":" in web.address[0] else socket.AF_INET
            )
        except (OSError, UnicodeError) as error:  # a name with a label that is too long is a UnicodeError
            why = getattr(error, "strerror", None) or error
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"web.listen: {web.listen} is taken; stop what listens there or choose another port"
                ) from None
            raise ConfigError([Problem("", "web.listen", f"{web.listen} cannot be used ({why}); correct it")]) from None
        city = self._config.bridge.city
        app = create_app(self.store, self, public_read=web.public_read, city=city, title=web.title)
        self._end_streams = app.state.hub.close
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ws="none",
            log_config=None,
            timeout_graceful_shutdown=int(_WEB_STOP_S),
        )
        return _Server(settings), listener

    def _page(self) -> str:
        return f"http://{self._config.web.listen}/" if self._config.web.enabled else "off"

    def _stored(self) -> None:
        for follower in self._followers:
            follower.wake()

    def _again(self, entries: list[Entry]) -> None:
        for follower in self._followers:
            mine = [e for e in entries if e.reason != "sink_rejected" or e.detail.startswith(f"{follower.name}:")]
            if mine:
                follower.deliver_again({entry.frame_id: entry.id for entry in mine if entry.frame_id is not None})

    def _settled(self) -> None:
        """Remember that the broker has our sessions, so that their loss is noticed."""
        task = asyncio.create_task(self._note(), name="note")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self) -> None:
        with contextlib.suppress(SpoolUnavailable):
            await self._worker.call(self.spool.note, self._session_note, str(now_ms()))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


def run(config: Config, stop: asyncio.Event | None = None) -> None:
    """Run one bridge in this thread until SIGTERM, SIGINT or `stop`.

    Raises ConfigError, PortTakenError, SpoolUnavailable or SpoolBroken.
    """

    async def main() -> None:
        ended = stop or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await Bridge(config).run(ended)

    with sole_owner(config.bridge.data_dir):
        asyncio.run(main())


__all__ = ["Bridge", "SpoolBroken", "open_spool", "run", "sole_owner", "station_rows"]

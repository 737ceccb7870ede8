"""Runs the order desk in a bridge: follows the log, looks at the book, sends. In a thread of its own; ingest waits for none of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING

from pantau.fleet.book import Book
from pantau.fleet.chunks import Limits
from pantau.fleet.desk import Desk
from pantau.fleet.rollouts import Rollouts
from pantau.log import event
from pantau.ops.migrate import StoreError
from pantau.spool import LOG, SpoolBroken, SpoolReader, SpoolUnavailable
from pantau.worker import Worker
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.config import Config
    from pantau.downlink import Downlink
    from pantau.pipeline import Pipeline
    from pantau.spool import Spool

_log = logging.getLogger("pantau.fleet")
_TICK_S = 0.5
_BUSY_S = 5.0  # while a flood is taken in, orders come second
_FRAMES = 500  # read at a time: some milliseconds
_READS = 20  # in a tick
_ROLLOUT_MS = 10_000  # between two looks at a rollout
_AT_ONCE = 8  # frames sent between two turns of the loop
_AGAIN_S = 10.0


class Clerk:
    """Start it with `run`."""

    def __init__(
        self, config: Config, spool: Spool, downlink: Downlink, pipeline: Pipeline,
        now_ms: Callable[[], int], holds: Callable[[int], bool] | None = None,
    ) -> None:  # fmt: skip
        """`pipeline` has the source to send by; `holds` says which partitions are ours, where several bridges share a city."""
        self._path, self._spool_path, self._first = config.book_path, spool.path, spool.last_id
        self._log_name = spool.noted(LOG) or ""
        self._downlink, self._pipeline, self._now_ms = downlink, pipeline, now_ms
        self.use(config)
        self._holds = (lambda node: holds(topics.partition(node))) if holds is not None else (lambda _node: True)
        self._worker = Worker("fleet")
        self._book: Book | None = None
        self._desk: Desk | None = None
        self._rollouts: Rollouts | None = None
        self._reader: SpoolReader | None = None
        self._position = 0
        self._rollout_ms = 0
        self.trouble = ""
        self._figures: dict[str, float] = {}

    def figures(self) -> dict[str, float]:
        """Return numbers for the metrics."""
        return dict(self._figures)

    def problems(self) -> list[str]:
        """Return what is wrong, with what to do."""
        return [f"fleet: {self.trouble}; no orders go out, ingest is not touched"] if self.trouble else []

    def use(self, config: Config) -> None:
        """Send within the bounds of another configuration from the next step on."""
        self._limits = Limits(config.fleet.nodes_at_once, config.fleet.bytes_per_s)

    async def run(self) -> None:
        """Look after the orders until cancelled; trouble of the disk is told and tried again."""
        try:
            while True:
                try:
                    due = await self._worker.call(self._step)
                    unsent = await self._send(due)
                    if unsent:
                        await self._worker.call(self._take_back, unsent)
                    self.trouble = ""
                except Exception as error:  # noqa: BLE001  a full disk or a defect of ours: frames are taken in all the same
                    passing = isinstance(error, (sqlite3.Error, StoreError, SpoolUnavailable, SpoolBroken, OSError))
                    reason = str(error) if passing else f"defect: {error!r}"
                    if not self.trouble:
                        event(_log, logging.ERROR, "fleet.unavailable", reason=reason)
                    self.trouble = reason
                    await self._worker.call(self._forget)
                    await asyncio.sleep(_AGAIN_S)
                await asyncio.sleep(_BUSY_S if self._pipeline.pace.busy else _TICK_S)
        finally:
            # What is in the book is all there is: nothing has to be brought to an end. Closed after what the thread is at.
            closed = asyncio.ensure_future(self._worker.call(self._forget))
            with contextlib.suppress(asyncio.CancelledError):
                await closed
            self._worker.stop()

    async def _send(self, due: list[tuple[str, bytes]]) -> set[str]:
        """Send; return the nodes for which that was not possible. What follows for them is not tried: it would come out of order."""
        unsent: set[str] = set()
        source = self._pipeline.source
        for at, (node, data) in enumerate(due):
            if at % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if node not in unsent and (source is None or not source.publish(node, "cmd", data)):
                unsent.add(node)
        return unsent

    # -- in the worker's thread

    def _step(self) -> list[tuple[str, bytes]]:
        book, desk, rollouts = self._opened()
        desk.chunks.limits = self._limits
        self._follow(book, desk)
        now_ms = self._now_ms()
        if now_ms - self._rollout_ms >= _ROLLOUT_MS or now_ms < self._rollout_ms:
            self._rollout_ms = now_ms
            rollouts.tick(desk, now_ms)
        due = desk.due(now_ms)
        self._figures = {f"fleet_orders_{name}_total": float(count) for name, count in desk.counts.items()} | {
            "fleet_orders_open": float(desk.waiting),
            "fleet_updates_active": float(desk.chunks.active),
            "fleet_update_bytes_total": float(desk.chunks.sent_bytes),
        }
        return due

    def _follow(self, book: Book, desk: Desk) -> None:
        """Take what the log holds behind our place in it, which is written down with what was learnt."""
        assert self._reader is not None
        for _ in range(_READS):
            frames = self._reader.read(self._position, _FRAMES)
            if not frames:
                return
            try:
                with book.transaction():
                    for frame in frames:
                        desk.take(frame.node, frame.payload, frame.received_ms)
                    book.note(self._key, str(frames[-1].id))
            except BaseException:
                self._forget()  # the desk knows what the book does not
                raise
            self._position = frames[-1].id

    @property
    def _key(self) -> str:
        return f"position {self._log_name}"

    def _opened(self) -> tuple[Book, Desk, Rollouts]:
        if self._book is None or self._desk is None or self._rollouts is None:
            self._book = Book(self._path)
            self._desk = Desk(self._book, self._downlink, holds=self._holds, limits=self._limits)
            self._rollouts = Rollouts(self._book)
            self._reader = SpoolReader(self._spool_path)
            noted = self._book.noted(self._key)
            # A book that is new has no orders that older frames could answer.
            self._position = self._first if noted is None else int(noted)
            if noted is None:
                self._book.note(self._key, str(self._position))
        return self._book, self._desk, self._rollouts

    def _take_back(self, nodes: set[str]) -> None:
        if self._book is not None and self._desk is not None:
            with self._book.transaction():
                for node in sorted(nodes):
                    self._desk.unsent(node)

    def _forget(self) -> None:
        """Close everything: the next step begins with what is written down."""
        book, reader = self._book, self._reader
        self._book = self._desk = self._rollouts = self._reader = None
        if reader is not None:
            reader.close()
        if book is not None:
            book.close()

"""A sink's own walk through the spool: read, decode, deliver, remember how far. It never holds up ingest or another sink."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import TYPE_CHECKING, Protocol

from pantau.delivery import BATCH, Delivery, Step
from pantau.log import event
from pantau.reconnect import Backoff
from pantau.spool import SpoolUnavailable
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from pantau.decode import Decoder
    from pantau.delivery import Log, Mark, Quality
    from pantau.registry import Registry
    from pantau.sinks import Sink

_log = logging.getLogger("pantau.sink")
_SAVE_EVERY_S = 1.0  # a cursor that lags costs a redelivery after a crash, which every sink recognises
_MOST_REST_S = 0.5  # a delivery that itself waited for the processor must not be waited for ten times as long
_MOST_PAUSE_S = 60.0  # between two tries at a target that is away
_HANGS_AFTER_S = 30.0  # one delivery takes a second at most when all is well


class Ledger(Protocol):
    """What a follower writes down elsewhere, each in the thread of its owner."""

    async def mark(self, marks: list[Mark]) -> None:
        """Put stored frames into quarantine."""

    async def resolved(self, entries: list[int]) -> None:
        """Delete entries of the quarantine."""

    async def save(self, sink: str, position: int, state: dict[str, str]) -> None:
        """Note how far the sink has come, with the state of its quality control there."""


class Follower:
    """Delivers the log to one sink, in order, from its cursor on."""

    def __init__(
        self, sink: Sink, reader: Log, decoder: Decoder, quality: Quality, ledger: Ledger, noted: int | None
    ) -> None:
        """Start after the frame `noted`, with `quality` as it was there, or before it where the target holds less.

        None for a sink that is new here: it starts with what the target holds, nothing when it cannot tell.
        """
        self.name = sink.name
        self._noted = noted
        self._unsure = True  # the target has not said yet what it holds
        self.position = position = noted or 0
        self._sink = sink
        self._delivery = Delivery(sink, reader, decoder, quality)
        self._reader_waits = reader.waits
        self.quality = quality
        self._ledger = ledger
        self._unmarked: tuple[dict[int, int], Step] | None = None
        self._saved = position
        self._saved_at = time.monotonic()
        self._worker = Worker(f"sink-{sink.name}")
        self._wake = asyncio.Event()
        self._again: dict[int, int] = {}  # spool id: entry of the quarantine (0 for none), to deliver out of order
        self._stop = asyncio.Event()
        self._closed = False  # the sink is, and can be asked nothing any more
        self._busy_since: float | None = None
        self.rest = 0.0  # after each delivery, in units of what it took
        self.trouble = ""
        self.at_end = False  # the sink had all that the log held when it was last read
        self._wait_s = 0.0  # that the target asked for
        self.delivered = self.rejected = self.observations = 0
        self.newest_ms: int | None = None  # receipt of the last frame that the sink took

    def wake(self) -> None:
        """Tell that the log has grown."""
        self._wake.set()

    def deliver_again(self, frames: dict[int, int]) -> None:
        """Deliver stored frames out of order, {spool id: quarantine entry}; what then succeeds leaves the quarantine.

        An entry of 0 stands for none: a span of the log that somebody asked for.
        """
        self._again.update(frames)
        self._wake.set()

    async def run(self) -> None:
        """Follow until `stop`."""
        backoff = Backoff(base_s=0.2, cap_s=_MOST_PAUSE_S)
        await self._begin()
        while True:
            self._wake.clear()
            moved, began = 0, time.monotonic()
            try:
                moved = await self._turn()
                self.at_end = not moved and not self.trouble
                if not moved and not self.trouble:
                    await self._save_position(now=self._stop.is_set())
            except SpoolUnavailable as error:
                self.trouble = str(error)
            if self.trouble:
                if self._stop.is_set():
                    return
                await _pause(self._stop, max(self._wait_s, backoff.next()))
                continue
            backoff.worked(backoff.settled_s)
            if not moved:
                if self._stop.is_set():
                    return
                unsaved = self.position != self._saved
                await _pause(self._wake, 0.0 if self._reader_waits else _SAVE_EVERY_S if unsaved else None)
            elif self.rest and not self._stop.is_set():
                await _pause(self._stop, min(_MOST_REST_S, self.rest * (time.monotonic() - began)))

    async def _begin(self) -> None:
        """Find where to start. A target that cannot be asked now tells after its trouble."""
        has = await self._worker.call(self._delivery.holds)
        self._unsure = has is None
        if has is not None:
            self.position = has if self._noted is None else min(self._noted, has)

    def problems(self) -> list[str]:
        """Return what is wrong with the sink."""
        if self.trouble:
            return [f"sink {self.name}: {self.trouble}"]
        since = self._busy_since
        if since is not None and time.monotonic() - since > _HANGS_AFTER_S:
            hung = f"sink {self.name} has not answered for {time.monotonic() - since:.0f} s; look at its server"
            return [f"{hung}; frames wait in the spool"]
        return []

    def figures(self) -> dict[str, float]:
        """Return what the sink counts beside us, by names of pantau.ops.figures that begin with sink_."""
        found: dict[str, float] = {} if self._closed else getattr(self._sink, "figures", dict)()
        return {name: float(value) for name, value in found.items() if name.startswith("sink_")}

    def use(self, registry: Registry) -> Awaitable[None]:
        """Go on with another registry: between two deliveries, in the sink's thread."""
        return self._worker.call(self._delivery.use, registry)

    @property
    def waiting_again(self) -> int:
        """Return how many frames wait to be delivered out of order."""
        return len(self._again)

    async def stop(self, within_s: float, task: asyncio.Task[None]) -> None:
        """Let the task deliver what is in the log, for `within_s` at most, and release the sink."""
        self._stop.set()
        self._wake.set()
        done, _ = await asyncio.wait({task}, timeout=within_s)
        if not done:
            event(
                _log,
                logging.WARNING,
                "sink.left_behind",
                sink=self.name,
                position=self.position,
                trouble=self.trouble or "slow",
            )
            task.cancel()
        else:
            await self._worker.call(self._close)
        self._worker.stop()

    async def _turn(self) -> int:
        """Deliver once; return how many frames the sink took."""
        again, step = self._unmarked or ({}, None)
        if step is None:
            # What is folded goes first: the fold must not see other frames between.
            # What has not had its turn waits for it: else the target would say that it holds all before it.
            ready = ((number, entry) for number, entry in self._again.items() if number <= self.position)
            again = {} if self._delivery.waiting else dict(itertools.islice(ready, BATCH))
            self._busy_since = time.monotonic()
            step = await self._worker.call(self._deliver, sorted(again) if again else None, self.position)
            self._busy_since = None
        if step.lost_after is not None:
            self._go_back(step.lost_after)
            return 1
        self._wait_s = step.wait_s
        if step.retry:
            if step.retry != self.trouble:
                event(_log, logging.WARNING, "sink.retry", sink=self.name, position=self.position, reason=step.retry)
            self.trouble = step.retry
            return 0
        if self.trouble:
            event(_log, logging.INFO, "sink.works_again", sink=self.name, position=self.position)
            self.trouble = ""
        if step.marks:
            self._unmarked = (
                again,
                step,
            )  # the sink has the batch: if they cannot be written now, only they are tried again
            await self._ledger.mark(step.marks)
            self._unmarked = None
            for frame, reason, detail in step.marks:
                event(
                    _log, logging.WARNING, "frame.quarantined", sink=self.name, reason=reason, detail=detail,
                    node=frame.node, boot=frame.boot, seq=frame.seq,
                )  # fmt: skip
        if again:
            failed = {frame.id for frame, _, _ in step.marks}
            good = [again[frame.id] for frame in step.frames if frame.id not in failed]
            await self._ledger.resolved([entry for entry in good if entry])
            for number in again:
                self._again.pop(number, None)
        elif step.frames:
            self.position = step.frames[-1].id
            self.newest_ms = step.frames[-1].received_ms
        self.observations += step.observations
        self.delivered += len(step.frames)
        self.rejected += len(step.marks)
        await self._save_position(now=False)
        return len(step.frames) + len(again)

    def _go_back(self, after: int) -> None:
        """Deliver once more what the target lost, as far as the log reaches."""
        event(
            _log, logging.WARNING, "sink.lost_data", sink=self.name, holds_through=after, delivered_through=self.position,
            meaning="the target lost what it had been given; it gets it again from the log",
        )  # fmt: skip
        self.position = after
        self._delivery.forget()

    def _deliver(self, ids: Sequence[int] | None, after: int) -> Step:
        """Deliver, in the sink's thread; first ask a target that was in trouble whether it has all it was given."""
        if self.trouble or self._unsure:
            self._unsure = False
            has = self._delivery.holds()
            if has is not None and has < after:
                return Step([], [], "", lost_after=has)
        return self._delivery.deliver(ids, after, BATCH // 10 if self.rest else BATCH)

    def _close(self) -> None:
        self._closed = True
        self._delivery.close()

    async def _save_position(self, *, now: bool) -> None:
        due = now or time.monotonic() - self._saved_at >= _SAVE_EVERY_S
        if self.position != self._saved and due and not self._delivery.waiting:
            state = await self._worker.call(self.quality.changed)
            await self._ledger.save(self.name, self.position, state)
            await self._worker.call(self.quality.saved)
            self._saved, self._saved_at = self.position, time.monotonic()


async def _pause(until: asyncio.Event, seconds: float | None) -> None:
    """Wait for the event, for so long at most."""
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return

"""A sink's own walk through the spool: read, decode, deliver, remember how far. It never holds up ingest or another sink."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pantau.decode import Decoded, Decoder
from pantau.log import event
from pantau.model import Revision
from pantau.reconnect import Backoff
from pantau.spool import SpoolUnavailable
from pantau.worker import Worker

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Sequence

    from pantau.model import StoredFrame
    from pantau.registry import Registry
    from pantau.sinks import Sink

_log = logging.getLogger("pantau.sink")
_BATCH = 100  # frames per delivery: some ten thousand observations, a transaction of tens of milliseconds
_SAVE_EVERY_S = 1.0  # a cursor that lags costs a redelivery after a crash, which every sink recognises
_MOST_REST_S = 0.5  # a delivery that itself waited for the processor must not be waited for ten times as long
_MOST_PAUSE_S = 60.0  # between two tries at a target that is away
_HANGS_AFTER_S = 30.0  # one delivery takes a second at most when all is well

Mark = tuple["StoredFrame", str, str]  # frame, reason, detail


class Quality(Protocol):
    """The fold that judges observations by their neighbours in time (pantau.quality)."""

    defects: Counter[str]  # by part: what a bug of ours cost in flags

    def assess(self, decoded: Decoded) -> Decoded:
        """Return the frame with the host's flags, derived observations and revisions of earlier ones."""

    def changed(self) -> dict[str, str]:
        """Return the state that changed and is not saved."""

    def saved(self) -> None:
        """Note that what `changed` returned last was saved."""

    def use(self, registry: Registry) -> None:
        """Judge by another registry from now on."""


class Log(Protocol):
    """What is followed: the spool of this bridge, or the log that several bridges share."""

    waits: bool  # whether `read` itself waits a while for something to come; else somebody calls `wake`

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames with an id above `after`, in order. Raises SpoolUnavailable or SpoolBroken."""

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the log holds them."""

    def close(self) -> None:
        """Release the log."""


class Ledger(Protocol):
    """What a follower writes down elsewhere, each in the thread of its owner."""

    async def mark(self, marks: list[Mark]) -> None:
        """Put stored frames into quarantine."""

    async def resolved(self, entries: list[int]) -> None:
        """Delete entries of the quarantine."""

    async def save(self, sink: str, position: int, state: dict[str, str]) -> None:
        """Note how far the sink has come, with the state of its quality control there."""


class _Step(NamedTuple):
    frames: list[StoredFrame]
    marks: list[Mark]
    retry: str
    observations: int = 0
    wait_s: float = 0.0
    lost_after: int | None = None  # the target turned out to hold nothing above this frame


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
        self._reader = reader
        self._decoder = decoder
        self.quality = quality
        self._ledger = ledger
        # Folded and not yet taken by the sink, by id and by the frame whose turn it was: the frame itself, or a later one
        # that gave it its date. Both may fall into one delivery.
        self._assessed: dict[tuple[int, int], Decoded] = {}
        self._unmarked: tuple[dict[int, int], _Step] | None = None
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
                await _pause(self._wake, 0.0 if self._reader.waits else _SAVE_EVERY_S if unsaved else None)
            elif self.rest and not self._stop.is_set():
                await _pause(self._stop, min(_MOST_REST_S, self.rest * (time.monotonic() - began)))

    async def _begin(self) -> None:
        """Find where to start. A target that cannot be asked now tells after its trouble."""
        has = await self._worker.call(self._holds)
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

        def change() -> None:
            self._decoder = Decoder(registry)
            self.quality.use(registry)
            self._sink.use(registry)

        return self._worker.call(change)

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
            again = {} if self._assessed else dict(itertools.islice(ready, _BATCH))
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
        self._assessed.clear()

    def _deliver(self, ids: Sequence[int] | None, after: int) -> _Step:
        """Read, decode and deliver, in the sink's thread."""
        if (self.trouble or self._unsure) and (lost_after := self._lost_after(after)) is not None:
            return _Step([], [], "", lost_after=lost_after)
        frames = (
            self._reader.get(ids)
            if ids is not None
            else self._reader.read(after, _BATCH // 10 if self.rest else _BATCH)
        )
        if not frames:
            return _Step([], [], "")
        pairs = [pair for frame in frames for pair in self._told(frame)]
        marks: list[Mark] = []
        for at in range(0, len(pairs), _BATCH):
            some = pairs[at : at + _BATCH]
            try:
                verdicts = self._sink.deliver([decoded for _, decoded in some])
                answers = list(zip(some, verdicts, strict=True))
            except Exception as error:  # noqa: BLE001  a sink that breaks its contract must not take the bridge with it
                reason = f"sink {self.name} failed: {type(error).__name__}: {error}"
                return _Step([], [], reason)
            for (frame, decoded), verdict in answers:
                if verdict.kind == "retry":
                    reason = verdict.reason or "asked to retry"
                    return _Step([], [], reason, wait_s=verdict.wait_s)
                if decoded.error:
                    marks.append((frame, "undecodable", decoded.error))
                elif verdict.kind == "rejected":
                    marks.append((frame, "sink_rejected", f"{self.name}: {verdict.reason}"))
        turns = {frame.id for frame in frames}
        self._assessed = {key: known for key, known in self._assessed.items() if key[1] not in turns}
        return _Step(frames, marks, "", sum(len(decoded.observations) for _, decoded in pairs))

    def _lost_after(self, after: int) -> int | None:
        """Return through which frame the target holds what it was given, None when it has all or cannot tell."""
        self._unsure = False
        has = self._holds()
        return has if has is not None and has < after else None

    def _holds(self) -> int | None:
        try:
            return self._sink.position()
        except Exception as error:  # noqa: BLE001  as in _deliver; the next delivery says what is wrong
            event(_log, logging.WARNING, "sink.position_unknown", sink=self.name, reason=repr(error))
            return None

    def _told(self, frame: StoredFrame) -> list[tuple[StoredFrame, Decoded]]:
        """Return a frame with what it says, and after it earlier ones that it gives a date to, told once more."""
        decoded = self._assess(frame, frame.id)
        told = [(frame, decoded)]
        for earlier in self._reader.get(decoded.dated):
            again = self._assess(earlier, frame.id)
            revisions = tuple(
                Revision(o.key, o.quality, o.reason, o.tests, o.observed_at_ms) for o in again.observations
            )
            told.append((earlier, replace(again, revisions=again.revisions + revisions)))
        return told

    def _assess(self, frame: StoredFrame, turn: int) -> Decoded:
        """Decode and judge one frame, once in each turn: a sink that asks to retry gets the same again."""
        known = self._assessed.get((frame.id, turn))
        if known is None:
            decoded = self._decode(frame)
            try:
                known = self.quality.assess(decoded)
            except SpoolUnavailable:
                raise  # the state could not be read: judged later, rather than without it
            except Exception as error:  # noqa: BLE001  a defect of ours must cost flags, never the readings
                event(_log, logging.ERROR, "quality.failed", node=frame.node, frame=frame.id, defect=repr(error))
                known = decoded
            self._assessed[frame.id, turn] = known
        return known

    def _decode(self, frame: StoredFrame) -> Decoded:
        """Decode one frame; a defect of ours marks this frame and no other: its bytes stay, a replay tries again."""
        try:
            return self._decoder.decode(frame)
        except Exception as error:  # noqa: BLE001  else one frame would end the bridge, again at each start
            defect = f"internal: {type(error).__name__}: {error}"
            return Decoded(frame.id, frame.node, frame.boot, frame.seq, frame.received_ms, error=defect)

    def _close(self) -> None:
        self._closed = True
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001  the others are still to be stopped in order
            event(_log, logging.WARNING, "sink.not_closed", sink=self.name, reason=repr(error))
        self._reader.close()

    async def _save_position(self, *, now: bool) -> None:
        due = now or time.monotonic() - self._saved_at >= _SAVE_EVERY_S
        if self.position != self._saved and due and not self._assessed:
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

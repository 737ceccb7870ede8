"""From arrival to acknowledgement: judge, commit, confirm to the broker, tell the node.

Group commit without a timer: a batch is what arrived while the one before it was being committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from pantau import quarantine
from pantau.intake import Intake
from pantau.log import event
from pantau.ops.figures import Histogram
from pantau.pace import Pace
from pantau.reconnect import Backoff
from pantau.refusals import elsewhere
from pantau.sources import Inbox, confirm, replay
from pantau.spool import SpoolUnavailable
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau.batch import Batch, Verdict
    from pantau.downlink import Downlink
    from pantau.ingest import Ingest
    from pantau.intake import Stored
    from pantau.quarantine import Replayed
    from pantau.sources import Chunk, Source
    from pantau.spool import Spool
    from pantau.worker import Worker

_log = logging.getLogger("pantau.bridge")
_TICK_S = 1.0
_LINES = 10  # log lines about refusals per commit: a flood is counted, not narrated
_COMMITS = 1000  # commits that the latency quantiles look back on
_ACKS = 250  # made at a time: some milliseconds in which no commit runs
_FRAMES_PER_ACK = 8  # at least, where more than _ACKS are due: the node's own window of frames under way


class Pipeline:
    """The one path of a frame into the log. `worker` is the thread that owns ingest, spool and downlink."""

    def __init__(
        self,
        ingest: Ingest,
        spool: Spool,
        downlink: Downlink,
        worker: Worker,
        *,
        max_batch: int,
        ack_interval_s: float,
        on_stored: Callable[[], None],
        on_alarm: Callable[[list[int]], None] = lambda _ids: None,
        on_busy: Callable[[bool], None] = lambda _busy: None,
        replays: replay.Replays | None = None,
        holds: Callable[[int], bool] | None = None,
    ) -> None:
        """`on_stored` is called after each commit that made the log longer, `on_alarm` with the ids of alarm frames in it.

        `on_busy` when a flood begins and ends. `replays` are files left for us. `holds`, where partitions are shared with
        other bridges, says whether one is ours now: what came of another is its holder's to store, confirm and acknowledge.
        """
        self.inbox = Inbox()
        self.source: Source | None = None
        self._ingest, self._spool, self._worker = ingest, spool, worker
        self._intake = Intake(ingest, spool, downlink)
        self._max_batch, self._ack_interval_s = max_batch, ack_interval_s
        self._on_stored, self._on_alarm, self._on_busy = on_stored, on_alarm, on_busy
        self._replays = replays
        self._holds = holds
        self._stop = asyncio.Event()
        self.pace = Pace(topics.PARTITIONS)
        self._committing = 0  # messages of the batch under way
        self._acked_at = 0  # frames of which acknowledgements were due when the last were sent
        self._replay_at = 0.0
        self._replaying = False  # a file is under way: a step of it after each commit of live frames
        self._latency_s: deque[float] = deque(maxlen=_COMMITS)
        self._latencies = Histogram()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.links: dict[str, bool] = {}
        self.trouble = ""
        self.turned_at = time.monotonic()  # when a commit was last made, or nothing was to be committed
        self.conflict_at: float | None = None

    async def run(self) -> None:
        """Commit what arrives until `stop`, and then what is left. Raises SpoolBroken."""
        while True:
            await self.inbox.wait(0.0 if self._replaying else _TICK_S)
            chunks = self.inbox.take(self._max_batch)
            if chunks and not await self._durable(chunks):
                return
            if not chunks and not await self._idle():
                return
            # The loop's thread sleeps on purpose: sockets are not read meanwhile, while the spool's thread goes on.
            before = self.pace.busy
            time.sleep(self.pace.pause_s(sum(len(c.payloads) for c in chunks), time.monotonic()))  # noqa: ASYNC251
            if self.pace.busy != before:
                self._on_busy(self.pace.busy)
            self.turned_at = time.monotonic()
            if self._replaying or time.monotonic() >= self._replay_at:
                await self._replay_files()
            if time.monotonic() >= self._replay_at:
                self._replay_at = time.monotonic() + _TICK_S
                await self._replay()

    async def run_acks(self) -> None:
        """Send acknowledgements, at most one per boot and interval."""
        while not self._stop.is_set():
            await asyncio.sleep(self._ack_interval_s or _TICK_S)
            await self.send_acks()

    def stop(self) -> None:
        """Take in no more; `run` ends when what is there is durable, or at once while the spool is unavailable."""
        self.inbox.close()
        self._stop.set()

    async def send_acks(self) -> None:
        """Send what is due; what the source cannot take now stays due.

        Those that wait longest go first, and of each boot only the newest. An acknowledgement costs more than a frame, here
        and at the broker: under load there is one for many frames, so that they become rarer and not frames late.
        """
        source = self.source
        if source is None:
            return
        stored = self.counts["new"] + self.counts["redelivered"]
        most, self._acked_at = max(_ACKS, (stored - self._acked_at) // _FRAMES_PER_ACK), stored
        for _ in range(-(-min(most, self._ingest.due) // _ACKS)):
            made = await self._worker.call(self._intake.acks, _ACKS)
            unsent = [ack for ack, data in made if data is not None and not source.publish(ack.node, "ack", data)]
            self.counts["acks_sent"] += len(made) - len(unsent)
            if self._holds is not None:  # an heir acknowledges what it finds in the log
                unsent = [ack for ack in unsent if self._holds(topics.partition(ack.node))]
            if unsent:
                with contextlib.suppress(SpoolUnavailable):  # the node asks again by sending again
                    await self._worker.call(self._ingest.ack_again, unsent)
            if unsent or len(made) < _ACKS:
                return

    def figures(self) -> dict[str, float]:
        """Return numbers for the metrics."""
        counts = self.counts
        figures: dict[str, float] = {
            "frames_received_total": counts["received"],
            "frames_stored_total": counts["new"],
            "frames_redelivered_total": counts["redelivered"],
            "frames_conflict_total": counts["conflict"],
            "frames_quarantined_total": counts["quarantined"] + counts["conflict"],
            "frames_declared_gone_total": counts["gone"],
            "acks_sent_total": counts["acks_sent"],
            "acks_due": self._ingest.due,
            "boots_unsaved": self._ingest.unsaved,
            "time_sent_total": counts["time_sent"],
            "commits_total": counts["commits"],
            "commit_failures_total": counts["commit_failures"],
            "inbox_messages": len(self.inbox),
            "inflight_messages": len(self.inbox) + self._committing,
            "nodes_linked": sum(self.links.values()),
        }
        figures |= self._latencies.figures("commit_latency_seconds")
        figures |= {f'frames_refused_total{{reason="{reason}"}}': count for reason, count in self.refused.items()}
        if self._latency_s:
            ordered = sorted(self._latency_s)
            for quantile in (0.5, 0.99):
                value = ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
                figures[f'commit_seconds{{quantile="{quantile}"}}'] = value
        return figures

    async def _durable(self, chunks: list[Chunk]) -> bool:
        """Commit one batch, however long that takes; False when told to stop before it was possible."""
        backoff = Backoff(base_s=0.2, cap_s=10.0)
        self._committing = received = sum(len(chunk.payloads) for chunk in chunks)
        while True:
            started = time.monotonic()
            chunks = self._ours(chunks)
            try:
                stored = await self._worker.call(self._intake.store, chunks)
            except SpoolUnavailable as error:
                self.counts["commit_failures"] += 1
                if not self.trouble:
                    event(
                        _log,
                        logging.ERROR,
                        "spool.unavailable",
                        reason=error,
                        meaning="nothing is acknowledged until it works",
                    )
                self.trouble = str(error)
                self.turned_at = time.monotonic()
                if await self._stopped_within(backoff.next()):
                    return False
                continue
            break
        self._latency_s.append(time.monotonic() - started)
        self._latencies.observe(self._latency_s[-1])
        if self.trouble:
            event(_log, logging.INFO, "spool.works_again")
            self.trouble = ""
        confirm(chunks)
        self._committing = 0
        await self._after(stored, received)
        return True

    def _ours(self, chunks: list[Chunk]) -> list[Chunk]:
        """Return the chunks of partitions that are ours: a connection brings those of one partition.

        Those of connections that have ended come again. A partition may be lost and ours again within one commit: were some
        of its chunks dropped and later ones stored, what comes again would stand behind them.
        """
        holds = self._holds
        if holds is None:
            return chunks
        return [
            c for c in chunks if not c.channel.ended and not elsewhere(c.topics[0].decode("ascii", "replace"), holds)
        ]

    async def _idle(self) -> bool:
        """Bring the saved windows up to the log while nothing arrives; False when that was the last thing to do."""
        if self._ingest.unsaved:
            try:
                await self._worker.call(self._intake.save)
            except SpoolUnavailable:
                return not self._stop.is_set()
        return not self._stop.is_set() or bool(self._ingest.unsaved)

    async def _after(self, stored: Stored, received: int) -> None:
        batch = stored.batch
        self.counts.update(batch.counts)
        self.counts.update({"received": received, "commits": 1, "gone": batch.gone})
        self.links.update(batch.links)
        if batch.counts["conflict"]:
            self.conflict_at = time.monotonic()
        self._tell_refusals(batch)
        for node, data in stored.answers:
            if self.source is not None and self.source.publish(node, "cmd", data):
                self.counts["time_sent"] += 1
        if batch.alarms:
            self._on_alarm(batch.alarms)
        if batch.payloads:
            self._on_stored()
        if not self._ack_interval_s:
            await self.send_acks()

    def _tell_refusals(self, batch: Batch) -> None:
        told = Counter((refused.reason, refused.node) for refused in batch.refused)
        self.refused.update(refused.reason for refused in batch.refused)
        for (reason, node), count in told.most_common(_LINES):
            level = logging.ERROR if reason == "conflict" else logging.WARNING
            event(_log, level, "frame.refused", reason=reason, node=node or "-", count=count)
        if len(told) > _LINES:
            event(_log, logging.WARNING, "frame.refused", more=len(told) - _LINES)

    async def _replay(self) -> None:
        """Try again what somebody asked for with `pantau quarantine replay`."""
        try:
            done: Replayed = await self._worker.call(self._tried_again)
        except SpoolUnavailable as error:
            event(_log, logging.WARNING, "quarantine.replay_failed", reason=error)
            return
        if not done.tried:
            return
        event(_log, logging.INFO, "quarantine.replayed", tried=done.tried, stored=done.stored)
        self._on_stored()

    async def _replay_files(self) -> None:
        """Take a batch of what somebody left with `pantau replay FILE`."""
        if self._replays is None:
            return
        try:
            took = await self._worker.call(self._replays.step, self._store_again)
        except SpoolUnavailable as error:
            event(_log, logging.WARNING, "replay.waits", reason=error)
            took = 0
        self._replaying = took > 0
        if took:
            self._on_stored()

    def _store_again(self, messages: Sequence[replay.Message]) -> list[Verdict]:
        return replay.store(self._ingest, self._spool, messages, self._holds)

    def _tried_again(self) -> Replayed:
        return quarantine.replay(self._spool, self._ingest, stored_too=False, holds=self._holds)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

"""From arrival to acknowledgement: judge, commit, confirm to the broker, tell the node.

Group commit without a timer: a batch is what arrived while the one before it was being committed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from pantau import quarantine
from pantau.log import event
from pantau.reconnect import Backoff
from pantau.sources import Inbox, confirm
from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.downlink import Downlink
    from pantau.ingest import Ack, Batch, Ingest
    from pantau.quarantine import Entry, Replayed
    from pantau.sources import Arrival, Source
    from pantau.spool import Spool
    from pantau.worker import Worker

_log = logging.getLogger("pantau.bridge")
_TICK_S = 1.0
_LINES = 10  # log lines about refusals per commit: a flood is counted, not narrated
_COMMITS = 1000  # commits that the latency quantiles look back on


class Pipeline:
    """The one path of a frame into the log. `worker` is the thread that owns ingest and spool."""

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
        on_again: Callable[[list[Entry]], None],
    ) -> None:
        """`on_stored` is called after each commit; `on_again` with stored frames that a replay wants delivered again."""
        self.inbox = Inbox()
        self.source: Source | None = None
        self._ingest, self._spool, self._downlink, self._worker = ingest, spool, downlink, worker
        self._max_batch, self._ack_interval_s = max_batch, ack_interval_s
        self._on_stored, self._on_again = on_stored, on_again
        self._due: dict[tuple[str, int], Ack] = {}  # newest per boot: bounded by the boots that are sending
        self._stop = asyncio.Event()
        self._replay_at = 0.0
        self._latency_s: deque[float] = deque(maxlen=_COMMITS)
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.links: dict[str, bool] = {}
        self.trouble = ""
        self.conflict_at: float | None = None

    async def run(self) -> None:
        """Commit what arrives until `stop`, and then what is left. Raises SpoolBroken."""
        while True:
            await self.inbox.wait(_TICK_S)
            arrivals = self.inbox.take(self._max_batch)
            if arrivals and not await self._durable(arrivals):
                return
            if not arrivals and self._stop.is_set():
                return
            if time.monotonic() >= self._replay_at:
                self._replay_at = time.monotonic() + _TICK_S
                await self._replay()

    async def run_acks(self) -> None:
        """Send acknowledgements, at most one per boot and interval."""
        while not self._stop.is_set():
            await asyncio.sleep(self._ack_interval_s or _TICK_S)
            self.send_acks()

    def stop(self) -> None:
        """Take in no more; `run` ends when what is there is durable, or at once while the spool is unavailable."""
        self.inbox.close()
        self._stop.set()

    def send_acks(self) -> None:
        """Send what is due; what the source cannot take now stays due."""
        source = self.source
        if source is None:
            return
        for key, ack in list(self._due.items()):
            data = self._downlink.ack(ack)
            if data is None or source.publish(ack.node, "ack", data):
                del self._due[key]
                self.counts["acks_sent"] += data is not None

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
            "frames_known_to_log_only_total": counts["known_to_log"],
            "acks_sent_total": counts["acks_sent"],
            "acks_due": len(self._due),
            "time_sent_total": counts["time_sent"],
            "commits_total": counts["commits"],
            "commit_failures_total": counts["commit_failures"],
            "inbox_messages": len(self.inbox),
            "nodes_linked": sum(self.links.values()),
        }
        figures |= {f'frames_refused_total{{reason="{reason}"}}': count for reason, count in self.refused.items()}
        if self._latency_s:
            ordered = sorted(self._latency_s)
            for quantile in (0.5, 0.99):
                value = ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]
                figures[f'commit_seconds{{quantile="{quantile}"}}'] = value
        return figures

    async def _durable(self, arrivals: list[Arrival]) -> bool:
        """Commit one batch, however long that takes; False when told to stop before it was possible."""
        backoff = Backoff(base_s=0.2, cap_s=10.0)
        while True:
            started = time.monotonic()
            try:
                batch, acks = await self._worker.call(self._store, arrivals)
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
                if await self._stopped_within(backoff.next()):
                    return False
                continue
            break
        self._latency_s.append(time.monotonic() - started)
        if self.trouble:
            event(_log, logging.INFO, "spool.works_again")
            self.trouble = ""
        confirm(arrivals)
        self._after(batch, acks, len(arrivals))
        return True

    def _store(self, arrivals: list[Arrival]) -> tuple[Batch, list[Ack]]:
        """Judge and commit, in the spool's thread. After a failure nothing is remembered: call it again."""
        try:
            for arrival in arrivals:
                self._ingest.offer(arrival.topic, arrival.payload, arrival.received_ms)
        except SpoolUnavailable:
            self._ingest.take()
            raise
        batch = self._ingest.take()
        if batch.frames or batch.refused or batch.windows:
            self.counts["known_to_log"] += self._spool.commit(batch)
        return batch, self._ingest.settle(batch)

    def _after(self, batch: Batch, acks: list[Ack], received: int) -> None:
        self.counts.update(batch.counts)
        self.counts.update({"received": received, "commits": 1, "gone": batch.gone})
        self.links.update(batch.links)
        if batch.counts["conflict"]:
            self.conflict_at = time.monotonic()
        self._tell_refusals(batch)
        self._due.update({(ack.node, ack.boot): ack for ack in acks})
        if not self._ack_interval_s:
            self.send_acks()
        for node, nonce in batch.time_asked.items():
            data = self._downlink.time(node, nonce)
            if data is not None and self.source is not None and self.source.publish(node, "cmd", data):
                self.counts["time_sent"] += 1
        if batch.frames:
            self._on_stored()

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
            done: Replayed = await self._worker.call(quarantine.replay, self._spool, self._ingest)
        except SpoolUnavailable as error:
            event(_log, logging.WARNING, "quarantine.replay_failed", reason=error)
            return
        if not done.tried:
            return
        event(
            _log,
            logging.INFO,
            "quarantine.replayed",
            tried=done.tried,
            stored=done.stored,
            deliver_again=len(done.again),
        )
        self._due.update({(ack.node, ack.boot): ack for ack in done.acks})
        self._on_again(done.again)
        self._on_stored()

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

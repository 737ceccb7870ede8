"""From what arrived to what is durable: judge, commit, answer. In the thread that owns ingest, spool and downlink; no task, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.batch import Ack, Batch
    from pantau.downlink import Downlink
    from pantau.ingest import Ingest
    from pantau.sources import Chunk
    from pantau.spool import Spool

_SAVES = 500  # boots saved at a time while nothing arrives


class Stored(NamedTuple):
    """What one commit made durable, and the answers to nodes that asked for the time with it."""

    batch: Batch
    answers: list[tuple[str, bytes]]


class Intake:
    """The one path of a frame into the log."""

    def __init__(self, ingest: Ingest, spool: Spool, downlink: Downlink) -> None:
        self.ingest, self.spool, self._downlink = ingest, spool, downlink

    def store(self, chunks: Iterable[Chunk]) -> Stored:
        """Judge and commit. Raises SpoolUnavailable or SpoolBroken with nothing remembered: call it again with the same."""
        try:
            for chunk in chunks:
                self.ingest.offer_many(chunk.topics, chunk.payloads, chunk.received_ms)
        except SpoolUnavailable:
            self.ingest.abandon(self.ingest.take())
            raise
        batch = self._commit(self.ingest.take())
        asked = batch.time_asked.items()
        answers = [(node, data) for node, nonce in asked if (data := self._downlink.time(node, nonce)) is not None]
        return Stored(batch, answers)

    def save(self) -> None:
        """Bring the saved windows a step nearer to the log, while nothing arrives."""
        self._commit(self.ingest.take(saves=_SAVES))

    def acks(self, limit: int) -> list[tuple[Ack, bytes | None]]:
        """Return up to `limit` acknowledgements that are due, as frames; None for a node without a key."""
        return [(ack, self._downlink.ack(ack)) for ack in self.ingest.acks(limit)]

    def _commit(self, batch: Batch) -> Batch:
        try:
            if batch.payloads or batch.refused or batch.saves:
                self.spool.commit(batch)
        except BaseException:
            self.ingest.abandon(batch)
            raise
        self.ingest.settle(batch)
        return batch

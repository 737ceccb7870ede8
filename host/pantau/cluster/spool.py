"""A bridge's own spool in front of the shared log: a frame is durable when both have it.

The shared log comes first: what only our own spool had would be taken for known when it came again, and be acknowledged
without being in the log. What only the log has is adopted before anything follows it.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from pantau.cluster import message
from pantau.spool import Spool, SpoolUnavailable
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pantau.batch import Batch
    from pantau.cluster.log import Message, SharedLog
    from pantau.ingest import Ingest


def _key(log: str, partition: int) -> str:
    return f"{log} p{partition:02d}"


class SharedSpool(Spool):
    """The spool of a bridge that shares partitions with others. `attach` it to the log before the first commit."""

    def __init__(self, path: Path, *, max_mib: int, quarantine_rows: int, quarantine_mib: int) -> None:
        super().__init__(path, max_mib=max_mib, quarantine_rows=quarantine_rows, quarantine_mib=quarantine_mib)
        self._shared: SharedLog | None = None

    def attach(self, log: SharedLog) -> None:
        """Append to this log from now on."""
        self._shared = log

    def commit(self, batch: Batch) -> None:
        """Make `batch` durable in the shared log and here. Raises SpoolUnavailable: offer the same again."""
        if not batch.payloads:
            super().commit(batch)
            return
        if self._shared is None:
            raise SpoolUnavailable("with [cluster] only a running bridge stores frames: start it, then try again")
        parts = message.split(batch)
        for partition, sequence in self._shared.append(parts).items():
            batch.notes[_key(self._shared.identity, partition)] = str(sequence)
        super().commit(batch)
        self._shared.settled(parts)

    def through(self, log: str, partition: int) -> int:
        """Return the sequence number through which the partition's messages of that log are here."""
        return int(self.noted(_key(log, partition)) or 0)


def adopt(spool: SharedSpool, ingest: Ingest, city: str, log: str, partition: int, messages: Sequence[Message]) -> None:
    """Store frames that other bridges appended, so that they are known here when they come again. In the spool's thread.

    What our registry or keys refuse was accepted by a bridge that knew better; it is in the log, only not known here.
    """
    try:
        for one in messages:
            for received_ms, some in groupby(message.unpack(one.data).frames, key=itemgetter(2)):
                frames = list(some)
                names = [topics.topic(city, node, "up").encode() for node, _, _ in frames]
                ingest.offer_many(names, [payload for _, payload, _ in frames], received_ms)
        batch = ingest.take()
        batch.refused.clear()
        batch.notes[_key(log, partition)] = str(messages[-1].sequence)
        Spool.commit(spool, batch)
    except BaseException:
        ingest.abandon(ingest.take())
        raise
    ingest.settle(batch)

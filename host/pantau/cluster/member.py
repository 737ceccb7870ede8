"""One bridge among several: which partitions are its own, and what follows from that for its sessions and the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from pantau import natslink
from pantau.cluster.keeper import Keeper, identify
from pantau.cluster.log import SharedLog
from pantau.cluster.spool import adopt
from pantau.log import event
from pantau.reconnect import Backoff
from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pantau.cluster.log import Message
    from pantau.cluster.settings import ClusterTable
    from pantau.cluster.spool import SharedSpool
    from pantau.ingest import Ingest
    from pantau.sources.mqtt import MqttSource
    from pantau.worker import Worker

_log = logging.getLogger("pantau.cluster")
_LEAVE_S = 10.0  # for handing over everything in order; after that the others wait for the lease to end


class Member:
    """This bridge's part in the cluster: connection, leases, shared log, and the sessions that it holds because of them."""

    def __init__(
        self, city: str, settings: ClusterTable, folder: Path, spool: SharedSpool, ingest: Ingest, source: MqttSource,
        worker: Worker,
    ) -> None:  # fmt: skip
        """Nothing is held before a lease says so. `folder` is the bridge's data folder, whose lock we hold."""
        self._city, self._settings = city, settings
        self._who = identify(folder, settings.name)
        self._spool, self._ingest, self._source = spool, ingest, source
        self._keeper: Keeper | None = None
        self._trouble = "connecting"
        self._leaving = False
        self.log = SharedLog(
            settings.stream(city), settings, noted=spool.through, adopt=self._adopt, in_spool=worker.call
        )
        spool.attach(self.log)
        source.hold(())
        source.ours = self._ours

    async def run(self) -> None:
        """Take part until cancelled, connecting again and again. Raises ConfigError."""
        import nats.errors
        import nats.js.errors

        backoff = Backoff()
        while not self._leaving:
            began = time.monotonic()
            try:
                await self._once()
            except* (OSError, nats.errors.Error, nats.js.errors.Error, SpoolUnavailable) as group:
                first: BaseException = group
                while isinstance(first, BaseExceptionGroup):
                    first = first.exceptions[0]
                self._trouble = str(first) or type(first).__name__
                event(_log, logging.WARNING, "cluster.away", reason=self._trouble)
            backoff.worked(time.monotonic() - began)
            await asyncio.sleep(backoff.next())

    async def leave(self) -> None:
        """Hand everything over in order: what was received is made durable and acknowledged first."""
        self._leaving = True
        if self._keeper is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await self._keeper.leave()

    def holds(self, partition: int) -> bool:
        """Return whether what comes of this partition is ours to store."""
        return self.log.holds(partition)

    def _ours(self, partition: int) -> bool:
        """Return whether a session that was lost may be opened again: not when an heir has taken it over."""
        return self._keeper is not None and partition in self._keeper.held()

    def problems(self) -> list[str]:
        """Return what is wrong, each with what to do."""
        if self._keeper is None:
            return [f"cluster: {self._trouble}; partitions are held by nobody here, nodes keep their frames"]
        return list(self._keeper.problems())

    def figures(self) -> dict[str, float]:
        """Return numbers for the metrics."""
        return self.log.figures() | ({} if self._keeper is None else dict(self._keeper.figures()))

    async def _once(self) -> None:
        client = await natslink.connect(self._settings, "cluster", f"pantau bridge {self._settings.name}")
        try:
            await self.log.connect(client)
            self._keeper = Keeper(
                client, self._city, self._settings, on_take=self._take, on_release=self._release,
                on_fenced=self._fenced, who=self._who,
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keeper.run(), name="leases")
                group.create_task(self._catch_up(), name="catch-up")
                group.create_task(natslink.ended(client), name="connection")
        finally:
            self._keeper = None
            await natslink.close(client)

    async def _take(self, partition: int, epoch: int) -> None:
        """Begin with a partition: what its last holder stored is known first. Raises FencedError and what NATS raises."""
        await self.log.take(partition, epoch)
        self._source.hold(self._source.held | {partition})

    async def _release(self, partition: int) -> None:
        """End with a partition: what was received of it is made durable and confirmed first."""
        await self._source.release([partition])
        self.log.leave(partition)

    def _fenced(self, partitions: Collection[int]) -> None:
        """Stop at once: these are, or may soon be, another bridge's."""
        for partition in partitions:
            self.log.leave(partition)
        self._source.drop(partitions)

    async def _catch_up(self) -> None:
        """Adopt what somebody else appended while we thought that a partition was ours."""
        while True:
            await self.log.moved.wait()
            gone = await self.log.catch_up()
            if gone:
                event(_log, logging.WARNING, "cluster.fenced", partitions=gone, meaning="another bridge holds them")
                self._source.drop(gone)
                if self._keeper is not None:
                    self._keeper.give_back(gone)

    def _adopt(self, log: str, partition: int, messages: Sequence[Message]) -> None:
        adopt(self._spool, self._ingest, self._city, log, partition, messages)

"""The edge of the leases: heartbeats and holders in a NATS key-value bucket, and what follows told to whoever works with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pantau import durable
from pantau.cluster.lease import Entry, Identity, LeaseSettings, Lessee, Lost, Release, Write
from pantau.log import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from pantau.cluster.settings import ClusterTable

_log = logging.getLogger("pantau.cluster")
_RUN = "cluster-run.json"
_WRONG_LAST = (10071, 10164)  # JetStream: the key's revision is another
_OPERATION = "KV-Operation"  # of a deletion
_VIEW_BEATS = 2  # without our own heartbeat in it: the view stands still and is made anew
_IDLE_S = 60.0  # after which the server forgets a view that nobody reads


def identify(folder: Path, name: str) -> Identity:
    """Return who we are in this run, and note it in `folder`, whose lock the caller holds. Raises OSError.

    With the run before known to have ended, its partitions are ours again at once, without waiting for its lease.
    """
    path = folder / _RUN
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        known = before["incarnation"] if before["name"] == name else ""
    except (OSError, ValueError, TypeError, KeyError):
        known = ""
    incarnation = secrets.token_hex(8)
    durable.write(path, json.dumps({"name": name, "incarnation": incarnation}), mode=0o600)
    return Identity(name, incarnation, known if isinstance(known, str) else "")


class Keeper:
    """Keeps this bridge's leases. `run` it; it survives any outage of NATS, holding nothing meanwhile.

    `on_take(p, epoch)` begins with a partition; when it raises, the partition is given back and tried again later.
    `on_release(p)` ends with one in order: only when it has returned may another bridge have it. `on_fenced(ps)` ends with
    some at once: they may be another's already. For one partition these never overlap.
    """

    def __init__(
        self, client: Client, city: str, settings: ClusterTable, *, on_take: Callable[[int, int], Awaitable[None]],
        on_release: Callable[[int], Awaitable[None]], on_fenced: Callable[[Collection[int]], None],
        who: Identity | None = None,
    ) -> None:  # fmt: skip
        """`who` None: a run of which nobody knows what was before; it waits for the lease of one of the same name."""
        self._client, self._settings = client, settings
        self._js = client.jetstream(timeout=settings.timeout_s)
        self._leases = LeaseSettings(lease_s=settings.lease_s)
        self._who = who or Identity(settings.name, secrets.token_hex(8))
        self.bucket = f"pantau-lease-{city}"
        self._prefix = f"$KV.{self.bucket}."
        self._on_take, self._on_release, self._on_fenced = on_take, on_release, on_fenced
        self._core = self._begin()
        self._store = ""  # which bucket this is: one made anew counts from the start
        self._woken, self._empty = asyncio.Event(), asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._work: dict[int, asyncio.Task[None]] = {}  # the last of each partition
        self._began = self._seen_at = time.monotonic()  # own heartbeat in the view
        self._trouble = ""
        self._taken = self._released = self._fenced = 0

    def held(self) -> frozenset[int]:
        """Return the partitions that are ours at this moment."""
        return self._core.held(time.monotonic())

    async def run(self) -> None:
        """Keep the leases until cancelled; then they run out, unless `leave` was called before."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._look(), name="leases-view")
                group.create_task(self._beat(), name="leases-beat")
        finally:
            self._group = None
            self._lose(self._core.abandon())

    def give_back(self, partitions: Collection[int]) -> None:
        """Give back what turned out to be another bridge's, whatever the lease says; it is tried again later."""
        for partition in partitions:
            self._core.failed(partition, time.monotonic())
        self._woken.set()

    async def leave(self) -> None:
        """Give everything to the others, in order, and return when that is done. Bound it by a time-out."""
        self._core.leave()
        self._woken.set()
        self._empty.clear()
        await self._empty.wait()

    def problems(self) -> Sequence[str]:
        """Return what is wrong, each with what to do."""
        now = time.monotonic()
        if self._core.rival(now):
            return [f'another bridge is called "{self._who.name}": give each its own [cluster] name; this one waits']
        early = not self._trouble and now - self._began < self._leases.valid_s
        if early or self._core.valid(now):
            return []
        why = self._trouble or "no heartbeat was confirmed in time"
        return [f"cluster: no lease is confirmed, so nothing is held here: {why}; check NATS and [cluster]"]

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics."""
        now = time.monotonic()
        return {
            "lease_valid": float(self._core.valid(now)),
            "lease_partitions_held": float(len(self._core.held(now))),
            "lease_bridges_live": float(self._core.live()),
            "lease_takes_total": float(self._taken),
            "lease_releases_total": float(self._released),
            "lease_fenced_partitions_total": float(self._fenced),
        }

    # --- the core's actions

    def _begin(self) -> Lessee:
        # Epochs rise above the clock, so that the log takes them even when the bucket was lost and they begin anew.
        first = secrets.randbits(48)  # of our own earlier heartbeats none may be taken for one that was just sent
        return Lessee(self._who, self._leases, floor=lambda: time.time_ns() // 1_000_000, first_beat=first)

    async def _beat(self) -> None:
        while True:
            for action in self._core.tick(time.monotonic()):
                if isinstance(action, Write):
                    self._start(partial(self._write, self._core, action))
                elif isinstance(action, Release):
                    self._queue(action.partition, partial(self._release, self._core, action.partition))
                elif isinstance(action, Lost):
                    self._lose(action.partitions)
            if self._core.holds_nothing:
                self._empty.set()
            self._woken.clear()
            wait_s = max(0.0, min(self._core.next_at() - time.monotonic(), self._leases.beat_s))
            await _within(wait_s, self._woken)

    async def _write(self, core: Lessee, write: Write) -> None:
        """Write one key. What is not answered in a beat counts as unknown, and is seen in the view if it happened."""
        import nats.errors
        import nats.js.errors

        revision: int | None = None
        headers = {"Nats-Expected-Last-Subject-Sequence": str(write.over)}
        try:
            if self._client.is_connected:  # else it would wait in the client and come when it is of no use
                ack = await self._js.publish(
                    self._prefix + write.key, write.value, timeout=self._leases.beat_s, headers=headers
                )
                revision = ack.seq
            else:
                self._trouble = "NATS is not connected"
        except nats.js.errors.APIError as error:
            if error.err_code not in _WRONG_LAST:
                self._trouble = f"NATS refuses: {error.description or error}"
        except (nats.js.errors.Error, nats.errors.Error, OSError, TimeoutError) as error:
            self._trouble = f"NATS does not answer: {str(error) or type(error).__name__}"
        if core is not self._core:
            return
        taken = core.done(write, revision, time.monotonic())
        if write.partition is None and revision is not None:
            self._trouble = ""
        if taken and write.partition is not None:
            self._taken += 1
            self._queue(write.partition, partial(self._take, core, write.partition, write.epoch))
        self._woken.set()

    async def _take(self, core: Lessee, partition: int, epoch: int) -> None:
        try:
            await self._on_take(partition, epoch)
        except Exception as error:  # noqa: BLE001  whatever keeps us from it, somebody else may be able to
            reason = str(error) or type(error).__name__
            event(_log, logging.WARNING, "lease.not_begun", partition=partition, epoch=epoch, reason=reason)
            core.failed(partition, time.monotonic())
        else:
            event(_log, logging.INFO, "lease.taken", partition=partition, epoch=epoch)
            if core is not self._core or partition not in self.held():
                self._on_fenced([partition])  # it was lost meanwhile, and the work did not hear of its cancellation
        self._woken.set()

    async def _release(self, core: Lessee, partition: int) -> None:
        try:
            await self._on_release(partition)
        except Exception as error:  # noqa: BLE001  it is left in any case: what is not confirmed the heir gets
            event(_log, logging.WARNING, "lease.left_in_disorder", partition=partition, reason=error)
            self._on_fenced([partition])
        self._released += 1
        event(_log, logging.INFO, "lease.released", partition=partition)
        core.left(partition, time.monotonic())
        self._woken.set()

    def _lose(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        self._fenced += len(partitions)
        reason = self._trouble or "not confirmed in time"
        event(_log, logging.WARNING, "lease.lost", partitions=sorted(partitions), reason=reason)
        for partition in partitions:
            if (task := self._work.get(partition)) is not None:
                task.cancel()  # it may be beginning or ending it
        self._on_fenced(partitions)

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        assert self._group is not None
        return self._group.create_task(work())

    def _queue(self, partition: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do `work` for a partition when what was begun before for it is over."""
        before = self._work.get(partition)

        async def in_turn() -> None:
            if before is not None:
                await asyncio.wait({before})
            await work()

        self._work[partition] = self._start(in_turn)

    # --- the view of the bucket

    async def _look(self) -> None:
        """Follow the bucket, from a new view whenever the one we have cannot be trusted."""
        import nats.errors
        import nats.js.errors

        while True:
            try:
                await self._view()
            except (nats.js.errors.Error, nats.errors.Error, OSError, TimeoutError) as error:
                self._trouble = f"NATS does not show the leases: {str(error) or type(error).__name__}"
            await asyncio.sleep(self._leases.beat_s / 2)

    async def _view(self) -> None:
        """Take in the bucket's entries in their order, until some are missing or our own heartbeat does not come."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        await self._bucket()
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, ack_policy=AckPolicy.NONE, mem_storage=True, num_replicas=1,
            inactive_threshold=_IDLE_S,
        )  # fmt: skip
        ended = asyncio.Event()
        expected = 1

        async def seen(message: Msg) -> None:
            nonlocal expected
            if message.metadata.sequence.consumer != expected:
                ended.set()  # some are missing
            expected += 1
            if not ended.is_set():
                self._saw(message)

        self._core.looks_anew()
        view = await self._js.subscribe(f"{self._prefix}>", stream=f"KV_{self.bucket}", config=config, cb=seen)
        try:
            if not (await view.consumer_info()).num_pending and expected == 1:
                self._core.saw_all()  # of an empty bucket
                self._woken.set()
            self._seen_at = time.monotonic()
            while not ended.is_set() and time.monotonic() - self._seen_at < _VIEW_BEATS * self._leases.beat_s:
                await _within(self._leases.beat_s, ended)
        finally:
            ended.set()
            with contextlib.suppress(Exception):
                await view.unsubscribe()

    def _saw(self, message: Msg) -> None:
        now, about = time.monotonic(), message.metadata
        key = message.subject.removeprefix(self._prefix)
        gone = bool(message.header and _OPERATION in message.header)
        self._core.saw(Entry(key, None if gone else message.data, about.sequence.stream), now)
        if key == f"bridge.{self._who.name}":
            self._seen_at = now
        if not about.num_pending:
            self._core.saw_all()
        self._woken.set()

    async def _bucket(self) -> None:
        """Make sure of the bucket; when it is not the one that we know, everything begins anew."""
        from nats.js.api import KeyValueConfig, StorageType
        from nats.js.errors import NotFoundError

        stream = f"KV_{self.bucket}"
        try:
            info = await self._js.stream_info(stream)
        except NotFoundError:
            config = KeyValueConfig(
                bucket=self.bucket, history=1, storage=StorageType.FILE, replicas=self._settings.replicas
            )
            await self._js.create_key_value(config=config)
            info = await self._js.stream_info(stream)
        if self._store and self._store != str(info.created):
            event(_log, logging.WARNING, "lease.bucket_made_anew", bucket=self.bucket)
            self._lose(self._core.abandon())
            self._core = self._begin()
        self._store = str(info.created)


async def _within(seconds: float, happened: asyncio.Event) -> None:
    """Return when `happened` is set, after `seconds` in any case."""
    # Not wait_for: Python 3.11's may swallow a cancellation that comes together with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await happened.wait()

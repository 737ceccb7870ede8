"""The log that several bridges share: a NATS JetStream stream with one subject for each partition.

A bridge's commit appends a message for each partition in it, or several where that is too large for one, each on the condition
that the subject still ends where this bridge last saw it end (Nats-Expected-Last-Subject-Sequence). So two bridges that both
believe to hold a partition cannot both append: the log itself is the fence, whatever clocks and leases say. What another one
appended is adopted before anything is appended after it, so that no frame enters the log twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.cluster import message
from pantau.log import event
from pantau.spool import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from nats.aio.client import Client
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

    from pantau.natslink import NatsLink

_log = logging.getLogger("pantau.cluster")
_WRONG_LAST = 10071  # JetStream's code for "the subject does not end where you said"
_FETCH = 64  # messages of a catch-up under way
_ADOPTED = 5_000  # frames adopted with one commit, and those of one message more
_MIB = 1 << 20
_MOST = 256 << 10  # bytes of a message, so that readers may have some in memory; less where the server takes less
_GONE_S = 1.0  # for an answer whether there is a stream at all
_HEADERS = 512  # bytes that the server counts beside our data


class Stream(NamedTuple):
    """The stream of one city: its name, its replicas, and for how long and how much it keeps."""

    city: str
    replicas: int
    max_age_s: float
    max_mib: int

    @property
    def name(self) -> str:
        """Return the stream's name."""
        return f"pantau-log-{self.city}"

    def subject(self, partition: int) -> str:
        """Return where the frames of a partition stand."""
        return f"pantau.log.{self.city}.{partition}"


class Message(NamedTuple):
    """One message as the stream holds it."""

    sequence: int
    partition: int
    data: bytes


class FencedError(Exception):
    """Another bridge holds the partition: its epoch in the log is newer than ours."""


async def ensure(js: JetStreamContext, stream: Stream) -> str:
    """Create the stream when it is missing; one that is there keeps its settings. Raises nats.js.errors.Error.

    Return its identity: one that was made anew counts from the start.
    """
    from nats.js.api import DiscardPolicy, StorageType, StreamConfig
    from nats.js.errors import NotFoundError

    try:
        info = await js.stream_info(stream.name)
    except NotFoundError:
        # A full log refuses: then bridges stop acknowledging and nodes keep their frames. Discarding would lose some.
        config = StreamConfig(
            name=stream.name, subjects=[stream.subject(0).removesuffix("0") + "*"], storage=StorageType.FILE,
            num_replicas=stream.replicas, max_age=stream.max_age_s, max_bytes=stream.max_mib * _MIB,
            discard=DiscardPolicy.NEW, allow_direct=True,
        )  # fmt: skip
        info = await js.add_stream(config)
    return identity(info)


def identity(info: StreamInfo) -> str:
    """Return what tells a stream from one of the same name that was made anew."""
    return f"{info.config.name} {info.created}"


async def messages(js: JetStreamContext, stream: Stream, after: int, partition: int | None = None) -> AsyncIterator[Message]:  # fmt: skip
    """Yield the messages with a sequence above `after`, of one partition or of all, up to the end as it is now.

    It ends before that when some do not come, but never leaves one out between two others.
    """
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

    subject = stream.subject(partition) if partition is not None else stream.subject(0).removesuffix("0") + "*"
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1, ack_policy=AckPolicy.NONE,
        inactive_threshold=30.0, mem_storage=True, num_replicas=1,
    )  # fmt: skip
    consumer = await js.pull_subscribe(subject, stream=stream.name, config=config)
    try:
        left = (await consumer.consumer_info()).num_pending or 0
        expected = 1
        while left > 0:
            try:
                some = await consumer.fetch(min(left, _FETCH), timeout=5.0)
            except TimeoutError:
                return
            left -= len(some)
            for one in some:
                if one.metadata.sequence.consumer != expected:
                    return  # what went down with a connection the server does not send again
                expected += 1
                yield Message(one.metadata.sequence.stream, int(one.subject.rpartition(".")[2]), one.data)
    finally:
        with contextlib.suppress(Exception):
            await consumer.unsubscribe()


class _Held:
    """One partition that we append to."""

    __slots__ = ("behind", "epoch", "last", "open")

    def __init__(self, epoch: int, last: int) -> None:
        self.epoch = epoch
        self.last = last  # sequence at which the subject ends, as far as we know
        self.open: list[bytes] = []  # messages appended that are not yet in our own spool
        self.behind = False  # something stands in the log that is not in our own spool


class SharedLog:
    """Our end of the shared log: appends for the partitions that we hold. Its coroutines run in one event loop.

    `noted(log, p)` returns the sequence through which our spool has the partition's messages of that stream;
    `adopt(log, p, messages)` puts more of them there. Both may block and are called in the spool's thread by `in_spool`.
    """

    def __init__(
        self, stream: Stream, link: NatsLink, *, noted: Callable[[str, int], int],
        adopt: Callable[[str, int, Sequence[Message]], None], in_spool: Callable[..., Any],
    ) -> None:  # fmt: skip
        self._stream, self._link = stream, link
        self._noted, self._adopt, self._in_spool = noted, adopt, in_spool
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._partitions: dict[int, _Held] = {}
        self.identity = ""
        self.moved = asyncio.Event()  # a partition has to be caught up with
        self.appended = self.refused = self.adopted = 0

    async def connect(self, client: Client) -> None:
        """Use a connected client. Raises nats errors when the stream cannot be made."""
        self._loop = asyncio.get_running_loop()
        self._client, self._js = client, client.jetstream(timeout=self._link.timeout_s)
        self.identity = await ensure(self._js, self._stream)

    def holds(self, partition: int) -> bool:
        """Return whether we append to this partition."""
        return partition in self._partitions

    async def take(self, partition: int, epoch: int) -> None:
        """Begin to append: adopt what stands there, then say our epoch. Raises FencedError, OSError or nats errors."""
        while True:
            last = await self._catch_up(partition, epoch)
            try:
                ack = await self._publish(partition, last, message.pack(epoch, []))
            except _MovedError:
                continue
            self._partitions[partition] = _Held(epoch, ack)
            return

    def leave(self, partition: int) -> None:
        """Append to it no more."""
        self._partitions.pop(partition, None)

    async def catch_up(self) -> list[int]:
        """Adopt what others appended to partitions that we hold; return those that turn out not to be ours any more."""
        self.moved.clear()
        gone = []
        for partition, held in list(self._partitions.items()):
            if not held.behind:
                continue
            try:
                held.last = await self._catch_up(partition, held.epoch)
                held.open, held.behind = [], False
            except FencedError:
                self.leave(partition)
                gone.append(partition)
        return gone

    def append(self, parts: Mapping[int, Sequence[tuple[str, bytes, int]]]) -> dict[int, int]:
        """Append frames by partition, from the spool's thread; return the sequence of each message.

        Raises SpoolUnavailable when not all of them are known to be durable. Called again with the same frames it appends
        only what is missing.
        """
        if self._loop is None:
            raise SpoolUnavailable("the shared log is not connected yet")
        return asyncio.run_coroutine_threadsafe(self._append(parts), self._loop).result()

    def settled(self, parts: Mapping[int, object]) -> None:
        """Note that our own spool has what was appended."""
        for partition in parts:
            if (held := self._partitions.get(partition)) is not None:
                held.open = []

    async def _append(self, parts: Mapping[int, Sequence[tuple[str, bytes, int]]]) -> dict[int, int]:
        foreign = sorted(set(parts) - set(self._partitions))
        if foreign:
            raise SpoolUnavailable(f"partitions {foreign} are another bridge's; it takes what their nodes send")
        done = await asyncio.gather(*(self._one(p, frames) for p, frames in parts.items()), return_exceptions=True)
        failed = [error for error in done if isinstance(error, BaseException)]
        if failed:
            self.refused += len(failed)
            raise SpoolUnavailable(f"the shared log took {len(done) - len(failed)} of {len(done)} partitions: {failed[0]}")  # fmt: skip
        self.appended += len(done)
        return {p: int(sequence) for p, sequence in zip(parts, done, strict=True) if isinstance(sequence, int)}

    async def _one(self, partition: int, frames: Sequence[tuple[str, bytes, int]]) -> int:
        """Append what is not there yet of one partition's frames; return the sequence of the last message."""
        assert self._client is not None
        if (held := self._partitions.get(partition)) is None:
            raise SpoolUnavailable(f"partition {partition} is not ours any more")
        most = min(_MOST, self._client.max_payload - _HEADERS)
        parts = [message.pack(held.epoch, some) for some in message.cut(frames, most)]
        if held.behind or held.open != parts[: len(held.open)]:
            self._fall_behind(held)
            raise SpoolUnavailable(f"partition {partition} has moved on; it is caught up with first")
        for data in parts[len(held.open) :]:
            try:
                held.last = await self._publish(partition, held.last, data)
            except _MovedError:
                if not await self._ours(partition, held, data):
                    self._fall_behind(held)
                    raise SpoolUnavailable(f"partition {partition} has moved on; it is caught up with first") from None
            held.open.append(data)
        return held.last

    def _fall_behind(self, held: _Held) -> None:
        held.behind = True
        self.moved.set()

    async def _ours(self, partition: int, held: _Held, data: bytes) -> bool:
        """Return whether the last message is the very one that we tried: its acknowledgement was lost."""
        assert self._js is not None
        if not await self._end(partition):
            return False
        last = await self._js.get_last_msg(self._stream.name, self._stream.subject(partition))
        if last.data == data and last.seq is not None:
            held.last = last.seq
            return True
        return False

    async def _publish(self, partition: int, last: int, data: bytes) -> int:
        """Append one message after the sequence `last`; return its own. Raises _MovedError or SpoolUnavailable."""
        import nats.errors
        from nats.js.errors import APIError, NoStreamResponseError
        from nats.js.errors import Error as JetStreamError

        assert self._js is not None
        headers = {"Nats-Expected-Last-Subject-Sequence": str(last)}
        try:
            ack = await self._js.publish(self._stream.subject(partition), data, headers=headers)
        except APIError as error:
            if error.err_code == _WRONG_LAST:
                raise _MovedError from None
            raise SpoolUnavailable(f"the shared log refuses: {error.description or error}") from None
        except (JetStreamError, nats.errors.Error, OSError, TimeoutError) as error:
            if isinstance(error, NoStreamResponseError) and await self._gone():
                raise _MovedError from None
            why = str(error) or type(error).__name__
            raise SpoolUnavailable(f"the shared log does not answer: {why}; check the NATS servers") from None
        return int(ack.seq)

    async def _gone(self) -> bool:
        """Return whether nobody answered because the stream was deleted, and not because it has no leader now."""
        import nats.errors
        from nats.js.errors import Error, NotFoundError

        assert self._js is not None
        try:
            async with asyncio.timeout(_GONE_S):
                await self._js.stream_info(self._stream.name)
        except NotFoundError:
            return True
        except (Error, nats.errors.Error, OSError):
            return False
        return False

    async def _end(self, partition: int) -> int:
        """Return the sequence of the subject's last message, 0 when there is none, or none any more."""
        from nats.js.errors import NotFoundError

        assert self._js is not None
        try:
            last = await self._js.get_last_msg(self._stream.name, self._stream.subject(partition))
        except NotFoundError:
            return 0
        return last.seq or 0

    async def _catch_up(self, partition: int, epoch: int) -> int:
        """Put into our spool what it does not have of the partition; return where its subject ends, as far as that came."""
        assert self._js is not None
        self.identity = log = await ensure(self._js, self._stream)  # it may have been made anew since
        end = await self._end(partition)
        noted: int = await self._in_spool(self._noted, log, partition)
        if 0 < end < noted:
            event(_log, logging.WARNING, "cluster.log_lost_its_end", partition=partition, ends=end, known=noted)
            noted = 0  # what has come since may have the numbers of what was lost
        last = noted
        some: list[Message] = []
        frames = 0
        async for one in messages(self._js, self._stream, noted, partition):
            try:
                part = message.unpack(one.data)
            except ValueError as error:
                what = f"message {one.sequence} of the shared log: {error}; update this bridge, or delete the message"
                raise SpoolUnavailable(what) from None
            if part.epoch > epoch:
                raise FencedError(f"partition {partition} is held by another bridge")
            some.append(one)
            last = one.sequence
            frames += len(part.frames)
            if len(some) >= _FETCH or frames >= _ADOPTED:
                await self._take_in(log, partition, some)
                some, frames = [], 0
        if some:
            await self._take_in(log, partition, some)
        if last != noted:
            event(_log, logging.INFO, "cluster.caught_up", partition=partition, through=last)
            return last
        return min(noted, end)  # 0 when the stream has let go of all: the subject is empty

    async def _take_in(self, log: str, partition: int, some: list[Message]) -> None:
        await self._in_spool(self._adopt, log, partition, some)
        self.adopted += len(some)

    def figures(self) -> dict[str, float]:
        """Return numbers for the metrics."""
        return {
            "cluster_partitions": float(len(self._partitions)),
            "cluster_appended_total": float(self.appended),
            "cluster_refused_total": float(self.refused),
            "cluster_adopted_total": float(self.adopted),
        }


class _MovedError(Exception):
    """The subject does not end where we thought."""

"""Reads the shared log for one follower: blocks of frames from the stream, in its order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from pantau import natslink
from pantau.cluster import message
from pantau.cluster.log import Stream, ensure
from pantau.model import StoredFrame
from pantau.spool import SpoolBroken, SpoolUnavailable
from pantau_wire import frame as wire
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from pantau.cluster.settings import ClusterTable

_T = TypeVar("_T")
_MESSAGES = 32  # asked for at a time
_WAIT_S = 1.0  # that `read` waits for something to come
_ASK = 10  # such waits in vain before the consumer is looked at
_LAST_PLACE = (1 << 16) - 1


class SharedReaders:
    """One connection for all followers of a process. Made in the event loop's thread; readers live in others."""

    def __init__(self, client: Client, stream: Stream, identity: str, timeout_s: float) -> None:
        self.client, self.stream, self.identity = client, stream, identity
        self.js: JetStreamContext = client.jetstream(timeout=timeout_s)
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, city: str, settings: ClusterTable) -> SharedReaders:
        """Connect and find the stream, made when it is missing. Raises OSError or ConfigError."""
        import nats.errors
        import nats.js.errors

        stream = settings.stream(city)
        client = await natslink.connect(settings, "cluster", f"pantau city {settings.name}")
        try:
            identity = await ensure(client.jetstream(timeout=settings.timeout_s), stream)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            await natslink.close(client)
            raise OSError(f"JetStream at {', '.join(settings.servers)}: {error!r}; check the NATS servers") from None
        return cls(client, stream, identity, settings.timeout_s)

    def reader(self) -> SharedReader:
        """Return a reader for one follower."""
        return SharedReader(self)

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop, from another thread. Raises SpoolUnavailable for trouble of the servers."""
        import nats.errors
        import nats.js.errors

        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise SpoolUnavailable(f"the shared log does not answer: {why}; check the NATS servers") from None

    async def last_id(self) -> int:
        """Return an id that no frame of the stream is above, 0 for an empty stream."""
        last = (await self.js.stream_info(self.stream.name)).state.last_seq
        return message.frame_id(last, _LAST_PLACE) if last else 0

    async def held_at(self, at_ms: int) -> int:
        """Return an id that no frame appended after `at_ms` (Unix ms) is at or below."""
        from datetime import UTC, datetime

        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        start = datetime.fromtimestamp(at_ms / 1000, UTC)
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=start, ack_policy=AckPolicy.NONE,
            inactive_threshold=30.0, mem_storage=True, num_replicas=1,
        )  # fmt: skip
        info = await self.js.add_consumer(self.stream.name, config=config)
        with contextlib.suppress(Exception):
            await self.js.delete_consumer(self.stream.name, info.name)
        before = info.delivered.stream_seq if info.delivered is not None else 0
        return message.frame_id(before, _LAST_PLACE) if before else 0


class SharedReader:
    """The log of one follower (pantau.follower.Log). All calls come from the follower's thread."""

    waits = True

    def __init__(self, shared: SharedReaders) -> None:
        self._shared = shared
        self._consumer: JetStreamContext.PullSubscription | None = None
        self._held: list[StoredFrame] = []  # fetched and not yet read
        self._last = 0  # the id that was read last; whoever asks for anything else has gone back
        self._idle = 0

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames above `after`, in order; waits a second for the first. Raises SpoolUnavailable."""
        if after != self._last:
            self._held, self._last = [], after
            self._drop()
        if not self._held:
            self._held = self._shared.call(self._fetch(after))
        found, self._held = self._held[:limit], self._held[limit:]
        if found:
            self._last = found[-1].id
        return found

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the stream holds them."""
        wanted = set(ids)
        sequences = sorted({message.sequence_of(number) for number in ids})
        found = self._shared.call(self._messages(sequences)) if sequences else []
        return [frame for frame in found if frame.id in wanted]

    def close(self) -> None:
        """Let go of the consumer; the connection is the process's."""
        self._drop()

    def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(SpoolUnavailable):
                self._shared.call(consumer.unsubscribe())

    async def _fetch(self, after: int) -> list[StoredFrame]:
        from nats.errors import TimeoutError as NatsTimeoutError

        if self._consumer is None:
            await self._start(message.sequence_of(after))  # from the message that `after` stands in: some may be unread
        frames: list[StoredFrame] = []
        while not frames and self._consumer is not None:  # a holder's first word has no frames
            try:
                some = await self._consumer.fetch(_MESSAGES, timeout=_WAIT_S)
            except NatsTimeoutError:
                self._idle += 1
                if self._idle % _ASK == 0:
                    await self._alive()
                break
            except BaseException:
                self._consumer = None
                raise
            self._idle = 0
            frames = [f for one in some for f in _frames(one.data, one.metadata.sequence.stream) if f.id > after]
        return frames

    async def _alive(self) -> None:
        """Begin anew with a consumer that the servers have forgotten: nothing would ever come of it."""
        from nats.js.errors import NotFoundError

        try:
            if self._consumer is not None:
                await self._consumer.consumer_info()
        except NotFoundError:
            self._consumer = None

    async def _start(self, sequence: int) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=max(1, sequence), ack_policy=AckPolicy.NONE,
            inactive_threshold=300.0, mem_storage=True, num_replicas=1,
        )  # fmt: skip
        subject = self._shared.stream.subject(0).removesuffix("0") + "*"
        self._consumer = await self._shared.js.pull_subscribe(subject, stream=self._shared.stream.name, config=config)

    async def _messages(self, sequences: Sequence[int]) -> list[StoredFrame]:
        from nats.js.errors import NotFoundError

        frames: list[StoredFrame] = []
        for sequence in sequences:
            try:
                one = await self._shared.js.get_msg(self._shared.stream.name, sequence)
            except NotFoundError:
                continue
            frames += _frames(one.data or b"", sequence)
        return frames


def _frames(data: bytes, sequence: int) -> list[StoredFrame]:
    try:
        found = []
        for number, node, payload, received_ms in message.places(message.unpack(data), sequence):
            head = wire.header(payload)
            found.append(StoredFrame(number, node, head.boot, head.seq, received_ms, payload))
    except (ValueError, WireError) as error:
        raise SpoolBroken(f"message {sequence} of the shared log: {error}") from None
    return found

"""Reads the shared log for one follower: blocks of frames from the stream, in its order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from pantau import natslink
from pantau.cluster import message
from pantau.cluster.log import Stream, ensure, identity
from pantau.log import event
from pantau.model import StoredFrame
from pantau.spool import SpoolBroken, SpoolUnavailable
from pantau_wire import frame as wire
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence

    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from pantau.cluster.settings import ClusterTable

_log = logging.getLogger("pantau.cluster")
_T = TypeVar("_T")
_MESSAGES = 32  # asked for at a time
_WAIT_S = 1.0  # that `read` waits for something to come
_ASK = 3  # such waits in vain before the consumer is looked at
_SHORT_S = 30.0  # that the log may end before what was delivered: a leader that is new may not know all yet
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
        try:
            return asyncio.run_coroutine_threadsafe(_in_words(coroutine), self._loop).result()
        except CancelledError:  # the package does so to what waits for a message when it gives up a connection
            raise SpoolUnavailable("the connection to the shared log has ended; check the NATS servers") from None

    async def last_id(self) -> int:
        """Return an id that no frame of the stream is above, 0 for an empty stream. Raises SpoolUnavailable."""
        last = (await _in_words(self.js.stream_info(self.stream.name))).state.last_seq
        return message.frame_id(last, _LAST_PLACE) if last else 0

    async def held_at(self, at_ms: int) -> int:
        """Return an id that no frame appended after `at_ms` (Unix ms) is at or below. Raises SpoolUnavailable."""
        return await _in_words(self._held_at(at_ms))

    async def _held_at(self, at_ms: int) -> int:
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
    """The log of one follower (pantau.delivery.Log). All calls come from the follower's thread.

    In memory are the messages of one request, and the frames of the one of them that is being read.
    """

    waits = True

    def __init__(self, shared: SharedReaders) -> None:
        self._shared = shared
        self._consumer: JetStreamContext.PullSubscription | None = None
        self._expected = 1  # the consumer's number of its next message
        self._fetched: deque[tuple[int, bytes]] = deque()  # messages not yet read, by their sequence
        self._held: list[StoredFrame] = []  # of the message before those, not yet read
        self._last = 0  # the id that was read last; whoever asks for anything else has gone back
        self._idle = 0
        self._short_since: float | None = None  # the log has ended before what was delivered

    def read(self, after: int, limit: int) -> list[StoredFrame]:
        """Return up to `limit` frames above `after`, in order; waits a second for the first.

        A log that turns out to have lost its end, with what has come since under the same ids, is read from its start.
        Raises SpoolUnavailable, or SpoolBroken when this is another log by now.
        """
        if after != self._last:
            self._drop()
            self._last = after
        found: list[StoredFrame] = []
        while len(found) < limit:
            if not self._held:
                if not self._fetched and not found:
                    self._fetched.extend(self._shared.call(self._fetch()))
                if not self._fetched:
                    break
                sequence, data = self._fetched.popleft()  # a holder's first word has no frames
                self._held = [frame for frame in _frames(data, sequence) if frame.id > self._last]
            some = self._held[: limit - len(found)]
            del self._held[: len(some)]
            found += some
            self._last = found[-1].id if found else self._last
        return found

    def get(self, ids: Sequence[int]) -> list[StoredFrame]:
        """Return the frames with these ids, as far as the stream holds them."""
        wanted = set(ids)
        found: list[StoredFrame] = []
        for sequence in sorted({message.sequence_of(number) for number in ids}):
            data = self._shared.call(self._message(sequence))
            found += [frame for frame in _frames(data, sequence) if frame.id in wanted] if data else []
        return found

    def close(self) -> None:
        """Let go of the consumer; the connection is the process's."""
        self._drop()

    def _drop(self) -> None:
        """Forget what was fetched; what is asked for next begins with another consumer."""
        self._fetched.clear()
        self._held = []
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(SpoolUnavailable):
                self._shared.call(consumer.unsubscribe())

    async def _fetch(self) -> list[tuple[int, bytes]]:
        """Return some messages behind what was read, none when none came in a second."""
        if self._consumer is None:
            await self._start()
        assert self._consumer is not None
        try:
            some = await self._consumer.fetch(_MESSAGES, timeout=_WAIT_S)
        except TimeoutError:  # of the package, or bare: both mean that nothing came
            self._idle += 1
            if self._idle % _ASK == 0:
                await self._alive()
            return []
        except BaseException:
            self._consumer = None
            raise
        self._idle = 0
        fetched: list[tuple[int, bytes]] = []
        for one in some:
            about = one.metadata.sequence
            if about.consumer != self._expected:  # what went down with a connection the server does not send again
                self._consumer = None
                break
            self._expected += 1
            fetched.append((about.stream, one.data))
        return fetched or (await self._fetch() if some else [])

    async def _alive(self) -> None:
        """Begin anew with a consumer that the servers have forgotten: nothing would ever come of it."""
        from nats.js.errors import NotFoundError

        try:
            if self._consumer is not None:
                await self._consumer.consumer_info()
        except NotFoundError:
            self._consumer = None

    async def _start(self) -> None:
        """Begin with the message that was read last: some of it may be unread."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        stream = self._shared.stream
        info = await self._shared.js.stream_info(stream.name)
        if identity(info) != self._shared.identity:
            raise SpoolBroken(f"the shared log was made anew: it is {identity(info)} now, not {self._shared.identity}")
        sequence = message.sequence_of(self._last)
        if sequence <= info.state.last_seq:
            self._short_since = None
        else:
            self._short_since = self._short_since or time.monotonic()
            if time.monotonic() - self._short_since < _SHORT_S:
                raise SpoolUnavailable(f"the shared log ends with {info.state.last_seq}, and {sequence} was delivered")
            event(_log, logging.WARNING, "cluster.log_lost_its_end", ends=info.state.last_seq, delivered_through=sequence,
                meaning="everything is delivered once more; targets know what they have")  # fmt: skip
            self._last = sequence = 0
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=max(1, sequence), ack_policy=AckPolicy.NONE,
            inactive_threshold=300.0, mem_storage=True, num_replicas=1,
        )  # fmt: skip
        subject = stream.subject(0).removesuffix("0") + "*"
        self._consumer = await self._shared.js.pull_subscribe(subject, stream=stream.name, config=config)
        self._expected = 1

    async def _message(self, sequence: int) -> bytes:
        """Return a message's bytes, none when the stream does not have it."""
        from nats.js.errors import NotFoundError

        try:
            return (await self._shared.js.get_msg(self._shared.stream.name, sequence)).data or b""
        except NotFoundError:
            return b""


async def _in_words(asked: Awaitable[_T]) -> _T:
    """Return what the servers answer. Raises SpoolUnavailable for trouble with them."""
    import nats.errors
    import nats.js.errors

    try:
        return await asked
    except (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise SpoolUnavailable(f"the shared log does not answer: {why}; check the NATS servers") from None


def _frames(data: bytes, sequence: int) -> list[StoredFrame]:
    try:
        found = []
        for number, node, payload, received_ms in message.places(message.unpack(data), sequence):
            head = wire.header(payload)
            found.append(StoredFrame(number, node, head.boot, head.seq, received_ms, payload))
    except (ValueError, WireError) as error:
        raise SpoolBroken(f"message {sequence} of the shared log: {error}") from None
    return found

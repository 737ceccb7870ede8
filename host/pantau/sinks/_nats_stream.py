"""The stream that observations go to: found or made, asked what it holds, and given messages.

Calls raise OSError, TimeoutError or nats.errors.Error; `drop` then, and the next `ready` connects anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from pantau import natslink
from pantau.sinks import _nats_text as text
from pantau.sinks._nats_receipts import Receipts
from pantau.sinks.items import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nats.aio.client import Client
    from nats.js.api import StreamConfig, StreamInfo
    from nats.js.client import JetStreamContext

    from pantau.sinks._nats_text import Message
    from pantau.sinks.nats import NatsTable

_MIB = 1 << 20
_NO_STREAM, _TAKEN, _OVERLAP = 10059, 10058, 10065  # JetStream's codes
_TICK_S = 0.02
_BURST = 64  # messages
_HEADERS = 1_024  # more than ours ever are: the log's name is the longest of them
_AT_ONCE = 64  # questions under way
_BEYOND = 200  # messages of a subject among which one may stand too late: those of one delivery that failed in part


class Held(NamedTuple):
    """A message that the stream holds. `reach`: how far its log had come then, 0 for one that is not ours."""

    sequence: int
    name: str
    reach: int
    data: bytes


class Stream:
    """One connection at a time to one stream."""

    def __init__(self, settings: NatsTable, subjects: text.Subjects, log: str, key: str) -> None:
        """`key` names the table in messages. Raises ConfigError for files and the extra."""
        natslink.options(settings, key)
        self._settings, self._subjects, self._log, self._key = settings, subjects, log, key
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self.receipts = Receipts()

    async def ready(self) -> StreamInfo:
        """Connect and make the stream, where need be, and return what it is."""
        if self._client is not None and self._js is not None:
            asked = asyncio.ensure_future(self._ensure(self._js))
            # Nobody has listened to the server since the last call: it may have left meanwhile.
            while not asked.done() and self._client.is_connected:
                await asyncio.wait({asked}, timeout=_TICK_S)
            if asked.done() and not isinstance(asked.exception(), TimeoutError):
                return asked.result()
            asked.cancel()
            await asyncio.wait({asked})
            await self.drop()
        self._client = await natslink.connect(self._settings, self._key, f"pantau {self._subjects.city}")
        self._js = self._client.jetstream(timeout=self._settings.timeout_s)
        await self.receipts.listen(self._client.new_inbox(), self._client.subscribe)
        return await self._ensure(self._js)

    async def drop(self) -> str:
        """Leave the server, with what it may still have to say; return what it complained of last, "" for nothing."""
        client, self._client, self._js = self._client, None, None
        if client is None:
            return ""
        last = client.last_error
        await natslink.close(client)
        return "" if last is None else str(last)

    async def last(self, subjects: Sequence[str]) -> list[Held | None]:
        """Return the last message of each subject; one with wildcards is one."""
        found: list[Held | None] = []
        for at in range(0, len(subjects), _AT_ONCE):
            some = subjects[at : at + _AT_ONCE]
            found += await asyncio.gather(*(self._get(subject) for subject in some))
        return found

    async def next(self, subject: str, sequence: int) -> Held | None:
        """Return the first message of a subject from `sequence` on."""
        return await self._get(subject, max(1, sequence))

    async def held(self, subject: str, wanted: Mapping[str, int], begin: int, end: int) -> tuple[set[str], int]:
        """Return which of `wanted`, {name: position}, stand on `subject`, and from which sequence on the first could.

        How far the log has come grows with the sequence. The search begins among the sequences `begin` to `end`.
        """
        first, last = min(wanted.values()), max(wanted.values())
        low, high = begin, end + 1
        while low < high:
            middle = (low + high) // 2
            found = await self.next(subject, middle)
            if found is None or found.reach >= first:
                high = middle
            else:
                low = found.sequence + 1
        names: set[str] = set()
        beyond, found = 0, await self.next(subject, low)
        while found is not None and beyond < _BEYOND:
            names.add(found.name)
            if names >= wanted.keys():
                break
            beyond += found.reach > last
            found = await self.next(subject, found.sequence + 1)
        return names & wanted.keys(), low

    async def publish(self, messages: Sequence[Message], through: int) -> list[Outcome]:
        """Publish in order, with a bounded number on their way, and return what the server said of each.

        `through`: as text.headers takes it.
        """
        receipts, within_s, most = self.receipts, self._settings.timeout_s, self._settings.in_flight
        client = self._connected()
        receipts.begin(len(messages))
        for number, message in enumerate(messages):
            if number % _BURST == 0:
                await asyncio.sleep(0)  # what is written goes out: the server works while we write on
            payload, refused = text.write(message)
            headers, size = text.headers(self._log, message, through), len(payload)
            if size + _HEADERS > client.max_payload and text.size(headers, payload) > client.max_payload:
                refused = (
                    f"its message of {size} bytes is more than the server takes: max_payload = {client.max_payload}"
                )
                payload = b""
            if refused:
                receipts.outcomes[number] = Outcome("rejected", refused)
            if not payload:
                continue
            await receipts.fewer(most, within_s)
            if receipts.failed:
                break
            sent = client.publish(message.subject, payload, receipts.reply(number), headers)
            if client.pending_data_size + size < _MIB:
                await sent
                continue
            # With much unsent the package waits for the socket, as long as it likes, and swallows a cancellation.
            async with asyncio.timeout(within_s) as patience:
                await sent
            if patience.expired():
                raise TimeoutError
        await receipts.fewer(1, within_s)
        if receipts.failed:
            raise OSError(receipts.failed)
        return receipts.outcomes

    async def _ensure(self, js: JetStreamContext) -> StreamInfo:
        from nats.js.errors import APIError, NotFoundError

        name, prefix = self._settings.stream, self._subjects.prefix
        try:
            info = await js.stream_info(name)
        except NotFoundError as missing:
            if missing.err_code != _NO_STREAM:
                raise
            try:
                info = await js.add_stream(self._new())
            except APIError as error:
                if error.err_code == _OVERLAP:
                    what = f"another stream than {name} takes {prefix}.obs already; set stream to that one, or another prefix"
                    raise OSError(what) from None
                if error.err_code != _TAKEN:
                    raise
                info = await js.stream_info(name)  # another bridge was faster
        if why := _unfit(info.config, self._subjects):
            raise OSError(f"the stream {name} {why}")
        return info

    def _new(self) -> StreamConfig:
        from nats.js.api import DiscardPolicy, StorageType, StreamConfig

        ours = self._settings
        return StreamConfig(
            name=ours.stream, subjects=self._subjects.all(), storage=StorageType(ours.storage), num_replicas=ours.replicas,
            max_age=3600.0 * ours.max_age_h, max_bytes=_MIB * ours.max_mib, discard=DiscardPolicy.OLD,
            duplicate_window=ours.duplicate_window_s, allow_direct=True,
        )  # fmt: skip

    async def _get(self, subject: str, sequence: int | None = None) -> Held | None:
        """Return the first message of a subject from `sequence` on, its last one without.

        The stream's leader is asked, not one of its followers, which may not have it yet.
        """
        from nats.js.errors import NotFoundError

        self._connected()
        if self._js is None:
            return None
        stream, ahead = self._settings.stream, sequence is not None
        try:
            found = await self._js.get_msg(stream, seq=sequence, subject=subject, next=ahead)
        except NotFoundError as missing:
            if missing.err_code == _NO_STREAM:
                raise
            return None
        said = found.headers or {}
        reach = text.reach(said) if said.get(text.LOG) == self._log else 0
        return Held(found.seq or 0, said.get(text.MSG_ID, ""), reach, found.data or b"")

    def _connected(self) -> Client:
        if self._client is None:
            raise OSError("the connection was lost")
        return self._client


def _unfit(config: StreamConfig, subjects: text.Subjects) -> str:
    """Return why a stream that we found cannot be used, "" when it can."""
    taken = config.subjects or []
    if missing := [subject for subject in subjects.all() if not text.covered(subject, taken)]:
        return f"takes {', '.join(taken) or 'no subjects'}, not {', '.join(missing)}; add these to its subjects"
    if config.no_ack:
        return "gives no receipts: set its no_ack to false"
    if config.sealed:
        return "is sealed and takes no messages; create another and set stream to it"
    return ""

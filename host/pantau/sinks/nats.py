"""NATS JetStream: each frame's observations as one message, for whoever in the city listens.

Nothing is published twice. What comes again soon, the stream's duplicate window knows by the message's name. What comes again
later, after a crash between receipt and cursor or a lost answer, this sink finds: each message says where in our log it
stood, so of a subject whose last message stands before ours, ours is new; else the stream is searched for it.
"""

from __future__ import annotations

import asyncio
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from pantau.natslink import NatsLink
from pantau.sinks import Verdict
from pantau.sinks import _nats_text as text
from pantau.sinks._nats_stream import Stream
from pantau.sinks.about import About
from pantau.sinks.items import DUPLICATE, Outcome, TargetTrouble, retry
from pantau.sinks.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from typing import Self, TypeVar

    from nats.js.api import StreamInfo

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry
    from pantau.sinks import Context, Sink
    from pantau.sinks._nats_text import Message

    T = TypeVar("T")

ABOUT = About(
    title="NATS JetStream",
    key="identity",
    late="a message like any other: in the stream's order, with its own dates",
    undated="in the message of its frame, with the date null; told again with its date as another message",
    missing="in the message of its frame, with the value null",
    revisions="a message of their own, on the subject `rev` of the node",
    receipt="the stream's acknowledgement of each message",
    holds_undated=True,
    holds_null=True,
)
_KEY = "sinks.nats"
_LOOKED_BACK = 1_000  # messages of a subject among which `find` looks


class NatsTable(NatsLink):
    """Which stream the observations go to. One that is missing is made so; one that is there keeps its own settings."""

    stream: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "PANTAU_OBSERVATIONS"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,7}$")] = "pantau"
    replicas: Annotated[int, Field(ge=1, le=5)] = 1
    storage: Literal["file", "memory"] = "file"
    max_age_h: Annotated[int, Field(ge=1, le=87_600)] = 168
    max_mib: Annotated[int, Field(ge=1)] = 10_240
    duplicate_window_s: Annotated[float, Field(ge=0.1, le=86_400)] = 120.0
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.duplicate_window_s > 3600 * self.max_age_h:
            msg = "duplicate_window_s is longer than max_age_h: a stream knows duplicates among what it holds"
            raise ValueError(msg)
        return self


def open_sink(settings: NatsTable, context: Context) -> Sink:
    """Return the sink; nothing is connected yet. ConfigError for files and the extra that are missing."""
    return NatsSink(settings, context)


class NatsSink:
    """Publishes frames, in order, each once."""

    name = "nats"

    def __init__(self, settings: NatsTable, context: Context) -> None:
        self._settings, self._log, self._registry = settings, context.log or "default", context.registry
        self._subjects = text.Subjects(settings.prefix, context.city)
        self._stream = Stream(settings, self._subjects, self._log, _KEY)
        self._kept = Kept(context.folder, "nats")
        self._loop = asyncio.Runner()
        self._noted = self._known = self._kept.get("stream", settings.stream)  # the one that we delivered into
        self._highest: dict[str, int] = {}  # by subject: how far its last message reaches; missing = to be asked
        self._search: dict[str, tuple[int, int]] = {}  # by subject: a position that was searched for, and its sequence
        self._turn = 0  # place of the last frame that was told in its turn
        self._through: int | None = None  # everything of the log up to here is in the stream; None = to be asked

    def position(self) -> int | None:
        """Return how far the stream holds our log, 0 when it is another one than before, None when it cannot tell."""
        try:
            return self._ask(self._position())
        except TargetTrouble:
            return None

    def use(self, registry: Registry) -> None:
        """Messages bring their station; the registry says whose messages to ask for."""
        self._registry = registry

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Publish what the batch says and the stream does not hold."""
        told: list[list[Message]] = []
        turn = self._turn
        for decoded in batch:
            # A frame that a later one gave its date to is told again after that one: there it stands in the stream too.
            turn = turn if text.told_again(decoded) else decoded.id
            told.append([] if decoded.error else text.messages(decoded, max(turn, decoded.id), self._subjects))
        messages = list(chain.from_iterable(told))
        try:
            outcomes = iter(self._ask(self._deliver(messages)) if messages else [])
        except TargetTrouble as error:
            return retry(batch, error)
        self._turn = turn
        if self._through is not None:
            self._through = max(self._through, turn)
        return [_verdict(decoded, list(islice(outcomes, len(one)))) for decoded, one in zip(batch, told, strict=True)]

    def close(self) -> None:
        """Leave the server."""
        try:
            self._loop.run(self._stream.drop())
        finally:
            self._loop.close()
            self._kept.close()

    def find(self, observation: Observation) -> str | None:
        """Return the message of an observation, if it is among the last of its node's."""
        return self._ask(self._find(observation))

    def figures(self) -> Mapping[str, float]:
        """There is nothing beside what every sink has."""
        return {}

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Talk to the server. Any trouble ends the connection: what was on its way is looked for after the next."""
        import nats.errors

        try:
            return self._loop.run(question)
        except (OSError, nats.errors.Error) as error:
            said = _words(error, self._settings.timeout_s)
        complaint = self._loop.run(self._stream.drop())
        self._highest.clear()
        self._search.clear()
        if complaint and complaint not in said:
            said = f"{said} (its last word: {complaint})"
        if not said.startswith("NATS at"):
            said = f"NATS at {', '.join(self._settings.servers)}: {said}; check the server and [{_KEY}]"
        raise TargetTrouble(said, ambiguous=True)

    async def _deliver(self, messages: list[Message]) -> list[Outcome]:
        info = await self._stream.ready()
        if self._known is None:
            self._known = _identity(info)
        if self._known != _identity(info):
            raise OSError(f"the stream {self._settings.stream} is another one than before: it lost its data")
        if self._through is None:
            self._through = await self._reach() or 0
        outcomes: list[Outcome] = [DUPLICATE] * len(messages)
        new, seen = [], await self._held(messages, info)
        for at, message in enumerate(messages):
            if message.name not in seen:
                seen.add(message.name)
                new.append(at)
        said = await self._stream.publish([messages[at] for at in new], self._through)
        for at, outcome in zip(new, said, strict=True):
            outcomes[at] = outcome
        for message in messages:
            self._highest[message.subject] = max(self._highest[message.subject], message.position)
        if self._noted != self._known:
            self._kept.put("stream", {self._settings.stream: self._known})
            self._noted = self._known
        return outcomes

    async def _held(self, messages: Sequence[Message], info: StreamInfo) -> set[str]:
        """Return the names of those messages that the stream holds."""
        unknown = list({message.subject for message in messages} - self._highest.keys())
        for subject, last in zip(unknown, await self._stream.last(unknown), strict=True):
            self._highest[subject] = 0 if last is None else last.reach
        back = [message for message in messages if message.position <= self._highest[message.subject]]
        held = await self._search_for([(message, message.position) for message in back], info)
        # A frame that came when its boot could be dated already stands at its own place, whenever it comes again.
        late = [(m, m.origin) for m in back if m.origin < m.position and m.name not in held]
        return held | await self._search_for(late, info)

    async def _search_for(self, places: Sequence[tuple[Message, int]], info: StreamInfo) -> set[str]:
        wanted: dict[str, dict[str, int]] = {}
        for message, place in places:
            wanted.setdefault(message.subject, {})[message.name] = place
        held: set[str] = set()
        for subject, names in wanted.items():
            first = min(names.values())
            position, begin = self._search.get(subject, (first, 0))
            begin = max(info.state.first_seq, begin if position <= first else 0)
            found, at = await self._stream.held(subject, names, begin, info.state.last_seq)
            self._search[subject] = (first, at)
            held |= found
        return held

    async def _position(self) -> int | None:
        info = await self._stream.ready()
        same, last_sequence = _identity(info) == self._known, info.state.last_seq
        if not same or last_sequence < self._stream.receipts.sequence:  # it lost all, or its end
            self._highest.clear()
            self._search.clear()
            self._stream.receipts.sequence = 0
            self._through = None
        if self._through is None:
            self._through = await self._reach()
        lost, self._known = self._known is not None and not same, _identity(info)
        if self._through is None and (lost or last_sequence == 0):
            self._through = 0
        return self._through  # None: what was ours has left the stream by age or size

    async def _reach(self) -> int | None:
        """Return how far the stream holds our log, None for nothing of it."""
        found = await self._stream.last([f"{self._settings.prefix}.*.{self._subjects.city}.>"])
        if found[0] is None or not found[0].reach:  # the last is another bridge's: ask for those of our nodes
            found = await self._stream.last([self._subjects.of("obs", node) for node in self._registry.nodes])
        return max((one.reach for one in found if one is not None and one.reach), default=None)

    async def _find(self, observation: Observation) -> str | None:
        info = await self._stream.ready()
        subject = self._subjects.of("obs", observation.node)
        found = await self._stream.next(subject, max(info.state.first_seq, info.state.last_seq - _LOOKED_BACK))
        shown = None
        while found is not None:
            shown = text.shown(found.data, observation) or shown
            found = await self._stream.next(subject, found.sequence + 1)
        return shown


def _verdict(decoded: Decoded, outcomes: Sequence[Outcome]) -> Verdict:
    if decoded.error:
        return Verdict("rejected", decoded.error)
    if reasons := [outcome.reason for outcome in outcomes if outcome.kind == "rejected"]:
        return Verdict("rejected", "; ".join(reasons))
    return Verdict("duplicate" if outcomes and all(outcome is DUPLICATE for outcome in outcomes) else "stored")


def _identity(info: StreamInfo) -> str:
    """Return what tells a stream from one of the same name that was made later."""
    return str(info.created)


def _words(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError) or "timeout" in str(error):
        return f"no answer within {timeout_s:g} s"
    return str(error) or type(error).__name__

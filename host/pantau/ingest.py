"""The gate: what is this message, who signed it, do we have it? I/O-free: messages in, a batch to commit out.

Nothing is remembered before it is durable: `offer` works on copies of the windows, `settle` adopts them after the
commit. A failed commit and a redelivery can therefore never add up to a loss.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pantau.window import Window
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag, topics
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from pantau.keys import Keys
    from pantau.registry import Registry

MAX_BOOTS = 4  # windows in memory per node: the live boot, and the backlog of a few before it; the spool has the others

# Stable codes of refusal, for people. The wire's own codes (truncated, bad_field ...) are used as they are.
REASONS = {
    "too_long": "longer than any frame",
    "truncated": "ends before its header does",
    "bad_field": "the header is not canonical",
    "unknown_version": "not a frame of a version that this bridge knows, and signed by no key of the node",
    "unknown_kind": "a kind that this bridge does not know, and signed by no key of the node",
    "newer_wire": "signed by the node, made by newer firmware: update this bridge, then replay; the node keeps it",
    "bad_topic": "the topic is not pantau/v1/<city>/<partition>/<node>/up",
    "wrong_partition": "the topic's partition is not the node's",
    "wrong_city": "the topic names another city",
    "unknown_node": "the node is not in registry.toml: add it, then replay",
    "no_key": "the node has no key in keys.json: enrol it, then replay",
    "unknown_key": "signed with a key id that keys.json does not have for this node",
    "bad_tag": "the tag does not fit: forged, damaged, another node's, or an outdated key",
    "wrong_kind": "a kind that only the bridge may send",
    "conflict": "other bytes than the frame stored under this boot and seq: a copied node or a boot counter that went back",
    "undecodable": "signed and stored, but its body cannot be decoded: update this bridge, then replay",
    "sink_rejected": "stored, but a sink refused it",
}


class Verdict(NamedTuple):
    """What one message was. `reason` is a stable code; node, boot and seq are set as far as they were believed."""

    kind: Literal["new", "redelivered", "conflict", "quarantined", "link"]
    reason: str = ""
    node: str = ""
    boot: int | None = None
    seq: int | None = None


class NewFrame(NamedTuple):
    """A frame to store."""

    node: str
    boot: int
    seq: int
    received_ms: int
    payload: bytes


class Refused(NamedTuple):
    """Bytes to keep aside, with the reason and as much of their identity as was believed."""

    reason: str
    topic: str
    payload: bytes
    received_ms: int
    node: str
    boot: int | None
    seq: int | None


class Ack(NamedTuple):
    """What a node may be told once the batch is durable."""

    node: str
    boot: int
    through: int
    map: int


@dataclass(slots=True)
class Batch:
    """All that one commit makes durable, and what follows from it afterwards."""

    frames: dict[tuple[str, int, int], NewFrame] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    windows: dict[tuple[str, int], Window] = field(default_factory=dict)
    due: dict[tuple[str, int], None] = field(default_factory=dict)  # ordered set of (node, boot) to acknowledge
    time_asked: dict[str, int] = field(default_factory=dict)  # node: nonce of its newest fresh question
    links: dict[str, bool] = field(default_factory=dict)  # node: the broker's hint that it is connected
    counts: Counter[str] = field(default_factory=Counter)
    gone: int = 0


class History(Protocol):
    """What was stored before. The spool is one; tests use a dict."""

    def window(self, node: str, boot: int) -> Window | None:
        """Return the window as of the last commit, None for a boot that was never seen."""

    def payload(self, node: str, boot: int, seq: int) -> bytes | None:
        """Return the stored bytes of one frame, None when the log does not hold it."""


class _Refusal(Exception):  # noqa: N818  it never leaves this module
    def __init__(self, reason: str, node: str = "", boot: int | None = None, seq: int | None = None) -> None:
        super().__init__(reason)
        self.verdict = Verdict("quarantined", reason, node, boot, seq)


class Ingest:
    """Judges messages one by one and gathers the batch. Used by one thread at a time."""

    def __init__(self, city: str, registry: Registry, keys: Keys, history: History) -> None:
        self._city = city
        self._registry = registry
        self._keys = keys
        self._history = history
        # {node: {boot: window}}, least recently used boot first. Bounded: MAX_BOOTS for each node of the registry.
        self._windows: dict[str, OrderedDict[int, Window]] = {}
        self._batch = Batch()

    def offer(self, topic: str, payload: bytes, received_ms: int) -> Verdict:
        """Judge one message and take it into the batch. Never raises on what a message contains."""
        try:
            verdict = self._judge(topic, payload, received_ms)
        except _Refusal as refusal:
            verdict = refusal.verdict
        if verdict.kind in {"quarantined", "conflict"}:
            refused = Refused(verdict.reason, topic, payload, received_ms, *verdict[2:])
            self._batch.refused.append(refused)
        self._batch.counts[verdict.kind] += 1
        return verdict

    def take(self) -> Batch:
        """Return the batch to commit and start the next. Settle it before the next `offer`."""
        batch, self._batch = self._batch, Batch()
        return batch

    def settle(self, batch: Batch) -> list[Ack]:
        """Adopt what is now durable; return the acknowledgements due for it."""
        for (node, boot), window in batch.windows.items():
            boots = self._windows.setdefault(node, OrderedDict())
            boots[boot] = window
            boots.move_to_end(boot)
            while len(boots) > MAX_BOOTS:
                boots.popitem(last=False)
        due = ((node, boot, batch.windows[node, boot]) for node, boot in batch.due)
        return [Ack(node, boot, window.through, window.ack_map()) for node, boot, window in due]

    def _judge(self, topic: str, payload: bytes, received_ms: int) -> Verdict:
        if len(payload) > wire.MAX_FRAME:
            raise _Refusal("too_long")
        node, what = self._address(topic)
        if what == "will":
            self._batch.links[node] = payload == b"online"
            return Verdict("link", payload.decode("ascii", "replace")[:16], node)
        if what != "up":
            raise _Refusal("bad_topic", node)
        boot, seq, kind = self._authenticate(node, payload)
        window = self._open(node, boot)
        verdict = self._identify(NewFrame(node, boot, seq, received_ms, payload), window)
        if verdict.kind != "conflict":
            self._batch.due[node, boot] = None
            if kind == T.K_HEALTH:
                self._health(node, boot, seq, payload, fresh=verdict.kind == "new")
        return verdict

    def _address(self, topic: str) -> tuple[str, str]:
        """Return (node, what) of a topic of this city whose node is registered."""
        try:
            city, _, node, what = topics.parse(topic)
        except WireError:
            raise _Refusal(_topic_fault(topic)) from None
        if city != self._city:
            raise _Refusal("wrong_city", node)
        if not self._registry.knows(node):
            raise _Refusal("unknown_node", node)
        return node, what

    def _authenticate(self, node: str, payload: bytes) -> tuple[int, int, int]:
        """Return (boot, seq, kind) of a frame that carries the node's tag."""
        if node not in self._keys:
            raise _Refusal("no_key", node)
        try:
            head = wire.header(payload)
        except WireError as error:
            raise _Refusal(self._newer(node, payload, error.code), node) from None
        if head.kind not in T.UP:
            raise _Refusal("wrong_kind", node)
        key = self._keys.find(node, head.key_id)
        if key is None:
            raise _Refusal("unknown_key", node, head.boot, head.seq)
        if not wire.verify(payload, node, key):
            raise _Refusal("bad_tag", node, head.boot, head.seq)
        return head.boot, head.seq, head.kind

    def _newer(self, node: str, payload: bytes, code: str) -> str:
        """Return the reason for a header that we cannot read: every version ends in the tag, so a signer shows."""
        if code in {"unknown_version", "unknown_kind"}:
            body, end = payload[: -tag.SIZE], payload[-tag.SIZE :]
            if any(tag.same(tag.tag(key, tag.UP, node, body), end) for key in self._keys.all_of(node)):
                return "newer_wire"
        return code

    def _identify(self, new: NewFrame, window: Window) -> Verdict:
        """Tell new from known. The window may only say "perhaps known"; the bytes decide."""
        identity = (new.node, new.boot, new.seq)
        reason = "stored"
        if window.has(new.seq) or window.spilled:
            known = self._batch.frames.get(identity)
            before = known.payload if known else self._history.payload(*identity)
            if before is not None and before != new.payload:
                return Verdict("conflict", "conflict", *identity)
            if before is not None:
                if not window.has(new.seq):
                    window.add(new.seq)  # it was too far ahead for a bit when it came first
                return Verdict("redelivered", "same_bytes", *identity)
            # A seq below the watermark that the log does not hold: the node declared it gone and yet it comes.
            reason = "late" if window.has(new.seq) else reason
        window.add(new.seq)
        self._batch.frames[identity] = new
        return Verdict("new", reason, *identity)

    def _health(self, node: str, boot: int, seq: int, payload: bytes, *, fresh: bool) -> None:
        """Use what a health frame says to the bridge itself: where the outbox begins, and whether the time is wanted."""
        try:
            fields = wire.decode(payload).fields
        except WireError:
            return  # it is stored; the decoder behind the spool will mark it undecodable
        oldest_boot, oldest_seq = fields.get("outbox_oldest_boot"), fields.get("outbox_oldest_seq")
        if oldest_boot is not None and oldest_seq is not None and oldest_boot <= boot:
            # Of its own boot a node cannot have lost what it had not yet sent when it spoke.
            through = min(oldest_seq, seq) - 1 if oldest_boot == boot else min(oldest_seq, 1 << 32) - 1
            self._batch.gone += self._open(node, oldest_boot).advance(through)
            self._batch.due[node, oldest_boot] = None
        if fresh and fields.get("time_nonce") is not None:
            self._batch.time_asked[node] = fields["time_nonce"]

    def _open(self, node: str, boot: int) -> Window:
        """Return this batch's own copy of a window."""
        window = self._batch.windows.get((node, boot))
        if window is None:
            before = self._window(node, boot)
            window = self._batch.windows[node, boot] = before.copy() if before else Window()
        return window

    def _window(self, node: str, boot: int) -> Window | None:
        boots = self._windows.get(node)
        held = boots.get(boot) if boots else None
        return held if held is not None else self._history.window(node, boot)


def _topic_fault(topic: str) -> str:
    """Tell a wrong partition from a topic that is none of ours."""
    parts = topic.split("/")
    try:
        right = topics.topic(parts[2], parts[4], parts[5])
    except (IndexError, WireError):
        return "bad_topic"
    return "wrong_partition" if topic.split("/")[:3] == right.split("/")[:3] and len(parts) == 6 else "bad_topic"

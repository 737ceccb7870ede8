"""The gate: what is this message, who signed it, do we have it? I/O-free: messages in, a batch to commit out.

Nothing counts before it is durable: what a batch changes is taken back by `abandon`. A failed commit and a redelivery
can therefore never add up to a loss.
"""

from __future__ import annotations

import hmac
import itertools
from collections import OrderedDict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pantau.batch import Ack, Batch, Refused, Verdict
from pantau.boots import PAGE, SHIFT, Boot
from pantau.header import plain
from pantau.refusals import topic_fault
from pantau.signer import tag_states
from pantau.window import Window
from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import tag, topics
from pantau_wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pantau.boots import History
    from pantau.keys import Keys
    from pantau.registry import Registry

MAX_BOOTS = 4  # windows in memory per node: the live boot, and the backlog of a few before it; the spool has the others
_SAVES, _SAVE_EACH = 64, 32  # boots saved with each commit, and one more for so many frames


class _Refusal(Exception):  # noqa: N818  it never leaves this module
    def __init__(self, reason: str, node: str = "", boot: int | None = None, seq: int | None = None) -> None:
        super().__init__(reason)
        self.verdict = Verdict("quarantined", reason, node, boot, seq)


class _Gate:
    """What the hot path needs to know of one node: its signers by key id, its windows, the boot that speaks."""

    __slots__ = ("boots", "live", "node", "signers")

    def __init__(self, node: str, keys: Keys) -> None:
        self.node = node
        found = [keys.find(node, key_id) for key_id in range(4)]
        self.signers = [tag_states(key, tag.UP, node) if key is not None else None for key in found]
        self.boots: OrderedDict[int, Boot] = OrderedDict()  # least recently used first
        self.live: Boot | None = None


class Ingest:
    """Judges messages and gathers the batch. Used by one thread at a time: offer .., take, then settle or abandon."""

    def __init__(self, city: str, registry: Registry, keys: Keys, history: History) -> None:
        """Read the log's tail, to bring the windows up to its end."""
        self._city = city
        self._registry = registry
        self._keys = keys
        self._history = history
        self._by_topic: dict[bytes, _Gate] = {}  # bounded by the registry: only what passed every check of an address
        self._gates: dict[str, _Gate] = {}
        self._dirty: dict[Boot, None] = {}  # not saved, in the order of their oldest frame that is not
        self._turn: list[Boot] = []  # those to save before the rest comes to its turn, last first
        self._saving: dict[Boot, None] = {}  # those that the batch being committed saves
        self._due: dict[Boot, None] = {}  # to be acknowledged, longest waiting first
        self._epoch = 0
        self._batch = Batch(first_id=history.last_id + 1)
        self._recover()

    def reconfigure(self, registry: Registry, keys: Keys) -> None:
        """Judge by another registry and other keys from now on; what is known of frames stays."""
        self._registry, self._keys = registry, keys
        self._by_topic.clear()
        for node, gate in list(self._gates.items()):
            fresh = self._gates[node] = _Gate(node, keys)
            fresh.boots, fresh.live = gate.boots, gate.live

    def offer_many(self, topics_: list[bytes], payloads: list[bytes], received_ms: int) -> None:
        """Judge messages and take them into the batch. Never raises on what a message contains."""
        batch, epoch, history = self._batch, self._epoch, self._history
        by_topic, same = self._by_topic, hmac.compare_digest
        keep_node, keep_payload = batch.nodes.append, batch.payloads.append
        before, quick = len(batch.payloads), 0
        for topic, payload in zip(topics_, payloads, strict=True):
            gate = by_topic.get(topic)
            head = plain(payload)
            if gate is None or head is None:
                self.offer(topic.decode("utf-8", "backslashreplace"), payload, received_ms, run=False)
                continue
            key_id, number, seq = head
            signer, boot = gate.signers[key_id], gate.live
            if signer is None or boot is None or boot.boot != number or seq <= boot.window.top:
                self.offer(topic.decode(), payload, received_ms, run=False)
                continue
            inner, outer = signer[0].copy(), signer[1].copy()
            inner.update(payload[: -tag.SIZE])
            outer.update(inner.digest())
            mark = payload[-tag.SIZE :]
            if not same(outer.digest()[: tag.SIZE], mark):
                self.offer(topic.decode(), payload, received_ms, run=False)
                continue
            if boot.epoch != epoch:
                self._touch(boot)
            if seq >> SHIFT == boot.number:  # what `keep` and `add` do, for the next frame in order
                boot.page[seq % PAGE * 8 : seq % PAGE * 8 + 8] = mark
            else:
                boot.keep(seq, mark, history)
            window = boot.window
            if seq == window.through + 1 and not window.bits:
                window.through = window.top = seq
            else:
                window.add(seq)
            if payload[0] & 1:  # of a RECORDS frame: the node raised the alarm
                batch.alarms.append(batch.last_id + 1)
            keep_node(gate.node)
            keep_payload(payload)
            quick += 1
        batch.counts["new"] += quick
        if len(batch.payloads) > before:
            batch.runs.append((received_ms, len(batch.payloads) - before))

    def offer(self, topic: str, payload: bytes, received_ms: int, *, run: bool = True) -> Verdict:
        """Judge one message and take it into the batch. Never raises on what a message contains."""
        try:
            verdict = self._judge(topic, payload)
        except _Refusal as refusal:
            verdict = refusal.verdict
        if verdict.kind in {"quarantined", "conflict"}:
            refused = Refused(verdict.reason, topic, payload, received_ms, *verdict[2:])
            self._batch.refused.append(refused)
        elif verdict.kind == "new" and run:
            self._batch.runs.append((received_ms, 1))
        self._batch.counts[verdict.kind] += 1
        return verdict

    def take(self, *, saves: int | None = None) -> Batch:
        """Return the batch to commit. Settle or abandon it before the next `offer`.

        It saves the boots that have waited longest: as many as keep the log's tail short, or `saves`.
        """
        batch = self._batch
        most = _SAVES + len(batch.payloads) // _SAVE_EACH if saves is None else saves
        if not self._turn:
            # In the order of the file: neighbours share its pages, and a round trip of all is as good as oldest first.
            self._turn = sorted(self._dirty, key=attrgetter("node", "boot"), reverse=True)
        batch.turn = self._turn[-most:] if most else []
        self._saving = dict.fromkeys(boot for boot in batch.turn if boot.since)
        batch.saves = [boot.to_save(batch.last_id) for boot in self._saving]
        rest = next((boot for boot in self._dirty if boot not in self._saving), None)
        batch.checkpoint = batch.last_id + 1 if rest is None else rest.since
        return batch

    def settle(self, batch: Batch) -> None:
        """Adopt what is now durable; what is to be acknowledged for it becomes due."""
        for boot in self._saving:
            boot.saved(batch.last_id)
            del self._dirty[boot]
        del self._turn[len(self._turn) - len(batch.turn) :]
        self._due.update(batch.touched)
        for boot in batch.touched:
            self._bound(self._gates[boot.node])
        self._next(batch.last_id + 1)

    def abandon(self, batch: Batch) -> None:
        """Take everything back: nothing of the batch was made durable, and all of it will be offered again."""
        for node, payload in zip(batch.nodes, batch.payloads, strict=True):
            head = wire.header(payload)
            self._gates[node].boots[head.boot].forget(head.seq)
        for boot in batch.touched:
            boot.window = Window(*boot.before)
            if boot.since == batch.first_id:
                boot.since = 0
                del self._dirty[boot]
        self._next(batch.first_id)

    @property
    def due(self) -> int:
        """Return how many boots are to be acknowledged."""
        return len(self._due)

    @property
    def unsaved(self) -> int:
        """Return how many boots the log's tail has to bring back after a crash."""
        return len(self._dirty)

    def acks(self, limit: int) -> list[Ack]:
        """Return up to `limit` acknowledgements that are due, of what is durable only. Not between offer and settle."""
        boots = list(itertools.islice(self._due, limit))
        for boot in boots:
            del self._due[boot]
        return [Ack(b.node, b.boot, b.window.through, b.window.ack_map()) for b in boots]

    def ack_again(self, acks: Iterable[Ack]) -> None:
        """Take back acknowledgements that could not be sent: they are due again, as of then."""
        self._due.update(dict.fromkeys(self._boot(ack.node, ack.boot) for ack in acks))

    def _next(self, first_id: int) -> None:
        self._batch = Batch(first_id=first_id)
        self._epoch += 1

    def _recover(self) -> None:
        """Bring the windows up to the end of the log: what was stored after they were saved."""
        for number, node, payload in self._history.tail():
            head = wire.header(payload)
            boot = self._boot(node, head.boot)
            if number > boot.folded:
                boot.keep(head.seq, payload[-tag.SIZE :], self._history)
                boot.window.add(head.seq)
                self._close_up(boot)
                self._soil(boot, number)
            if head.kind == T.K_HEALTH:
                gap = _declared(payload, head.boot, head.seq)
                if gap is not None and number > self._boot(node, gap[0]).folded:
                    self._boot(node, gap[0]).window.advance(gap[1])
                    self._close_up(self._boot(node, gap[0]))
                    self._soil(self._boot(node, gap[0]), number)

    def _judge(self, topic: str, payload: bytes) -> Verdict:
        if len(payload) > wire.MAX_FRAME:
            raise _Refusal("too_long")
        node, what = self._address(topic)
        if what == "will":
            self._batch.links[node] = payload == b"online"
            return Verdict("link", payload.decode("ascii", "replace")[:16], node)
        if what != "up":
            raise _Refusal("bad_topic", node)
        number, seq, kind = self._authenticate(node, payload)
        boot = self._boot(node, number)
        self._by_topic[topic.encode()] = gate = self._gates[node]
        gate.live = boot
        verdict = self._identify(boot, seq, payload)
        if verdict.kind != "conflict":
            self._touch(boot)
            if verdict.kind == "new":
                boot.keep(seq, payload[-tag.SIZE :], self._history)
                boot.window.add(seq)
                if kind == T.K_RECORDS and payload[0] & 1:
                    self._batch.alarms.append(self._batch.last_id + 1)
                self._batch.nodes.append(node)
                self._batch.payloads.append(payload)
            elif not boot.window.has(seq):
                boot.window.add(seq)  # it was too far ahead for a bit when it came first
            if kind == T.K_HEALTH:
                self._health(node, number, seq, payload, fresh=verdict.kind == "new")
            self._close_up(boot)
        return verdict

    def _address(self, topic: str) -> tuple[str, str]:
        """Return (node, what) of a topic of this city whose node is registered."""
        try:
            city, _, node, what = topics.parse(topic)
        except WireError:
            raise _Refusal(topic_fault(topic)) from None
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
        if not tag.same(tag.tag(key, tag.UP, node, payload[: -tag.SIZE]), payload[-tag.SIZE :]):
            raise _Refusal("bad_tag", node, head.boot, head.seq)
        return head.boot, head.seq, head.kind

    def _newer(self, node: str, payload: bytes, code: str) -> str:
        """Return the reason for a header that we cannot read: every version ends in the tag, so a signer shows."""
        if code in {"unknown_version", "unknown_kind"}:
            body, end = payload[: -tag.SIZE], payload[-tag.SIZE :]
            if any(tag.same(tag.tag(key, tag.UP, node, body), end) for key in self._keys.all_of(node)):
                return "newer_wire"
        return code

    def _identify(self, boot: Boot, seq: int, payload: bytes) -> Verdict:
        """Tell new from known: only a frame whose tag we hold is known."""
        identity = (boot.node, boot.boot, seq)
        known = boot.tag_of(seq, self._history)
        if known is None:
            # A seq below the watermark that the log does not hold: the node declared it gone and yet it comes.
            return Verdict("new", "late" if boot.window.has(seq) else "stored", *identity)
        if known == payload[-tag.SIZE :]:
            return Verdict("redelivered", "same_bytes", *identity)
        return Verdict("conflict", "conflict", *identity)

    def _health(self, node: str, boot: int, seq: int, payload: bytes, *, fresh: bool) -> None:
        """Use what a health frame says to the bridge itself: where the outbox begins, and whether the time is wanted."""
        gap = _declared(payload, boot, seq)
        if gap is not None:
            other = self._boot(node, gap[0])
            self._touch(other)
            self._batch.gone += other.window.advance(gap[1])
            self._close_up(other)
        if fresh and (nonce := _fields(payload).get("time_nonce")) is not None:
            self._batch.time_asked[node] = nonce

    def _close_up(self, boot: Boot) -> None:
        """Raise the watermark over frames that were too far ahead for a bit when they came: their tags know them."""
        window = boot.window
        while window.through + window.bits.bit_length() < window.top:
            if boot.tag_of(window.through + 1, self._history) is None:
                return
            window.add(window.through + 1)

    def _touch(self, boot: Boot) -> None:
        """Remember a boot as it was before this batch, and that it is to be saved and acknowledged after it."""
        if boot.epoch == self._epoch:
            return
        window = boot.window
        boot.epoch = self._epoch
        boot.before = window.through, window.bits, window.gone, window.top
        self._batch.touched[boot] = None
        if not boot.since:
            self._soil(boot, self._batch.first_id)

    def _soil(self, boot: Boot, number: int) -> None:
        if not boot.since:
            boot.since = number
            self._dirty[boot] = None

    def _boot(self, node: str, number: int) -> Boot:
        """Return the live boot, from the log's file when it is not in memory."""
        gate = self._gates.get(node)
        if gate is None:
            gate = self._gates[node] = _Gate(node, self._keys)
        boot = gate.boots.get(number)
        if boot is None:
            saved = self._history.boot(node, number)
            boot = Boot(node, number, saved.window if saved else Window(), saved.folded if saved else 0)
            gate.boots[number] = boot
        gate.boots.move_to_end(number)
        return boot

    def _bound(self, gate: _Gate) -> None:
        """Let go of the boots used longest ago; what is not saved or not acknowledged stays until it is."""
        if len(gate.boots) > MAX_BOOTS:
            idle = [b for b in gate.boots.values() if not b.since and b not in self._due and b is not gate.live]
            for boot in idle[: len(gate.boots) - MAX_BOOTS]:
                del gate.boots[boot.boot]


def _fields(payload: bytes) -> dict[str, Any]:
    """Return the fields of a health frame; of one that cannot be decoded none: it is stored and will be marked."""
    try:
        fields: dict[str, Any] = wire.decode(payload).fields
    except WireError:
        return {}
    return fields


def _declared(payload: bytes, boot: int, seq: int) -> tuple[int, int] | None:
    """Return (boot, seq) up to which a health frame says that all is acknowledged or gone."""
    fields = _fields(payload)
    oldest_boot, oldest_seq = fields.get("outbox_oldest_boot"), fields.get("outbox_oldest_seq")
    if oldest_boot is None or oldest_seq is None or oldest_boot > boot:
        return None
    # Of its own boot a node cannot have lost what it had not yet sent when it spoke.
    return oldest_boot, min(oldest_seq, seq if oldest_boot == boot else 1 << 32) - 1

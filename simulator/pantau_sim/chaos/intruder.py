"""Messages that must not get in: garbage, and what looks like frames. I/O-free; each is (topic, payload)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import frame as wire
from pantau_wire import names as T
from pantau_wire import topics

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from pantau_sim.chaos.node import Node

Message = tuple[str, bytes]
_LONG = 60_000


def garbage(rng: random.Random, city: str, nodes: Sequence[Node], count: int) -> list[Message]:
    """Return bytes without sense, some long, some empty, under topics right and wrong."""
    out = []
    for _ in range(count):
        node = rng.choice(nodes).name
        size = rng.choice((0, 1, 7, 40, 200, 1024, 1025, _LONG))
        place = rng.choice((topics.partition(node), rng.randrange(64), 99))
        name = rng.choice((node, node, "nobody", "A B"))
        out.append((f"pantau/v1/{city}/{place}/{name}/up", rng.randbytes(size)))
    return out


def forged(
    rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]], count: int
) -> list[Message]:
    """Return frames that no node of that name made: bits turned, cut, another's, another key; and forged acknowledgements.

    `sent` are (node, frame) that the bridge has; one in five is a *copied node*: the right key, a stored identity, other
    bytes. It must be held aside as a conflict.
    """
    if not sent:
        return []
    makers = (_turned, _cut, _anothers, _stranger, _copied, _false_ack)
    return [rng.choice(makers)(rng, city, nodes, sent) for _ in range(count)]


def _pick(rng: random.Random, sent: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    return sent[rng.randrange(len(sent))]


def _turned(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    del nodes
    node, data = _pick(rng, sent)
    bad = bytearray(data)
    bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return topics.topic(city, node, "up"), bytes(bad)


def _cut(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    del nodes
    node, data = _pick(rng, sent)
    return topics.topic(city, node, "up"), data[: rng.randrange(len(data))]


def _anothers(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    node, data = _pick(rng, sent)
    other = rng.choice([n.name for n in nodes if n.name != node] or ["nobody"])
    return topics.topic(city, other, "up"), data


def _signed(rng: random.Random, node: str, key: bytes, boot: int, seq: int) -> bytes:
    f = wire.Frame(T.K_RECORDS)
    f.boot, f.seq, f.clock, f.base_s, f.count, f.interval_s = boot, seq, 3, 1_700_000_000, 1, 1
    f.columns = {T.WATER_DISTANCE: ([rng.randrange(20_000)], None)}
    data: bytes = wire.encode(f, node, key)
    return data


def _stranger(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    del sent
    node = rng.choice(nodes)
    made = _signed(rng, node.name, rng.randbytes(32), node.boot, node.seq + rng.randrange(1, 50))
    return topics.topic(city, node.name, "up"), made


def _copied(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    name, data = _pick(rng, sent)
    head = wire.header(data)
    key = next(node.key for node in nodes if node.name == name)
    return topics.topic(city, name, "up"), _signed(rng, name, key, head.boot, head.seq)


def _false_ack(rng: random.Random, city: str, nodes: Sequence[Node], sent: Sequence[tuple[str, bytes]]) -> Message:
    """Return an acknowledgement of everything, by somebody without the key: a node that believed it would lose its outbox."""
    del sent
    node = rng.choice(nodes)
    f = wire.Frame(T.K_ACK)
    f.counter = 1 << 47
    f.fields = {"boot": node.boot, "through": (1 << 32) - 1, "map": 0}
    return topics.topic(city, node.name, "ack"), bytes(wire.encode(f, node.name, rng.randbytes(32)))

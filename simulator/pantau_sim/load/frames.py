"""A fleet's frames, fast: real RECORDS frames of 15 records, each signed with its node's own key. I/O-free.

The wire codec encodes the columns of some hundred variants once; per frame only the header and the tag are made, the tag
from hash states that already hold the key, the label and the node's id. What comes out is byte for byte what
`pantau_wire.frame.encode` makes of the same Frame (tests/unit/sim/test_load.py).
"""

from __future__ import annotations

import hashlib
import json
import random
from array import array
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.load import bodies
from pantau_wire import frame as wire
from pantau_wire import tag, topics
from pantau_wire.bits import put_varint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

    from pantau_sim.load.bodies import Body

KEY_ID = 0
CLOCK = 3  # synchronised
PROFILE = 1
_MAX_NODES = 100_000  # five digits in the id
_FIRST = wire.VERSION << 6 | 0x20 | KEY_ID << 3 | CLOCK << 1  # FORMAT.md, "Header": version, records, key id, clock
_SECOND = wire.INTERVALS.index(bodies.INTERVAL_S) << 5 | bodies.RECORDS - 1
_OPENING = bytes((_FIRST, _SECOND))
_ALARM_OPENING = bytes((_FIRST | 1, _SECOND))
_PUBLISH_QOS1 = b"\x32"
_PIDS = 65_535


class Node(NamedTuple):
    """One simulated node: identity, key, its `up` topic as MQTT writes it, and the hash states that already hold its key."""

    id: str
    domain: str
    key: bytes
    topic: bytes
    inner: _Hash
    outer: _Hash
    bodies: tuple[Body, ...]


class Packets(NamedTuple):
    """PUBLISH packets end to end; `ends[i]` is where packet i ends."""

    data: bytes
    ends: array[int]


def _node(city: str, number: int, key: bytes) -> Node:
    domain = bodies.DOMAINS[number % len(bodies.DOMAINS)]
    name = f"{domain}-{number:05d}"
    topic = topics.topic(city, name, "up").encode()
    pad = key.ljust(64, b"\0")
    scope = tag.UP + bytes((len(name),)) + name.encode()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in pad) + scope)
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in pad))
    return Node(name, domain, key, len(topic).to_bytes(2, "big") + topic, inner, outer, ())


class Fleet:
    """`nodes` nodes of one city; ids, keys and values follow from the seed alone."""

    def __init__(self, city: str, nodes: int, seed: int) -> None:
        if not 0 < nodes <= _MAX_NODES:
            raise ValueError(f"a fleet has 1 to {_MAX_NODES} nodes, not {nodes}")
        self.city = city
        variants = {domain: bodies.variants(domain, seed) for domain in bodies.DOMAINS}
        rng = random.Random(f"keys {seed}")
        made = (_node(city, number, rng.randbytes(32)) for number in range(nodes))
        self.nodes = tuple(node._replace(bodies=variants[node.domain]) for node in made)

    @property
    def keys(self) -> dict[str, bytes]:
        """Return {node: key}; every key has the key id 0."""
        return {node.id: node.key for node in self.nodes}

    def registry_toml(self) -> str:
        """Return the registry that a bridge needs: each node at a station of its own, on a grid over the city."""
        out = []
        for number, node in enumerate(self.nodes):
            extra = "sensor_height_m = 6.0\ntip_mm = 0.2\n" if node.domain == "flood" else ""
            row, column = divmod(number, 100)
            out.append(
                f'[[station]]\nid = "{node.id}-place"\nname = "Load {number + 1}"\ndomain = "{node.domain}"\n'
                f"latitude = {-6.10 - 0.0005 * row:.4f}\nlongitude = {106.55 + 0.002 * column:.4f}\n"
                f"report_interval_s = {bodies.RECORDS * bodies.INTERVAL_S}\n{extra}"
                f'[[node]]\nid = "{node.id}"\nstation = "{node.id}-place"\n'
            )
        return "\n".join(out)

    def keys_json(self) -> str:
        """Return the bridge's keys.json."""
        nodes = {node.id: {"keys": {str(KEY_ID): node.key.hex()}, "key_id": KEY_ID} for node in self.nodes}
        return json.dumps({"version": 1, "nodes": nodes}, indent=1) + "\n"

    def body(self, number: int, seq: int) -> Body:
        """Return what the frame `seq` of node `number` says: always the same."""
        choice = self.nodes[number].bodies
        return choice[(number * 7 + seq * 13) % len(choice)]

    def frame(self, number: int, boot: int, seq: int, base_s: int, *, alarm: bool = False) -> bytes:
        """Return the frame `seq` of node `number`; base_s: Unix seconds of its first record."""
        head = (_ALARM_OPENING if alarm else _OPENING) + header_tail(boot, seq, base_s)
        return sign(self.nodes[number], head + self.body(number, seq).data)

    def frames(self, count: int, *, boot: int, first_seq: int, base_s: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield (node number, seq, frame) for `count` frames, the nodes in turn; a round is a report interval later."""
        nodes = self.nodes
        for lap in range(-(-count // len(nodes))):
            seq = first_seq + lap
            head = _OPENING + header_tail(boot, seq, base_s + lap * bodies.RECORDS * bodies.INTERVAL_S)
            for number in range(min(len(nodes), count - lap * len(nodes))):
                node = nodes[number]
                choice = node.bodies
                yield number, seq, sign(node, head + choice[(number * 7 + seq * 13) % len(choice)].data)


def header_tail(boot: int, seq: int, base_s: int) -> bytes:
    """Return what follows the first two bytes of an up-going frame: boot, seq, base, profile."""
    out = bytearray()
    put_varint(out, boot)
    put_varint(out, seq)
    out += base_s.to_bytes(4, "big")
    put_varint(out, PROFILE)
    return bytes(out)


def sign(node: Node, data: bytes) -> bytes:
    """Return header and parts with the tag of the node's key behind them (RFC 2104 on copied states)."""
    inner = node.inner.copy()
    inner.update(data)
    outer = node.outer.copy()
    outer.update(inner.digest())
    return data + outer.digest()[: tag.SIZE]


def publish(node: Node, payload: bytes, pid: int) -> bytes:
    """Return PUBLISH at QoS 1 of a frame on the node's `up` topic (MQTT 3.1.1)."""
    size = len(node.topic) + 2 + len(payload)
    # a topic of at most 65 bytes and a frame of at most 1,024 stay below 2^14
    length = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
    return b"".join((_PUBLISH_QOS1, length, node.topic, pid.to_bytes(2, "big"), payload))


def mqtt_packets(
    fleet: Fleet, count: int, *, connections: int = 1, boot: int = 1, first_seq: int = 1, base_s: int
) -> list[Packets]:
    """Return `count` frames as PUBLISH packets ready to send, for each connection.

    Node n always goes by connection n modulo `connections`, so that its frames stay in order. Packet ids run from 1 on in each
    connection, again after 65,535: a window must be smaller than that.
    """
    data = [bytearray() for _ in range(connections)]
    ends: list[array[int]] = [array("Q") for _ in range(connections)]
    nodes = fleet.nodes
    for number, _, payload in fleet.frames(count, boot=boot, first_seq=first_seq, base_s=base_s):
        out, marks = data[number % connections], ends[number % connections]
        out += publish(nodes[number], payload, len(marks) % _PIDS + 1)
        marks.append(len(out))
    return [Packets(bytes(out), marks) for out, marks in zip(data, ends, strict=True)]

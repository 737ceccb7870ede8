"""One message of the shared log: what one commit of one bridge made durable of one partition, or a part of it. I/O-free.

Little-endian: version u8, epoch u64 (of the holder's lease), frames u16, nodes u16, runs u16, first receipt i64 (Unix ms),
then each node's id as u8 length and ASCII, the runs of receipt and the frames as pantau.blocks packs them. A message
without frames is a holder's first word: from it on, whoever held the partition before can append nothing.
"""

from __future__ import annotations

import struct
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from pantau import blocks
from pantau_wire import topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pantau.batch import Batch

_HEAD = struct.Struct("<BQHHHq")
_VERSION = 1
MOST = 65_535  # frames a message
_EACH = 6 + 12 + 1  # bytes of a frame at most, beside payload and node: its place in the block, its run, a length


class Part(NamedTuple):
    """Frames of one partition, in order of receipt: node, payload, received_ms."""

    epoch: int
    frames: list[tuple[str, bytes, int]]


def split(batch: Batch) -> dict[int, list[tuple[str, bytes, int]]]:
    """Return the frames of a batch by partition, in order of receipt."""
    received = (at for at, count in batch.runs for _ in range(count))
    parts: dict[int, list[tuple[str, bytes, int]]] = {}
    known: dict[str, int] = {}
    for node, payload, at in zip(batch.nodes, batch.payloads, received, strict=True):
        number = known.get(node)
        if number is None:
            number = known[node] = topics.partition(node)
        parts.setdefault(number, []).append((node, payload, at))
    return parts


def pack(epoch: int, frames: Sequence[tuple[str, bytes, int]]) -> bytes:
    """Return one message. At most MOST frames, of which none is longer than a frame can be."""
    numbers: dict[str, int] = {}
    order = [numbers.setdefault(node, len(numbers)) for node, _, _ in frames]
    first_ms = frames[0][2] if frames else 0
    runs = [(at, sum(1 for _ in same)) for at, same in groupby(received for _, _, received in frames)]
    spans = blocks.pack_runs(first_ms, runs) if runs else b""
    names = b"".join(bytes((len(node),)) + node.encode("ascii") for node in numbers)
    head = _HEAD.pack(_VERSION, epoch, len(frames), len(numbers), len(spans) // 12, first_ms)
    return head + names + spans + blocks.pack(order, [payload for _, payload, _ in frames])


def cut(frames: Sequence[tuple[str, bytes, int]], most: int) -> Iterator[Sequence[tuple[str, bytes, int]]]:
    """Yield the frames in order, in parts that `pack` makes no more than `most` bytes of; one frame at least."""
    begin, size = 0, _HEAD.size
    for at, (node, payload, _) in enumerate(frames):
        more = len(payload) + len(node) + _EACH
        if at > begin and (size + more > most or at - begin == MOST):
            yield frames[begin:at]
            begin, size = at, _HEAD.size
        size += more
    yield frames[begin:]


def unpack(data: bytes) -> Part:
    """Return what a message holds. Raises ValueError for bytes that are none."""
    try:
        version, epoch, count, nodes, runs, first_ms = _HEAD.unpack_from(data)
        if version != _VERSION:
            msg = f"a message of version {version}: a newer Pantau wrote it"
            raise ValueError(msg)
        at, names = _HEAD.size, []
        for _ in range(nodes):
            end = at + 1 + data[at]
            names.append(data[at + 1 : end].decode("ascii"))
            at = end
        times = blocks.times(count, first_ms, data[at : at + 12 * runs]) if count else iter(())
        pairs = blocks.unpack(count, data[at + 12 * runs :])
        return Part(epoch, [(names[n], payload, ms) for (n, payload), ms in zip(pairs, times, strict=True)])
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        msg = f"no message of the log: {error}"
        raise ValueError(msg) from None


# A frame's id is the message's sequence number in the stream, and its place in the message.
_PLACE_BITS = 16


def frame_id(sequence: int, place: int) -> int:
    """Return the id of a frame of the shared log."""
    return sequence << _PLACE_BITS | place


def sequence_of(number: int) -> int:
    """Return the sequence number of the message that holds the frame."""
    return number >> _PLACE_BITS


def places(part: Part, sequence: int) -> Iterator[tuple[int, str, bytes, int]]:
    """Yield (id, node, payload, received_ms) of each frame of a message."""
    for place, (node, payload, received_ms) in enumerate(part.frames):
        yield frame_id(sequence, place), node, payload, received_ms

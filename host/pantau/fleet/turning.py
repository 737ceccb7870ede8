"""Which key a node signs with now, from the bridge's log: a rotation is settled only once the new one was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import frame as wire

if TYPE_CHECKING:
    from collections.abc import Collection

    from pantau.spool import SpoolReader

MOST = 200_000  # frames looked at: hours of a city, seconds of work
_STEP = 5_000


def signing(reader: SpoolReader, nodes: Collection[str], most: int = MOST) -> dict[str, int]:
    """Return {node: key id of its newest frame} of those that are among the newest `most` frames of the log.

    What stands there was verified with that key. Raises SpoolUnavailable or SpoolBroken.
    """
    found: dict[str, int] = {}
    end = reader.last_id()
    oldest = max(0, end - most)
    while end > oldest and len(found) < len(nodes):
        after = max(oldest, end - _STEP)
        newest = {frame.node: frame.payload for frame in reader.read(after, end - after) if frame.id <= end}
        for node, payload in newest.items():
            if node in nodes and node not in found:
                found[node] = wire.header(payload).key_id
        end = after
    return found

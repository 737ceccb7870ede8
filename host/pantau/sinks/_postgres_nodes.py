"""What a batch says about the nodes themselves, as the JSON that _postgres_sql.NODES takes it. I/O-free."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pantau.decode import Decoded


def seen(frames: Iterable[Decoded], ids: Mapping[str, int]) -> str:
    """Return one object per node: when it was heard, and what its newest records and health frames say."""
    nodes: dict[str, dict[str, Any]] = {}
    for decoded in frames:
        at_ms = decoded.received_ms
        node = nodes.setdefault(
            decoded.node, {"id": ids[decoded.node], "node": decoded.node, "first_ms": at_ms, "last_ms": at_ms}
        )
        node["first_ms"] = min(node["first_ms"], at_ms)
        node["last_ms"] = max(node["last_ms"], at_ms)
        head = (decoded.boot, decoded.seq)
        if decoded.health is not None and head > _head(node, "health"):
            node |= {"health": decoded.health, "health_ms": at_ms, "health_boot": head[0], "health_seq": head[1]}
        elif decoded.alarm is not None and head > _head(node, "records"):
            node |= {"alarm": decoded.alarm, "clock": decoded.clock, "records_boot": head[0], "records_seq": head[1]}
    return json.dumps(list(nodes.values()), separators=(",", ":"))


def _head(node: Mapping[str, Any], of: str) -> tuple[int, int]:
    return (node.get(f"{of}_boot", -1), node.get(f"{of}_seq", -1))

"""The rows of the fleet's book, as values: times are Unix ms UTC."""

from __future__ import annotations

from typing import Any, NamedTuple

QUEUED, SENT, COMPLETE = "queued", "sent", "complete"  # of an order that is open; complete: a bundle that is held whole
DONE, FAILED, EXPIRED, CANCELLED = "done", "failed", "expired", "cancelled"
UPDATE = "update"  # kind of an order; the others are named as on the wire


class NodeState(NamedTuple):
    """What a node said last of itself; zeros and "" where it has not said it. `safe` and `restarts` as on the wire."""

    node: str
    heard_ms: int = 0
    boot: int = 0
    seq: int = 0
    health_ms: int = 0
    version: str = ""
    release: int = 0
    slot: str = ""
    setup: int = 0
    update_id: int = 0
    update_have: int = 0
    update_state: int = 0
    restarts: int = 0
    safe: int = 0
    defect: str = ""
    health: str = "{}"


class Order(NamedTuple):
    """What a node is to do. `what` is the frame's fields less id: of a command name and args, of an update the bundle."""

    id: int
    node: str
    kind: str
    what: dict[str, Any]
    by: str
    made_ms: int
    expires_ms: int
    state: str = QUEUED
    counter: int = 0
    tries: int = 0
    sent_ms: int = 0
    next_ms: int = 0
    have: int = 0
    result: str = ""
    ended_ms: int | None = None


class Release(NamedTuple):
    """A version that nodes can be given."""

    release: int
    version: str
    by: str
    made_ms: int
    note: str


class Entry(NamedTuple):
    """One line of the history."""

    number: int
    at_ms: int
    by: str
    subject: str
    what: str

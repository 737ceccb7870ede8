"""What the gate makes of messages: a verdict on each, and the batch that one commit makes durable. Values, no behaviour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from pantau.boots import Boot, Saved


class Verdict(NamedTuple):
    """What one message was. `reason` is a stable code; node, boot and seq are set as far as they were believed."""

    kind: Literal["new", "redelivered", "conflict", "quarantined", "link"]
    reason: str = ""
    node: str = ""
    boot: int | None = None
    seq: int | None = None


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
    """All that one commit makes durable, and what follows from it afterwards. Frames are columns, in order of receipt.

    The frames get the ids from `first_id` on. `runs` are (received_ms, how many frames came then). `saves` are boots to
    write down with their tags; a start after a crash reads the log from `checkpoint` on.
    """

    first_id: int = 1
    nodes: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    saves: list[Saved] = field(default_factory=list)
    checkpoint: int = 1
    turn: list[Boot] = field(default_factory=list)  # whose turn it was to be saved, dirty or not
    touched: dict[Boot, None] = field(default_factory=dict)  # ordered set: what is to be acknowledged
    alarms: list[int] = field(default_factory=list)  # ids of the frames that a node flagged as an alarm
    time_asked: dict[str, int] = field(default_factory=dict)  # node: nonce of its newest fresh question
    links: dict[str, bool] = field(default_factory=dict)  # node: the broker's hint that it is connected
    counts: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    notes: dict[str, str] = field(default_factory=dict)  # facts that become true with the commit

    @property
    def last_id(self) -> int:
        """Return the id of the last frame, of the one before this batch when it has none."""
        return self.first_id + len(self.payloads) - 1

"""What a sink says of itself for docs/sinks.md: each module has ABOUT. Tests hold it to what the sink does."""

from __future__ import annotations

from typing import Literal, NamedTuple


class About(NamedTuple):
    """How a target shows what is not ordinary, for people; a sentence each, without the full stop."""

    title: str
    key: Literal[
        "identity", "time"
    ]  # what makes two deliveries the same: (node, boot, seq, index, property), or node, property and date
    late: str  # older than what was delivered before
    undated: str  # before the boot's clock is known
    missing: str  # nothing was measured
    revisions: str  # what becomes known later
    receipt: str  # what makes an observation delivered
    holds_undated: bool = False
    holds_null: bool = False

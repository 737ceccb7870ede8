"""Invariants of what strangers send: nothing forged is stored, and nothing is refused for which nobody gave a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_wire import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.hunt.evidence import Evidence

_DAMAGED = frozenset(
    {"bad_tag", "truncated", "bad_field", "unknown_version", "unknown_kind", "unknown_key", "wrong_kind"}
)
# What the bridge may refuse because of each kind of client. A conflicter has the node's key: whichever comes second is the conflict.
REASONS = {
    "forger": frozenset({"bad_tag"}),
    "conflicter": frozenset({"conflict"}),
    "corrupter": _DAMAGED,
    "flooder": _DAMAGED | {"too_long"},
    "replayer": frozenset(),
    "down_forger": frozenset(),
}


def nothing_forged(evidence: Evidence) -> Iterator[str]:
    """Every stored frame carries the tag of its node's key."""
    for kept in evidence.outcome.kept:
        node = evidence.nodes.get(kept.node)
        if node is None or not frame.verify(kept.payload, node.id, node.key):
            yield f"{kept.node}: stored at {kept.received_ms} without its tag: {kept.payload.hex()}"


def refusals_have_a_cause(evidence: Evidence) -> Iterator[str]:
    """A reason of the quarantine fits somebody who was at the broker; conflicts are counted as such."""
    outcome = evidence.outcome
    possible = frozenset().union(*(REASONS[span.kind] for span in evidence.plan.clients))
    for reason, times in sorted(outcome.quarantined.items()):
        if reason not in possible:
            kinds = sorted({span.kind for span in evidence.plan.clients})
            yield f"{times} refused as {reason}, with {', '.join(kinds) or 'nobody'} at the broker"
    if outcome.conflicts != outcome.quarantined["conflict"]:
        yield f"{outcome.conflicts} conflicts, {outcome.quarantined['conflict']} of them in the quarantine"

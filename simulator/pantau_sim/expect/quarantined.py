"""quarantined: messages that the bridge refused, of one reason or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.expect.base import Check, Met
from pantau_sim.expect.limits import limits, within

if TYPE_CHECKING:
    from pantau_sim.run.outcome import Outcome
    from pantau_sim.scenario.plan import ScenarioPlan
    from pantau_sim.scenario.tables import Expect
    from pantau_sim.world import World

# Whose messages can be refused for a reason; a reason that is not here, nobody of these is refused for.
_GARBAGE = ("flooder", "corrupter")
_SENDERS = {
    "bad_tag": ("forger", "flooder", "corrupter"),
    "conflict": ("conflicter",),
    **dict.fromkeys(
        ("too_long", "truncated", "bad_field", "unknown_version", "unknown_kind", "unknown_key", "wrong_kind"), _GARBAGE
    ),
}
_ALL = ("forger", "conflicter", "corrupter", "flooder")


def _judge(outcome: Outcome, expect: Expect) -> Met:
    found = outcome.quarantined
    count = sum(found.values()) if expect.reason is None else found[expect.reason]
    told = ", ".join(f"{name} {number}" for name, number in sorted(found.items())) or "none"
    what = f"refused {expect.reason or 'in all'}: {count}, asked for {limits(expect)} (by reason: {told})"
    return Met(within(count, expect), what)


def _possible(plan: ScenarioPlan, _world: World, expect: Expect) -> str | None:
    if not expect.at_least:
        return None
    kinds = _ALL if expect.reason is None else _SENDERS.get(expect.reason, ())
    sent = sum(most_sent(plan, kind) for kind in kinds)
    if sent < expect.at_least:
        who = " or ".join(kinds) or "no kind of client"
        return f"{who} would have to send so many; those of the scenario send at most {sent}"
    return None


def most_sent(plan: ScenarioPlan, kind: str) -> int:
    """Return how many messages the clients of a kind can send."""
    return sum(
        int((span.end_us - span.start_us) / 60e6 * span.per_min) + 1
        for span in plan.clients
        for node in plan.nodes
        if span.kind == kind and span.station in {None, node.station}
    )


CHECK = Check("messages that the bridge refused", _judge, _possible, (("at_least", "at_most"),), ("reason",))

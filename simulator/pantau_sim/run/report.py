"""The report of a run: what happened to records, what was expected. Nothing of the machine, of the wall clock or of chance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.expect import Met
    from pantau_sim.run.outcome import Outcome

_PROBLEMS = 20  # of a node that are told


def report(outcome: Outcome, met: Mapping[str, Met]) -> dict[str, Any]:
    """Return the report: JSON values only, in a fixed order."""
    plan = outcome.plan
    nodes = [outcome.nodes[name] for name in sorted(outcome.nodes)]
    return {
        "scenario": plan.name,
        "title": plan.title,
        "seed": plan.seed,
        "start": _iso(plan.start_us),
        "end": _iso(plan.end_us),
        "stations": len(plan.world.sites),
        "nodes": len(nodes),
        "records": {
            name: sum(getattr(node, name) for node in nodes)
            for name in ("due", "stored", "held", "in_progress", "overwritten")
        },
        "lost": outcome.lost,
        "duplicates": outcome.duplicates,
        "redelivered": outcome.counts["redelivered"],
        "conflicts": outcome.conflicts,
        "quarantined": sum(outcome.quarantined.values()),
        "quarantined_by_reason": dict(sorted(outcome.quarantined.items())),
        "boots": outcome.counts["boots"],
        "faults_played": _kinds(outcome),
        "sensor_faults": dict(sorted(outcome.injected.items())),
        "expectations": {name: one.met for name, one in met.items()},
        "told": {name: one.what for name, one in met.items()},
        "problems": {node.node: node.problems[:_PROBLEMS] for node in nodes if node.problems},
        "alerts": [
            {
                "at": _iso(raised.entry.decided_ms * 1000), "station": raised.alert.station, "rule": raised.alert.rule,
                "action": raised.entry.action, "severity": raised.entry.severity, "past": raised.entry.past,
            }
            for raised in outcome.decisions()
        ],
        "digest": outcome.digest,
    } | _rollout(outcome)  # fmt: skip


def _rollout(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a rollout, nothing in a scenario without one."""
    done = outcome.rolled_out
    if done is None:
        return {}
    return {
        "rollout": done.state,
        "halted_after": done.halted_after,
        "halted_because": done.reason,
        "nodes_on_old": outcome.nodes_on(1),
        "nodes_on_new": outcome.nodes_on(2),
        "rollout_told": list(done.told),
    }


def _kinds(outcome: Outcome) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for span in outcome.faults:
        kinds[span.kind] = kinds.get(span.kind, 0) + 1
    return dict(sorted(kinds.items()))


def _iso(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

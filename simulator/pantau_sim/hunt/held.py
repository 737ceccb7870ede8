"""Invariants of records and frames: none lost, none twice, all accounted for, backlogs drained, the log bounded and true."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

from pantau_sim.hunt.evidence import spooled
from pantau_wire import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.hunt.evidence import Evidence
    from pantau_sim.scenario.plan import NodePlan, ScenarioPlan

_FOREIGN = "the node holds other bytes than the bridge"  # account.py's words
_ENDED = "the firmware ended by itself"
_CALM_US = 3_600_000_000
_WINDOW = 6  # backlog frames that a node has on their way
_WORST_LOSS, _WORST_TRIP_S = 0.1, 15.0  # beyond these a connection may fail again and again
_SPARE = 0.5  # share of the calm time in which a backlog must be able to go out
_SPOOL_BYTES = 1 << 20  # of an empty one, its indexes and its journal
_SPOOL_TIMES = 4  # what a frame may take, by its bytes


def nothing_lost(evidence: Evidence) -> Iterator[str]:
    """Every record that was durable on a node is stored, or still with its node, or declared overwritten."""
    for node in evidence.outcome.nodes.values():
        if node.lost:
            yield f"{node.node} lost {node.lost} of {node.due}: {'; '.join(node.problems[:3])}"


def nothing_twice(evidence: Evidence) -> Iterator[str]:
    """No record and no identity counts twice."""
    for node in evidence.outcome.nodes.values():
        if node.twice:
            yield f"{node.node} has {node.twice} twice: {'; '.join(node.problems[:3])}"
    seen: set[tuple[str, int, int]] = set()
    for kept in evidence.outcome.kept:
        head = frame.header(kept.payload)
        if (kept.node, head.boot, head.seq) in seen:
            yield f"{kept.node} boot {head.boot} seq {head.seq} is in the log twice"
        seen.add((kept.node, head.boot, head.seq))


def all_accounted_for(evidence: Evidence) -> Iterator[str]:
    """The sums are right, and the account has nothing to complain of."""
    stolen = evidence.strangers("conflicter")  # who signs with a node's key may be first
    for node in evidence.outcome.nodes.values():
        if node.due != node.stored + node.held + node.in_progress + node.overwritten + node.lost:
            yield f"{node.node}: {node.due} due is not the sum of its parts"
        if node.overwritten:
            yield f"{node.node}: {node.overwritten} overwritten, and its outbox was never full"
        if node.lost or node.twice:
            continue  # told by those
        for problem in node.problems:
            if not (stolen and _FOREIGN in problem) and _ENDED not in problem:
                yield f"{node.node}: {problem}"


def backlogs_drain(evidence: Evidence) -> Iterator[str]:
    """After an hour without faults a node holds what is new, and no more."""
    plan = evidence.plan
    if plan.end_us - plan.calm_us < _CALM_US or evidence.strangers("conflicter"):
        return
    for name, node in evidence.nodes.items():
        out = evidence.outcome.nodes[name]
        most = most_held(plan, node)
        if most is not None and out.held > most:
            yield f"{name} holds {out.held} of {out.due} records, {most} may be on their way"


def round_trip_s(plan: ScenarioPlan) -> float:
    """Return how long a frame and its acknowledgement take, about: what is lost is sent again after seconds."""
    return 0.5 + 2 * plan.profile.latency_ms / 1000 + 40 * plan.profile.loss


def most_held(plan: ScenarioPlan, node: NodePlan) -> int | None:
    """Return how many records may be with a node at the end; None where link or calm are not for all that may have waited."""
    interval_s, batch = node.config["sampling"]["interval_s"], node.config["sampling"]["batch"]
    trip_s = round_trip_s(plan)
    frames = (plan.calm_us - plan.start_us) / 1e6 * (1 / (interval_s * batch) + 1 / plan.profile.health_s)
    if plan.profile.loss > _WORST_LOSS or trip_s > _WORST_TRIP_S:
        return None
    if frames * trip_s / _WINDOW > _SPARE * (plan.end_us - plan.calm_us) / 1e6:
        return None
    return int(2 * batch + (60 + 4 * trip_s) / interval_s)


def log_is_what_was_stored(evidence: Evidence) -> Iterator[str]:
    """What a bridge said to be durable is in its file, in that order, and nothing else."""
    said: dict[str, list[bytes]] = defaultdict(list)
    for kept in evidence.outcome.kept:
        said[kept.node].append(kept.payload)
    for names, folder in evidence.districts():
        found: dict[str, list[bytes]] = defaultdict(list)
        for stored in spooled(folder / "spool.sqlite3"):
            found[stored.node].append(stored.payload)
        for name in sorted({*names, *found}):
            if found[name] != said[name]:
                yield f"{name}: the spool holds {len(found[name])} frames, {len(said[name])} were stored"


def spool_is_bounded(evidence: Evidence) -> Iterator[str]:
    """The file grows with what was stored and refused, and with nothing else."""
    for names, folder in evidence.districts():
        path = folder / "spool.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            refused = db.execute("SELECT coalesce(sum(length(payload) + 200), 0) FROM quarantine").fetchone()[0]
        stored = sum(len(kept.payload) + 50 for kept in evidence.outcome.kept if kept.node in names)
        size = path.stat().st_size
        if size > _SPOOL_BYTES + _SPOOL_TIMES * (stored + refused):
            yield f"{', '.join(names)}: {size} bytes for {stored} stored and {refused} refused"

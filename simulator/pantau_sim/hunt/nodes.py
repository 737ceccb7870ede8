"""Invariants of the nodes themselves: the firmware does not end, and restarts for nothing but its power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau_sim.run.district import power_on_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pantau_sim.hunt.evidence import Evidence
    from pantau_sim.scenario.plan import NodePlan, ScenarioPlan

_DIP_US = 1_000_000  # a brown-out
_ALIVE = ("Traceback", "MemoryError", "FATAL")
_TAIL = 300


def firmware_lives(evidence: Evidence) -> Iterator[str]:
    """No node's firmware ends by itself, and none writes an error to its console."""
    for name, node in evidence.outcome.nodes.items():
        yield from (f"{name}: {problem}" for problem in node.problems if "ended by itself" in problem)
    for names, folder in evidence.districts():
        for name in names:
            log = folder / f"{name}.log"
            text = log.read_text(errors="replace") if log.exists() else ""
            at = min((text.find(word) for word in _ALIVE if word in text), default=-1)
            if at >= 0:
                yield f"{name} says {text[at : at + _TAIL].strip()!r}"


def restarts_have_a_cause(evidence: Evidence) -> Iterator[str]:
    """A node boots as often as it got power."""
    for name, node in evidence.nodes.items():
        powered = times_on(evidence.plan, node)
        lives = evidence.outcome.nodes[name].lives
        if powered is not None and len(lives) != powered:
            yield f"{name} booted {len(lives)} times, it got power {powered} times: {lives}"


def times_on(plan: ScenarioPlan, node: NodePlan) -> int | None:
    """Return how often a node was switched on; None where two cuts touch, which is a matter of order."""
    cuts: list[list[int]] = []
    for start, end in sorted(_cuts(plan, node)):
        if cuts and start == cuts[-1][1]:
            return None
        if cuts and start < cuts[-1][1]:
            cuts[-1][1] = max(end, cuts[-1][1])
        else:
            cuts.append([start, end])
    first = plan.start_us + power_on_ms(plan.seed, node.id) * 1000
    if any(first in cut for cut in cuts):
        return None
    on = [end for _, end in cuts if end <= plan.end_us]  # the last instant is played too
    # Before its first instant a node is off anyway; the end of a cut switches it on, whatever that instant says.
    early = any(end < first for end in on)
    return len(on) + (0 if early or any(start < first < end for start, end in cuts) else 1)


def _cuts(plan: ScenarioPlan, node: NodePlan) -> Iterator[tuple[int, int]]:
    for span in plan.faults:
        if span.station in {None, node.station} and span.kind in {"power", "brown_out"}:
            yield span.start_us, span.end_us if span.kind == "power" else span.start_us + _DIP_US

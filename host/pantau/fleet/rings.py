"""Which nodes get a release when: rings, and within the city steps. I/O-free.

By a hash of its id each node has its place in a row, so that the same nodes go first each time and one that comes or goes
moves the others by no more than one place.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

LAB, CANARY, CITY = RINGS = ("lab", "canary", "city")
STEPS = (5, 25, 100)  # per cent of the city
_ALL = 100


class Stage(NamedTuple):
    """Nodes that are asked together; `percent` is how much of its ring has been asked with it."""

    ring: str
    percent: int
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.ring} {self.percent} %" if self.ring == CITY else self.ring


def ranked(nodes: Iterable[str]) -> list[str]:
    """Return nodes in the order in which they are asked."""
    return sorted(nodes, key=lambda node: hashlib.sha256(node.encode()).digest())


def rings_of(
    nodes: Iterable[str], lab: Collection[str] = (), canary: Collection[str] = (), canary_percent: float = 0
) -> dict[str, list[str]]:
    """Return the nodes of each ring: the named ones, of the others the first `canary_percent` as canaries, and the rest."""
    known = set(nodes)
    found = {LAB: ranked(known & set(lab))}
    others = ranked(known - set(lab) - set(canary))
    more = round(len(others) * canary_percent / _ALL)
    found[CANARY] = ranked(known & set(canary) - set(lab)) + others[:more]
    found[CITY] = others[more:]
    return found


def stages(rings: dict[str, list[str]], order: Sequence[str] = RINGS, steps: Sequence[int] = STEPS) -> list[Stage]:
    """Return the stages of a rollout through the rings in `order`, the city in `steps`; those without nodes are left out."""
    found: list[Stage] = []
    for ring in order:
        done = 0
        for percent in steps if ring == CITY else (_ALL,):
            through = -(-len(rings[ring]) * percent // _ALL)
            if through > done:
                found.append(Stage(ring, percent, tuple(rings[ring][done:through])))
            done = max(done, through)
    return found

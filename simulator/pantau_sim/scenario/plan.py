"""A scenario with a seed, worked out: every station, node, fault and client with its instant. Values only; times are Unix us UTC.

This is what a run takes and what `pantau sim check` looks at; two plans of the same file and seed are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pantau_sim.scenario.tables import Expect, Profile
    from pantau_sim.world.plan import WorldPlan


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One board: `config` is its config.json, `key` its secret of this simulation, `wire` (bus kind, place, model) of its sensors."""

    id: str
    station: str
    domain: str
    key: bytes
    config: dict[str, Any]
    seed: int


@dataclass(frozen=True, slots=True)
class Span:
    """Something that goes on from `start_us` to `end_us`. `station` is None where it is everybody's (broker, bridge, spool)."""

    kind: str
    start_us: int
    end_us: int
    station: str | None = None
    sensor: str | None = None
    what: str | None = None
    count: int = 0
    strength: float = 1.0
    per_min: float = 0.0


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """Release 2 for nodes that run release 1. `flaw` is "" or how it is bad on the stations of `domain`; `lab` and `canary` are nodes."""

    at_us: int
    slice_us: int
    lab: tuple[str, ...]
    canary: tuple[str, ...]
    steps: tuple[int, ...]
    soak_ms: int
    halt_at: int
    flaw: str
    domain: str


@dataclass(frozen=True, slots=True)
class ScenarioPlan:
    """All that a run needs. `registry` is the text of registry.toml, `start_us`..`end_us` the run, faults are over at `calm_us`."""

    name: str
    title: str
    seed: int
    start_us: int
    calm_us: int
    end_us: int
    city: str
    profile: Profile
    world: WorldPlan
    registry: str
    nodes: tuple[NodePlan, ...]
    faults: tuple[Span, ...]
    ailments: tuple[Span, ...]
    clients: tuple[Span, ...]
    expect: tuple[Expect, ...]
    rollout: RolloutPlan | None = None

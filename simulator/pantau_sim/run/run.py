"""A scenario's whole run: districts in worker processes, the city behind them here. The same plan gives the same outcome, whatever `jobs` is."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pantau.registry.file import read
from pantau_sim.run.city import VirtualCity
from pantau_sim.run.desk import VirtualDesk
from pantau_sim.run.outcome import Outcome
from pantau_sim.run.sealed import sealed
from pantau_sim.run.trace import Said, difference, digest, said
from pantau_sim.run.workers import Workers, slices
from pantau_sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau_sim.run.district import Kept
    from pantau_sim.run.outcome import NodeOutcome
    from pantau_sim.scenario.plan import ScenarioPlan

_FAST = Path("/dev/shm")  # noqa: S108  a run writes and syncs much that nobody keeps


class DivergenceError(Exception):
    """Two runs of one plan differ; the text names the first message that does."""


def workplace() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for a run that is kept nowhere: in memory where the machine has such a file system."""
    return tempfile.TemporaryDirectory(prefix="pantau-sim-", dir=_FAST if os.access(_FAST, os.W_OK) else None)


def run(
    plan: ScenarioPlan,
    folder: Path,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda _share: None,
    hash_seed: str = "0",
) -> Outcome:
    """Play the plan; `folder` (empty or new) holds stores and logs afterwards. `progress` hears the share of virtual time that has passed.

    Raises WorkerError, CityTroubleError, NondeterminismError, MissingVmError.
    """
    registry = read(tomllib.loads(plan.registry), Path("registry.toml"))
    whole = plan.end_us - plan.start_us
    kept: list[Kept] = []
    city = VirtualCity(registry, folder / "city", plan.start_us // 1000)
    with Workers(plan, folder / "districts", jobs, hash_seed) as workers, sealed():
        desk = None if plan.rollout is None else VirtualDesk(plan, plan.rollout, folder)
        told: list[tuple[str, bytes]] = []
        for end_us in slices(plan):
            fresh = workers.slice(told)
            kept += fresh
            city.take(fresh, end_us // 1000)
            told = [] if desk is None else desk.step(fresh, end_us // 1000)
            progress((end_us - plan.start_us) / whole)
        ended = workers.finish()
        city.close()
        rolled_out = None if desk is None else desk.close()
    nodes: dict[str, NodeOutcome] = {}
    quarantined: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    trace: list[Said] = []
    for district in ended:
        nodes |= district.nodes
        quarantined += district.quarantined
        counts += district.counts
        injected += district.injected
        trace += district.trace
    quarantined.update({"undecodable": len(city.undecodable)} if city.undecodable else {})
    return Outcome(
        plan=plan, world=World(plan.seed, plan.world), folder=folder / "city", nodes=nodes, quarantined=quarantined,
        conflicts=counts["conflict"], faults=plan.faults, injected=injected, digest=digest(trace), counts=counts, trace=trace, kept=kept,
        rolled_out=rolled_out,
    )  # fmt: skip


def _decided(outcome: Outcome) -> list[Said]:
    """Return the city's decisions as entries of a trace."""
    return [
        said(
            raised.entry.decided_ms * 1000,
            f"alert {raised.alert.rule} {raised.alert.station}",
            raised.entry.english.encode(),
        )
        for raised in outcome.decisions()
    ]


def verify(plan: ScenarioPlan, jobs: int, progress: Callable[[float], None] = lambda _share: None) -> None:
    """Play the plan twice, with other processes and another hash seed; DivergenceError when they differ, in words."""
    traces = []
    for hash_seed, many in (("1", jobs), ("4021", max(1, jobs - 1))):
        with workplace() as folder:
            outcome = run(plan, Path(folder), many, progress, hash_seed)
            traces.append([*outcome.trace, *_decided(outcome)])
    parts = difference(*traces)
    if parts is not None:
        raise DivergenceError(f"two runs of {plan.name} with seed {plan.seed} differ: {parts}")

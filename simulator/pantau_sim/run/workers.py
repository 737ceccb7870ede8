"""Processes that play districts: each plays its share, slice by slice, and hands over what became durable."""

from __future__ import annotations

import multiprocessing
import os
import tomllib
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from pantau.registry.file import read
from pantau_sim.run.district import NODES, District, DistrictOutcome, Kept
from pantau_sim.run.sealed import sealed
from pantau_sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from pantau_sim.scenario.plan import NodePlan, ScenarioPlan

SLICE_US = 900_000_000
_COST = {"traffic": 3, "flood": 1, "air": 1}  # CPU of a node-day, roughly: shares are to be even
_END_S = 10


class WorkerError(Exception):
    """A district could not be played; the text has the cause and the place."""


def districts(plan: ScenarioPlan) -> list[tuple[NodePlan, ...]]:
    """Return the nodes of each district: a matter of the plan alone."""
    nodes = sorted(plan.nodes, key=lambda node: node.id)
    return [tuple(nodes[at : at + NODES]) for at in range(0, len(nodes), NODES)]


def shares(plan: ScenarioPlan, jobs: int) -> list[list[int]]:
    """Return the districts of each of `jobs` processes, the dear ones dealt first."""
    cut = districts(plan)
    cost = [sum(_COST[node.domain] for node in nodes) for nodes in cut]
    loads: list[tuple[int, list[int]]] = [(0, []) for _ in range(max(1, min(jobs, len(cut))))]
    for number in sorted(range(len(cut)), key=lambda n: (-cost[n], n)):
        least = min(range(len(loads)), key=lambda w: (loads[w][0], w))
        loads[least] = (loads[least][0] + cost[number], [*loads[least][1], number])
    return [sorted(numbers) for _, numbers in loads]


def slices(plan: ScenarioPlan) -> Iterator[int]:
    """Yield the ends of the slices, Unix us."""
    at, step = plan.start_us, SLICE_US if plan.rollout is None else plan.rollout.slice_us
    while at < plan.end_us:
        at = min(plan.end_us, at + step)
        yield at


class Workers:
    """The processes of a run. Use it as a context: whatever happens, none is left."""

    def __init__(self, plan: ScenarioPlan, folder: Path, jobs: int, hash_seed: str) -> None:
        self._shares = shares(plan, jobs)
        self._plan, self._folder, self._hash_seed = plan, folder, hash_seed
        self._links: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        before = os.environ.get("PYTHONHASHSEED")
        os.environ["PYTHONHASHSEED"] = self._hash_seed
        try:
            for share, core in zip(self._shares, _cores(len(self._shares)), strict=True):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_play, args=(theirs, self._plan, share, str(self._folder), core), daemon=True
                )
                process.start()
                theirs.close()
                self._links.append(ours)
                self._processes.append(process)
        finally:
            if before is None:
                del os.environ["PYTHONHASHSEED"]
            else:
                os.environ["PYTHONHASHSEED"] = before
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            link.close()
        for process in self._processes:
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()

    def slice(self, told: Sequence[tuple[str, bytes]] = ()) -> list[Kept]:
        """Return what all districts stored in the next slice, in the order of receipt; districts in their order.

        In a plan with a rollout they wait for what is `told` to nodes at its begin: (node, frame).
        """
        for link in self._links if self._plan.rollout is not None else ():
            link.send(told)
        rows: list[tuple[int, int, int, Kept]] = []
        for link, share in zip(self._links, self._shares, strict=True):
            for number, fresh in zip(share, self._get(link), strict=True):
                rows += [(kept.received_ms, number, place, kept) for place, kept in enumerate(fresh)]
        rows.sort(key=lambda row: row[:3])
        return [row[3] for row in rows]

    def finish(self) -> list[DistrictOutcome]:
        """Return what each district has to say at its end, in their order."""
        found: dict[int, DistrictOutcome] = {}
        for link, share in zip(self._links, self._shares, strict=True):
            found.update(zip(share, self._get(link), strict=True))
        return [found[number] for number in sorted(found)]

    @staticmethod
    def _get(link: Connection) -> Sequence[Any]:
        try:
            kind, value = link.recv()
        except EOFError:
            raise WorkerError(
                "a process of the simulation ended without a word: was it killed, or short of memory?"
            ) from None
        if kind == "failed":
            raise WorkerError(str(value))
        found: Sequence[Any] = value
        return found


def _cores(many: int) -> list[int | None]:
    """Return a core for each of several processes, where there are enough: it and its VM take turns, and share a cache."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return list(cores[:many]) if 1 < many <= len(cores) else [None] * many


def _play(link: Connection, plan: ScenarioPlan, share: list[int], folder: str, core: int | None) -> None:
    """Play a share of the districts: the process's whole life."""
    from pathlib import Path

    mine: list[District] = []
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        with sealed():
            registry = read(tomllib.loads(plan.registry), Path("registry.toml"))
            world = World(plan.seed, plan.world)
            cut = districts(plan)
            for number in share:
                place = Path(folder) / f"district-{number:04d}"
                mine.append(District(plan, number, cut[number], world, registry, place))
            for end_us in slices(plan):
                for node, data in link.recv() if plan.rollout is not None else ():
                    for district in mine:
                        district.tell(node, data)
                link.send(("slice", [district.advance(end_us) for district in mine]))
            link.send(("end", [district.finish() for district in mine]))
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        pass  # nobody listens any more
    except Exception as error:  # noqa: BLE001  carried to who waits
        with suppress(OSError):
            link.send(
                ("failed", f"{type(error).__name__}: {error}\n{''.join(traceback.format_tb(error.__traceback__)[-4:])}")
            )
    finally:
        for district in mine:
            district.close()

"""The order desk on virtual time: the real book, desk and rollouts; what districts stored comes in, what nodes are told goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau.downlink import Downlink
from pantau.fleet.book import Book
from pantau.fleet.chunks import Limits
from pantau.fleet.desk import Desk
from pantau.fleet.rings import CANARY, CITY, LAB, ranked, stages
from pantau.fleet.rollout import Plan
from pantau.fleet.rollouts import Rollouts
from pantau.fleet.rows import Release
from pantau.keys import Keys
from pantau_sim.run.outcome import RolledOut
from pantau_sim.run.releases import VERSIONS, bundles
from pantau_wire import bundle as wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pantau_sim.run.district import Kept
    from pantau_sim.scenario.plan import RolloutPlan, ScenarioPlan

_BY = "scenario"


class VirtualDesk:
    """What the bridge of one city does beside ingest, looked after once in each slice."""

    def __init__(self, plan: ScenarioPlan, rollout: RolloutPlan, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._plan = rollout
        self._now_ms = plan.start_us // 1000
        self._begun = False
        keys = Keys({node.id: ({0: node.key}, 0) for node in plan.nodes})
        self._book = Book(folder / "fleet.sqlite3")
        nodes = [node.id for node in plan.nodes]
        limits = Limits(nodes=len(nodes), burst_s=rollout.slice_us / 1e6)
        self._desk = Desk(self._book, Downlink(keys, lambda: self._now_ms), limits=limits)
        self._rollouts = Rollouts(self._book)
        named = {*rollout.lab, *rollout.canary}
        rings = {LAB: list(rollout.lab), CANARY: list(rollout.canary), CITY: ranked(n for n in nodes if n not in named)}
        self._stages = tuple(stages(rings, steps=rollout.steps))
        for number, flaw in ((1, ""), (2, rollout.flaw)):
            both = bundles(folder / "releases", number, flaw, rollout.domain)
            pair = [(wire.head(data[: wire.MAX_HEAD]).ident, data) for data in both]
            self._book.add_release(Release(number, VERSIONS[number], _BY, self._now_ms, ""), pair[0], pair[1])

    def step(self, fresh: Iterable[Kept], now_ms: int) -> list[tuple[str, bytes]]:
        """Take what was stored until now; return what nodes are to be told."""
        self._now_ms = now_ms
        with self._book.transaction():
            for kept in fresh:
                self._desk.take(kept.node, kept.payload, kept.received_ms)
        if not self._begun and now_ms * 1000 >= self._plan.at_us:
            self._begun = True
            bundle = self._book.bundle_of(2)
            assert bundle is not None
            plan = Plan(bundle, self._stages, self._plan.soak_ms, self._plan.halt_at)
            self._rollouts.begin(2, plan, _BY, now_ms)
        self._rollouts.tick(self._desk, now_ms)
        return self._desk.due(now_ms)

    def close(self) -> RolledOut:
        """Close the book; return what came of the rollout."""
        last = self._rollouts.last()
        told = tuple(f"{entry.subject}: {entry.what}" for entry in reversed(self._book.history(1000)))
        self._book.close()
        return (
            RolledOut("never begun", "", "", told)
            if last is None
            else RolledOut(last.state, last.halted_after, last.reason, told)
        )

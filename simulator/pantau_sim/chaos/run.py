"""The story: all comes up, faults come by the schedule, all is healed, the outboxes drain, the bridge stops, the account is made."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pantau_sim.chaos import account, schedule
from pantau_sim.chaos.rig import Rig
from pantau_sim.chaos.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from pantau_sim.chaos.schedule import Fault

_UP_S = 20.0
_RECOVER_S = 15.0  # after which the next fault comes, recovered or not
_DRAIN_S = 120.0
_STALLED_S = 20.0  # without a new row in the city store, after which no more is waited for
_SAY_S = 5.0


@dataclass(frozen=True)
class Options:
    """What the user chose. `faults`: end when so many were done, 0 for as long as `seconds`; `folder` holds all that is written."""

    seconds: float
    seed: int
    faults: int
    folder: Path
    nodes: int = 40
    rate: float = 80.0


class Chaos:
    """One run."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._rig = Rig(options.folder, options.nodes, options.rate, options.seed)
        self._done: Counter[str] = Counter()
        self._missed: Counter[str] = Counter()
        self._recovery: dict[str, list[float]] = defaultdict(list)
        self._unrecovered: Counter[str] = Counter()
        self._started = 0.0
        self._troubles: list[str] = []

    async def run(self) -> dict[str, Any]:
        """Return the report. Raises ServerError when a server does not start."""
        rig = self._rig
        bridge = fleet = None
        try:
            await rig.start()
            bridge = asyncio.create_task(rig.bridge.run())
            await self._within(rig.bridge.up.wait(), _UP_S, "the bridge does not start")
            if not rig.control.wrapped:
                raise ServerError("the bridge came up unwrapped: no step would be reached; see bridge.log")
            fleet = asyncio.create_task(rig.fleet.run())
            self._started = time.monotonic()
            await self._spoil()
            spoiled_s = time.monotonic() - self._started
            await self._drain()
            if trouble := await rig.bridge.stop():
                self._troubles.append(trouble)
            await bridge
            fleet.cancel()
            await asyncio.gather(fleet, return_exceptions=True)
            found = await asyncio.to_thread(account.take, rig.fleet.produced, rig.spool, rig.city)
            if not found.good:  # the disk may be one of memory, which ends with us
                await asyncio.to_thread(shutil.copytree, rig.data, rig.folder / "data-at-the-end", dirs_exist_ok=True)
            return self._report(found, spoiled_s)
        finally:
            for task in (bridge, fleet):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(t for t in (bridge, fleet) if t is not None), return_exceptions=True)
            await rig.close()

    async def _within(self, what: Coroutine[Any, Any, Any], seconds: float, failed: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                await what
        except TimeoutError:
            raise ServerError(f"{failed} within {seconds:g} s: {self._rig.bridge.last_words()}") from None

    @property
    def _over(self) -> bool:
        enough = 0 < self._options.faults <= self._done.total()
        return enough or time.monotonic() - self._started >= self._options.seconds

    async def _spoil(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in schedule.lanes(self._options.seed):
                group.create_task(self._lane(lane))
            group.create_task(self._tell())

    async def _lane(self, lane: schedule.Lane) -> None:
        for fault in lane:
            await asyncio.sleep(fault.pause_s)
            if self._over:
                return
            await self._one(fault)

    async def _one(self, fault: Fault) -> None:
        if not await self._rig.do(fault):
            self._missed[fault.kind] += 1
            return
        self._done[fault.kind] += 1
        took = await self._rig.recovered(fault.kind, time.monotonic(), _RECOVER_S)
        if took is None:
            self._unrecovered[fault.kind] += 1
        else:
            self._recovery[fault.kind].append(took)

    async def _tell(self) -> None:
        said = 0.0
        while not self._over:
            await asyncio.sleep(0.2)
            if time.monotonic() - said >= _SAY_S:
                said = time.monotonic()
                fleet = self._rig.fleet
                self._say(
                    f"{said - self._started:5.0f} s  {self._done.total()} faults, {len(fleet.produced)} frames, {fleet.held} in outboxes"
                )

    async def _drain(self) -> None:
        """Heal all and wait until the outboxes are empty and the sinks have all; the account shows what did not come."""
        rig = self._rig
        rig.heal()
        rig.fleet.stop_producing()
        self._say(f"healed; {rig.fleet.held} frames in outboxes drain")
        end = time.monotonic() + _DRAIN_S
        while rig.fleet.held and time.monotonic() < end:  # noqa: ASYNC110  nothing signals it
            await asyncio.sleep(0.1)
        if rig.fleet.held:
            examples = [name for node in rig.fleet.nodes for name in node.identities()][:3]
            self._troubles.append(
                f"{rig.fleet.held} frames were not acknowledged in {_DRAIN_S:g} s, such as {examples}"
            )
        due = await asyncio.to_thread(account.observations_of, rig.fleet.produced)
        had, end = 0, time.monotonic() + _STALLED_S
        while had < due and time.monotonic() < end:
            await asyncio.sleep(0.2)
            have = await asyncio.to_thread(account.city_rows, rig.city)
            if have > had:
                had, end = have, time.monotonic() + _STALLED_S

    def _report(self, found: account.Account, spoiled_s: float) -> dict[str, Any]:
        rig = self._rig
        recovery = {
            kind: {"p50": round(statistics.median(times), 3), "max": round(max(times), 3)}
            for kind, times in sorted(self._recovery.items())
        }
        troubles = [*self._troubles, *(f"the bridge ended by itself: {words}" for words in rig.bridge.crashes)]
        return {
            "seed": self._options.seed,
            "seconds": round(spoiled_s, 1),
            "nodes": self._options.nodes,
            "boots": rig.fleet.boots,
            "frames_produced": len(rig.fleet.produced),
            "stored": found.stored,
            "lost": found.lost,
            "duplicates": found.duplicates,
            "foreign": found.foreign,
            "observations": found.observations,
            "observations_lost": found.observations_lost,
            "observations_duplicate": found.observations_duplicate,
            "observations_wrong": found.observations_wrong,
            "faults": self._done.total(),
            "faults_injected": dict(sorted(self._done.items())),
            "faults_not_reached": dict(sorted(self._missed.items())),
            "faults_unrecovered": dict(sorted(self._unrecovered.items())),
            "recovery_s": recovery,
            "bridge_exits": dict(rig.bridge.exits),
            "acks_refused_by_nodes": sum(node.refused for node in rig.fleet.nodes),
            "disk": "tmpfs" if rig.disk.mounted else "limit on file sizes",
            "troubles": troubles,
            "examples": found.examples,
            "good": found.good and not troubles,
        }


async def run(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the chaos and return its report. Raises MissingBrokerError or ServerError."""
    return await Chaos(options, say).run()

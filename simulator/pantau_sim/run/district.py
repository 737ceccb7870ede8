"""A few nodes with their broker and their bridge, in one simulation: the part of a city that one process plays by itself.

What nodes do depends on their own broker and bridge alone, so districts need not wait for each other; how a city is cut into them
depends on the scenario, never on how many processes there are. Real cities are cut likewise: docs/decisions/0019.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.keys import Keys
from pantau_sim import sntp
from pantau_sim.broker import BrokerModel
from pantau_sim.clock import VirtualClock
from pantau_sim.loss import Loss
from pantau_sim.run.account import account
from pantau_sim.run.bridge import VirtualBridge
from pantau_sim.run.clients import Stranger
from pantau_sim.run.faults import Faults
from pantau_sim.run.lives import LivedNode
from pantau_sim.run.releases import install, runs
from pantau_sim.run.trace import Said, said
from pantau_sim.run.wiring import wire
from pantau_sim.sensors.base import Prng
from pantau_sim.virtual import Simulation
from pantau_wire import frame, topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pantau.batch import Batch
    from pantau.registry import Registry
    from pantau_sim.run.outcome import NodeOutcome
    from pantau_sim.scenario.plan import NodePlan, ScenarioPlan
    from pantau_sim.world import World

NODES = 1  # of a district: alone, a node runs ahead to its next message without asking
_RAW = {"pantau_ring": 256, "pantau_id": 2, "pantau_cfg": 4}  # sectors, as on an image that has our partitions
_SPREAD_MS = 60_000  # nobody switches a city on at one instant


class Kept(NamedTuple):
    """A frame that the bridge has made durable."""

    received_ms: int
    node: str
    payload: bytes


def power_on_ms(seed: int, node: str) -> int:
    """Return how long after the start of a run a node is switched on for the first time."""
    return Prng(seed, zlib.crc32(node.encode()), 0x0117).below(_SPREAD_MS)


class DistrictOutcome(NamedTuple):
    """What a district has to say at its end."""

    nodes: dict[str, NodeOutcome]
    quarantined: Counter[str]
    counts: Counter[str]
    injected: Counter[str]
    trace: list[Said]


@dataclass(slots=True)
class Resident:
    """A node of the district with what it is made of."""

    plan: NodePlan
    node: LivedNode
    emulators: dict[str, Any]
    on: bool = False
    link_down_us: int = 0
    frames: dict[tuple[int, int], bytes] = field(default_factory=dict)
    twice: int = 0


class District:
    """Build it in a folder of its own, `advance` it in steps, then `finish`."""

    def __init__(
        self,
        plan: ScenarioPlan,
        number: int,
        nodes: tuple[NodePlan, ...],
        world: World,
        registry: Registry,
        folder: Path,
    ) -> None:
        self.number = number
        self.city = plan.city
        loss = Loss(plan.profile.loss, plan.seed ^ zlib.crc32(nodes[0].id.encode()))
        clock = VirtualClock(plan.start_us // 1_000_000)
        broker = BrokerModel(in_flight=1000, max_queued=100_000)  # as our mosquitto.conf says (templates/pantau.toml)
        self.simulation = Simulation(clock, broker, latency_ms=plan.profile.latency_ms, loss=loss)
        self.trace: list[Said] = []
        self._end_us = plan.end_us
        self._updates = plan.rollout is not None
        self._fresh: list[Kept] = []
        self._refused: Counter[str] = Counter()
        folder.mkdir(parents=True)
        self.simulation.broker.on_publish = lambda _user, message: self.trace.append(
            said(self.simulation.clock.now_us(), message.topic, message.payload)
        )
        time = sntp.SntpServer()
        self.simulation.datagrams.serve("ntp.city", sntp.PORT, time.answer)
        self.residents = {node.id: self._settle(plan, node, world, folder) for node in nodes}
        keys = Keys({node.id: ({0: node.key}, 0) for node in nodes})
        partitions = [topics.partition(node.id) for node in nodes]
        self.bridge = VirtualBridge(self.simulation, plan.city, registry, keys, folder, partitions, self._stored)
        self._faults: Faults = Faults(self, plan.faults, plan.seed)
        for node in nodes:
            resident = self.residents[node.id]
            first_us = plan.start_us + power_on_ms(plan.seed, node.id) * 1000
            self.at(first_us, lambda resident=resident: self._faults.mains(resident))  # type: ignore[misc]
        self._strangers = []
        for span in plan.clients:
            victims = [node for node in nodes if span.station is None or node.station == span.station]
            if victims:
                self._strangers.append(Stranger(self, span, victims, plan.seed))

    def at(self, t_us: int, action: Callable[[], object]) -> None:
        """Do something at an instant of the run."""
        self.simulation.at(t_us, lambda: (action(), None)[1])

    def power(self, resident: Resident, *, on: bool) -> None:
        """Switch a node's supply; RTC and its memory are lost with it."""
        if on == resident.on:
            return
        resident.on = on
        if on:
            self.simulation.power_on(resident.node)
        else:
            resident.node.ended(self.simulation.clock.now_us())
            self.simulation.power_off(resident.node)

    def broker_back(self) -> None:
        """Tell everybody who is not a node."""
        for stranger in self._strangers:
            stranger.reconnect()

    def tell(self, node: str, data: bytes) -> None:
        """Send a frame of the desk to a node, if it is ours."""
        if node in self.residents:
            self.bridge.publish(node, "cmd", data)

    def advance(self, to_us: int) -> list[Kept]:
        """Let time pass; return what became durable, in order."""
        self.simulation.run((to_us - self.simulation.clock.now_us()) / 1e6)
        fresh, self._fresh = self._fresh, []
        return fresh

    def finish(self) -> DistrictOutcome:
        """Cut all power and do the sums."""
        now_us = self.simulation.clock.now_us()
        self._faults.ended(now_us)
        nodes: dict[str, NodeOutcome] = {}
        injected: Counter[str] = Counter()
        for name, resident in self.residents.items():
            node = resident.node
            died = resident.on and not node.running
            node.ended(now_us)
            self.power(resident, on=False)
            interval_s = resident.plan.config["sampling"]["interval_s"]
            out = account(node, name, resident.plan.key, interval_s, node.lives, resident.frames)
            if died:
                out.problems.append(f"the firmware ended by itself, status {node.returncode}: {node.log_path}")
            out.twice += resident.twice
            out.link_down_us = resident.link_down_us
            out.release = runs(node.root) if self._updates else 0
            nodes[name] = out
            injected.update({kind: n for kind, n in node.faults.injected.items() if ":" in kind})
            for model, emulator in resident.emulators.items():
                injected.update({f"{kind}:{model}": n for kind, n in getattr(emulator, "injected", {}).items()})
        self.bridge.close()
        counts = self.bridge.counts + Counter(
            {"strangers": sum(s.sent for s in self._strangers), "waits": self.simulation.waits}
        )
        counts["broker_dropped"] = self.simulation.broker.dropped
        counts["boots"] = sum(len(resident.node.lives) for resident in self.residents.values())
        self.simulation.close()
        return DistrictOutcome(nodes, self._refused, counts, injected, self.trace)

    def close(self) -> None:
        """Leave no VM behind, whatever happened."""
        self.simulation.close()

    def _settle(self, plan: ScenarioPlan, node: NodePlan, world: World, folder: Path) -> Resident:
        ill = [span for span in plan.ailments if span.station in {None, node.station}]
        wiring, emulators = wire(node.config["sensors"], world.station(node.station), node.seed, ill)
        root = folder / node.id
        root.mkdir()
        (root / "config.json").write_text(json.dumps(node.config))
        identity = {
            "node": node.id, "generation": 1, "keys": {"0": node.key.hex()}, "key_id": 0, "mqtt_user": node.id, "mqtt_password": "p",
        }  # fmt: skip
        (root / "identity.json").write_text(json.dumps(identity))
        if self._updates:
            install(root)
        partitions = _RAW if plan.profile.raw_flash else None
        made = LivedNode(root, None, wiring, clock=self.simulation.clock, seed=node.seed, partitions=partitions)
        self.simulation.add(made)
        return Resident(node, made, emulators)

    def _stored(self, batch: Batch) -> None:
        self._refused.update(refused.reason for refused in batch.refused)
        at = 0
        for received_ms, many in batch.runs:
            for node, payload in zip(batch.nodes[at : at + many], batch.payloads[at : at + many], strict=True):
                head = frame.header(payload)
                resident = self.residents[node]
                resident.twice += (head.boot, head.seq) in resident.frames
                resident.frames[head.boot, head.seq] = payload
                self._fresh.append(Kept(received_ms, node, payload))
            at += many

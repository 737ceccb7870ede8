"""A street with nodes of any station: what they were told to measure, and what reached the bridge, beside the truth."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.virtual import Simulation
from pantau_wire import frame
from pantau_wire import names as T
from scenarios.week_bridge import Bridge

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
CITY = "tng"
Row = tuple[float, dict[int, tuple[int | None, int]]]  # Unix seconds, {property: (raw value, quality code)}


class Station:
    """One node, its wiring and its bridge, in a simulation of its own."""

    def __init__(self, folder: Path, start_s: int, wiring: Any, **config: Any) -> None:
        self.name = f"{config['station']}-01"
        self.simulation = Simulation(VirtualClock(start_s))
        self.start_s = start_s
        self.node = SimNode(folder / self.name, wiring=wiring, clock=self.simulation.clock)
        self.node.root.mkdir()
        broker = {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}
        whole = {"city": CITY, "broker": broker, "sampling": {"batch": 5}, **config}
        (self.node.root / "config.json").write_text(json.dumps(whole))
        identity = {"node": self.name, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "p"}
        (self.node.root / "identity.json").write_text(json.dumps(identity))
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation, CITY, self.name, KEY)

    def run(self, seconds: float) -> None:
        """Power on, and measure for so long."""
        self.simulation.power_on(self.node)
        self.simulation.run(seconds)

    def frames(self) -> list[frame.Frame]:
        """The frames of records that the bridge stored."""
        return self.bridge.kinds(T.K_RECORDS)

    def rows(self) -> list[Row]:
        """Every record that the bridge stored, in order; a record of a boot whose clock was not set by its uptime."""
        found: list[Row] = []
        for f in self.frames():
            for index, at in enumerate(frame.times(f)):
                readings = {}
                for ident, (values, codes) in f.columns.items():
                    readings[ident] = (values[index], codes[index] if codes else 0)
                found.append((at if f.clock else self.start_s + at, readings))
        return sorted(found, key=lambda row: row[0])

    def nothing_is_missing(self) -> None:
        """Each instant is there once and none is left out; up to the last word of the node's health, all that it made."""
        instants = [round(at) for at, _ in self.rows()]
        assert len(instants) == len(set(instants))
        assert max(b - a for a, b in pairwise(instants)) <= 60
        assert not self.bridge.conflicts and not self.bridge.refused
        said = self.bridge.kinds(T.K_HEALTH)[-1].fields
        until = [at for at in instants if at <= said["utc_ms"] / 1000]
        assert said["records_produced"] <= len(until) <= said["records_produced"] + 1  # the last may be in the making


def percentile(errors: list[float], share: float) -> float:
    """The error that so large a share of the absolute errors does not exceed."""
    ordered = sorted(abs(error) for error in errors)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

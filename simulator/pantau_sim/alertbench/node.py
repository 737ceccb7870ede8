"""From the water's crossing to the alarm frame: the whole firmware in the VM, in virtual time, with a link that is up."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from pantau_sim.clock import VirtualClock
from pantau_sim.node import SimNode
from pantau_sim.nodebench.day import Bridge
from pantau_sim.nodebench.domains import CITY, KEY, NODE
from pantau_sim.sensors import a02yyuw, float_switch
from pantau_sim.virtual import Simulation
from pantau_wire import frame

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim.bus import Wiring

_DRY_M, _WET_M = 2.0, 0.9
_HOLD_S = 30
_SETTLE_S = 240  # to be in time and calm again: _HOLD_S, the minute's frame, and some
_PATIENCE_S = 600
_CONFIG = {
    "city": CITY,
    "broker": {"host": "broker", "port": 1883, "tls": False, "lab_plain": True},
    "alarm": {"distance_mm": 1000, "hold_s": _HOLD_S},
    "sensors": [{"model": "a02yyuw", "uart": 1}, {"model": "float_switch", "contact": 0}],
}


class _Water:
    """A node, its water and when its alarm frames came."""

    def __init__(self, folder: Path) -> None:
        self.truth = {"water_distance": _DRY_M, "water_contact": 0.0}
        self.simulation = Simulation(VirtualClock())
        wiring: Wiring = {
            "uart": {1: a02yyuw.Emulator(self._at, 1)},
            "pulse": {0: float_switch.Emulator(self._at, 1)},
        }
        self.node = SimNode(folder / NODE, wiring=wiring, clock=self.simulation.clock)
        self.node.root.mkdir(parents=True)
        (self.node.root / "config.json").write_text(json.dumps(_CONFIG))
        identity = {"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0, "mqtt_password": "p"}
        (self.node.root / "identity.json").write_text(json.dumps(identity))
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation)
        self.simulation.power_on(self.node)
        self.simulation.run(_SETTLE_S)

    def crossing(self, name: str, dry: float, wet: float, phase_s: float) -> float:
        """Let the water cross; return the seconds until an alarm frame came."""
        self.simulation.run(phase_s)
        crossed_us = self.simulation.clock.now_us()
        before = set(self.bridge.frames)
        self.truth[name] = wet
        while (at_us := self._alarmed(before)) is None:
            if self.simulation.clock.now_us() - crossed_us > _PATIENCE_S * 1_000_000:
                raise RuntimeError(f"the node raised no alarm: {self.node.log_path.read_text()[-800:]}")
            self.simulation.run(1)
        self.truth[name] = dry
        self.simulation.run(_SETTLE_S)
        return (at_us - crossed_us) / 1e6

    def _alarmed(self, before: set[tuple[int, int]]) -> int | None:
        for name, at_us in self.bridge.came_us.items():
            if name not in before and frame.decode(self.bridge.frames[name]).alarm:
                return at_us
        return None

    def _at(self, name: str, _t_s: float) -> float:
        return self.truth[name]


def measure(crossings: int, folder: Path) -> dict[str, list[float]]:
    """Return seconds from crossing to frame, for the float switch and for the level. Raises MissingVmError, RuntimeError."""
    water, rng = _Water(folder), random.Random(1)
    sensors = {"float": ("water_contact", 0.0, 1.0), "level": ("water_distance", _DRY_M, _WET_M)}
    try:
        return {
            sensor: [water.crossing(*values, rng.uniform(0, 60)) for _ in range(crossings)]
            for sensor, values in sensors.items()
        }
    finally:
        water.simulation.close()

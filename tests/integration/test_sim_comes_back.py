"""A node with a defect in its application comes back by itself: real VM, real launcher, the defect put into a slot."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pantau_node.outbox import FileOutbox
from pantau_sim.clock import VirtualClock
from pantau_sim.mpy import compiled
from pantau_sim.node import SimNode, firmware_folder
from pantau_sim.sensors import sht4x
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import names as T
from scenarios import week_bridge

pytestmark = pytest.mark.usefixtures("vm")

KEY = bytes(range(32))
NODE = "flood-01"
HANGS = """
import asyncio
from pantau_wire import _tables as T
class Station:
    PROPERTIES = (T.AIR_TEMPERATURE,)
    watch = None
    def __init__(self, drivers, settings):
        pass
    async def run(self):
        pass
    async def sample(self, deadline_ms):
        await asyncio.sleep(100000)
"""
DIES = HANGS.replace("await asyncio.sleep(100000)", "return {}").replace(
    "    async def run(self):\n        pass", "    async def run(self):\n        raise ValueError('no such pole')"
)
LEAKS = HANGS.replace(
    "await asyncio.sleep(100000)",
    "for _ in range(150):\n            self.kept = (self.kept, bytearray(100))\n        return {}",
).replace(
    "    def __init__(self, drivers, settings):\n        pass",
    "    def __init__(self, drivers, settings):\n        self.kept = None",
)
BROKEN = "raise ImportError('half an application')\n"


def write(root: Path, **more: Any) -> None:
    root.mkdir()
    config = {
        "node": NODE, "city": "tng", "station": "flood", "link": {"kind": "wifi"}, "sensors": [{"model": "sht4x", "i2c": 0}],
        "broker": {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}, **more,
    }  # fmt: skip
    (root / "config.json").write_text(json.dumps(config))
    (root / "identity.json").write_text(json.dumps({"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0}))


def slot(root: Path, name: str, module: str | None = None, source: str = "") -> None:
    """Install the application in a slot, one module of it replaced."""
    place = root / name / "pantau_node"
    shutil.copytree(compiled(firmware_folder()) / "pantau_node", place)
    (root / name / "ready").write_text('{"version": "0.1.0", "release": 0}')
    if module is not None:
        (place / f"{module}.mpy").unlink()
        (place / f"{module}.py").write_text(source)


class Bridge(week_bridge.Bridge):
    """Stores and acknowledges, and counts."""

    def health(self) -> list[dict[str, Any]]:
        return [f.fields for f in self.kinds(T.K_HEALTH)]

    def values(self) -> int:
        """Readings that have a value."""
        columns = (f.columns.get(T.AIR_TEMPERATURE, ([], None))[0] for f in self.kinds(T.K_RECORDS))
        return sum(value is not None for column in columns for value in column)

    def records(self) -> int:
        return sum(f.count for f in self.kinds(T.K_RECORDS))


def simulated(tmp_path: Path) -> tuple[Simulation, SimNode, Bridge]:
    simulation = Simulation(VirtualClock())
    station = World(1).station(NODE)
    node = SimNode(tmp_path / NODE, wiring={"i2c": {(0, 0x44): sht4x.Emulator(station, 1)}}, clock=simulation.clock)
    simulation.add(node)
    return simulation, node, Bridge(simulation, "tng", NODE, KEY)


def test_an_application_that_cannot_be_imported_gives_way_to_the_other_slot(tmp_path: Path) -> None:
    simulation, node, bridge = simulated(tmp_path)
    write(node.root)
    slot(node.root, "a", "app", BROKEN)
    slot(node.root, "b")
    simulation.power_on(node)
    try:
        simulation.run(20 * 60)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    assert log.count("half an application") == 6, log
    health = bridge.health()
    assert health[0]["last_exception"].startswith("ImportError: half an application") and health[0]["restarts"] == 6
    assert bridge.records() >= 14 and bridge.values() >= 10, log
    assert (node.root / "slot").read_text() == "b", "what proved itself is the usual one"


def test_a_sampler_that_hangs_is_named_and_after_three_restarts_the_node_reports_without_sensors(
    tmp_path: Path,
) -> None:
    simulation, node, bridge = simulated(tmp_path)
    write(node.root)
    slot(node.root, "a", "stations/flood", HANGS)
    bridge_off = simulation.clock.now_us() + 8 * 60 * 1000000
    simulation.broker_up = False  # or the health frame of each boot would prove it
    simulation.at(bridge_off, lambda: setattr(simulation, "broker_up", True))
    simulation.power_on(node)
    try:
        simulation.run(30 * 60)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    assert log.count("sampler is stuck") == 3, log
    last = bridge.health()[-1]
    assert last["safe_profile"] == 1 and last["last_exception"] == "sampler: no sign of life"
    assert "safe profile after 3 failed starts" in last["config_errors"]
    assert bridge.records(), log


def test_a_task_that_dies_is_started_again_and_told_and_the_others_live_on(tmp_path: Path) -> None:
    simulation, node, bridge = simulated(tmp_path)
    write(node.root)
    slot(node.root, "a", "stations/flood", DIES)
    simulation.power_on(node)
    try:
        simulation.run(3700)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    assert node.boots == 1 and bridge.records() == 60, log
    assert log.count("no such pole") > 100
    assert bridge.health()[-1]["last_exception"].startswith("station: ValueError: no such pole at /a/pantau_node/st")


def test_the_repair_that_a_technician_brings_to_a_crashing_node_is_taken(tmp_path: Path) -> None:
    simulation, node, bridge = simulated(tmp_path)
    write(node.root, sampling={"interval_s": 61})
    sampler = (firmware_folder() / "pantau_node" / "sampler.py").read_text()
    begin = "        self._clock = clock\n"
    assert begin in sampler
    crash = begin + "        if interval_s == 61:\n            raise ValueError('sixty-one')\n"
    slot(node.root, "a", "sampler", sampler.replace(begin, crash))
    simulation.power_on(node)
    simulation.run(13)
    config = json.loads((node.root / "config.a").read_bytes()[16:])
    config["sampling"]["interval_s"] = 60
    (node.root / "config.json").write_text(json.dumps(config))
    try:
        simulation.run(1000)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    assert log.count("sixty-one at sampler") == 3 or log.count("ValueError: sixty-one") == 3, log
    last = bridge.health()[-1]
    assert (last["config_generation"], last["config_state"]) == (2, 0), log
    assert bridge.records() >= 14 and not (node.root / "config.json").exists()


def test_flickering_mains_are_no_boot_loop_and_configuration_and_identity_stay(tmp_path: Path) -> None:
    simulation, node, bridge = simulated(tmp_path)
    write(node.root)
    simulation.power_on(node)
    for _ in range(12):
        simulation.run(7)
        simulation.power_off(node)
        simulation.run(3)
        simulation.power_on(node)
    try:
        simulation.run(1000)
    finally:
        simulation.close()
    log = node.log_path.read_text()
    assert "safe profile" not in log and "error" not in log, log
    last = bridge.health()[-1]
    assert "safe_profile" not in last and last["config_state"] == 0 and last["reset_cause"] == 1
    assert bridge.records() >= 14


def test_memory_that_runs_out_is_shed_and_then_restarted_with_every_record_in_flash(tmp_path: Path) -> None:
    root = tmp_path / NODE
    write(root, sampling={"interval_s": 1, "batch": 60, "health_s": 900}, watchdog_s=0)
    slot(root, "a", "stations/flood", LEAKS)
    node = SimNode(root, wiring={})

    async def live() -> None:
        await node.start()
        async with asyncio.timeout(50):
            while node.log_path.read_text().count("name cannot be resolved") < 2:  # noqa: ASYNC110  up a second time
                await asyncio.sleep(0.1)
        await node.stop()

    asyncio.run(live())
    box = FileOutbox(str(root / "outbox.log"), 1 << 20)
    assert node.boots == 2 and box.last_boot == 2, node.log_path.read_text()
    assert sum(e[3] for e in box.index.places() if e[0] == 1) >= 5, "one each second until there was nothing left"
    box.close()

"""Virtual time tells the truth: the same short scenario, simulated and in real time, stores the same records.

In both the firmware, the VM, the emulated sensors, and the bridge's ingest and spool are the same code. Simulated are the clock,
the network and the broker; in real time they are the machine's clock, TLS, a Mosquitto with passwords, and `pantau bridge run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from integration.bridge_env import PATIENCE_S, BridgeProcess, Broker
from needs import need, need_vm
from pantau.spool import SpoolReader
from pantau_sim.clock import RealClock, VirtualClock
from pantau_sim.demo import certificates
from pantau_sim.node import SimNode
from pantau_sim.run.bridge import VirtualBridge
from pantau_sim.sensors import a02yyuw, bme280, pms5003, sht4x, tipping_bucket
from pantau_sim.virtual import Simulation
from pantau_wire import _flood as P
from pantau_wire import frame, topics
from pantau_wire import names as T
from unit.host import bridge_kit as kit

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim.bus import Wiring
    from pantau_sim.clock import Clock

RUN_S, BATCH = 12, 5
FLOOD, AIR = kit.NODE, kit.OTHER
KEYS = {FLOOD: kit.KEY, AIR: kit.OTHER_KEY}
NOISE_MM = 1.5
MOST_MM = 2 * 4 * NOISE_MM  # that two medians of the sensor's noise, which ends at 3.5 deviations, can be apart
# By how much what the ultrasonic sensor's packets give may differ: one comes each 0.1 s, and a busy machine reads up to 0.3 s late.
LATE = {P.WATER_DISTANCE: MOST_MM, P.WATER_DISTANCE_SPREAD: MOST_MM, P.WATER_DISTANCE_N: 3}
PASSWORD = "a-password"
SENSORS: dict[str, list[dict[str, Any]]] = {
    FLOOD: [
        {"model": "a02yyuw", "uart": 1},
        {"model": "tipping_bucket", "pulse": 0},
        {"model": "sht4x", "i2c": 0, "address": 0x44},
    ],
    AIR: [{"model": "pms5003", "uart": 1}, {"model": "bme280", "i2c": 0, "address": 0x76}],
}
# What is true at power-on, by how much it steps each second, and how long after an instant of the sampling grid it does: far
# from all that reads it, for a node in real time reads a little late. The ultrasonic sensor's packets are of the last 0.7 s.
TRUTH = {
    "water_distance": (2.0, -0.1, 0.3),
    "rain_accumulated": (0.01, 0.07, 0.3),
    "air_temperature": (27.0, 0.25, 0.5),
    "relative_humidity": (70.0, -1.0, 0.5),
    "air_pressure": (1009.0, 0.2, 0.5),
    "pm1": (8.0, 2.0, 0.0),
    "pm2_5": (12.0, 3.0, 0.0),
    "pm10": (20.0, 4.0, 0.0),
    "particles_0_3": (1500.0, 200.0, 0.0),
}


class Truth:
    """Of one node: a function of the time since power-on."""

    def __init__(self) -> None:
        self.power_on_s = 0.0

    def __call__(self, name: str, t_s: float) -> float:
        first, step, after_s = TRUTH[name]
        return first + step * int(t_s - self.power_on_s + 1 - after_s)


class Node(SimNode):
    """A node whose sensors are half a second ahead of its VM, which takes a while to start in real time and none in virtual.

    So the packet of a sensor that speaks once a second comes in the middle between two instants.
    """

    def __init__(self, root: Path, name: str, clock: Clock) -> None:
        self._truth = Truth()
        super().__init__(root, wiring=wire(name, self._truth), clock=clock, seed=7)

    def boot(self, cause: int) -> None:
        super().boot(cause)
        self._truth.power_on_s = self.bus.boot_us / 1e6
        self.bus.power_on(self.bus.boot_us - 500000)


def wire(name: str, truth: Truth) -> Wiring:
    if name == FLOOD:
        return {
            "uart": {1: a02yyuw.Emulator(truth, 7, noise_mm=NOISE_MM)},
            "pulse": {0: tipping_bucket.Emulator(truth, 7, tip_mm=0.2)},
            "i2c": {(0, 0x44): sht4x.Emulator(truth, 7)},
        }
    return {"uart": {1: pms5003.Emulator(truth, 7)}, "i2c": {(0, 0x76): bme280.Emulator(truth, 7)}}


def write(root: Path, name: str, broker: dict[str, Any]) -> Path:
    """Write what a technician gives a node."""
    root.mkdir(parents=True)
    config = {
        "node": name,
        "city": kit.CITY,
        "station": "flood" if name == FLOOD else "air",
        "link": {"kind": "wifi", "ssid": "city", "password": ""},
        "broker": broker,
        "sampling": {"interval_s": 1, "batch": BATCH, "run_s": RUN_S},
        "sensors": SENSORS[name],
    }
    identity = {
        "node": name,
        "generation": 1,
        "keys": {"0": KEYS[name].hex()},
        "key_id": 0,
        "mqtt_user": name,
        "mqtt_password": PASSWORD,
    }
    (root / "config.json").write_text(json.dumps(config))
    (root / "identity.json").write_text(json.dumps(identity))
    return root


def stored(spool: Path) -> dict[str, list[frame.Frame]]:
    """Return the record frames of each node in a spool, in order of their sequence."""
    with contextlib.closing(SpoolReader(spool)) as reader:
        held = sorted(reader.read(0, 1_000_000), key=lambda f: (f.node, f.boot, f.seq))
    found: dict[str, list[frame.Frame]] = {FLOOD: [], AIR: []}
    for one in held:
        f = frame.decode(bytes(one.payload))
        if f.kind == T.K_RECORDS:
            found[one.node].append(f)
    return found


def complete(spool: Path) -> bool:
    return spool.exists() and all(sum(f.count for f in frames) >= RUN_S for frames in stored(spool).values())


def virtually(folder: Path) -> dict[str, list[frame.Frame]]:
    """Simulate it."""
    folder.mkdir()
    simulation = Simulation(VirtualClock())
    plain = {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}
    nodes = [Node(write(folder / name, name, plain), name, simulation.clock) for name in (FLOOD, AIR)]
    partitions = [topics.partition(name) for name in (FLOOD, AIR)]
    bridge = VirtualBridge(
        simulation, kit.CITY, kit.registry(folder), kit.KEYS, folder, partitions, lambda _batch: None
    )
    try:
        for node in nodes:
            simulation.add(node)
            simulation.power_on(node)
        simulation.run(RUN_S + 5)
    finally:
        simulation.close()
        bridge.close()
    return stored(folder / "spool.sqlite3")


def really(folder: Path) -> dict[str, list[frame.Frame]]:
    """Let it happen."""
    folder.mkdir()
    certificates.make(folder)
    tool = need("mosquitto_passwd", "mosquitto")
    (folder / "passwords").touch(mode=0o600)
    for user in (FLOOD, AIR, "bridge"):
        subprocess.run([tool, "-b", folder / "passwords", user, PASSWORD], check=True, capture_output=True)
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(PASSWORD)
    server = f"certfile {folder}/server.pem\nkeyfile {folder}/server.key\npassword_file {folder}/passwords\n"
    broker = Broker(folder, "listener {port} 127.0.0.1\nallow_anonymous false\n" + server).start()
    login = f'ca = "{folder}/ca.pem"\nuser = "bridge"\npassword_file = "password"'
    bridge = BridgeProcess(folder, broker.port, login)
    nodes = []
    for name in (FLOOD, AIR):
        root = write(folder / name, name, {"host": "localhost", "port": broker.port, "backoff_max_s": 1})
        (root / "ca.der").write_bytes((folder / "ca.der").read_bytes())
        nodes.append(Node(root, name, RealClock()))
    spool = folder / "data" / "spool.sqlite3"
    try:
        bridge.start().ready()
        for node in nodes:
            asyncio.run(node.start())
        end = time.monotonic() + RUN_S + PATIENCE_S
        while not complete(spool):
            assert time.monotonic() < end, [node.log_path.read_text() for node in nodes]
            time.sleep(0.1)
    finally:
        for node in nodes:
            asyncio.run(node.stop())
        bridge.stop(signal.SIGKILL)
        broker.stop()
    return stored(spool)


def rows(frames: list[frame.Frame]) -> dict[int, dict[int, tuple[int | None, int]]]:
    """Return {uptime in s: {column: (value, quality code)}}, checked to be the grid of one boot.

    Frames from before the time was known are dated by the uptime, later ones by whole seconds of UTC.
    """
    found: dict[int, dict[int, tuple[int | None, int]]] = {}
    began: set[int] = set()
    for f in frames:
        assert (f.boot, f.interval_s) == (1, 1)
        for i, at in enumerate(frame.times(f)):
            uptime = len(found) + 1
            began.add(at - uptime)
            found[uptime] = {c: (values[i], codes[i] if codes else 0) for c, (values, codes) in f.columns.items()}
    assert len(began - {0}) <= 1, f"records are not a second apart: {sorted(began)}"
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    need_vm()
    need("mosquitto", "mosquitto")
    folder = tmp_path_factory.mktemp("both")
    return virtually(folder / "virtual"), really(folder / "real")


@pytest.mark.parametrize("name", [FLOOD, AIR])
def test_the_same_instants_columns_quality_codes_and_values(both, name):
    virtual, real = (rows(one[name]) for one in both)
    assert list(virtual) == list(real) == list(range(1, RUN_S + 1))
    for uptime, row in virtual.items():
        assert row.keys() == real[uptime].keys()
        for column, (value, code) in row.items():
            its_value, its_code = real[uptime][column]
            if uptime == 1 and column in LATE:
                continue  # how many packets came by then is how fast the machine loads code, which virtual time has for nothing
            where = f"{name} at {uptime} s, column {column}"
            assert its_code == code, where
            if column in LATE:
                assert abs(its_value - value) <= LATE[column], where
            else:
                assert its_value == value, where


def test_and_they_are_true(both):
    for one in both:
        for uptime, row in list(rows(one[FLOOD]).items())[1:]:
            distance, code = row[P.WATER_DISTANCE]
            assert code == 0 and abs(distance - (2000 - 100 * uptime)) <= MOST_MM
        assert sum(row[P.RAIN_TIPS][0] for row in rows(one[FLOOD]).values()) == 4

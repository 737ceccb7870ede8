"""A node with two slots, a bridge that sends it bundles, and the bundles, good and bad."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet import bundle
from pantau_sim.clock import VirtualClock
from pantau_sim.mpy import compiled
from pantau_sim.node import SimNode, firmware_folder, wire_folder
from pantau_sim.sensors import sht4x
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import names as T
from scenarios import week_bridge

KEY = bytes(range(32))
NODE, CITY = "flood-01", "tng"
WINDOW = 24  # chunks on their way


@functools.cache
def signer(which: int) -> rsa.RSAPrivateKey:
    """Return one of the operator's keys; 2 is a stranger's."""
    assert which in (0, 1, 2)
    return rsa.generate_private_key(65537, 3072)


def trusted(*which: int) -> list[bytes]:
    return [bundle.modulus(signer(one).public_key()) for one in which]


@functools.cache
def application(module: str = "", source: str = "") -> dict[str, bytes]:
    """Return the files of an application; one module of it may be replaced."""
    places = [(compiled(firmware_folder()), "pantau_node"), (compiled(wire_folder(), ("pantau_wire",)), "pantau_wire")]
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for root, name in places for path in (root / name).rglob("*.mpy")
    }
    if module:
        root = Path(module)
        del root
    return files


def folder(place: Path, changed: Path | None = None) -> Path:
    """Put an application into a folder; changed: compiled files that replace its own."""
    for name, data in application().items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if changed is not None:
        shutil.copytree(changed, place, dirs_exist_ok=True)
    return place


class Bridge(week_bridge.Bridge):
    """Sends a bundle as a rollout does: a window of chunks on from what the node says that it has."""

    bundle = b""
    ident = 0
    answers: list[dict[str, Any]]

    def send(self, data: bytes, ident: int | None = None) -> None:
        self.bundle = data
        self.ident = bundle.read(data).ident if ident is None else ident
        self.answers = []
        self.window(0)

    def window(self, have: int) -> None:
        step = 800
        for at in range(have, min(len(self.bundle), have + WINDOW * step), step):
            self._down(T.K_UPDATE, bundle.chunk(self.bundle, self.ident, at), "cmd")

    def _take(self, topic: str, payload: bytes) -> None:
        known = sum(map(len, self.results.values()))
        super()._take(topic, payload)
        if sum(map(len, self.results.values())) == known:
            return
        said = self.results.get(self.ident, [])
        if len(said) > len(self.answers):
            self.answers = list(said)
            last = said[-1]
            if last.get("ok") and last["detail"].startswith("receiving"):
                self.window(last.get("have", 0))


class Site:
    """A node in virtual time. slots: the applications on it."""

    def __init__(self, place: Path, slots: str = "a", release: int = 1, **config: Any) -> None:
        self.simulation = Simulation(VirtualClock())
        wiring = {"i2c": {(0, 0x44): sht4x.Emulator(World(1).station(NODE), 1)}}
        self.node = SimNode(place / NODE, wiring=wiring, clock=self.simulation.clock)
        self.root = self.node.root
        self.root.mkdir()
        broker = {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}
        whole = {"city": CITY, "broker": broker, "trial_s": 60, "sensors": [{"model": "sht4x", "i2c": 0}]}
        whole |= {"sampling": {"interval_s": 10, "health_s": 600}, **config}
        (self.root / "config.json").write_text(json.dumps(whole))
        (self.root / "identity.json").write_text(json.dumps({"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0}))
        for slot in slots:
            folder(self.root / slot)
            (self.root / slot / "ready").write_text(json.dumps({"version": "0.1.0", "release": release}))
        self.trust(0, 1)
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation, CITY, NODE, KEY)

    def trust(self, *which: int) -> None:
        from pantau_node.slots import FileSlots

        slots = FileSlots(str(self.root / "trust"))
        text = json.dumps({"keys": [one.hex() for one in trusted(*which)]}).encode()
        slots.write(1, text, 1)
        slots.write(1, text, 1)

    def state(self) -> dict[str, Any]:
        path = self.root / "update"
        return json.loads(path.read_text()) if path.exists() else {}

    def until(self, text: str, most_s: int = 900) -> str:
        """Run until the node says that of its update; what it said in full."""
        for _ in range(most_s // 5):
            self.simulation.run(5)
            said = [one["detail"] for one in self.bridge.answers]
            if said and said[-1].startswith(text):
                return str(said[-1])
        raise AssertionError((said[-3:], self.node.log_path.read_text()[-3000:]))

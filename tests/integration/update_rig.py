"""A node with two slots, a bridge that sends it bundles, and the bundles, good and bad."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet import bundle
from pantau_node.slots import FileSlots
from pantau_sim.clock import VirtualClock
from pantau_sim.mpy import compiled
from pantau_sim.node import SimNode, firmware_folder, wire_folder
from pantau_sim.sensors import sht4x
from pantau_sim.virtual import Simulation
from pantau_sim.world import World
from pantau_wire import frame
from pantau_wire import names as T
from scenarios import week_bridge

KEY = bytes(range(32))
NODE, CITY = "flood-01", "tng"
WINDOW = 24  # chunks on their way
_numbers = itertools.count()


@functools.cache
def signer(which: int) -> rsa.RSAPrivateKey:
    """Return one of the operator's keys; 2 is a stranger's."""
    assert which in (0, 1, 2)
    return rsa.generate_private_key(65537, 3072)


def trusted(*which: int) -> list[bytes]:
    return [bundle.modulus(signer(one).public_key()) for one in which]


def folder(place: Path, module: str = "", source: str = "") -> Path:
    """Put the application into a folder, one module of it (stations/flood, say) with another source; return the folder."""
    for root, package in (
        (compiled(firmware_folder()), "pantau_node"),
        (compiled(wire_folder(), ("pantau_wire",)), "pantau_wire"),
    ):
        shutil.copytree(root / package, place / package)
    if module:
        changed = place / "changed" / "pantau_node" / f"{module}.py"
        changed.parent.mkdir(parents=True)
        changed.write_text(source)
        made = compiled(place / "changed")
        shutil.copytree(made / "pantau_node", place / "pantau_node", dirs_exist_ok=True)
        shutil.rmtree(place / "changed")
    return place


def bundled(place: Path, which: int = 0, module: str = "", source: str = "", **manifest: Any) -> bytes:
    """Return a bundle of release 2, signed by key `which`."""
    made = folder(place / f"app-{next(_numbers)}", module, source)
    return bundle.sign(bundle.build(made, **{"version": "0.2.0", "release": 2, **manifest}), signer(which), which % 2)


class Bridge(week_bridge.Bridge):
    """Sends a bundle as a rollout does: a window of chunks on from what the node says that it has."""

    bundle = b""
    ident = 0

    def __init__(self, *given: Any) -> None:
        self.answers: list[dict[str, Any]] = []
        super().__init__(*given)

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

    def __init__(
        self, place: Path, slots: str = "a", release: int = 1, partitions: dict[str, int] | None = None, **config: Any
    ) -> None:
        self.simulation = Simulation(VirtualClock())
        wiring = {"i2c": {(0, 0x44): sht4x.Emulator(World(1).station(NODE), 1)}}
        self.node = SimNode(place / NODE, wiring=wiring, clock=self.simulation.clock, partitions=partitions)
        self.root = self.node.root
        self.root.mkdir()
        broker = {"host": "broker", "port": 1883, "tls": False, "lab_plain": True}
        whole = {"city": CITY, "broker": broker, "trial_s": 60, "sensors": [{"model": "sht4x", "i2c": 0}]}
        whole |= {"sampling": {"interval_s": 10, "batch": 3, "health_s": 600}, **config}
        (self.root / "config.json").write_text(json.dumps(whole))
        (self.root / "identity.json").write_text(json.dumps({"node": NODE, "keys": {"0": KEY.hex()}, "key_id": 0}))
        for slot in slots:
            folder(self.root / slot)
            (self.root / slot / "ready").write_text(json.dumps({"version": "0.1.0", "release": release}))
        self.trust(0, 1)
        self.simulation.add(self.node)
        self.bridge = Bridge(self.simulation, CITY, NODE, KEY)

    def trust(self, *which: int) -> None:
        slots = FileSlots(str(self.root / "trust"))
        text = json.dumps({"keys": [one.hex() for one in trusted(*which)]}).encode()
        slots.write(1, text, 1)
        slots.write(1, text, 1)

    def state(self) -> dict[str, Any]:
        path = self.root / "update"
        return json.loads(path.read_text()) if path.exists() else {}

    def listing(self) -> set[str]:
        """Return the names of what is on the node's flash, less what any start or record changes."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def times(self) -> list[int]:
        """Return the instants of all records that the bridge has, sorted, in Unix seconds where the clock was set."""
        return sorted(t for f in self.bridge.kinds(T.K_RECORDS) if f.clock for t in frame.times(f))

    def on(self, seconds: float = 100) -> None:
        self.simulation.power_on(self.node)
        self.simulation.run(seconds)

    def health(self) -> dict[str, Any]:
        self.bridge.command("health")
        self.simulation.run(10)
        fields: dict[str, Any] = self.bridge.kinds(T.K_HEALTH)[-1].fields
        return fields

    def until(self, text: str, most_s: int = 900) -> str:
        """Run until the node says that of its update; what it said in full."""
        for _ in range(most_s // 5):
            self.simulation.run(5)
            said = [one["detail"] for one in self.bridge.answers]
            if said and said[-1].startswith(text):
                return str(said[-1])
        raise AssertionError((said[-3:], self.node.log_path.read_text()[-3000:]))

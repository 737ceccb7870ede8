"""The releases of a scenario with a rollout: number 1 is what nodes run, number 2 has the flaw. Signed with keys of the simulation."""

from __future__ import annotations

import functools
import json
import math
import shutil
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from pantau.fleet import bundle
from pantau_sim.mpy import compiled
from pantau_sim.node import firmware_folder, wire_folder
from pantau_sim.powercut_rig import reach_firmware
from pantau_sim.sensors.base import Prng
from pantau_wire.bundle import KEY_BYTES

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = {1: "0.1.0", 2: "0.2.0"}
_WIRE_OF_NODES = ("names.mpy", "records.mpy", "mqtt_more.mpy")  # that no node loads
_EXPONENT = 65537
_SIEVE = 2000
# Appended to the module of a station. crash: the application ends at the second sample of each boot, so that a trial passes;
# blind: no sensor gives a value, so that it does not.
_FLAWS = {
    "crash": """

_taken = []
_sample = Station.sample


async def _flawed(self, deadline_ms):
    if _taken:
        raise SystemExit("the flaw of this scenario")
    _taken.append(1)
    return await _sample(self, deadline_ms)


Station.sample = _flawed
""",
    "blind": """


async def _flawed(self, deadline_ms):
    return {}


Station.sample = _flawed
""",
}
FLAWS = tuple(_FLAWS)


def application(place: Path, flaw: str = "", domain: str = "") -> Path:
    """Put the compiled application into a folder that is not there yet; with a flaw in the stations of a domain. Return the folder."""
    shutil.copytree(compiled(firmware_folder()) / "pantau_node", place / "pantau_node")
    wire = compiled(wire_folder(), ("pantau_wire",)) / "pantau_wire"
    shutil.copytree(wire, place / "pantau_wire", ignore=shutil.ignore_patterns(*_WIRE_OF_NODES))
    if flaw:
        name = f"pantau_node/stations/{domain}"
        source = place.with_name(f"{place.name}-flaw")
        changed = source / f"{name}.py"
        changed.parent.mkdir(parents=True)
        changed.write_text((firmware_folder() / f"{name}.py").read_text() + _FLAWS[flaw])
        shutil.copyfile(compiled(source) / f"{name}.mpy", place / f"{name}.mpy")
        shutil.rmtree(source)
    return place


def bundles(place: Path, release: int, flaw: str = "", domain: str = "") -> tuple[bytes, bytes]:
    """Return the signed bundle of a release and the one that is its way back."""
    made = application(place / f"release-{release}", flaw, domain)
    options = {"version": VERSIONS[release], "release": release}
    both = [bundle.build(made, **options, rollback=back) for back in (False, True)]  # type: ignore[arg-type]
    return bundle.sign(both[0], signer(), 0), bundle.sign(both[1], signer(), 0)


def install(root: Path) -> None:
    """Put release 1 into slot a of a node's folder, with the keys that it trusts: as a technician leaves it."""
    application(root / "a")
    (root / "a" / "ready").write_text(json.dumps({"version": VERSIONS[1], "release": 1}))
    (root / "slot").write_text("a")
    reach_firmware()
    from pantau_node.slots import FileSlots

    spare = _bytes(Prng(0x5EC0, 0x4D), KEY_BYTES)
    keys = [bundle.modulus(signer().public_key()), bytes([spare[0] | 0x80]) + spare[1:-1] + bytes([spare[-1] | 1])]
    text = json.dumps({"keys": [key.hex() for key in keys]}).encode()
    FileSlots(str(root / "trust")).write(1, text, 0)


def runs(root: Path) -> int:
    """Return the release of the slot that a node's next start takes."""
    slot = (root / "slot").read_text() if (root / "slot").exists() else "a"
    ready = root / slot / "ready"
    return int(json.loads(ready.read_text())["release"]) if ready.exists() else 0


@functools.cache
def signer() -> rsa.RSAPrivateKey:
    """Return the key that signs: the same in every run, for what is signed travels and is counted."""
    rng = Prng(0x5EC0, 0x4E)
    p, q = _prime(rng), _prime(rng)
    d = pow(_EXPONENT, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    parts = (d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *parts, public).private_key()


def _bytes(rng: Prng, size: int) -> bytes:
    return bytes(rng.below(256) for _ in range(size))


def _prime(rng: Prng) -> int:
    """Return a prime of half the length, with both highest bits set, that the exponent can be used with."""
    size = KEY_BYTES * 4  # bits
    small = [n for n in range(3, _SIEVE, 2) if all(n % k for k in range(3, math.isqrt(n) + 1, 2))]
    number = int.from_bytes(_bytes(rng, size // 8), "big") | 3 << (size - 2) | 1
    while any(number % n == 0 for n in small) or pow(2, number - 1, number) != 1 or number % _EXPONENT == 1:
        number += 2
    return number

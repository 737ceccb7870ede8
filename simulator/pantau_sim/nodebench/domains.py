"""The node of each domain: its sensors, their emulators, and what their buses say, for a rig that cannot hold emulators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pantau_sim.bus import Wiring
from pantau_sim.sensors import a02yyuw, bme280, ld2451, pms5003, sht4x, tipping_bucket
from pantau_sim.sensors import pulse as loop_pulse
from pantau_sim.world import Station

NODE, CITY = "flood-01", "city-01"
KEY = bytes(range(32))
_START_US = 1_700_000_000_000_000
_SAMPLES = 64


@dataclass(frozen=True)
class Domain:
    """sensors: as in the node's configuration; uart: emulator, packet period in ms, how many packets are played in turn."""

    sensors: tuple[dict[str, Any], ...]
    uart: tuple[Any, int, int]
    i2c: tuple[str, ...] = ()
    pulse: Any = None
    pulse_ms: int = 0


DOMAINS = {
    "flood": Domain(
        ({"model": "a02yyuw", "uart": 1}, {"model": "tipping_bucket", "pulse": 0}, {"model": "sht4x", "i2c": 0}),
        (a02yyuw, 300, 200),
        ("sht4x",),
        tipping_bucket,
        97000,
    ),
    "traffic": Domain(
        ({"model": "ld2451", "uart": 1}, {"model": "pulse", "pulse": 0}), (ld2451, 100, 6000), (), loop_pulse, 3700
    ),
    "air": Domain(
        ({"model": "pms5003", "uart": 1}, {"model": "sht4x", "i2c": 0}, {"model": "bme280", "i2c": 0}),
        (pms5003, 1000, 300),
        ("sht4x", "bme280"),
    ),
}


def wiring(domain: Domain, station: Station) -> Wiring:
    """Return the emulators on their buses, for a whole simulated node."""
    found: Wiring = {"uart": {1: domain.uart[0].Emulator(station, 1)}, "i2c": {}, "pulse": {}}
    for name in domain.i2c:
        address, emulator = (0x44, sht4x) if name == "sht4x" else (0x76, bme280)
        found["i2c"][0, address] = emulator.Emulator(station, 1)
    if domain.pulse is not None:
        found["pulse"][25] = domain.pulse.Emulator(station, 1)
    return found


def configuration(domain: str, **broker: Any) -> dict[str, Any]:
    """Return a node's configuration: the defaults, and what a node must be told."""
    return {
        "node": NODE,
        "city": CITY,
        "station": domain,
        "link": {"kind": "wifi", "ssid": "city", "password": "secret-secret"},
        "broker": {"host": "10.0.0.1", **broker},
        "sensors": list(DOMAINS[domain].sensors),
    }


def write_node(root: Path, config: dict[str, Any]) -> None:
    """Write the files that a technician gives a node."""
    root.mkdir(parents=True)
    identity = {"node": NODE, "user": NODE, "password": "a-password", "keys": {"0": KEY.hex()}, "key_id": 0}
    (root / "config.json").write_text(json.dumps(config))
    (root / "identity.json").write_text(json.dumps(identity))
    (root / "ca.der").write_bytes(b"\x30" + bytes(500))


def packets(domain: Domain, station: Station) -> bytes:
    """Return what the UART sensor says, each packet after a byte with its length; silence is a packet of no bytes."""
    emulator, period_ms, count = domain.uart
    made = emulator.Emulator(station, 1)
    made.power_on(_START_US)
    out = bytearray()
    for k in range(1, count + 1):
        said = b"".join(data for _, data in made.packets(_START_US + 60_000_000 + k * period_ms * 1000))
        if k > 1:  # the first call also brought the minute before
            out += bytes([len(said)]) + said
    return bytes(out)


def answers(domain: Domain, station: Station) -> list[tuple[int, str, str]]:
    """Return (address, asked in hex, answers in hex one after the other) of the I2C sensors."""
    found = []
    for name in domain.i2c:
        made: Any = (sht4x if name == "sht4x" else bme280).Emulator(station, 1)
        made.power_on(_START_US)
        asks = (
            [(b"\xfd", 6)]
            if name == "sht4x"
            else [(b"\xd0", 1), (b"\x88", 26), (b"\xe1", 7), (b"\xf2", 3), (b"\xf7", 8)]
        )
        for ask, size in asks:
            said = b""
            for k in range(_SAMPLES if size in {6, 8} else 1):
                at = _START_US + 60_000_000 * (k + 1)
                if name == "bme280":
                    made.write(at - 50_000, b"\xf2\x01")
                    made.write(at - 50_000, b"\xf4\x25")
                made.write(at, ask)
                said += made.read(at + 20_000, size) or b""
            found.append((0x44 if name == "sht4x" else 0x76, ask.hex(), said.hex()))
    return found

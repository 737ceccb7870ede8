"""Who is in the demo city: stations, nodes, keys and passwords, and the files that each part reads.

Everything here is configuration: the demo differs from a real city by its profile (a record a second, a frame every five),
its places and its throw-away secrets, not by code.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pantau.access.model import ANYBODY, Role
from pantau.access.store import FILE, AccessStore
from pantau_sim.demo import nats
from pantau_sim.demo.certificates import SERVER_NAME
from pantau_sim.sensors import a02yyuw, bme280, ld2451, pms5003, pulse, sht4x, tipping_bucket
from pantau_wire import topics

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim.bus import Wiring
    from pantau_sim.world import World

CITY = "tng"
OPERATOR = "operator"
DOMAINS = ("flood", "traffic", "air")
BATCH = 5
INTERVAL_S = 1
HEALTH_S = 10
TIP_MM = tipping_bucket.TIP_MM
# Real places of Kota Tangerang, coordinates to about 200 m; no sensor of ours stands there.
PLACES = {
    "flood": (("Pintu Air 10", -6.1600, 106.6350), ("Kali Angke, Ciledug Indah", -6.2270, 106.7140)),
    "traffic": (("Jalan Daan Mogot, Batuceper", -6.1640, 106.6650), ("Jalan MH Thamrin, Cikokol", -6.2060, 106.6340)),
    "air": (("Alun-alun Ahmad Yani", -6.1740, 106.6300), ("Kawasan Industri Jatiuwung", -6.2020, 106.5760)),
}
SENSORS: dict[str, list[dict[str, Any]]] = {
    "flood": [
        {"model": "a02yyuw", "uart": 1},
        {"model": "tipping_bucket", "pulse": 0},
        {"model": "sht4x", "i2c": 0, "address": 0x44},
    ],
    "traffic": [{"model": "ld2451", "uart": 1}, {"model": "pulse", "pulse": 0}],
    "air": [{"model": "pms5003", "uart": 1}, {"model": "bme280", "i2c": 0, "address": 0x76}],
}


@dataclass(frozen=True)
class DemoNode:
    """One node of the demo: who it is, where it stands, its key and password."""

    id: str
    domain: str
    place: str
    latitude: float
    longitude: float
    sensor_height_m: float
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    @property
    def station(self) -> str:
        """Return the id of the station where the node stands; the world knows the place by it too."""
        return f"{self.id}-place"


def settle(number: int, world: World) -> list[DemoNode]:
    """Return `number` nodes, domains in turn; past the first six the places repeat a little aside."""
    nodes = []
    for index in range(number):
        domain = DOMAINS[index % len(DOMAINS)]
        turn = index // len(DOMAINS)
        places = PLACES[domain]
        name, latitude, longitude = places[turn % len(places)]
        lap = turn // len(places)
        place = f"{name} {lap + 1}" if lap else name
        shift = 0.004 * lap
        node_id = f"{domain}-{turn + 1:02d}"
        height = round(world.station(f"{node_id}-place").water.mount_m, 3)
        nodes.append(DemoNode(node_id, domain, place, latitude + shift, longitude + shift, height))
    return nodes


def wire(node: DemoNode, world: World, seed: int) -> Wiring:
    """Return the node's emulated sensors, on the buses that SENSORS names."""
    truth = world.station(node.station)
    if node.domain == "flood":
        return {
            "uart": {1: a02yyuw.Emulator(truth, seed)},
            "pulse": {0: tipping_bucket.Emulator(truth, seed, tip_mm=TIP_MM)},
            "i2c": {(0, 0x44): sht4x.Emulator(truth, seed)},
        }
    if node.domain == "traffic":
        return {"uart": {1: ld2451.Emulator(truth, seed)}, "pulse": {0: pulse.Emulator(truth, seed)}}
    return {"uart": {1: pms5003.Emulator(truth, seed)}, "i2c": {(0, 0x76): bme280.Emulator(truth, seed)}}


@dataclass(frozen=True)
class Secrets:
    """Passwords of the broker's other users, and of the page's operator."""

    bridge: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    intruder: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    operator: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)  # somebody types it


def broker_users(nodes: list[DemoNode], words: Secrets) -> list[dict[str, Any]]:
    """Return the broker's users: each node confined to its own topics, the bridge, and an intruder with a stolen account."""
    every = f"pantau/v1/{CITY}/+/+/"
    users = [
        nats.user("bridge", words.bridge, [every + "ack", every + "cmd"], [every + "up", every + "will"]),
        nats.user("intruder", words.intruder, [every + "up", every + "ack", every + "cmd"], []),
    ]
    for node in nodes:
        own = {what: topics.topic(CITY, node.id, what) for what in topics.WHAT}
        users.append(nats.user(node.id, node.password, [own["up"], own["will"]], [own["ack"], own["cmd"]]))
    return users


def write_node(folder: Path, node: DemoNode, port: int, run_s: int, ca: bytes) -> None:
    """Write what a technician would provision into the node's file system: config.json, identity.json, ca.der."""
    folder.mkdir(parents=True)
    config = {
        "node": node.id,
        "city": CITY,
        "profile": 1,
        "board": "esp32-generic",
        "link": {"kind": "wifi", "ssid": "demo", "password": ""},
        "broker": {
            "host": "127.0.0.1",
            "port": port,
            "tls": True,
            "ca": "/ca.der",
            "server_name": SERVER_NAME,
            "keepalive_s": 30,
            "backoff_max_s": 2,
        },
        "sampling": {"interval_s": INTERVAL_S, "batch": BATCH, "run_s": run_s, "health_s": HEALTH_S},
        "station": node.domain,
        "sensors": SENSORS[node.domain],
    }
    identity = {
        "node": node.id,
        "generation": 1,
        "keys": {"0": node.key.hex()},
        "key_id": 0,
        "mqtt_user": node.id,
        "mqtt_password": node.password,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "identity.json").touch(mode=0o600)
    (folder / "identity.json").write_text(json.dumps(identity))
    (folder / "ca.der").write_bytes(ca)


def let_in(folder: Path, words: Secrets) -> None:
    """Let an operator log in on the page: the public may only look."""
    (folder / "data").mkdir(exist_ok=True)
    with closing(AccessStore(folder / "data" / FILE)) as access:
        access.add_person(OPERATOR, words.operator, Role.OPERATOR, ANYBODY, time.time_ns() // 1_000_000)


def write_bridge(folder: Path, nodes: list[DemoNode], words: Secrets, port: int, listen: str) -> Path:
    """Write the bridge's pantau.toml, registry.toml, keys.json and password file; return the first."""
    registry = []
    for node in nodes:
        extra = f"sensor_height_m = {node.sensor_height_m}\ntip_mm = {TIP_MM}\n" if node.domain == "flood" else ""
        registry.append(
            f'[[station]]\nid = "{node.station}"\nname = "{node.place}"\ndomain = "{node.domain}"\n'
            f"latitude = {node.latitude:.4f}\nlongitude = {node.longitude:.4f}\n"
            f"report_interval_s = {BATCH * INTERVAL_S}\n{extra}\n"
            f'[[node]]\nid = "{node.id}"\nstation = "{node.station}"\n'
        )
    (folder / "registry.toml").write_text("\n".join(registry))
    keys = {"version": 1, "nodes": {n.id: {"keys": {"0": n.key.hex()}, "key_id": 0} for n in nodes}}
    for name, text in (("keys.json", json.dumps(keys)), ("bridge.password", words.bridge)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    config = folder / "pantau.toml"
    config.write_text(
        f"""[bridge]
city = "{CITY}"
data_dir = "data"
registry = "registry.toml"
keys = "keys.json"

[mqtt]
host = "127.0.0.1"
port = {port}
ca = "ca.pem"
server_name = "{SERVER_NAME}"
user = "bridge"
password_file = "bridge.password"

[web]
listen = "{listen}"
public_read = true
title = "Pantau demo: simulated sensors, real firmware"

[cap]
status = "Exercise"
"""
    )
    return config

"""What a node's config.json says: the station's sensors on the board's buses, the link, the broker. No I/O but firmware/…/boards.py, which is data."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau.node.mpy import firmware_folder
from pantau.node.trouble import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pantau.node.board import Facts

LINKS = ("wifi", "ethernet", "ppp")
MQTTS = 8883
# What a station of a domain has unless somebody says otherwise: the kits of docs/wiring.md.
SENSORS: dict[str, tuple[str, ...]] = {
    "flood": ("a02yyuw:uart=1", "tipping_bucket:pulse=0", "sht4x:i2c=0,address=0x44"),
    "traffic": ("ld2451:uart=1", "pulse:pulse=0"),
    "air": ("pms5003:uart=1", "bme280:i2c=0,address=0x76"),
}
_BUSES = {"uart": "uart", "i2c": "i2c", "pulse": "pulse", "contact": "pulse"}  # key of a sensor: bus of the board
_SENSOR = re.compile(r"([a-z0-9_]{1,32})((?::|,)[a-z0-9_]+=[0-9a-fx]+)+")
_PAIR = re.compile(r"[:,]([a-z0-9_]+)=(0x[0-9a-f]+|\d+)")
# What MicroPython calls a machine -> our board. The order counts: the last fits every ESP32.
_MACHINES = (("WT32-ETH01", "wt32-eth01"), ("ESP32S3", "esp32-s3"), ("ESP32C3", "esp32-c3"), ("ESP32", "esp32-generic"))


class Link(NamedTuple):
    """The node's way out. `password` is the Wi-Fi's; it is in no repr."""

    kind: str = "wifi"
    ssid: str = ""
    password: str = ""
    apn: str = ""

    def __repr__(self) -> str:
        return f"<Link {self.kind} {self.ssid or self.apn}>"


class Broker(NamedTuple):
    """Where the node sends. auth: "password" or "certificate"."""

    host: str
    port: int = MQTTS
    auth: str = "password"
    server_name: str = ""


def boards() -> dict[str, dict[str, Any]]:
    """Return the boards that the firmware knows, with their pins."""
    found: dict[str, dict[str, Any]] = runpy.run_path(str(firmware_folder() / "pantau_node" / "boards.py"))["BOARDS"]
    return found


def _models() -> dict[str, str]:
    """Return the models that a driver reads."""
    catalog = runpy.run_path(str(firmware_folder() / "pantau_node" / "sensors" / "catalog.py"))
    found: dict[str, str] = catalog["models"]()
    return found


def board_of(facts: Facts) -> str:
    """Return the name of the board that a machine most likely is."""
    plain = facts.machine.upper().replace("-S3", "S3").replace("-C3", "C3")
    return next((board for machine, board in _MACHINES if machine in plain), "esp32-generic")


def sensor(text: str) -> dict[str, Any]:
    """Return the entry that "model:bus=number,key=number" means. RefusedError where it is written otherwise."""
    found = _SENSOR.fullmatch(text.strip().lower())
    pairs = [(key, int(value, 0)) for key, value in _PAIR.findall(text.lower())]
    if found is None or not any(key in _BUSES for key, _ in pairs):
        raise RefusedError("provision.sensor", text=text)
    return {"model": found[1], **dict(pairs)}


def wiring(board: str, sensors: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return (model, bus, [(line of the sensor, GPIO)]) of each sensor. RefusedError for a bus that the board has not."""
    known = boards()
    if board not in known:
        raise RefusedError("provision.board", board=board, known=", ".join(sorted(known)))
    rows, taken, drivers = [], set(), _models()
    for one in sensors:
        if one["model"] not in drivers:
            raise RefusedError("provision.model", model=one["model"], known=", ".join(sorted(drivers)))
        key, kind = next((key, kind) for key, kind in _BUSES.items() if key in one)
        number, buses = one[key], known[board].get(kind, ())
        if number not in (buses if isinstance(buses, dict) else range(len(buses))):
            raise RefusedError("provision.bus", board=board, bus=kind, number=number, model=one["model"])
        if kind != "i2c" and (kind, number) in taken:
            raise RefusedError("provision.twice", bus=kind, number=number)
        taken.add((kind, number))
        rows.append((str(one["model"]), f"{kind} {number}", _lines(kind, buses[number])))
    return rows


def _lines(kind: str, pins: Any) -> list[tuple[str, str]]:
    if kind == "uart":
        return [("RX", f"GPIO {pins[0]}"), ("TX", f"GPIO {pins[1]}")]
    if kind == "i2c":
        return [("SCL", f"GPIO {pins[0]}"), ("SDA", f"GPIO {pins[1]}")]
    return [("OUT", f"GPIO {pins}")]


def config(
    node: str, city: str, domain: str, board: str, link: Link, broker: Broker,
    sensors: Sequence[Mapping[str, Any]], interval_s: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return config.json. Only what is not the firmware's default, which may then become better with an update."""
    way: dict[str, Any] = {"kind": link.kind}
    way |= {"ssid": link.ssid, "password": link.password} if link.kind == "wifi" else {}
    way |= {"apn": link.apn} if link.kind == "ppp" else {}
    to: dict[str, Any] = {"host": broker.host, "port": broker.port, "ca": "/ca.der", "auth": broker.auth}
    to |= {"server_name": broker.server_name} if broker.server_name else {}
    found = {
        "node": node, "city": city, "board": board, "station": domain, "link": way, "broker": to, "sensors": list(sensors)
    }  # fmt: skip
    return found | ({"sampling": {"interval_s": interval_s}} if interval_s else {})

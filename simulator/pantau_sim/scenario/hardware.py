"""What a simulated board and its sensors can do, as the firmware and the emulators say it themselves."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pantau_sim.powercut_rig import reach_firmware
from pantau_wire import names as wire

if TYPE_CHECKING:
    from types import ModuleType

BOARD = "esp32-generic"
WIRE_FAULTS = {  # of pantau_sim.faults.Faults, and on which buses each can hit
    "corrupt": ("uart", "i2c"),
    "drop": ("uart", "pulse", "contact"),
    "truncate": ("uart", "i2c"),
    "garbage": ("uart",),
    "nack": ("i2c",),
    "silence": ("uart", "i2c", "pulse", "contact"),
}
_SIMULATED = ("uart", "i2c", "pulse", "contact")  # dual_pulse takes two inputs, which a scenario cannot name


class Model(NamedTuple):
    """One sensor model. `least_mm`, `most_mm`: what an ultrasonic can see, None for others."""

    name: str
    bus: str
    address: int | None
    faults: tuple[str, ...]
    least_mm: int | None
    most_mm: int | None
    properties: tuple[str, ...]


def _node(name: str) -> ModuleType:
    reach_firmware()
    return importlib.import_module(f"pantau_node{name and '.'}{name}")


def built_s() -> int:
    """Return when the firmware was made, Unix s: no node believes a time before that."""
    return int(_node("").BUILT_S)


@cache
def models() -> dict[str, Model]:
    """Return every sensor model that the firmware drives and an emulator plays."""
    found = {}
    for name, file in _node("sensors.catalog").models().items():
        driver = _node(f"sensors.{file}")
        if driver.BUS not in _SIMULATED:
            continue
        emulator = importlib.import_module(f"pantau_sim.sensors.{file}").Emulator
        least, most = getattr(driver, "LIMITS", {}).get(name, (None, None))[:2]
        address = driver.ADDRESS if driver.BUS == "i2c" else None
        seen = tuple(wire.PROPERTIES[ident][0] for ident in driver.PROPERTIES)
        found[name] = Model(name, driver.BUS, address, tuple(emulator.FAULTS), least, most, seen)
    return found


def places(bus: str) -> tuple[int, ...]:
    """Return the numbers that the board has of a bus."""
    pins: Any = _node("boards").BOARDS[BOARD]["pulse" if bus == "contact" else bus]
    return tuple(pins) if isinstance(pins, dict) else tuple(range(len(pins)))


def usual(domain: str, *, far: bool = False) -> list[dict[str, Any]]:
    """Return the sensors of a node of a domain; `far`: the head of a flood station hangs higher than an A02YYUW can see."""
    if domain == "flood":
        head = "a01nyub" if far else "a02yyuw"
        return [
            {"model": head, "uart": 1},
            {"model": "tipping_bucket", "pulse": 0},
            {"model": "sht4x", "i2c": 0, "address": 0x44},
        ]
    if domain == "traffic":
        return [{"model": "ld2451", "uart": 1}, {"model": "pulse", "pulse": 0}]
    return [{"model": "pms5003", "uart": 1}, {"model": "bme280", "i2c": 0, "address": 0x76}]


def refuses(config: dict[str, Any]) -> list[str]:
    """Return what the firmware finds wrong with a node's config.json."""
    problems: list[str] = _node("config").build(config)[1]
    return problems

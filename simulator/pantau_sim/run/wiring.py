"""From the sensors of a node's configuration to their emulators on its buses."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any

from pantau_sim.sensors.base import I2cEmulator, PulseEmulator, UartEmulator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.bus import Wiring

# Models that share an emulator file: those of one maker and packet, told which they are where that matters.
_FILES = {
    "a01nyub": ("a02yyuw", {"model": "a01nyub"}),
    "jsn_sr04t": ("a02yyuw", {"model": "jsn_sr04t"}),
    "mb7388": ("maxbotix", {"model": "mb7388"}),
    "mb7389": ("maxbotix", {"model": "mb7389"}),
    "pms7003": ("pms5003", {}),
    "sht3x": ("sht4x", {}),
}


def emulator(model: str, truth: Any, seed: int) -> Any:
    """Return the emulator of a sensor model. KeyError for a model without one."""
    file, options = _FILES.get(model, (model, {}))
    try:
        module = importlib.import_module(f"pantau_sim.sensors.{file}")
    except ModuleNotFoundError:
        raise KeyError(f"no emulator of sensor model {model!r}") from None
    return module.Emulator(truth, seed ^ zlib.crc32(model.encode()), **options)


def wire(sensors: Sequence[dict[str, Any]], truth: Any, seed: int) -> tuple[Wiring, dict[str, Any]]:
    """Return (wiring of a node, its emulators by model) for the `sensors` of its config.json."""
    uart: dict[int, UartEmulator] = {}
    i2c: dict[tuple[int, int], I2cEmulator] = {}
    pulse: dict[int, PulseEmulator] = {}
    by_model: dict[str, Any] = {}
    for sensor in sensors:
        made = by_model[sensor["model"]] = emulator(sensor["model"], truth, seed)
        if made.BUS == "uart":
            uart[sensor["uart"]] = made
        elif made.BUS == "i2c":
            i2c[sensor["i2c"], sensor["address"]] = made
        else:
            pulse[sensor["pulse"]] = made
    return {"uart": uart, "i2c": i2c, "pulse": pulse}, by_model

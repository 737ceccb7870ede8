"""From the sensors of a node's configuration to their emulators on its buses."""

from __future__ import annotations

import importlib
import inspect
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

from pantau_sim import ailments
from pantau_sim.powercut_rig import reach_firmware
from pantau_sim.sensors import dual_pulse
from pantau_sim.sensors.base import I2cEmulator, PulseEmulator, UartEmulator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.bus import Wiring
    from pantau_sim.scenario.plan import Span

# Whose echo or beam an ailment spoils: a float switch under the same spider hangs on as before.
_ULTRASONIC, _RADAR = frozenset({"a02yyuw", "maxbotix"}), frozenset({"ld2451", "ld2450"})


@cache
def _file(model: str) -> str:
    """Return the file that plays a model: emulators are named as the firmware's drivers are. KeyError for a model without one."""
    reach_firmware()
    files: dict[str, str] = importlib.import_module("pantau_node.sensors.catalog").models()
    return files[model]


def suffers(model: str, ailment: str) -> bool:
    """Return whether a sensor of this model sees what the ailment spoils."""
    file, changes = _file(model), ailments.kind(ailment).CHANGES
    if "water_distance" in changes:
        return file in _ULTRASONIC
    return file in _RADAR or "passes" not in changes


def emulator(model: str, truth: Any, seed: int) -> Any:
    """Return the emulator of a sensor model. KeyError for a model without one."""
    kind = importlib.import_module(f"pantau_sim.sensors.{_file(model)}").Emulator
    options = {"model": model} if "model" in inspect.signature(kind).parameters else {}
    made = kind(truth, seed ^ zlib.crc32(model.encode()), **options)
    made.MODEL = model  # faults on the wire name the model that the configuration names
    return made


def wire(
    sensors: Sequence[dict[str, Any]], truth: Any, seed: int, ill: Sequence[Span] = ()
) -> tuple[Wiring, dict[str, Any]]:
    """Return (wiring of a node, its emulators by model) for the `sensors` of its config.json; `ill` are the ailments of its station."""
    uart: dict[int, UartEmulator] = {}
    i2c: dict[tuple[int, int], I2cEmulator] = {}
    pulse: dict[int, PulseEmulator] = {}
    by_model: dict[str, Any] = {}
    for sensor in sensors:
        spans = [span for span in ill if suffers(sensor["model"], span.kind)]
        seen = ailments.ill(truth, spans, seed) if spans else truth
        if "pulses" in sensor:  # two inputs of one road: dual_pulse
            pulse.update(_pair(sensor, seen, seed))
            continue
        made = by_model[sensor["model"]] = emulator(sensor["model"], seen, seed)
        if made.BUS == "uart":
            uart[sensor["uart"]] = made
        elif made.BUS == "i2c":
            i2c[sensor["i2c"], sensor["address"]] = made
        else:
            pulse[sensor["pulse"]] = made
    return {"uart": uart, "i2c": i2c, "pulse": pulse}, by_model


def _pair(sensor: dict[str, Any], truth: Any, seed: int) -> dict[int, PulseEmulator]:
    """Return the two sides of a dual_pulse, which see the same vehicles."""
    sides: dict[int, PulseEmulator] = {}
    for side, place in enumerate(sensor["pulses"]):
        made = dual_pulse.Emulator(
            truth,
            seed,
            side=side,
            kind=sensor.get("kind", "loop"),
            distance_m=sensor.get("distance_mm", 3660) / 1000,
            ab=sensor.get("approach", "ab") == "ab",
        )
        sides[place] = made
    return sides

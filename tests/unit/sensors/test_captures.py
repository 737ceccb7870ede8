"""An emulator and its driver are both held to the same recorded or printed bytes; neither knows the other.

A capture is tests/captures/<name>.json: {file, sensor, origin, licence, packets: [{raw, encode, decode}]}. `encode` is what the
emulator's packet() takes to give `raw`, `decode` what the driver's Parser or parse() makes of it. `driver` names another
function than parse, `options` what both are told beside the bytes (the model).
"""

import json
from pathlib import Path

import pytest

from pantau_node.sensors.catalog import load, models

FOLDER = Path(__file__).resolve().parents[2] / "captures"
CAPTURES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CASES = [pytest.param(c, p, id=f"{name}-{i}") for name, c in CAPTURES.items() for i, p in enumerate(c["packets"])]
WIRES = ("pulse", "pulses", "contact")  # they close a contact: there are no bytes to record


def radar_report(body):
    """(count, alarm, targets) of a report's bytes from its length on: the driver itself goes over them where they are."""
    rows = [body[at : at + 5] for at in range(4, len(body), 5)]
    return (*(body[2:4] or (0, 0)), [(row[0] - 128, *row[1:]) for row in rows])


BODIES = {"ld2451": radar_report}  # parsers that give bytes


def decoded(capture, raw):
    module = load(next(model for model, file in models().items() if file == capture["file"]))
    options = capture.get("options", {})
    if hasattr(module, "Parser"):
        return [BODIES.get(capture["file"], lambda row: row)(row) for row in module.Parser(**options).feed(raw)]
    return getattr(module, capture.get("driver", "parse"))(raw, **options)


@pytest.mark.parametrize("capture, packet", CASES)
def test_the_driver_reads_what_the_emulator_says_and_the_sensor_said(capture, packet):
    emulator = __import__("pantau_sim.sensors." + capture["file"], fromlist=["packet"])
    raw = bytes.fromhex(packet["raw"])
    assert emulator.packet(*packet["encode"], **capture.get("options", {})) == raw
    assert json.loads(json.dumps(decoded(capture, raw))) == packet["decode"]


def test_every_driver_with_bytes_has_a_capture_that_says_where_it_is_from():
    spoken = {file for model, file in models().items() if load(model).BUS not in WIRES}
    assert spoken == {capture["file"] for capture in CAPTURES.values()}
    assert all(capture["origin"] and capture["licence"] and capture["packets"] for capture in CAPTURES.values())


def test_every_driver_has_an_emulator_and_every_emulator_a_driver():
    folder = Path(__import__("pantau_sim.sensors.base", fromlist=["base"]).__file__).parent
    emulators = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "replay"}
    assert emulators == set(models().values())

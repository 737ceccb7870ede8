"""`pantau bench wire`: bytes per record beside other formats, and what a frame costs on the host and in the VM."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pantau_wire
from pantau.bench import formats, wire_cost
from pantau.bench.series import Sample, batches
from pantau_wire import names as T

SIZES = (1, 5, 15, 60)
GOALS = {15: 2.0, 60: 1.1}
COST_BATCH = 15
TIMED = ("encode", "decode", "verify")
REFERENCE = {"encode": "json_encode", "decode": "json_decode", "verify": "json_decode"}
VM_TIMEOUT_S = 120


def bytes_per_record(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Return {encoding: {batch size: bytes per record}} over the whole series, seq rising from 1."""
    found: dict[str, dict[str, float]] = {}
    for name, (encode, _) in formats.ENCODINGS.items():
        found[name] = {}
        for size in SIZES:
            total = sum(len(encode(batch)) for batch in batches(samples, size))
            found[name][str(size)] = round(total / len(samples), 3)
    return found


def cost_spec(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the frame that is timed, in the form of wire_cost.build: the batch with the median size, tag included."""
    ranked = sorted(batches(samples, COST_BATCH), key=lambda batch: len(formats.pantau(batch)))
    made = formats.flood_frame(ranked[len(ranked) // 2])
    names = ("boot", "seq", "clock", "base_s", "profile", "count", "interval_s")
    offsets = made.columns.pop(T.TIME_OFFSET, ([0] * made.count, None))[0]
    return {
        "node": formats.NODE,
        "key": list(formats.KEY),
        "head": {name: getattr(made, name) for name in names},
        "offsets": offsets,
        "columns": {str(ident): values for ident, (values, _) in made.columns.items()},
    }


def cost_here(spec: dict[str, Any]) -> dict[str, float]:
    """Return {operation: microseconds per frame} on this interpreter."""
    return _rounded(wire_cost.measure(spec, rounds=100, repeat=5))


def cost_in_vm(vm: Path, spec: Mapping[str, Any]) -> dict[str, float]:
    """Return the same on the MicroPython `vm`; RuntimeError with its last words when it does not answer."""
    paths = os.pathsep.join([".frozen", str(Path(pantau_wire.__file__).parents[1])])
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given.json")
        given.write_text(json.dumps({"spec": spec, "rounds": 50, "repeat": 5}), encoding="utf-8")
        try:
            done = subprocess.run(
                [vm, wire_cost.__file__, given],
                env={**os.environ, "MICROPYPATH": paths},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=VM_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"the VM {vm} gave no answer: {error}") from None
    try:
        return _rounded(json.loads(done.stdout))
    except ValueError:
        raise RuntimeError(f"the VM {vm} gave no answer: {done.stderr[-400:] or done.stdout[-400:]}") from None


def _rounded(times: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in times.items()}


def missed(found: Mapping[str, Mapping[str, float]], count: int) -> list[int]:
    """Return the batch sizes whose goal a series of `count` records misses; one with no whole batch judges none."""
    return [size for size, goal in GOALS.items() if count >= size and found["pantau"][str(size)] > goal]


def size_lines(found: Mapping[str, Mapping[str, float]], count: int) -> list[str]:
    """Return the table of sizes over `count` records for people, with what each encoding includes."""
    lines = ["bytes per record, in batches of " + "".join(f"{size:>9}" for size in SIZES) + "   in each message"]
    for name, sizes in found.items():
        cells = "".join(f"{sizes[str(size)]:>9.2f}" for size in SIZES)
        lines.append(f"{name:<32}{cells}   {formats.ENCODINGS[name][1]}")
    for size, goal in GOALS.items():
        got = found["pantau"][str(size)]
        word = "MISSED" if size in missed(found, count) else "reached" if count >= size else "too few records to judge"
        lines.append(f"goal for batches of {size}: at most {goal} with header and tag: {got:.3f}, {word}")
    return lines


def cost_lines(cost: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the table of times for people; the ratio is to JSON of the same records on the same interpreter."""
    lines = [f"one frame of {COST_BATCH} records, µs (times the same records as JSON array in the same run)"]
    for name, times in cost.items():
        cells = "   ".join(f"{work} {times[work]:.0f} ({times[work] / times[REFERENCE[work]]:.1f}x)" for work in TIMED)
        lines.append(f"{name:<14}{cells}   json {times['json_encode']:.0f} / {times['json_decode']:.0f}")
    return lines

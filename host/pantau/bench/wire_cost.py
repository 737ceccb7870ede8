"""Times one frame on any interpreter: imported by CPython, run as a script by the MicroPython VM.

The same file on both: only modules that both have.
"""

import json
import struct
import sys
import time

from pantau_wire import frame

TYPE_CHECKING = False  # there is no module typing in the VM
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _best_us(work: "Callable[[], object]", rounds: int, repeat: int) -> float:
    """Return the least mean time of one call in microseconds, over `repeat` series of `rounds` calls."""
    best = 0
    for _ in range(repeat):
        start = time.time_ns()
        for _ in range(rounds):
            work()
        spent = time.time_ns() - start
        best = min(best or spent, spent)
    return best / rounds / 1000


def measure(spec: "dict[str, Any]", rounds: int, repeat: int) -> "dict[str, float]":
    """Return {operation: microseconds} for the frame described by spec (see build)."""
    node, key = spec["node"], bytes(spec["key"])
    made = build(spec)
    data = frame.encode(made, node, key)
    rows = list(zip(frame.times(made), *[spec["columns"][name] for name in sorted(spec["columns"])]))  # noqa: B905 (no strict= in the VM)
    text = json.dumps(rows)
    form = "<" + "IHB" * len(rows)
    flat = [value for row in rows for value in row[:3]]
    packed = struct.pack(form, *flat)
    work = {
        "encode": lambda: frame.encode(made, node, key),
        "decode": lambda: frame.decode(data),
        "verify": lambda: frame.verify(data, node, key),
        "json_encode": lambda: json.dumps(rows),
        "json_decode": lambda: json.loads(text),
        "struct_encode": lambda: struct.pack(form, *flat),
        "struct_decode": lambda: struct.unpack(form, packed),
    }
    return {name: _best_us(call, rounds, repeat) for name, call in work.items()}


def build(spec: "dict[str, Any]") -> frame.Frame:
    """Return the RECORDS frame of {"head": {attribute: value}, "columns": {id as text: values}, "offsets": [..]}."""
    made = frame.Frame(1)
    for name in spec["head"]:
        setattr(made, name, spec["head"][name])
    if any(spec["offsets"]):
        made.columns[1] = (spec["offsets"], None)
    for ident in spec["columns"]:
        made.columns[int(ident)] = (spec["columns"][ident], None)
    return made


if __name__ == "__main__":
    with open(sys.argv[1]) as file:  # noqa: PTH123 (no pathlib in the VM)
        given = json.load(file)
    print(json.dumps(measure(given["spec"], given["rounds"], given["repeat"])))

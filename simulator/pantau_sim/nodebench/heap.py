"""The heap of a whole node in the 32-bit VM, whose object sizes are those of the ESP32 within 1 % (architecture, 7).

Imports are measured in a VM with nothing else in it; all later figures are differences to the moment when they were done in
a VM that holds the rig as well.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pantau.bench.figures import PUBLISHED, Figure
from pantau_sim.mpy import compiled
from pantau_sim.node import firmware_folder, wire_folder
from pantau_sim.nodebench.domains import DOMAINS, NODE, answers, configuration, packets, write_node
from pantau_sim.nodebench.flash import RING_SECTORS
from pantau_sim.vm import vm32_command
from pantau_sim.world import World

_HERE = Path(__file__).parent
_HEAP = "400k"  # far more than a node needs: it must not grow while it is measured
_TIMEOUT_S = 300
FIGURES = {  # of MicroPython's tables of names on 32 bits
    "first_pool_names": Figure(20, "", PUBLISHED, "py/qstr.c of MicroPython 1.25: twice MICROPY_ALLOC_QSTR_ENTRIES_INIT of 10"),
    "pool_name_bytes": Figure(7, "bytes", PUBLISHED, "py/qstr.c of MicroPython 1.25: pointer 4, hash 2, length 1"),
}  # fmt: skip
_FIRST_POOL, _NAME_BYTES = (int(figure.value) for figure in FIGURES.values())
_PARTS = (
    ("wire", "pantau_wire"),
    ("drivers", ("pantau_node.sensors", "pantau_node.stations")),
    ("link", "pantau_node.links"),
    (
        "outbox",
        tuple(
            f"pantau_node.{name}"
            for name in ("outbox", "index", "journal", "ring", "marks", "storage", "slots", "counters")
        ),
    ),
)


def compile_node(target: Path) -> Path:
    """Compile firmware and wire into one folder as on a node's file system."""
    for source, package in ((firmware_folder(), "pantau_node"), (wire_folder(), "pantau_wire")):
        shutil.copytree(compiled(source, (package,)) / package, target / package)
    shutil.copy(compiled(firmware_folder(), ("pantau_boot.py",)) / "pantau_boot.mpy", target)
    return target


def run_vm32(script: Path, given: Path, mounts: Sequence[Path]) -> dict[str, Any]:
    """Run a script of steps; return what it printed after RESULT, and in "names" how many the VM knew each time it told.

    RuntimeError with its last words.
    """
    argv, environment = vm32_command(script, str(given), paths=[script.parent], mounts=mounts, heap=_HEAP, steps="step")
    try:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"the 32-bit VM did not finish within {_TIMEOUT_S} s") from None
    names = [int(count) for count in re.findall(r"n_qstr=(\d+)", done.stdout)]
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            found: dict[str, Any] = json.loads(line[7:])
            return {**found, "names": names}
    raise RuntimeError(f"the 32-bit VM gave no answer: {(done.stderr or done.stdout)[-800:]}")


def in_order(names: Sequence[str]) -> list[str]:
    """Return module names so that each stands after those that it imports when it is loaded."""
    roots = {"pantau_boot": firmware_folder(), "pantau_node": firmware_folder(), "pantau_wire": wire_folder()}
    wanted, out = set(names), []

    def visit(name: str) -> None:
        if name not in wanted:
            return
        wanted.discard(name)
        path = roots[name.split(".", 1)[0]] / name.replace(".", "/")
        package = path.is_dir()
        source = (path / "__init__.py") if package else path.with_suffix(".py")
        if "." in name:
            visit(name.rpartition(".")[0])
        for item in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.ImportFrom):
                above = name.split(".")[: len(name.split(".")) - item.level + package] if item.level else []
                base = ".".join([*above, *(item.module or "").split(".")]).strip(".")
                visit(base)
                for alias in item.names:
                    visit(f"{base}.{alias.name}")
        out.append(name)

    for name in names:
        visit(name)
    return out


def measure(domain: str, folder: Path, hours: int) -> dict[str, Any]:
    """Return the heap figures of a domain in bytes, and the size of its code."""
    firmware = compile_node(folder / "fw")
    found = {"ring": _day(domain, folder / "ring", firmware, hours, ring=True)}
    found["files"] = _day(domain, folder / "files", firmware, min(hours, 3), ring=False)
    modules = in_order(found["ring"]["modules"])
    alone = _imports(folder, firmware, modules)
    sizes = {name: _size(firmware, name) for name in modules}
    figures = {}
    for name, one in found.items():
        first = _imports(folder, firmware, in_order(one["first_modules"]))
        figures[name] = _figures(one, first["total"], first["names"][0])
    return {
        **figures["ring"],
        "on_files": figures["files"],
        "import_heap_bytes": alone["total"],
        "parts": _parts(alone, {**figures["ring"], "code_bytes": alone["total"]}),
        "imports": alone["modules"],
        "mpy_bytes": sum(sizes.values()),
        "mpy_files": sizes,
        "collect_after_bytes": threshold(),
        "outbox": "flash ring" if "pantau_node.ring" in modules else "file",
        "turns": found["ring"]["turns"],
        "frames_acknowledged": found["ring"]["through"],
    }


def _parts(alone: dict[str, Any], figures: dict[str, int]) -> dict[str, int]:
    """Return where the heap goes: code by what it is for, objects after the first minute, what the day adds, garbage of a turn."""
    parts = dict.fromkeys(("wire", "drivers", "outbox", "link", "core"), 0)
    for name, size in alone["modules"].items():
        parts[next((part for part, names in _PARTS if name.startswith(names)), "core")] += size
    parts["objects"] = figures["booted_heap_bytes"] - figures["code_bytes"]
    parts["day"] = figures["live_peak_heap_bytes"] - figures["booted_heap_bytes"]
    parts["garbage"] = figures["peak_heap_bytes"] - figures["live_peak_heap_bytes"]
    return parts


def threshold(name: str = "_GARBAGE") -> int:
    """Return the bytes after which the firmware makes the collector run, in the middle of a turn; this VM cannot do that."""
    source = (firmware_folder() / "pantau_node" / "app.py").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = const\((\d+)\)", source, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"the firmware no longer says in app.py how much garbage it allows ({name})")
    return int(found[1])


def _size(firmware: Path, name: str) -> int:
    path = firmware / name.replace(".", "/")
    return (path / "__init__.mpy" if path.is_dir() else path.with_suffix(".mpy")).stat().st_size


def pool_bytes(names: int) -> int:
    """Return what the VM's tables for so many names take: each holds twice as many as the one before, 7 bytes a name."""
    size = room = 0
    step = _FIRST_POOL
    while room < names:
        size += step * _NAME_BYTES
        room += step
        step *= 2
    return size


def _figures(found: dict[str, Any], imports: int, empty: int) -> dict[str, int]:
    """Return the figures on top of the imports, all over an empty VM, which knows so many names."""
    before, *later = found["names"]
    # The rig's own names may begin a table of names that the node alone does not need: at the first minute, at the end.
    rig = [pool_bytes(n) - pool_bytes(before) - pool_bytes(n - before + empty) + pool_bytes(empty) for n in later]
    start, base = (found["loaded"] - imports + max(0, surplus) for surplus in rig)
    least = found["least"]
    peak = max(found["peak"], found["boot_peak"])
    started = found["booted"] + threshold("_GARBAGE_AT_START") - start
    return {
        "peak_heap_bytes": max(started, found["live_peak"] + min(peak - found["live_peak"], threshold()) - base),
        "uncollected_peak_heap_bytes": peak - base,
        "names": later[-1] - before,
        "live_peak_heap_bytes": found["live_peak"] - base,
        "boot_peak_heap_bytes": found["boot_peak"] - start,
        "booted_heap_bytes": found["booted"] - start,
        "day_peak_heap_bytes": found["peak"] - base,
        "peak_at_s": found["peak_at_ms"] // 1000,
        "heap_growth_bytes": least[-2] - least[1] if len(least) > 3 else 0,
    }


def _imports(folder: Path, firmware: Path, modules: list[str]) -> dict[str, Any]:
    given = folder / "imports.json"
    given.write_text(json.dumps({"firmware": str(firmware), "modules": modules}))
    return run_vm32(_HERE / "portable" / "imports.py", given, [firmware, given])


def _day(domain: str, folder: Path, firmware: Path, hours: int, *, ring: bool) -> dict[str, Any]:
    parts = DOMAINS[domain]
    station = World(1).station(NODE)
    write_node(folder / "node", configuration(domain, server_name="broker"))
    (folder / "uart.bin").write_bytes(packets(parts, station))
    flash = []
    for label, sectors in (("pantau_id", 2), ("pantau_cfg", 4), ("pantau_ring", RING_SECTORS)) if ring else ():
        (folder / label).write_bytes(b"\xff" * (4096 * sectors))
        flash.append((label, str(folder / label), sectors))
    given = {
        "firmware": str(firmware),
        "root": str(folder / "node"),
        "node": NODE,
        "modules": ["pantau_boot", "pantau_node.board", "pantau_node.app"],
        "hours": hours,
        "flash": flash,
        "buses": {
            "uart": (str(folder / "uart.bin"), parts.uart[1]),
            "i2c": answers(parts, station),
            "pulse": parts.pulse_ms or 1 << 28,
        },
        "order": {"id": 1, "name": "status", "args": "", "expires_s": 0},
    }
    (folder / "given.json").write_text(json.dumps(given))
    return run_vm32(_HERE / "portable" / "node_day.py", folder / "given.json", [firmware, folder])

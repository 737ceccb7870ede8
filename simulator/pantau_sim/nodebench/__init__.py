"""What a node costs, measured per domain: heap in the 32-bit VM, code, air, flash. `pantau bench node` prints it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pantau_sim.nodebench import day, flash, heap
from pantau_sim.nodebench.domains import DOMAINS

__all__ = ["DOMAINS", "FIGURES", "measure"]

FIGURES = {**day.FIGURES, **flash.FIGURES, **heap.FIGURES}


def measure(domain: str, hours: int = 24) -> dict[str, Any]:
    """Return every figure of one domain over a simulated day; MissingVmError, RuntimeError with what the VM said."""
    with tempfile.TemporaryDirectory() as folder:
        lived = day.measure(domain, Path(folder), hours)
        return {**heap.measure(domain, Path(folder), hours), **lived.figures, **flash.measure(lived.frames)}

"""`pantau bench alert`: alarm frames through a real broker and the whole bridge to a webhook, and a node's own share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.bench.alert import account
from pantau_sim.alertbench import link, node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["measure"]


def measure(
    alarms: int, seconds: float, load: int, crossings: int, folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the report. Raises MissingVmError, rig.BenchError, and RuntimeError with what a part said."""
    shares = {}
    if crossings:
        shares = node.measure(crossings, folder / "node")
        say(f"node: {crossings} crossings of each sensor in virtual time")
    told, lost = link.measure(alarms, seconds, load, folder)
    return account(told, lost, shares, load)

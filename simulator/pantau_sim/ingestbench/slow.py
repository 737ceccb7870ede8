"""The quiet end of the ingest benchmark: what a frame waits for when there is no flood.

A hundred frames a second in an open loop through a running bridge: its own figure of the time that a commit takes, and how
long a frame waited for the bridge's acknowledgement, which is gathered for each node before it is sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pantau.ops.status import SOCKET, NotRunningError, ask
from pantau_sim.ingestbench import rig
from pantau_sim.load.run import Load, Options
from pantau_sim.load.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    from pantau_sim.load.frames import Fleet

RATE, SECONDS = 100.0, 10.0
GOAL_MS = 50.0  # that 99 of 100 commits stay below
_CONNECTIONS = 64


def measure(fleet: Fleet, folder: Path, seconds: float) -> dict[str, float]:
    """Return the latencies in milliseconds. Raises rig.BenchError, or RuntimeError for the load."""
    with rig.broker(folder) as (port, _), rig.bridge(port, fleet, folder):
        target = Target("127.0.0.1", port, None, None, None)
        options = Options(target, fleet.city, len(fleet.nodes), RATE, seconds, seed=1, connections=_CONNECTIONS)
        load = asyncio.run(Load(options, fleet, lambda _line: None).run())
        commit = _commits(folder)
    if load["unacked"] or load["shed"]:
        raise rig.BenchError(f"at {RATE:.0f} frames/s {load['unacked']} frames were not acknowledged: see {folder}")
    return {
        "commit_p50_ms": round(1000 * commit["p50_s"], 2),
        "commit_p99_ms": round(1000 * commit["p99_s"], 2),
        "ack_p50_ms": load["latency_ms"]["bridge"]["p50"],
        "ack_p99_ms": load["latency_ms"]["bridge"]["p99"],
    }


def _commits(folder: Path) -> dict[str, float]:
    try:
        commit: dict[str, float] = ask(folder / "data" / SOCKET)["commit"]
    except NotRunningError as error:
        raise rig.BenchError(f"{error}; see {folder}/bridge.log") from None
    return commit


def line(found: dict[str, Any]) -> str:
    """Return the figures for people."""
    met = "met" if found["commit_p99_ms"] < GOAL_MS else "MISSED"
    return (
        f"at {RATE:.0f} frames/s: commit p50 {found['commit_p50_ms']:.2f} ms, p99 {found['commit_p99_ms']:.2f} ms "
        f"(goal < {GOAL_MS:.0f} ms: {met}); frame to the bridge's acknowledgement p50 {found['ack_p50_ms']:.0f} ms, "
        f"p99 {found['ack_p99_ms']:.0f} ms"
    )

"""What happens when, from a seed. Three lanes run side by side, so that faults meet; within a lane one follows another. I/O-free."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.chaos.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = (
    "kill_bridge",
    "kill_bridge",
    "kill_one_process",
    "kill_broker_wiped",
    "kill_broker",
    *(f"kill_at_{step.name}" for step in STEPS),
)
WORLD = (
    "sink_locked",
    "sink_slow",
    "disk_full",
    "writes_refused",
    "partition_bridge",
    "partition_fleet",
    "silence_bridge",
    "silence_fleet",
    "slow_network",
    "clock_jump",
    "clock_jump",
)
MESSAGES = ("duplicates", "reordered", "garbage", "forged")
_JUMPS_MS = (-365 * 86_400_000, -86_400_000, -90_000, -1_500, 1_500, 90_000, 86_400_000, 365 * 86_400_000)
_LONG_OUTAGE = 0.06  # share of the sink's outages that outlast its time-out


class Fault(NamedTuple):
    """One fault: how long it holds, the pause before it, and numbers of its own (which process, how many passes)."""

    kind: str
    pause_s: float
    seconds: float
    number: int
    jump_ms: int


class Lane:
    """An endless row of faults of some kinds: each once in random order, then again."""

    def __init__(self, name: str, kinds: tuple[str, ...], seed: int, pause_s: float) -> None:
        self._kinds, self._pause_s = kinds, pause_s
        self._rng = random.Random(f"{name} {seed}")

    def __iter__(self) -> Iterator[Fault]:
        while True:
            for kind in self._rng.sample(self._kinds, len(self._kinds)):
                yield self._fault(kind)

    def _fault(self, kind: str) -> Fault:
        rng = self._rng
        seconds = rng.uniform(0.2, 1.5)
        if kind == "sink_locked" and rng.random() < _LONG_OUTAGE:
            seconds = 6.0
        return Fault(
            kind, rng.uniform(0, 2 * self._pause_s), seconds, rng.randrange(1 << 16), rng.choice(_JUMPS_MS)
        )  # fmt: skip


def lanes(seed: int) -> tuple[Lane, Lane, Lane]:
    """Return the lanes of a seed."""
    return (
        Lane("processes", PROCESSES, seed, 0.15),
        Lane("world", WORLD, seed, 0.15),
        Lane("messages", MESSAGES, seed, 0.8),
    )

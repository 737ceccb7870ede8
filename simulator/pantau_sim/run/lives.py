"""A node that notes its boots: what an account of its records stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pantau_sim.node import SimNode


@dataclass(slots=True)
class Life:
    """One boot of the chip, Unix us, and what it was reported as. The n-th one is boot n of the firmware."""

    start_us: int
    cause: int
    end_us: int | None = None


class LivedNode(SimNode):
    """`lives` are its boots so far; the last one has no end while it goes on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lives: list[Life] = []

    def boot(self, cause: int) -> None:
        """Start the VM."""
        now_us = self.clock.now_us()
        self.ended(now_us)  # a reset: one life ends where the next begins
        self.lives.append(Life(now_us, cause))
        super().boot(cause)

    def ended(self, now_us: int) -> None:
        """The life that goes on is over."""
        if self.lives and self.lives[-1].end_us is None:
            self.lives[-1].end_us = now_us

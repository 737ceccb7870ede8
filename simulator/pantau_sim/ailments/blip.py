"""Blip: one reading is higher and the next is where it was (7 of 100 of FloodNet's labelled points).

A bird, a ball, a hand. It lasts a minute at most, so that at one record a minute one record has it; in a longer span it
comes at a seeded instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pantau_sim.ailments.base import DISTANCE, Ailment

if TYPE_CHECKING:
    from pantau_sim.sensors.base import Prng

LONGEST_S = 60.0
_HEIGHT_M = (0.06, 0.80)  # FloodNet's own filter asks for 2 inch


class Blip(Ailment):
    """Nearer by 60 to 800 mm times the strength, once."""

    ABOUT = "one rise of 60 to 800 mm for a minute at most, and back"
    DOMAIN = "flood"
    CHANGES: ClassVar = DISTANCE

    def setup(self, rng: Prng) -> None:
        """One height and one instant."""
        least, most = _HEIGHT_M
        self._height_m = self.strength * (least + (most - least) * rng.unit() ** 2)
        free_s = max(0.0, self.end_s - self.start_s - LONGEST_S)
        self._begin_s = self.start_s + free_s * rng.unit()

    def change(self, _name: str, t_s: float, value: float) -> float:
        """Nearer for the minute."""
        return max(0.0, value - self._height_m) if 0 <= t_s - self._begin_s < LONGEST_S else value

"""People in front of a radar for them: groups that stay some minutes, many by day and in the evening, hardly any at night.

Plausible, not counted: a pavement where one to three stand at once, the most that an LD2450 tells apart (facts/sensors.md 1.2 b).
"""

from pantau_sim.sensors.base import Prng
from pantau_sim.world.weather import local_hour

_BLOCK_S = 180
_BY_DAY, _BY_NIGHT = 0.5, 0.03  # chance that someone is there


class PeopleModel:
    """How many stand there, for three minutes each time."""

    def __init__(self, seed: int, key: int) -> None:
        self._seed = (seed, key, 0x9E0)

    def count(self, t_s: float) -> float:
        """Number of people at t_s."""
        rng = Prng(*self._seed, int(t_s) // _BLOCK_S)
        chance = _BY_DAY if 6 <= local_hour(t_s) < 22 else _BY_NIGHT
        return float(1 + rng.below(3)) if rng.unit() < chance else 0.0

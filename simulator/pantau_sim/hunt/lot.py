"""What chance decides of a case. Times are whole milliseconds from the scenario's start; nothing here asks for anything but the seed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeVar

from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from collections.abc import Sequence

    T = TypeVar("T")

HOUR_MS, MINUTE_MS = 3_600_000, 60_000


class Lot:
    """Draws of one case, by name: what is drawn for one thing does not move what is drawn for another."""

    def __init__(self, seed: int, *names: object) -> None:
        self._rng = Prng(seed, zlib.crc32(f"hunt/{'/'.join(map(str, names))}".encode()))

    def chance(self, share: float) -> bool:
        """Return True in `share` of the cases."""
        return self._rng.unit() < share

    def one(self, items: Sequence[T]) -> T:
        """Return one of `items`; one that is listed twice comes twice as often."""
        return items[self._rng.below(len(items))]

    def whole(self, least: int, most: int) -> int:
        """Return a whole number, both ends included."""
        return least + self._rng.below(most - least + 1)

    def between(self, least: float, most: float, decimals: int = 3) -> float:
        """Return a figure, as a person would write it."""
        return round(least + (most - least) * self._rng.unit(), decimals)

    def spread(self, least: int, most: int) -> int:
        """Return a whole number, small ones as likely as large ones: first how many times it is doubled."""
        top = least << self.whole(0, max(0, (most // least).bit_length() - 1))
        return min(most, self.whole(top, 2 * top))

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """Return 1..most different items, in their order."""
        left = list(range(len(items)))
        taken = [left.pop(self._rng.below(len(left))) for _ in range(min(len(items), self.whole(1, most)))]
        return [items[at] for at in sorted(taken)]


def hours(ms: int) -> float:
    """Return milliseconds as hours that make the same milliseconds again."""
    return round(ms / HOUR_MS, 9)


def minutes(ms: int) -> float:
    """Return milliseconds as minutes that make the same milliseconds again."""
    return round(ms / MINUTE_MS, 7)

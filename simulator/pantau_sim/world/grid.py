"""A smooth property on a grid of instants, so that a question of an emulator is a look-up: linear between, made when first asked for.

Values stand on a binary grid of 2**-20 of the unit, finer than any sensor's noise, so that their differences are exact: what rises on
the grid never falls between. A block is made from its place in time alone (Table), or from the state in which the one before left
(Chain): either way an answer does not depend on what was asked before.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

S = TypeVar("S")

_FINE = 1048576.0
_KEPT_BLOCKS = 64  # of a Table; what is older is made again
_LONGEST_CHAIN_S = 500 * 86400


class Grid:
    """Blocks of `count` steps of `step_s` from `origin_s` on; `made` counts the values that were worked out."""

    def __init__(self, origin_s: float, step_s: float, count: int) -> None:
        self.step_s = step_s
        self.made = 0
        self._origin_s = origin_s
        self._count = count
        self._block_s = step_s * count
        self._per_s = 1.0 / step_s
        self._from_s = math.inf  # start of the block at hand
        self._values: array[float] = array("d")

    def at(self, t_s: float) -> float:
        """Value at t_s (Unix s)."""
        x = (t_s - self._from_s) * self._per_s
        if not 0.0 <= x < self._count:
            x = self._turn(t_s)
        i = int(x)
        values = self._values
        low = values[i]
        return low + (values[i + 1] - low) * (x - i)

    def clear(self) -> None:
        """Forget all blocks: what they were made of has changed."""
        self._from_s = math.inf

    def _turn(self, t_s: float) -> float:
        k = math.floor((t_s - self._origin_s) / self._block_s)
        values = self._block(k)
        start = self._origin_s + k * self._block_s
        if len(values) == 1:  # before a chain begins, it stands as at its beginning
            values, start = array("d", [values[0]] * (self._count + 1)), self._origin_s + k * self._block_s
        self._values, self._from_s = values, start
        return min((t_s - start) * self._per_s, self._count - 1e-9)

    def _block(self, k: int) -> array[float]:
        raise NotImplementedError


class Table(Grid):
    """A property that is a function of the instant: `make(start_s, step_s, count)` gives `count` values from start_s on."""

    def __init__(
        self, make: Callable[[float, float, int], Sequence[float]], step_s: float = 60.0, count: int = 60
    ) -> None:
        super().__init__(0.0, step_s, count)
        self._make = make
        self._blocks: dict[int, array[float]] = {}

    def clear(self) -> None:
        """Forget all blocks."""
        super().clear()
        self._blocks.clear()

    def _block(self, k: int) -> array[float]:
        found = self._blocks.get(k)
        if found is None:
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            found = _fine(self._make(k * self._block_s, self.step_s, self._count + 1))
            self._blocks[k] = found
            self.made += len(found)
        return found


def pointwise(value: Callable[[float], float]) -> Table:
    """Return the table of a function of the instant, with a value a minute."""
    return Table(lambda start_s, step_s, count: [value(start_s + k * step_s) for k in range(count)])


class Chain(Grid, Generic[S]):
    """A property with a memory: `advance(state, start_s, step_s, count)` gives the values at the ends of `count` steps, and the state then.

    `first` is its value until `origin_s`.
    """

    def __init__(
        self,
        origin_s: float,
        first: float,
        state: S,
        advance: Callable[[S, float, float, int], tuple[Sequence[float], S]],
        step_s: float = 60.0,
        count: int = 360,
    ) -> None:
        super().__init__(origin_s, step_s, count)
        self._begin = (first, state)
        self._advance = advance
        self._state = state
        self._blocks: list[array[float]] = []

    def clear(self) -> None:
        """Forget all blocks."""
        super().clear()
        self._blocks.clear()
        self._state = self._begin[1]

    def _block(self, k: int) -> array[float]:
        if k < 0:
            return _fine([self._begin[0]])
        if k * self._block_s > _LONGEST_CHAIN_S:
            raise ValueError(f"asked for {k * self._block_s / 86400:.0f} days after the world began; it has 500")
        while len(self._blocks) <= k:
            start = self._origin_s + len(self._blocks) * self._block_s
            last = self._blocks[-1][-1] if self._blocks else self._begin[0]
            values, self._state = self._advance(self._state, start, self.step_s, self._count)
            self._blocks.append(_fine([last, *values]))
            self.made += len(values)
        return self._blocks[k]


def _fine(values: Sequence[float]) -> array[float]:
    return array("d", [math.floor(value * _FINE + 0.5) / _FINE for value in values])

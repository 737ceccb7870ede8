"""Means over a record for a particle sensor that is asked; one that reports by itself has them in stream.py."""

from . import base
from .stream import deviation


class Means:
    """Sums over the readings since clear(), a column for each quantity; whole numbers >= 0."""

    def __init__(self, columns):
        self._columns = columns
        self.clear()

    def clear(self):
        self.n = 0
        self._sums = [0] * self._columns
        self._squares = [0] * self._columns

    def add(self, values):
        self.n += 1
        for i, value in enumerate(values):
            self._sums[i] += value
            self._squares[i] += value * value

    def mean(self, i, factor=1):
        """Return the mean of column i times factor, to the nearest integer; n > 0."""
        return base.mean(self._sums[i], self.n, factor)

    def deviation(self, i, factor=1):
        """Return the standard deviation of column i times factor, to the nearest integer; n > 0."""
        return deviation(self.n, self._sums[i], self._squares[i], factor)

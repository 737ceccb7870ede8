"""Speed statistics of a record, in bounded memory: mean, 85th percentile, counts of the eight coarse classes."""

from array import array

from micropython import const

_MAX = const(120)  # km/h: the radar's limit; what is faster stands in the last bin
_CLASSES = const(8)  # below 20 km/h, seven of 10 km/h, 80 and more
_COARSE = const(121)  # where the classes begin, behind the bins of 1 km/h


class Speeds:
    """Speeds since the last take(). The mean is exact, the percentile is in whole km/h, each class has its exact share."""

    def __init__(self):
        self._counts = array("H", bytes(2 * (_COARSE + _CLASSES)))
        self._total = 0

    def add(self, speed):
        """Take a speed in 0.1 km/h."""
        self._total += speed
        counts = self._counts
        for at in (min((speed + 5) // 10, _MAX), _COARSE + min(max(speed // 100 - 1, 0), _CLASSES - 1)):
            counts[at] = min(counts[at] + 1, 65535)

    def take(self):
        """Return (mean, nearest-rank 85th percentile in 0.1 km/h or None, list of the classes' counts); begin anew."""
        counts, total = self._counts, self._total
        classes = list(counts[_COARSE:])
        n = sum(classes)
        rank = (85 * n + 99) // 100
        v85 = 0
        while rank > counts[v85]:
            rank -= counts[v85]
            v85 += 1
        for at in range(_COARSE + _CLASSES):
            counts[at] = 0
        self._total = 0
        return ((2 * total + n) // (2 * n), 10 * v85, classes) if n else (None, None, classes)

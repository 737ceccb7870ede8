"""The node's ways out, one file each."""


class LinkError(Exception):
    """The way out is closed just now: keep everything in the outbox and try again later."""


class Backoff:
    """Decorrelated jitter: each wait is random between the least and three times the last one, up to the most.

    A fleet that lost its broker at one moment comes back spread out. rand: rand(bits) -> int.
    """

    def __init__(self, least_ms, most_ms, rand):
        self._least = least_ms
        self._most = most_ms
        self._rand = rand
        self._last = least_ms

    def reset(self):
        """The link worked: the next wait is short again."""
        self._last = self._least

    def next_ms(self):
        """Return how long to wait now, in ms."""
        span = min(self._most, self._last * 3) - self._least
        self._last = min(self._most, self._least + (span * self._rand(16) >> 16))
        return self._last

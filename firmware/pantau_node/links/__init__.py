"""The node's ways out, one file each.

What ended a session, or kept it from coming about, is counted by cause id (health field reconnect_causes): 1 network
interface, 2 name not resolved, 3 TCP, 4 a certificate that does not do, 5 TLS handshake, 6 login, 7 subscription,
8 no answer to a ping, 9 closed by the broker, 10 no PUBACK, 11 no acknowledgement of the bridge, 12 not MQTT, 13 writing.
"""

from micropython import const

_SPREAD = const(10)  # the first wait is up to ten times the least


class LinkError(Exception):
    """The way out is closed just now: keep everything in the outbox and try again later."""


class Backoff:
    """Decorrelated jitter: each wait is random between the least and three times the last one, up to the most.

    A fleet that lost its broker at one moment comes back spread over ten times the least. rand: rand(bits) -> int.
    """

    def __init__(self, least_ms, most_ms, rand):
        self._least = least_ms
        self._most = most_ms
        self._rand = rand
        self.reset()

    def reset(self):
        """The link worked: the next wait is short again."""
        self._last = self._least * _SPREAD // 3

    def slow(self):
        """The broker is there and does not want us: the next wait is up to a third of the longest."""
        self._last = max(self._last, self._most // 9)

    def next_ms(self):
        """Return how long to wait now, in ms."""
        span = min(self._most, self._last * 3) - self._least
        self._last = min(self._most, self._least + (span * self._rand(16) >> 16))
        return self._last

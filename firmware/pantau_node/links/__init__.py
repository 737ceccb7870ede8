"""The node's ways out, one file each; load(kind).make(board, conf, clock) gives the interface below MQTT, a Net.

What ended a session, or kept it from coming about, is counted by cause id (health field reconnect_causes): 1 network
interface, 2 name not resolved, 3 TCP, 4 a certificate that does not do, 5 TLS handshake, 6 login, 7 subscription,
8 no answer to a ping, 9 closed by the broker, 10 no PUBACK, 11 no acknowledgement of the bridge, 12 not MQTT, 13 writing.
"""

import asyncio

from micropython import const

_DOWN = const(0)
_JOINING = const(1)
_UP = const(2)
_POLL_MS = const(250)
_CYCLE_AFTER = const(3)  # failures in a row before the interface is switched off and on
_SPREAD = const(10)  # the first wait is up to ten times the least


class LinkError(Exception):
    """The way out is closed just now: keep everything in the outbox and try again later."""


class Net:
    """What all ways out share. state: 0 down, 1 joining, 2 up; failures: attempts in a row that came to nothing.

    A kind adds rssi(): dBm, or None where there is none to speak of; _join(): returns with an address, raises OSError.
    nic: the interface of the module `network`, made by the first _join(). Raises ValueError for a malformed link.address.
    """

    def __init__(self, name, board, conf, clock, nic=None):
        self._name = name
        self._board = board
        self._conf = conf
        self._clock = clock
        self._nic = nic
        self._off = False
        self._static = None
        self.state = _DOWN
        self.failures = 0
        if conf.link_address:
            from .address import parse

            self._static = parse(conf.link_address)

    async def _join(self):
        """Return with an address."""

    def cycle(self):
        """Switch the interface off and on before the next attempt, even if it looks well."""
        self._off = True

    async def up(self):
        """Return once there is an address; raises LinkError."""
        if self.state == _UP and not self._off and self._nic.isconnected():
            return
        self.state = _JOINING
        try:
            await self._join()
        except (OSError, RuntimeError) as error:  # "Wifi Unknown Error": the driver has no memory
            self.state = _DOWN
            self.failures += 1
            self._off = self.failures % _CYCLE_AFTER == 0
            raise LinkError("%s: %s" % (self._name, error))
        self._off = False
        self.state = _UP
        self.failures = 0

    async def _on(self):
        """Switch the interface on, and off before where cycle() asked for it; a fixed address saves the second of DHCP."""
        nic = self._nic
        if self._off:
            nic.active(False)
            await asyncio.sleep(_POLL_MS / 1000)
        if not nic.active():  # a LAN refuses a second one
            nic.active(True)
        if self._static:
            nic.ifconfig(self._static)

    async def _arrive(self, within_ms):
        end_ms = self._clock.uptime_ms() + within_ms
        while not self._nic.isconnected():
            if self._clock.uptime_ms() >= end_ms:
                raise OSError("no connection within %d s, status %s" % (within_ms // 1000, self._nic.status()))
            await asyncio.sleep(_POLL_MS / 1000)


def load(kind):
    """Return the module of a link.kind; config.SCHEMA says which there are."""
    return getattr(__import__("pantau_node.links." + kind).links, kind)


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

"""A link that loses segments, as its user sees it: TCP sends them again, so they come late and in order; datagrams are gone.

Retransmission after 1 s, doubling (RFC 6298: initial and least RTO); a link that loses everything for longer is a link that is down.
"""

from __future__ import annotations

from pantau_sim.sensors.base import Prng

_RTO_US = 1_000_000
_TRIES = 6


class Loss:
    """`share` of segments is lost. One direction of one connection has one `Lane`, seeded by names that do not depend on other nodes."""

    def __init__(self, share: float, seed: int = 0) -> None:
        self.share = share
        self._seed = seed

    def lane(self, *names: int) -> Lane:
        """Return the lane that these numbers name."""
        return Lane(self.share, Prng(self._seed, 0x1055, *names))


class Lane:
    """Segments in one direction: each takes the link's latency and what its losses cost, and none overtakes another."""

    def __init__(self, share: float, rng: Prng) -> None:
        self._share, self._rng = share, rng
        self._free_us = 0

    def arrival_us(self, sent_us: int, latency_us: int) -> int:
        """Return when a segment sent at `sent_us` is there."""
        delay_us, rto_us = latency_us, _RTO_US
        for _ in range(_TRIES if self._share else 0):
            if self._rng.unit() >= self._share:
                break
            delay_us += rto_us
            rto_us *= 2
        self._free_us = max(self._free_us, sent_us + delay_us)
        return self._free_us

"""What the host makes of a reading, and the stored frame it came from: frozen values, no behaviour."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame as the spool holds it. `id` is its position there; `received_ms` is Unix ms UTC at the bridge."""

    id: int
    node: str
    boot: int
    seq: int
    received_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Observation:
    """One reading with unit, time, station and quality.

    `value` is in `unit` (UCUM) and None when missing; `quality` is a QARTOD flag (1, 2, 3, 4, 9) and `reason` says why.
    `observed_at_ms` is Unix ms UTC, None while the boot's clock mapping is unknown: then `uptime_ms` places the reading.
    `clock` is the wire's clock quality (0 unset, 1 carried over, 2 set coarse, 3 synchronised). `tests` are the host's
    quality tests with their flags, as "range=1 spike=3"; `quality` is the worst of these and of the node's own flag.
    """

    node: str
    boot: int
    seq: int
    index: int
    property: str
    value: float | None
    unit: str
    quality: int
    reason: str
    observed_at_ms: int | None
    uptime_ms: int | None
    clock: int
    received_ms: int
    station: str | None
    tests: str = ""

    @builtins.property  # `property` is a field here
    def key(self) -> tuple[str, int, int, int, str]:
        """Identity of the observation from flash to every sink; everything else is an attribute."""
        return (self.node, self.boot, self.seq, self.index, self.property)


class Revision(NamedTuple):
    """What became known later about an observation that was delivered before: a neighbour's verdict, or its date."""

    key: tuple[str, int, int, int, str]
    quality: int
    reason: str
    tests: str
    observed_at_ms: int | None

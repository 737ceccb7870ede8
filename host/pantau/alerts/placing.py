"""When the readings of a frame were taken, for judging them: by their dates, or by the receipt where those cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pantau.decode import Decoded
    from pantau.model import Observation

# A node's clock may run ahead by drift and transit; no outbox holds a quarter of a year.
_AHEAD_MS = 300_000
_OLDEST_MS = 90 * 86_400_000
_TRUSTED = 2  # clock quality from which a date that lies back is believed; 1 was carried over a restart


class Placing(NamedTuple):
    """How the records of one frame are placed: `shift_ms` is added to a date (`dated`) or an uptime.

    `newest_ms` is the time of the newest record. Nothing is ever placed after its receipt: a clock that runs ahead and
    is then set right would make all that follows look late. `trusted` says whether an old date is one, `by_receipt` that
    there is no date to believe and the newest record counts as taken when it was received.
    """

    dated: bool
    shift_ms: int
    newest_ms: int
    trusted: bool
    by_receipt: bool = False

    def at(self, seen: Observation) -> int:
        """Return the time of one observation, Unix ms UTC."""
        own = seen.observed_at_ms if self.dated else seen.uptime_ms
        return self.newest_ms if own is None else own + self.shift_ms


def believable(date_ms: int, received_ms: int) -> bool:
    """Return whether a date can be one of a reading that was received then."""
    return received_ms - _OLDEST_MS <= date_ms <= received_ms + _AHEAD_MS


def of(frame: Decoded) -> Placing:
    """Return how to place the records of `frame`. A date that its receipt rules out counts as none."""
    received = frame.received_ms
    dates = [seen.observed_at_ms for seen in frame.observations]
    known = [date for date in dates if date is not None]
    if known and len(known) == len(dates) and believable(newest := max(known), received):
        at = min(newest, received)
        return Placing(True, at - newest, at, (frame.clock or 0) >= _TRUSTED)
    uptimes = [seen.uptime_ms for seen in frame.observations if seen.uptime_ms is not None]
    if uptimes:
        return Placing(False, received - max(uptimes), received, False, by_receipt=True)
    if known:  # dates that are wrong, but not against each other
        return Placing(True, received - max(known), received, False, by_receipt=True)
    return Placing(False, 0, received, False, by_receipt=True)

"""At which instants of its uptime a node took its records, from what its frames say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pantau_wire import names as T

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_wire import frame

_EVENT_S = 10  # between two records in an event (firmware: alarm.sample_s, which divides a minute)
_UNSET, _SYNCED = (
    0,
    3,
)  # clock qualities that tell an instant within a second: uptime itself, and a time that is confirmed


class _Reached(NamedTuple):
    """How far a boot's frames go without a gap: the next seq, the last instant before it, and the interval after that."""

    seq: int
    instant_s: int
    interval_s: int


class Instants:
    """All instants of a node that somebody tells of. Give it the frames in order of boot and seq, those that hold no records too."""

    def __init__(self, interval_s: int, starts_us: Sequence[int]) -> None:
        """`interval_s` is the usual one; `starts_us` is when each boot began, Unix us, boot 1 first."""
        self.of: dict[int, dict[int, str]] = {boot: {} for boot in range(1, len(starts_us) + 1)}
        self._interval_s = interval_s
        self._starts_us = starts_us
        self._reached = dict.fromkeys(self.of, _Reached(1, 0, interval_s))

    def place(self, f: frame.Frame) -> list[str]:
        """Put the frame's records at their instants; return in words where one is told of twice, or by no boot of the node."""
        where = f"boot {f.boot} seq {f.seq}"
        if f.boot not in self.of:
            return [f"{where}: there was no such boot"] if f.kind == T.K_RECORDS else []
        known, reached, problems = self.of[f.boot], self._reached[f.boot], []
        if f.kind == T.K_RECORDS and f.count:
            first = self._first(f, reached)
            for instant in range(first, first + f.count * f.interval_s, f.interval_s):
                if instant in known:
                    problems.append(f"boot {f.boot} instant {instant} s: in {known[instant]} and in {where}")
                known[instant] = where
            reached = _Reached(reached.seq, first + (f.count - 1) * f.interval_s, f.interval_s)
        if f.seq == reached.seq:
            self._reached[f.boot] = reached._replace(seq=f.seq + 1)
        return problems

    def _first(self, f: frame.Frame, reached: _Reached) -> int:
        told_s = f.base_s - (self._starts_us[f.boot - 1] / 1e6 if f.clock else 0)
        if f.clock in {_UNSET, _SYNCED} or f.seq != reached.seq:
            return instant_s(told_s, self._interval_s)
        # A coarse time may be further off than two instants are apart: it chooses among those that can follow, and no more.
        usual, event = self._interval_s, min(_EVENT_S, self._interval_s)
        if f.interval_s == reached.interval_s:
            steps = [f.interval_s]
        else:
            steps = [event] if reached.interval_s == event else [usual, event]
        return min(
            ((reached.instant_s // step + 1) * step for step in steps), key=lambda instant: abs(told_s - instant)
        )


def instant_s(uptime_s: float, interval_s: int) -> int:
    """Return the instant that an uptime means which is right within a second; `interval_s` is the usual one.

    A frame's own interval is not the grid: the record that begins an event stands in a frame of the event's, its last one in a
    frame of the usual interval.
    """
    grid_s = math.gcd(interval_s, _EVENT_S)
    return round(uptime_s / grid_s) * grid_s

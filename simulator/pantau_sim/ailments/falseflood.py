"""The false floods of a street, in the proportions of FloodNet's labels, and what a reading is labelled with.

Of its labelled points 68 of 100 were pulse chains, 9 floods, 9 boxes, 7 blips and 7 something (labels of 11.5 million rows,
snow apart: facts/sensors.md 0 and 3.1). So there are ten false points for a true one; floods are the truth's own, and the
others keep their ratio among themselves. How long an episode takes is ours.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from pantau_sim.scenario.plan import Span
from pantau_sim.sensors.base import Prng

if TYPE_CHECKING:
    from collections.abc import Sequence

POINT_S = 60  # one record a minute
_APART = 3  # minutes between two episodes at least
_MOST = 0.5  # of the time


class _Label(NamedTuple):
    """Its share of the labelled points, and the length of its episodes in minutes."""

    share: int
    least: int
    most: int


LABELS = {
    "pulse_chain": _Label(68, 12, 90),
    "box": _Label(9, 8, 120),
    "blip": _Label(7, 1, 1),
    "something": _Label(7, 8, 60),
}
_SHARES = sum(label.share for label in LABELS.values())


def mix(
    seed: int,
    station_id: str,
    start_s: float,
    end_s: float,
    true_points: int,
    ratio: float = 10.0,
    spare: Sequence[tuple[float, float]] = (),
) -> tuple[Span, ...]:
    """Return false flood episodes with about `ratio` labelled points per true one, in order, none over another.

    They are whole minutes long, so that one record a minute finds exactly so many of them. They fill half of the time at most:
    where that is less than `ratio` asks for, all kinds are fewer alike (`points` counts them). In `spare`, (from, to) in Unix s, there
    are none: there a score may want the flood alone.
    """
    rng = Prng(seed, zlib.crc32(f"mix/{station_id}".encode()))
    minutes = _minutes(start_s, end_s, spare)
    wanted = min(true_points * ratio, _MOST * len(minutes))
    episodes = [
        (kind, length)
        for kind, label in LABELS.items()
        for length in _lengths(rng, wanted * label.share / _SHARES, label)
    ]
    _shuffle(rng, episodes)
    spans: list[Span] = []
    at = 0
    for gap, (kind, length) in zip(_gaps(rng, len(minutes), episodes), episodes, strict=False):
        at += gap
        strength = round(0.6 + 0.8 * rng.unit(), 3)
        spans += [
            Span(kind, first * 1_000_000, last * 1_000_000, station_id, strength=strength)
            for first, last in _pieces(minutes[at : at + length])
        ]
        at += length
    return tuple(spans)


def label(spans: Sequence[Span], t_s: float) -> str | None:
    """Return what a person would label the reading of an instant with; `spans` in order and apart, as `mix` gives them."""
    t_us = round(t_s * 1e6)
    at = bisect_right(spans, t_us, key=lambda span: span.start_us) - 1
    return spans[at].kind if at >= 0 and t_us < spans[at].end_us else None


def points(spans: Sequence[Span]) -> dict[str, int]:
    """Return how many records at one a minute have each label."""
    found = dict.fromkeys(LABELS, 0)
    for span in spans:
        found[span.kind] += (span.end_us - span.start_us) // (POINT_S * 1_000_000)
    return found


def _minutes(start_s: float, end_s: float, spare: Sequence[tuple[float, float]]) -> list[int]:
    """Return the beginnings of the minutes that may be taken, Unix s. Half a minute off the grid on which nodes sample."""
    half = POINT_S // 2
    first = -(-int(start_s - half) // POINT_S) * POINT_S + half
    taken: set[int] = set()
    for begin, end in spare:
        taken.update(range(int((begin - half) // POINT_S), int((end - half) // POINT_S) + 1))
    return [s for s in range(first, int(end_s) - POINT_S + 1, POINT_S) if (s - half) // POINT_S not in taken]


def _lengths(rng: Prng, wanted: float, label: _Label) -> list[int]:
    """Return lengths that sum up to the points wanted, the fraction of one by lot."""
    left = int(wanted + rng.unit())
    out = []
    while left > 0:
        length = min(left, label.least + rng.below(label.most - label.least + 1))
        out.append(length)
        left -= length
    return out


def _shuffle(rng: Prng, items: list[tuple[str, int]]) -> None:
    for i in range(len(items) - 1, 0, -1):
        j = rng.below(i + 1)
        items[i], items[j] = items[j], items[i]


def _gaps(rng: Prng, minutes: int, episodes: list[tuple[str, int]]) -> list[int]:
    """Return the free minutes before each episode: what is left is cut at random; _APART of them where there is room."""
    free = minutes - sum(length for _, length in episodes)
    apart = min(_APART, free // (len(episodes) + 1))
    left = free - apart * len(episodes)
    cuts = sorted(rng.below(left + 1) for _ in episodes)
    return [apart + cut - before for cut, before in zip(cuts, [0, *cuts], strict=False)]


def _pieces(minutes: list[int]) -> list[tuple[int, int]]:
    """Return (from, to) of the runs of joined minutes."""
    pieces: list[tuple[int, int]] = []
    for minute in minutes:
        if pieces and pieces[-1][1] == minute:
            pieces[-1] = (pieces[-1][0], minute + POINT_S)
        else:
            pieces.append((minute, minute + POINT_S))
    return pieces

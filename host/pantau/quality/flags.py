"""QARTOD flags: the order of tests, which flag wins, and the text that travels with an observation."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

GOOD, UNKNOWN, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
_RANK = {MISSING: 0, UNKNOWN: 1, GOOD: 2, SUSPECT: 3, FAIL: 4}  # as qartod_compare of ioos_qc

# Tests in the order in which they are told. A test's name is the reason that it gives, but for these.
ORDER = (
    "range",
    "site_range",
    "rate",
    "spike",
    "flat",
    "floor",
    "gradient",
    "blip",
    "box",
    "short",
    "contact",
    "no_rain",
    "humid",
    "pair",
    "clogged",
    "double_tip",
    "intensity",
    "on_time",
    "lane_flow",
    "idle",
)
_REASON = {"range": "out_of_range"}
_NODE_SAYS_NOTHING = frozenset({"ok", "not_evaluated"})


class Verdict(NamedTuple):
    """What an observation says of its quality."""

    quality: int
    reason: str
    tests: str


def worst(a: int, b: int) -> int:
    """Return the flag that wins: FAIL > SUSPECT > GOOD > UNKNOWN > MISSING."""
    return a if _RANK[a] >= _RANK[b] else b


@lru_cache(maxsize=16384)
def verdict(names: tuple[str, ...], flags: tuple[int, ...], quality: int, reason: str) -> Verdict:
    """Return what the node's own flag and reason and the host's tests amount to.

    The reason is the node's while its flag is as bad as any, else that of the first test with the worst flag.
    """
    text = " ".join(f"{name}={flag}" for name, flag in zip(names, flags, strict=True))
    at_worst = quality
    for flag in flags:
        at_worst = worst(at_worst, flag)
    if at_worst == quality:
        return Verdict(quality, reason, text)
    if at_worst == GOOD:
        return Verdict(GOOD, "ok" if reason in _NODE_SAYS_NOTHING else reason, text)
    name = names[flags.index(at_worst)]
    return Verdict(at_worst, _REASON.get(name, name), text)

"""From a batch of frames to single observations and back: what sinks share that take one observation at a time. I/O-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from pantau.sinks import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau.decode import Decoded
    from pantau.model import Observation

_T = TypeVar("_T")

_NAMED = 3  # reasons that a verdict names; the rest is counted


class TargetTrouble(Exception):  # noqa: N818  a state that passes, not a mistake
    """The target cannot take anything now. `ambiguous`: what was sent may have been applied, nobody knows."""

    def __init__(self, reason: str, *, ambiguous: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.ambiguous = ambiguous
        self.wait_s = wait_s


class Refused(Exception):  # noqa: N818  as above
    """The target refuses what it was sent, and always will: some item of it is bad. Nothing of it was applied."""


class Item(NamedTuple):
    """One observation of a batch; `frame` is the place of its frame there."""

    frame: int
    observation: Observation


class Outcome(NamedTuple):
    """What became of one item."""

    kind: Literal["stored", "duplicate", "rejected"]
    reason: str = ""


STORED, DUPLICATE = Outcome("stored"), Outcome("duplicate")


def measured(batch: Sequence[Decoded]) -> list[Item]:
    """Return the observations of `batch` that have a value and a date: what a target of time series can hold.

    One without a date comes again when its boot can be dated; one without a value says only that nothing was measured.
    """
    return [
        Item(at, seen)
        for at, decoded in enumerate(batch)
        for seen in decoded.observations
        if seen.value is not None and seen.observed_at_ms is not None
    ]


def sift(items: Sequence[_T], send: Callable[[Sequence[_T]], Sequence[Outcome]]) -> list[Outcome]:
    """Send `items` and return an outcome for each; where `send` raises Refused, halve until the bad ones stand alone.

    One bad item among n costs 2 log n requests. TargetTrouble ends it: the halves that went through are applied already.
    """
    if not items:
        return []
    try:
        return list(send(items))
    except Refused as refused:
        if len(items) == 1:
            return [Outcome("rejected", str(refused))]
    middle = len(items) // 2
    return sift(items[:middle], send) + sift(items[middle:], send)


def verdicts(batch: Sequence[Decoded], items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Verdict]:
    """Return the verdict of each frame from the outcomes of its items; a frame without items is stored."""
    of_frame: list[list[tuple[Item, Outcome]]] = [[] for _ in batch]
    for item, outcome in zip(items, outcomes, strict=True):
        of_frame[item.frame].append((item, outcome))
    return [_verdict(decoded, pairs) for decoded, pairs in zip(batch, of_frame, strict=True)]


def retry(batch: Sequence[Decoded], error: TargetTrouble) -> list[Verdict]:
    """Return the verdicts that ask for the batch again."""
    return [Verdict("retry", str(error), error.wait_s)] * len(batch)


def _verdict(decoded: Decoded, pairs: Sequence[tuple[Item, Outcome]]) -> Verdict:
    if decoded.error:
        return Verdict("rejected", decoded.error)
    bad = [(item.observation, outcome.reason) for item, outcome in pairs if outcome.kind == "rejected"]
    if bad:
        named = "; ".join(f"{seen.property}[{seen.index}]: {reason}" for seen, reason in bad[:_NAMED])
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        return Verdict("rejected", f"{len(bad)} of {len(pairs)} observations: {named}{more}")
    if pairs and all(outcome.kind == "duplicate" for _, outcome in pairs):
        return Verdict("duplicate")
    return Verdict("stored")

"""Where observations go. One file per sink, found by its name; each follows the log with its own cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.model import Observation
    from pantau.registry import Registry


class Verdict(NamedTuple):
    """What became of one decoded frame.

    `stored` and `duplicate` are done. `rejected` is done and kept visible with its reason: the target will never take the
    frame, or the observations that the reason names; the others are stored. `retry`: deliver the same batch again later,
    not before `wait_s` when the target said so. What a failed attempt did apply comes out as `duplicate` then.
    """

    kind: Literal["stored", "duplicate", "rejected", "retry"]
    reason: str = ""
    wait_s: float = 0.0


class Context(NamedTuple):
    """What every sink is told beside its own table of pantau.toml.

    `log` names the log that positions count in: a target that keeps a position keeps one for each log, for several bridges
    may share it, and a log that was begun anew counts from the start. `folder` is for what the sink must remember itself.
    """

    city: str
    log: str
    folder: Path
    registry: Registry


class Sink(Protocol):
    """One target. All calls come from one thread; they may block it. `deliver` gets one batch at a time, in log order.

    A batch may come again, whole or cut otherwise, after a crash, a lost answer or on somebody's wish: what is known by its
    key must not be stored twice. Each module has the table of its settings and `open_sink(settings, context) -> Sink`,
    which does not connect: a target that is away is `retry`, not a failure to start.
    """

    name: str

    def position(self) -> int | None:
        """Return the highest frame id of the last delivery that the target holds, 0 for none, None when it cannot tell.

        Asked at the start and after trouble. The follower starts at the smaller of this and its own cursor: redelivery is
        harmless, a gap is not. A target that lost what it had gets it again from the log.
        """

    def use(self, registry: Registry) -> None:
        """Take over another registry. Does not talk to the target: the next delivery does."""

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply `batch` and return one verdict per frame, in order. Target trouble is `retry`, never an exception."""

    def close(self) -> None:
        """Release the target; deliveries that returned stay delivered."""


class Readable(Protocol):
    """A sink whose target can be asked what it holds: `pantau sink test` does."""

    def find(self, observation: Observation) -> str | None:
        """Return how the target shows this observation, None when it does not hold it. Raises TargetTrouble."""

    def figures(self) -> Mapping[str, float]:
        """Return numbers for the metrics, by those names of pantau.ops.figures that begin with sink_."""

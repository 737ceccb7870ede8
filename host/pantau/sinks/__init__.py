"""Where observations go. One file per sink, found by its name; each follows the spool with its own cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau.decode import Decoded


class Verdict(NamedTuple):
    """What became of one decoded frame.

    `stored` and `duplicate` are done; `rejected` is done and kept visible with its reason; `retry` means that nothing of
    the batch was applied and the same batch must be delivered again later.
    """

    kind: Literal["stored", "duplicate", "rejected", "retry"]
    reason: str = ""


class Sink(Protocol):
    """One target. `deliver` may block: the follower calls it in a worker thread, one batch at a time, in spool order."""

    name: str

    def position(self) -> int:
        """Return the highest frame id of the last delivery that the target holds, 0 for none.

        The follower starts at the smaller of this and its own cursor: redelivery is harmless, a gap is not.
        """

    def deliver(self, batch: Sequence[Decoded]) -> list[Verdict]:
        """Apply `batch` and return one verdict per frame, in order. Target trouble is `retry`, never an exception."""

    def close(self) -> None:
        """Release the target; deliveries that returned stay delivered."""

"""Samples that a running node takes for a technician: one for the self-test, ten for the commissioning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau.node.settings import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pantau.node.session import Session

_ROOM_S = 30  # beside one interval: the gap that the node waits for, and the slowest sensors
_LONGEST_S = 300


def patience(session: Session) -> float:
    """Return how long a node may take for a sample, by its sampling interval."""
    interval = value_of(session.ask("get", key="sampling.interval_s"))
    return float(min(interval, _LONGEST_S) + _ROOM_S) if isinstance(interval, int) else float(_LONGEST_S)


def selftest(session: Session) -> dict[str, Any]:
    """Return the answer to `selftest`."""
    return session.ask("selftest", patience_s=patience(session))


def samples(session: Session, count: int, taken: Callable[[], object]) -> list[dict[str, Any]]:
    """Return `count` answers to `read`; `taken` is told of each."""
    wait_s = patience(session)
    found = []
    for _ in range(count):
        found.append(session.ask("read", patience_s=wait_s))
        taken()
    return found

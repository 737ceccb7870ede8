"""Frames made of values, for tests that need to say every number: `kit.Town` makes them from bytes."""

from __future__ import annotations

from pantau.decode import Decoded
from pantau.model import Observation, Revision

NOW_MS = 1_795_824_000_000  # 2026-11-28T00:00:00Z
STATIONS = {"flood-01": "angke", "air-02": "cimone"}


def frame(
    number: int,
    values: dict[str, tuple[str, list[float | None]]],
    *,
    node: str = "flood-01",
    boot: int = 1,
    seq: int | None = None,
    at_ms: int | None = -1,
    quality: int = 1,
    revisions: tuple[Revision, ...] = (),
) -> Decoded:
    """Return a frame: {property: (unit, values a minute apart)}. `at_ms` None leaves it without dates."""
    received_ms = NOW_MS + 60_000 * number
    first_ms = received_ms - 30_000 if at_ms == -1 else at_ms
    seq = number if seq is None else seq
    seen = tuple(
        Observation(
            node, boot, seq, index, name, value, unit,
            quality if value is not None else 9, "ok" if value is not None else "timeout",
            None if first_ms is None else first_ms + 60_000 * index, 60_000 * index if first_ms is None else None,
            3 if first_ms is not None else 0, received_ms, STATIONS.get(node),
        )
        for name, (unit, column) in values.items()
        for index, value in enumerate(column)
    )  # fmt: skip
    return Decoded(number, node, boot, seq, received_ms, seen, clock=3, alarm=False, revisions=revisions, interval_s=60)

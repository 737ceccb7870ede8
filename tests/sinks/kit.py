"""What the kits of the sinks share: a row as a target holds it, a registry, frames as a follower delivers them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pantau import registry as registry_file
from pantau.decode import Decoded
from pantau.model import Observation, Revision
from pantau.registry import Registry

NOW_MS = 1_795_824_000_000  # 2026-11-28T00:00:00Z
LOG = "test"
_REGISTRY = """
[[station]]
id = "angke"
name = "Kali Angke"
domain = "flood"
latitude = -6.2
longitude = 106.6
sensor_height_m = 4.0
tip_mm = 0.2
[[station]]
id = "sudirman"
name = "Jalan Sudirman"
domain = "air"
latitude = -6.17
longitude = 106.63
[[node]]
id = "flood-01"
station = "angke"
[[node]]
id = "air-02"
station = "sudirman"
"""


class Row(NamedTuple):
    """One observation as the target holds it; None for what it cannot say."""

    node: str
    boot: int | None
    seq: int | None
    index: int | None
    property: str
    value: float | None
    observed_at_ms: int | None
    quality: int | None


def registry(folder: Path) -> Registry:
    """Return two stations, each with a node."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "registry.toml"
    path.write_text(_REGISTRY)
    return registry_file.load(path)


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
    seq = number if seq is None else seq
    received_ms = NOW_MS + 60_000 * number
    first_ms = received_ms - 30_000 if at_ms == -1 else at_ms
    seen = tuple(
        Observation(
            node, boot, seq, index, name, value, unit,
            quality if value is not None else 9, "ok" if value is not None else "timeout",
            None if first_ms is None else first_ms + 60_000 * index, 60_000 * index if first_ms is None else None,
            3 if first_ms is not None else 0, received_ms, "angke" if node == "flood-01" else "sudirman",
        )
        for name, (unit, column) in values.items()
        for index, value in enumerate(column)
    )  # fmt: skip
    return Decoded(number, node, boot, seq, received_ms, seen, clock=3, alarm=False, revisions=revisions, interval_s=60)

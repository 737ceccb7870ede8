"""What was said, in order, as fingerprints: two runs of one seed must have the same, and where they have not, this names the first that differs."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Said(NamedTuple):
    """One message at a broker: instant (Unix us), topic, who sent it, first bytes of the SHA-256 of its payload."""

    at_us: int
    topic: str
    mark: str

    def __str__(self) -> str:
        return f"{self.topic} at {self.at_us / 1e6:.3f} ({self.mark})"


def said(at_us: int, topic: str, payload: bytes) -> Said:
    """Return the entry of a message."""
    return Said(at_us, topic, hashlib.sha256(payload).hexdigest()[:12])


def digest(entries: list[Said]) -> str:
    """Return one fingerprint of them all."""
    whole = hashlib.sha256()
    for entry in entries:
        whole.update(f"{entry.at_us} {entry.topic} {entry.mark}\n".encode())
    return whole.hexdigest()[:32]


def difference(first: list[Said], second: list[Said]) -> str | None:
    """Return in words where two traces part, None where they are equal."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            what = "its payload" if one[:2] == other[:2] else "what was said then"
            return f"{what} differs: {one} in the first run, {other} in the second"
    if len(first) != len(second):
        longer, which = (first, "first") if len(first) > len(second) else (second, "second")
        return f"only the {which} run went on with {longer[min(len(first), len(second))]}"
    return None

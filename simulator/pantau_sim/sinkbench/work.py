"""What all sinks are measured with: frames of a fleet, decoded and judged as a follower hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pantau import registry as registry_file
from pantau.decode import Decoder
from pantau.model import StoredFrame
from pantau.quality.assessor import Assessor
from pantau_sim.load.files import write_registry
from pantau_sim.load.frames import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.decode import Decoded
    from pantau.registry import Registry

CITY = "bench"
BATCH = 100  # frames a delivery, as the follower has it
_T0_S = 1_780_000_000
_LAP_S = 900


class Work:
    """A fleet, its registry, and batches of its frames: never the same frame twice, and later ones later in time."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self._fleet = Fleet(CITY, nodes, 1)
        write_registry(folder, self._fleet)
        self.registry: Registry = registry_file.load(folder / "registry.toml")
        self._decoder = Decoder(self.registry)
        self._assessor = Assessor(self.registry)
        self._laps = 0
        self._last_id = 0

    def batches(self, frames: int) -> list[list[Decoded]]:
        """Return the next `frames` frames, rounded up to whole rounds of the fleet, in batches."""
        laps = -(-frames // len(self._fleet.nodes))
        made: list[Decoded] = []
        first = 1 + self._laps
        base_s = _T0_S + self._laps * _LAP_S
        for number, seq, payload in self._fleet.frames(
            laps * len(self._fleet.nodes), boot=1, first_seq=first, base_s=base_s
        ):
            self._last_id += 1
            received_ms = 1000 * (base_s + (seq - first + 1) * _LAP_S)
            stored = StoredFrame(self._last_id, self._fleet.nodes[number].id, 1, seq, received_ms, payload)
            made.append(self._assessor.assess(self._decoder.decode(stored)))
        self._laps += laps
        return [made[at : at + BATCH] for at in range(0, len(made), BATCH)]


def observations(batches: list[list[Decoded]]) -> int:
    """Return how many observations these batches have."""
    return sum(len(decoded.observations) for batch in batches for decoded in batch)

"""Seeds played one after the other, and their report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pantau_sim.score import ablation, seed
from pantau_sim.score.city import WHOLE, Size
from pantau_sim.score.summary import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pantau_sim.score.seed import Measured


def score(
    seeds: Sequence[int],
    jobs: int,
    progress: Callable[[float], None] = lambda _share: None,
    size: Size = WHOLE,
    *,
    ablate: bool = True,
) -> dict[str, Any]:
    """Return the report of these seeds. `progress` hears the share of the seeds that is played."""
    played: list[Measured] = []
    logs = []
    for number, one in enumerate(seeds):
        measured = seed.play(one, size, jobs, lambda share, number=number: progress((number + share) / len(seeds)))  # type: ignore[misc]
        if ablate and measured.log is not None:
            logs.append(measured.log)
        measured.log = None
        played.append(measured)
    return report(played, ablation.table(logs, jobs))

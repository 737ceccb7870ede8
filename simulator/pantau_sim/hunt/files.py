"""Cases that failed, as scenario files with what they showed: `pantau sim hunt --replay FILE` judges one again."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pantau_sim.hunt.text import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pantau_sim.hunt.invariants import Broken

_WIDTH, _LINES = 110, 8
_HERE = str(Path(__file__).parents[3]) + "/"


def saved(folder: Path, invariant: str, seed: int) -> Path | None:
    """Return the file of a finding, None when it has none."""
    path = folder / f"{invariant}-{seed}.toml"
    return path if path.exists() else None


def save(folder: Path, broken: Broken, seed: int, tables: Mapping[str, Any]) -> Path:
    """Write a finding and return where; what is there already is left as it is."""
    path = folder / f"{broken.invariant}-{seed}.toml"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for part in broken.what.replace(_HERE, "").splitlines() for line in textwrap.wrap(part, _WIDTH)]
    about = [f"Found by pantau sim hunt, seed {seed}: {broken.invariant} did not hold.", *lines[:_LINES]]
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text(tables, about))
    except FileExistsError:
        pass
    return path

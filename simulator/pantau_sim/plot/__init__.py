"""A run on one time axis: truth, what nodes measured, what the platform judged, alerts, faults. PNG or a page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pantau_sim.plot.gather import PlotError, chart, pick
from pantau_sim.plot.page import html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pantau_sim.plot.words import Lang
    from pantau_sim.run.outcome import Outcome

__all__ = ["SUFFIXES", "PlotError", "chart", "draw", "pick"]

SUFFIXES = (".png", ".svg", ".html")


def draw(outcome: Outcome, stations: Sequence[str], path: Path, lang: Lang = "en") -> None:
    """Write the picture of some stations (none named: those of `pick`) in the form that the file's name asks for.

    Raises PlotError for another ending or an unknown station, OSError, sqlite3.Error, and ModuleNotFoundError where matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise PlotError(f"{path.name}: a plot is one of {', '.join(SUFFIXES)}")
    from pantau_sim.plot.picture import render

    shown = chart(outcome, stations, lang)
    if path.suffix == ".html":
        path.write_text(html(shown, render(shown, lang, "svg"), lang), encoding="utf-8")
    else:
        path.write_bytes(render(shown, lang, "png" if path.suffix == ".png" else "svg"))

"""`pantau sim plot`: a run on one time axis."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

import click

from pantau.cli.report import MissingError, UsageError


@click.command("plot")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--scenario", metavar="FILE", help="The scenario that was played, where it is none that Pantau ships.")
@click.option(
    "--station",
    "stations",
    multiple=True,
    metavar="ID",
    help="Show this one; can be given again [the six with most alerts].",
)
@click.option("--lang", type=click.Choice(["en", "id"]), default="en", show_default=True, help="English or Indonesian.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="PNG, SVG or HTML, by its ending [FOLDER/plot.html]."
)
def command(
    folder: Path, scenario: str | None, stations: tuple[str, ...], lang: Literal["en", "id"], out: Path | None
) -> None:
    """Draw a run that `pantau sim run --keep FOLDER` left.

    Truth, what nodes measured, what the platform judged (by quality flag), alerts, faults: on one axis, in local time. The page
    needs no network, and tells in tables what the picture shows.
    """
    from pantau_sim import plot
    from pantau_sim.plot.kept import opened

    path = out or folder / "plot.html"
    try:
        plot.draw(opened(folder, scenario), stations, path, lang)
    except ModuleNotFoundError as error:
        raise MissingError(f"{error}: pip install 'pantau[plot]'") from None
    except (plot.PlotError, OSError, sqlite3.Error) as error:
        raise UsageError(str(error)) from None
    click.echo(f"{path} shows the run")

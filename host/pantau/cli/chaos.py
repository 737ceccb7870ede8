"""`pantau chaos`: everything fails, nothing may be lost."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from pantau.cli import report as reports
from pantau.cli.report import FailedError, MissingError


def _tell(result: dict[str, Any]) -> None:
    click.echo(
        f"\n{result['faults']} faults in {result['seconds']:.0f} s, seed {result['seed']}; recovery p50 and max in seconds:"
    )
    for kind, times in result["faults_injected"].items():
        took = result["recovery_s"].get(kind)
        figures = f"{took['p50']:7.2f} {took['max']:7.2f}" if took else "      -       -"
        click.echo(f"  {kind:30} {times:5}  {figures}")
    exits = ", ".join(f"{count} by {name}" for name, count in sorted(result["bridge_exits"].items()))
    click.echo(
        f"bridge ended {exits}\n"
        f"frames        produced {result['frames_produced']} in {result['boots']} boots, stored {result['stored']}, "
        f"lost {result['lost']}, duplicates {result['duplicates']}, never made {result['foreign']}\n"
        f"observations  in the city store {result['observations']}, lost {result['observations_lost']}, "
        f"duplicates {result['observations_duplicate']}, other values {result['observations_wrong']}"
    )
    for line in (*result["troubles"], *result["examples"]):
        click.echo(f"  BAD  {line}")


@click.command("chaos")
@click.option(
    "--minutes", type=click.FloatRange(0.1, 24 * 60), default=3.0, show_default=True, help="How long at most."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the schedule, the nodes and the keys.")
@click.option("--faults", type=click.IntRange(0), default=0, help="End after so many faults; 0: only by the time.")
@click.option("--nodes", type=click.IntRange(1, 1000), default=40, show_default=True)
@click.option(
    "--keep", "folder", type=click.Path(path_type=Path), help="Keep everything that was written in this folder."
)
@reports.option
def command(minutes: float, seed: int, faults: int, nodes: int, folder: Path | None, report: Path | None) -> None:
    """Nodes, a real Mosquitto, a real bridge and its sinks, while everything fails; then every frame is accounted for.

    Exits 0 only if every frame is in the log and every reading in the city store, once and with its value.
    """
    from pantau_sim.chaos import run as story
    from pantau_sim.chaos.servers import MissingBrokerError, ServerError

    place = folder or Path(tempfile.mkdtemp(prefix="pantau-chaos-"))
    keep = folder is not None
    try:
        place.mkdir(parents=True, exist_ok=True)
        options = story.Options(60 * minutes, seed, faults, place, nodes)
        result = asyncio.run(story.run(options, click.echo))
        keep = keep or not result["good"]
    except MissingBrokerError as error:
        raise MissingError(str(error)) from None
    except (ServerError, OSError) as error:
        keep = True
        raise FailedError(f"{error}\nEverything that was written is in {place}") from None
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    _tell(result)
    reports.write(report, result)
    if result["faults"] < faults:
        raise FailedError(f"only {result['faults']} of {faults} faults in {minutes:g} minutes: give it more")
    if not result["good"]:
        raise FailedError(f"not everything is accounted for; the logs are in {place}")

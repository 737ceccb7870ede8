"""`pantau fleet rollout`: bring a release to the nodes, ring by ring; halt it, go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import LASTS, now_ms, opened, standing, who
from pantau.cli.node._field import json_option, tell
from pantau.cli.report import UsageError
from pantau.fleet.rings import RINGS, STEPS, rings_of, stages
from pantau.fleet.rollout import Plan
from pantau.fleet.rollouts import RolloutError, Rollouts

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.config import Config
    from pantau.fleet.book import Book

_ALL = 100


def _rings(_ctx: click.Context, _param: click.Parameter, value: str) -> list[str]:
    rings = value.split(",")
    if [ring for ring in RINGS if ring in rings] != rings:
        raise click.BadParameter(f"give some of {','.join(RINGS)}, in this order")
    return rings


def _steps(_ctx: click.Context, _param: click.Parameter, value: str) -> list[int]:
    if not all(part.isdigit() for part in value.split(",")):
        raise click.BadParameter("give per cent that rise, as 5,25,100")
    steps = [int(part) for part in value.split(",")]
    if steps != sorted(set(steps)) or not 0 < steps[0] <= steps[-1] <= _ALL:
        raise click.BadParameter("give per cent that rise, as 5,25,100")
    return steps


def _limit(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, float]:
    """Return (nodes, per cent) from "2" or "2,1%"."""
    many, _, share = value.partition(",")
    text = share.removesuffix("%") or "2"
    if not many.isdigit() or not int(many) or not text.replace(".", "", 1).isdigit():
        raise click.BadParameter("give a number of nodes and, for large cities, a share of those asked: 2 or 5,1%")
    return int(many), float(text)


@click.command("rollout")
@config_option
@click.argument("release", type=int, required=False)
@click.option(
    "--rings", callback=_rings, default=",".join(RINGS), show_default=True, help="Which rings, in their order."
)
@click.option(
    "--step",
    callback=_steps,
    default=",".join(map(str, STEPS)),
    show_default=True,
    help="Per cent of the city at a time.",
)
@click.option("--soak", type=LASTS, default="30m", show_default=True, help="How long each stage is watched.")
@click.option(
    "--halt-at", callback=_limit, default="2,2%", show_default=True,
    help="Failed nodes that halt it: so many, where these are this share of those asked, too.",
)  # fmt: skip
@click.option(
    "--patience", type=LASTS, default="2h", show_default=True, help="For a node to accept, from its first chunk on."
)
@click.option(
    "--silent", type=LASTS, default="45m", show_default=True, help="Without a word after which a node has failed."
)
@click.option("--dry-run", is_flag=True, help="Show the stages and begin nothing.")
@click.option("--halt", is_flag=True, help="Halt what runs; nodes that have accepted stay on it.")
@click.option("--back", is_flag=True, help="With --halt, or later: bring those back that have accepted.")
@click.option("--resume", is_flag=True, help="Go on with what was halted.")
@json_option
def command(
    path: Path, release: int | None, halt: bool, back: bool, resume: bool, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Bring RELEASE to the nodes: lab, canary, city. The running bridge carries it out; `pantau fleet status` shows how far it is.

    Each stage is watched for --soak. Too many failures halt it by themselves, and what runs the release is brought back.
    """
    if (release is not None) + halt + resume != 1 and not (back and not release and not resume):
        raise UsageError("name a RELEASE, or --halt, or --resume")
    with opened(path) as (config, book):
        rollouts = Rollouts(book)
        try:
            if release is not None:
                plan = _plan(config, book, release, options)
                said = "\n".join(f"{stage}: {len(stage.nodes)} nodes" for stage in plan.stages)
                if not dry_run:
                    rollouts.begin(release, plan, who(), now_ms())
                    said += f"\nRelease {release} is being rolled out; watch it: pantau fleet status"
            elif resume:
                plan = rollouts.resume(who(), now_ms()).plan
                said = "It goes on; watch it: pantau fleet status"
            else:
                plan = rollouts.halt(who(), now_ms(), back=back).plan
                said = "Halted." + (
                    " Nodes that have accepted are brought back." if back else " Nodes stay as they are."
                )
        except RolloutError as error:
            raise UsageError(str(error)) from None
        last = rollouts.last()
    result = {"rollout": None if last is None else last.id, "stages": [stage._asdict() for stage in plan.stages]}
    tell(result | {"state": None if last is None else last.state}, said, as_json=as_json)


def _plan(config: Config, book: Book, release: int, options: dict[str, Any]) -> Plan:
    bundle = book.bundle_of(release)
    if bundle is None:
        there = ", ".join(str(one.release) for one in book.releases()) or "none: pantau fleet release makes one"
        raise UsageError(f"there is no release {release} in {book.path}; there are: {there}")
    fleet = config.fleet
    rings = rings_of(standing(config), fleet.lab, fleet.canary, fleet.canary_percent)
    many, share = options["halt_at"]
    found = tuple(stages(rings, options["rings"], options["step"]))
    if not found:
        raise UsageError("no node stands in these rings: see [fleet] in pantau.toml, and registry.toml")
    return Plan(bundle, found, options["soak"], many, share, options["patience"], options["silent"])

"""`pantau fleet pin`: nodes that stay on the release they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import known, now_ms, opened, who
from pantau.cli.node._field import json_option, tell

if TYPE_CHECKING:
    from pathlib import Path


@click.command("pin")
@config_option
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@click.option("--off", is_flag=True, help="Let them take part in rollouts again.")
@click.option("--why", default="", help="For whoever reads `pantau fleet status` later.")
@json_option
def command(path: Path, nodes: tuple[str, ...], off: bool, why: str, as_json: bool) -> None:
    """Keep NODE out of rollouts; without NODE list those that are. A rollout under way passes them by, too."""
    with opened(path) as (config, book):
        if not off:
            known(config, nodes)
        with book.transaction():
            for node in nodes:
                if off:
                    book.unpin(node, who(), now_ms())
                else:
                    book.pin(node, who(), now_ms(), why)
        pins = book.pins()
    lines = [f"{node}  {reason}" for node, reason in pins.items()]
    tell({"pins": pins}, "\n".join([*lines, f"{len(pins)} nodes are pinned"]), as_json=as_json)

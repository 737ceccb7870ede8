"""`pantau fleet history`: who did what to the fleet, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau.cli._config import config_option
from pantau.cli.fleet._book import opened, when
from pantau.cli.node._field import json_option, tell

if TYPE_CHECKING:
    from pathlib import Path


@click.command("history")
@config_option
@click.option("--node", help="Only what was done to this node.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@json_option
def command(path: Path, node: str | None, limit: int, as_json: bool) -> None:
    """List releases, rollouts, pins and orders, the newest first. Times are UTC."""
    with opened(path) as (_, book):
        entries = book.history(limit, None if node is None else f"node {node}")
    lines = [f"{when(entry.at_ms)}  {entry.by}  {entry.subject}: {entry.what}" for entry in entries]
    tell({"history": [entry._asdict() for entry in entries]}, "\n".join(lines or ["nothing yet"]), as_json=as_json)

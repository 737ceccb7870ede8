"""`pantau node placed`: every node with its station, and the stations that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import keys as key_file
from pantau import registry as registry_file
from pantau.cli._config import config_option
from pantau.cli.node._common import day, now, unix_ms
from pantau.cli.report import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pantau.registry import Placement, Registry

_SAID = 50


@click.command("placed")
@config_option
@click.option("--station", help="Only this station.")
@click.option("--all", "everything", is_flag=True, help="Also where nodes stood before and will stand.")
def command(path: Path, station: str | None, everything: bool) -> None:
    """List nodes with their stations, and stations without a node. Times are UTC."""
    config = config_file.load(path)
    registry, keys = (
        registry_file.load(config.bridge.registry),
        key_file.load(config.bridge.keys, config.bridge.keys_secret),
    )
    if station is not None and station not in registry.stations:
        raise UsageError(f"no station has the id {station}")
    at_ms = unix_ms(now())
    stays = _stays(registry, station, None if everything else at_ms)
    widest = max((len(place.station) for place in stays), default=7)
    click.echo(f"{'node':<23}  {'station':<{widest}}  {'from':<16}  {'to':<16}  key")
    for place in stays:
        signing = keys.signing(place.id)
        key = "none: enrol it" if signing is None else str(signing[0])
        click.echo(
            f"{place.id:<23}  {place.station:<{widest}}  {day(place.start_ms):<16}  {day(place.end_ms):<16}  {key}"
        )
    without = [name for name in registry.stations if station in {None, name} and not registry.nodes_at(name, at_ms)]
    click.echo(f"{len(stays)} placements of {len({place.id for place in stays})} nodes")
    if without:
        more = f" and {len(without) - _SAID} more" if len(without) > _SAID else ""
        click.echo(f"without a node now: {', '.join(without[:_SAID])}{more}")


def _stays(registry: Registry, station: str | None, at_ms: int | None) -> list[Placement]:
    stays = [place for node in registry.nodes for place in registry.placements(node)]
    if station is not None:
        stays = [place for place in stays if place.station == station]
    if at_ms is not None:
        stays = [place for place in stays if place.start_ms <= at_ms < place.end_ms]
    return sorted(stays, key=lambda place: (place.station, place.start_ms, place.id))

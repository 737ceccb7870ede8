"""`pantau node label`: what is stuck on the box, so that a phone and a pair of eyes know which node this is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau import config as config_file
from pantau import registry as registry_file
from pantau.cli._config import config_option
from pantau.cli.node._common import now, unix_ms
from pantau.cli.node._field import json_option, lang_option, tell
from pantau.cli.report import FailedError, MissingError, UsageError
from pantau.node.label import HEIGHT_MM, WIDTH_MM, Label, save, text_of
from pantau.node.words import say
from pantau_wire.topics import valid_id

if TYPE_CHECKING:
    from pantau.registry import Registry


def _which(registry: Registry, nodes: tuple[str, ...], station: str | None, lang: str) -> list[tuple[str, str]]:
    """Return (node, station) of each label; all that stand somewhere now where none is named."""
    at_ms = unix_ms(now())
    if station is not None and station not in registry.stations:
        raise UsageError(say("label.station", lang, station=station))
    stands = {node: at.id for node in registry.nodes if (at := registry.station_of(node, at_ms)) is not None}
    if not nodes:
        found = sorted((node, place) for node, place in stands.items() if station in {None, place})
        if not found:
            raise UsageError(say("label.none", lang))
        return found
    for node in nodes:
        if not valid_id(node) or (station is None and node not in stands):
            raise UsageError(say("label.unplaced", lang, node=node))
    return [(node, station or stands[node]) for node in nodes]


@click.command("label")
@config_option
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@click.option("--station", help="Where the node will stand, if the registry does not say so yet.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("labels.pdf"), show_default=True,
    help="A .png for one label, a .pdf for any number (A4 sheets for several).",
)  # fmt: skip
@json_option
@lang_option
def command(path: Path, nodes: tuple[str, ...], station: str | None, out: Path, as_json: bool, lang: str) -> None:
    """Draw labels with a QR code (node and station) for printing; without NODE for every node that stands somewhere."""
    config = config_file.load(path)
    registry = registry_file.load(config.bridge.registry)
    labels = [
        Label(node, place, (at := registry.stations[place]).name, at.domain, config.bridge.city)
        for node, place in _which(registry, nodes, station, lang)
    ]
    try:
        pages = save(labels, out)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except ImportError as error:
        raise MissingError(f"{error.name} is not installed: pip install 'pantau[field]'") from None
    except OSError as error:
        raise FailedError(f"{out} cannot be written: {error.strerror}") from None
    said = say("label.wrote", lang, path=out, count=len(labels), width=WIDTH_MM, height=HEIGHT_MM, pages=pages)
    tell({"file": str(out), "pages": pages, "labels": [text_of(label) for label in labels]}, said, as_json=as_json)

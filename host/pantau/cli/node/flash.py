"""`pantau node flash`: a stock MicroPython image onto a chip, with room for what the node keeps."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau.cli.node._field import field_options, tell
from pantau.cli.node._trouble import told
from pantau.cli.report import MissingError
from pantau.node import flash as flashing
from pantau.node.ports import choose, find_ports
from pantau.node.words import say

if TYPE_CHECKING:
    from pantau.node.flash import Flashed, Image
    from pantau.node.ports import Port

_STEPS = 1000


@click.command("flash")
@field_options
@click.option(
    "--image", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, metavar="FILE",
    help="The MicroPython image (.bin) of the board, 1.25 or newer.",
)  # fmt: skip
@click.option(
    "--baud", type=click.IntRange(9600, 2_000_000), default=flashing.BAUD, show_default=True, help="Of the cable."
)
@click.option("--erase", is_flag=True, help="Erase the whole flash first: what the node kept is lost, frames too.")
def command(port: str | None, as_json: bool, lang: str, file: Path, baud: int, erase: bool) -> None:
    """Write a MicroPython image with Pantau's partitions; wrong chips and images that are too large are refused before.

    What the node keeps (identity, configuration, frames) stays where it is, unless the partitions move. Running the command
    again after a pulled cable finishes the job.
    """
    if importlib.util.find_spec("esptool") is None:
        raise MissingError(say("flash.esptool", lang))
    with told(lang):
        image = flashing.read_image(file.read_bytes())
        at = choose(port, find_ports())
        done = _flashed(at, image, baud, erase, lang)
    result = {
        "port": at.device, "serial": at.serial, "chip": done.chip, "mac": done.mac, "flash_bytes": done.flash_bytes,
        "size": done.size, "kept": done.kept, "partitions": [row._asdict() for row in done.table],
    }  # fmt: skip
    tell(result, _said(done, lang), as_json=as_json)


def _flashed(at: Port, image: Image, baud: int, erase: bool, lang: str) -> Flashed:
    with click.progressbar(length=_STEPS, label=say("flash.writing", lang), file=sys.stderr) as bar:

        def moved(share: float) -> None:
            bar.update(max(0, round(share * _STEPS) - bar.pos))

        return flashing.flash(at, image, moved, baud=baud, erase=erase)


def _said(done: Flashed, lang: str) -> str:
    labels = ", ".join(f"{row.label} {row.size // 1024} KiB" for row in done.table if row.type == 1)
    kept = say("flash.kept", lang) if done.kept else say("flash.new", lang, labels=labels)
    return say(
        "flash.done",
        lang,
        chip=done.chip,
        mac=done.mac,
        flash=done.flash_bytes >> 20,
        size=done.size // 1024,
        kept=kept,
    )

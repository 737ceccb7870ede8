"""`pantau sim board`: a board on a serial port that is not there, for trying the technician's tools without hardware."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pantau.cli.report import MissingError, UsageError

if TYPE_CHECKING:
    from pantau_sim.board.node import VirtualBoard

_DOMAINS = ("flood", "traffic", "air")


@click.command("board")
@click.option("--pty", is_flag=True, required=True, help="Offer the board on a pseudo-terminal; its path is printed.")
@click.option("--blank", is_flag=True, help="A chip with nothing in its flash: only its ROM's loader answers.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The board's file system, kept from run to run [a folder that goes when the command ends].",
)
@click.option(
    "--sensors", type=click.Choice((*_DOMAINS, "none")), default="flood", show_default=True, help="Wired to it."
)
@click.option("--link", type=click.Path(path_type=Path), metavar="PATH", help="Make a symbolic link PATH to the port.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the world that the sensors see.")
@click.option(
    "--json", "as_json", is_flag=True, help="Say port, serial number and folder as one JSON object on a line."
)
def command(
    pty: bool, blank: bool, root: Path | None, sensors: str, link: Path | None, seed: int, as_json: bool
) -> None:
    """Run a virtual board until Ctrl-C: MicroPython with a REPL, files in DIR and nowhere else, emulated sensors.

    mpremote and `pantau node ...` take the printed port for an ESP32's.
    """
    del pty
    from pantau_sim.vm import MissingVmError, check_vm, find_vm

    if link is not None and link.exists() and not link.is_symlink():
        raise UsageError(f"{link} is there already and no symbolic link: name another place")
    try:
        check_vm(find_vm())
        with tempfile.TemporaryDirectory(prefix="pantau-board-") as own:
            board = _make(root or Path(own) / "board", sensors, seed)
            try:
                _serve(board, blank, link, as_json)
            finally:
                board.close_port()
    except MissingVmError as error:
        raise MissingError(str(error)) from None


def _make(root: Path, sensors: str, seed: int) -> VirtualBoard:
    from pantau_sim.board.node import VirtualBoard
    from pantau_sim.demo.city import SENSORS
    from pantau_sim.run.wiring import wire
    from pantau_sim.world import World

    if sensors == "none":
        return VirtualBoard(root)
    return VirtualBoard(root, wiring=wire(SENSORS[sensors], World(seed).station(f"{sensors}-board"), seed)[0])


def _point(link: Path, port: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(port)


def _serve(board: VirtualBoard, blank: bool, link: Path | None, as_json: bool) -> None:
    async def live() -> None:
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await (board.start_blank() if blank else board.start())
        if link is not None:
            await asyncio.to_thread(_point, link, board.port)
        click.echo(board.about() if as_json else _told(board, blank))
        try:
            await ended.wait()
        finally:
            await board.stop()

    try:
        asyncio.run(live())
    finally:
        if link is not None:
            link.unlink(missing_ok=True)


def _told(board: VirtualBoard, blank: bool) -> str:
    what = "a blank chip: flash it first" if blank else board.kind.machine
    return (
        f"port    {board.port}\nserial  {board.serial}\nfiles   {board.root}\nboard   {what}\n"
        f"For Pantau's tools: export PANTAU_BOARDS={board.serial}={board.port}\n"
        f"For mpremote: mpremote connect {board.port}\nCtrl-C ends it."
    )

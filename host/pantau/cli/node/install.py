"""`pantau node install`: the application onto a board that runs MicroPython."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pantau.cli.node._field import field_options, tell
from pantau.cli.node._trouble import told
from pantau.node.board import Board
from pantau.node.install import architecture, install
from pantau.node.mpy import application
from pantau.node.ports import choose, find_ports
from pantau.node.words import say

if TYPE_CHECKING:
    from pantau.node.install import Installed
    from pantau.node.mpy import Application
    from pantau.node.ports import Port

_FILES = 150  # about so many are compiled; only the bar depends on it


@click.command("install")
@field_options
@click.option(
    "--release", type=click.IntRange(0), default=0, help="Number of the release, for updates over the air [0]."
)
@click.option("--no-reset", is_flag=True, help="Leave the board at its REPL instead of starting the application.")
def command(port: str | None, as_json: bool, lang: str, release: int, no_reset: bool) -> None:
    """Compile the application for the board and put it there; only what differs is written.

    The cable may be pulled at any time: the same command finishes the job.
    """
    with told(lang):
        at = choose(port, find_ports())
        with Board.connect(at) as board:
            app = _compiled(architecture(board.facts()), lang)
            done = _copied(board, app, release, lang)
            if not no_reset:
                board.reset()
    tell({"port": at.device, "serial": at.serial, **asdict(done)}, _said(at, done, lang), as_json=as_json)


def _compiled(arch: str, lang: str) -> Application:
    label = say("install.compiling", lang, arch=arch or "bytecode")
    with click.progressbar(length=_FILES, label=label, file=sys.stderr) as bar:
        return application(arch, lambda: bar.update(1))


def _copied(board: Board, app: Application, release: int, lang: str) -> Installed:
    with click.progressbar(length=1, label=say("install.copying", lang), file=sys.stderr) as bar:

        def began(size: int) -> None:
            bar.length = max(1, size)

        return install(board, app, release, began, bar.update)


def _said(at: Port, done: Installed, lang: str) -> str:
    values = asdict(done) | {"port": at.device}
    return say("install.done" if done.written else "install.same", lang, **values)

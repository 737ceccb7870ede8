"""`pantau bridge status`: the running bridge's view of itself."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from pantau import config as config_file
from pantau.cli.report import FAILED, MISSING, OK
from pantau.ops import status as bridge_status
from pantau.ops.view import Line, lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EVERY_S = 2.0
_COLOURS = {"good": "green", "bad": "red"}
# The alternate screen, as an editor uses it: what stood in the terminal before comes back at the end.
_ENTER, _LEAVE, _HOME, _LINE_END, _REST = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[K\n", "\x1b[J"


def show(path: Path, *, as_json: bool, watch: bool) -> int:
    """Print the state of the bridge of this configuration, once or until Ctrl-C; return the exit code of the last."""
    config, _ = config_file.draft(path)
    socket = config.bridge.data_dir / bridge_status.SOCKET
    if not watch:
        return _once(socket, as_json=as_json)
    screen = sys.stdout.isatty() and not as_json
    code = OK
    try:
        if screen:
            click.echo(_ENTER, nl=False)
        while True:
            code = _page(socket) if screen else _once(socket, as_json=as_json)
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        return code
    finally:
        if screen:
            click.echo(_LEAVE, nl=False)


def _once(socket: Path, *, as_json: bool) -> int:
    try:
        state = bridge_status.ask(socket)
    except bridge_status.NotRunningError as error:
        if as_json:
            click.echo(json.dumps({"format": 1, "healthy": False, "running": False, "problems": [str(error)]}))
        click.echo(f"Error: {error}", err=True)
        return MISSING
    if as_json:
        click.echo(json.dumps(state, indent=None if not sys.stdout.isatty() else 2))
    else:
        for line in lines(state):
            click.echo(_coloured(line))
    return _code(state)


def _page(socket: Path) -> int:
    """Draw over what was drawn before, without a flicker; as many lines as the terminal has."""
    code = MISSING
    try:
        state = bridge_status.ask(socket)
        shown, code = lines(state), _code(state)
    except bridge_status.NotRunningError as error:
        shown = [Line(str(error), "bad")]
    width, height = shutil.get_terminal_size()
    cut = [Line(line.text[: width - 1], line.tone) for line in shown[: height - 1]]
    click.echo(_HOME + "".join(_coloured(line) + _LINE_END for line in cut) + _REST, nl=False)
    return code


def _coloured(line: Line) -> str:
    if line.tone == "dim":
        return click.style(line.text, dim=True)
    return click.style(line.text, fg=_COLOURS[line.tone]) if line.tone in _COLOURS else line.text


def _code(state: Mapping[str, Any]) -> int:
    return OK if state["healthy"] else FAILED

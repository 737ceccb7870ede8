"""A virtual board for a test, and the tools that a technician uses on it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pantau.node.ports import Port
from pantau_sim.board.node import Kind, VirtualBoard

MPREMOTE = Path(sys.executable).parent / "mpremote"


@contextlib.contextmanager
def switched_on(root: Path, kind: Kind | None = None, wiring=None, *, blank: bool = False) -> Iterator[VirtualBoard]:
    """A board that is on for as long as the block."""
    board = VirtualBoard(root, kind, wiring)
    try:
        asyncio.run(board.start_blank() if blank else board.start())
        yield board
    finally:
        asyncio.run(board.stop())
        board.close_port()


def port_of(board: VirtualBoard) -> Port:
    """The cable to a board."""
    return Port(board.port, board.serial)


def mpremote(board: VirtualBoard, *words: str, good: bool = True) -> str:
    """What mpremote's own command line says of the board."""
    done = subprocess.run(
        [MPREMOTE, "connect", board.port, *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode == 0) == good, done.stdout + done.stderr
    return done.stdout.replace("\r\n", "\n")

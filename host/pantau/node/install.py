"""Puts the application on a board: what differs and nothing else, in an order in which the cable may be pulled at any byte.

`a/ready` goes first and comes last: a slot without it is none, and the launcher does not take it. The launcher comes after the
slot, main.py at the very end, so that a board that had nothing stays at its REPL until all is there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pantau.node.board import NEW
from pantau.node.mpy import ARCHITECTURES
from pantau.node.trouble import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pantau.node.board import Board, Facts
    from pantau.node.mpy import Application

OLDEST = (1, 25, 0)  # MicroPython, docs/install-by-hand.md
MPY = 6  # format of .mpy files since MicroPython 1.19
SLOT = "/a/"
READY = "ready"
_BLOCK = 4096  # of littlefs: a file takes whole ones
_SPARE = 8 * _BLOCK  # folders, a file that stands twice while it is replaced, and what littlefs moves things with
_LAUNCHER = ("pantau_boot.mpy", "boot.py", "main.py")  # in this order
# Of installations before there were slots; source comes before .mpy where MicroPython looks for a module.
_FORMER = ("/pantau_boot.py", "/pantau_node", "/pantau_wire")


class Plan(NamedTuple):
    """What is to be done. ready: whether `a/ready` goes first; write: in this order; remove, afterwards: paths."""

    ready: bool
    remove: list[str]
    write: list[tuple[str, bytes]]
    afterwards: list[str]
    room: int  # bytes of the disk that it takes, at the most

    @property
    def size(self) -> int:
        """Return the bytes that go over the cable."""
        return sum(len(data) for _, data in self.write)


@dataclass(frozen=True, slots=True)
class Installed:
    """What was done, in files and bytes."""

    version: str
    release: int
    written: int
    kept: int
    removed: int
    size: int


def architecture(facts: Facts) -> str:
    """Return the architecture that mpy-cross compiles for; RefusedError for a board that cannot take the application."""
    if facts.version < OLDEST:
        raise RefusedError("install.old", version=".".join(map(str, facts.version)))
    if facts.mpy & 0xFF != MPY:
        raise RefusedError("install.mpy", has=facts.mpy & 0xFF, needs=MPY)
    return ARCHITECTURES.get(facts.mpy >> 10, "")


def plan(
    app: Application, release: int, sizes: Mapping[str, int], hashes: Mapping[str, str | None], slot: bytes | None
) -> Plan:
    """Return what a board needs that has files of these sizes and hashes, and whose file `slot` says this."""
    mark = json.dumps({"version": app.version, "release": release}, separators=(",", ":")).encode()
    wanted = {SLOT + name: data for name, data in app.slot.items()}
    stale = [path for path in sizes if path.startswith(SLOT) and path not in wanted and path != SLOT + READY]
    stale += [path for path in sizes if path.endswith(NEW) and path not in stale]
    write = [(path, data) for path, data in wanted.items() if hashes.get(path) != _sha(data)]
    is_ready = hashes.get(SLOT + READY) == _sha(mark)
    changed = bool(write or any(path.startswith(SLOT) for path in stale))
    if changed or not is_ready:
        write.append((SLOT + READY, mark))
    write += [("/" + n, app.launcher[n]) for n in _LAUNCHER if hashes.get("/" + n) != _sha(app.launcher[n])]
    if slot != b"a":
        write.append(("/slot", b"a"))
    # The launcher prefers source to .mpy: it goes as soon as there is the other, before main.py looks for either.
    former = [path for path in _FORMER if any(name == path or name.startswith(path + "/") for name in sizes)]
    afterwards = former + [path for path in ("/try",) if path in sizes]
    room = sum(_blocks(len(data)) for _, data in write)
    room -= sum(_blocks(sizes[path]) for path, _ in write if path in sizes) + sum(
        _blocks(sizes[path]) for path in stale
    )
    return Plan(changed and SLOT + READY in sizes, stale, write, afterwards, max(0, room) + (_SPARE if write else 0))


def hashed(app: Application) -> list[str]:
    """Return the paths whose hashes plan() needs."""
    return [SLOT + name for name in (*app.slot, READY)] + ["/" + name for name in app.launcher]


def install(
    board: Board,
    app: Application,
    release: int = 0,
    began: Callable[[int], object] | None = None,
    moved: Callable[[int], object] | None = None,
) -> Installed:
    """Bring a board to this application; began, moved: told of the bytes to come and of those that arrived.

    RefusedError before anything is written where the board is too old or its disk too small; UnreachedError when the cable goes,
    and calling it again finishes the job.
    """
    facts = board.facts()
    architecture(facts)
    sizes = board.sizes()
    there = [path for path in hashed(app) if path in sizes]
    slot = board.read("/slot") if "/slot" in sizes else None
    todo = plan(app, release, sizes, board.hashes(there), slot)
    if todo.room > facts.free:
        raise RefusedError("install.room", needs=-(-todo.room // 1024), free=facts.free // 1024)
    if began:
        began(todo.size)
    if todo.ready:
        board.remove(SLOT + READY)
    for path in todo.remove:
        board.remove(path)
    for path, data in todo.write:
        board.write(path, data, moved)
        if path == "/pantau_boot.mpy" and _FORMER[0] in todo.afterwards:
            board.remove(_FORMER[0])
    for path in todo.afterwards:
        board.remove(path)
    kept = len(app.slot) + len(app.launcher) + 1 - sum(path != "/slot" for path, _ in todo.write)
    return Installed(app.version, release, len(todo.write), kept, len(todo.remove) + len(todo.afterwards), todo.size)


def _blocks(size: int) -> int:
    return max(1, -(-size // _BLOCK)) * _BLOCK


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
